"""The archives that are loaded, each made once by a process of its own: python -m bench.corpus KIND PATH"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.support.archives import Item, docker_archive, image, layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BIG_NAME = "bench/big:1"
SMALL_FILES = (29_000, 35_000)
LARGE_LAYERS = 5
LARGE_LAYER_BYTES = 160_000_000
DANGLING = "dangling"
EPOCH = 1_700_000_000


def archive(kind: str, work: str) -> str:
    """Return the path of an archive below `work`, making it if it is not there.

    `big` is an image of real files; `dangling` is 500 images without names; a number is as many
    images with names, of which each archive holds those of the smaller ones too.
    """
    path = os.path.join(work, f"{kind}.tar")
    if not os.path.exists(path):
        subprocess.run([sys.executable, "-m", "bench.corpus", kind, f"{path}.part"], check=True)
        os.rename(f"{path}.part", path)
    with open(path, "rb", buffering=0) as file:  # every contender finds it in the page cache
        while file.read(1 << 20):
            pass
    return path


def name(number: int) -> str:
    return f"bench/app-{number}:1"


def many_images(count: int) -> Iterator[Item]:
    """Yield `count` images with a name each. Ten differ by settings alone, as rebuilds often do."""
    bases = [image(f"ADD base {i}", _time(i), add=layer({"base": str(i).encode() * 500})) for i in range(10)]
    for start in range(0, count, 10):
        base = bases[start // 10 % 10]
        step = f"COPY app {start}"
        added = layer({f"app/{start}": str(start).encode() * 100})
        for number in range(start, min(start + 10, count)):
            made = image(step, _time(number), parent=base, add=added, labels={"number": str(number)})
            yield Item(made, (name(number),))


def dangling_images(count: int) -> Iterator[Item]:
    """Yield `count` images that lost their name to a rebuild: each has a layer of its own."""
    base = image("ADD base 0", _time(0), add=layer({"base": b"0" * 500}))
    for number in range(count):
        added = layer({f"dangling/{number}": str(number).encode() * 100})
        yield Item(image(f"COPY old {number}", _time(number), parent=base, add=added))


def layered_images(base: str, counts: Sequence[int]) -> Iterator[Item]:
    """Yield an image of each count of layers, on busybox of the archive `base`: bench/layers:COUNT."""
    with tarfile.open(base) as tar:
        manifest = json.loads(_member(tar, "manifest.json"))
        entry = next(entry for entry in manifest if "busybox:latest" in (entry["RepoTags"] or ()))
        bottom = _member(tar, entry["Layers"][0])
    for count in counts:
        made = image("ADD busybox", _time(0), add=bottom)
        for number in range(1, count):
            added = layer({f"layers/{number}": str(number).encode()})
            made = image(f"COPY {number}", _time(number), parent=made, add=added)
        yield Item(made, (f"bench/layers:{count}",))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def _time(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH + number))


class _File(NamedTuple):
    path: str
    size: int


def write_big(path: str) -> None:
    """Write a docker-archive of seven layers and some 64,000 entries, about 1 GB, from this machine's files.

    Two layers are of small files, five of large ones, taken in the order of their paths. A machine
    with too few is walked again, under another top folder.
    """
    files = list(_files(("/usr", sysconfig.get_path("stdlib"))))
    small = _endless([file for file in files if file.size < 16_384])
    large = _endless([file for file in files if 262_144 <= file.size < 64_000_000])
    layers = []
    for number in range(LARGE_LAYERS):
        layers.append(f"{path}.{number}")
        _write_layer(layers[-1], _up_to(large, LARGE_LAYER_BYTES))
    for count in SMALL_FILES:
        layers.append(f"{path}.{count}")
        _write_layer(layers[-1], itertools.islice(small, count))
    _write_archive(path, layers)
    for part in layers:
        os.unlink(part)


def _files(roots: Sequence[str]) -> Iterator[_File]:
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for entry in sorted(names):
                path = os.path.join(folder, entry)
                if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                    yield _File(path, os.path.getsize(path))


def _endless(files: Sequence[_File]) -> Iterator[tuple[str, _File]]:
    """Yield each file with a name in the image that no other has."""
    for again in itertools.count():
        for file in files:
            yield f"{again}{file.path}", file


def _up_to(files: Iterator[tuple[str, _File]], size: int) -> Iterator[tuple[str, _File]]:
    while size > 0:
        entry = next(files)
        size -= entry[1].size
        yield entry


def _write_layer(path: str, files: Iterator[tuple[str, _File]]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry, file in files:
            member = tarfile.TarInfo(entry)
            member.size = file.size
            member.mode = os.stat(file.path).st_mode & 0o777
            member.mtime = EPOCH
            with open(file.path, "rb") as content:
                tar.addfile(member, content)


def _write_archive(path: str, layers: Sequence[str]) -> None:
    diff_ids = []
    for part in layers:
        with open(part, "rb") as file:
            diff_ids.append(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    row = {"created": _time(0), "created_by": "ADD files"}
    config = {
        "architecture": "amd64",
        "config": {"Cmd": ["sh"]},
        "created": _time(0),
        "history": [row] * len(layers),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    raw = json.dumps(config).encode()
    config_name = f"{hashlib.sha256(raw).hexdigest()}.json"
    paths = [f"{diff_id[7:]}/layer.tar" for diff_id in diff_ids]
    manifest = [{"Config": config_name, "RepoTags": [BIG_NAME], "Layers": paths}]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for entry, content in ((config_name, raw), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(entry)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for entry, part in zip(paths, layers, strict=True):
            tar.add(part, entry)


def main(kind: str, path: str) -> None:
    if kind == "big":
        write_big(path)
        return
    items = dangling_images(500) if kind == DANGLING else many_images(int(kind))
    with open(path, "wb") as file:
        file.write(docker_archive(items))


if __name__ == "__main__":
    main(*sys.argv[1:])
