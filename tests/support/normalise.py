"""Two answers are the same if they differ only where Docker's own answers differ from run to run."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tarfile

_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}|\b[0-9a-f]{12}\b")
_NO_TIME = "0001-01-01T00:00:00Z"


def listing(text: str) -> str:
    """Order the rows of one image: Docker prints its repositories in random order."""
    rows = itertools.groupby(text.splitlines(), key=lambda row: _IMAGE_ID.findall(row)[-1:])
    return "\n".join(row for _, group in rows for row in sorted(group))


def inspection(text: str) -> str:
    """Leave out where the layers lie, and at what time a name was given."""
    text = re.sub(r'("GraphDriver": )\{.*?\n {8}\}', r"\1{}", text, flags=re.DOTALL)
    return re.sub(rf'("LastTagTime": )"(?!{_NO_TIME})[^"]*"', r'\1"a time"', text)


def pruning(text: str) -> str:
    """Order the rows of a prune: Docker takes the images in random order."""
    head, *rows = text.splitlines() or [""]
    return "\n".join([head, *sorted(rows)])


def data_paths(text: str) -> str:
    """Leave out where a daemon keeps its files: some errors of Docker name them."""
    return re.sub(r"/\S*/(docker-import-\d+|image/\w+)/", "DATA/", text)


def saved(archive: bytes) -> str:
    """Describe a docker-archive of the 20.10 layout, whatever the order of its images.

    Of several equal layers Docker writes the first as a file and the others as links, and which
    image comes first is random; so a link is described by what it leads to.
    """
    described = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            name = member.name
            if member.isdir():
                described.append(f"{name}/ {member.mode:o}")
                continue
            target = f"{name.partition('/')[0]}/{member.linkname}" if member.issym() else name
            file = tar.extractfile(re.sub(r"[^/]+/\.\./", "", target))
            assert file is not None, f"{name} leads nowhere"
            content = file.read()
            if name == "manifest.json":
                manifest = sorted(json.loads(content), key=lambda item: str(item["Config"]))
                described.append(f"{name} {member.mode:o} {member.mtime} {json.dumps(manifest)}")
            else:
                kind = "layer" if name.endswith("/layer.tar") else f"{member.mode:o}"
                described.append(f"{name} {kind} {hashlib.sha256(content).hexdigest()}")
    return "\n".join(sorted(described))
