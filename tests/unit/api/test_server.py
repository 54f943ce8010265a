from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support import archives
from tests.support.archives import Item

if TYPE_CHECKING:
    from pathlib import Path

USE_EVERY_VERB = """
import io, sys
from unittest.mock import Mock
from ligan.api.server import Api
from ligan.engine.embedded import open_engine
from ligan.images.importing import ImportRequest

Api(Mock(), Mock())
before = set(sys.modules)
engine = open_engine(sys.argv[1])
with open(sys.argv[2], "rb") as archive:
    engine.load(archive, lambda report: None)
engine.list_images({"until": ["1h"], "label": ["x"], "reference": ["*"]})
engine.image_usage(), engine.disk_usage(), engine.info()
engine.inspect_image("a:1"), engine.history("a:1"), engine.tag_image("a:1", "b:1")
engine.save(["a:1"], io.BytesIO())
engine.import_image(io.BytesIO(bytes(1024)), ImportRequest(changes=("ENV A=1",)))
engine.remove_images(["a:1", "nosuch"]), engine.prune_images({"dangling": ["false"]})
engine.close()
print(sorted(name for name in set(sys.modules) - before if name.startswith("ligan")))
"""


def test_no_verb_imports_what_the_server_has_not(tmp_path: Path) -> None:
    image = archives.image("ADD x", "2023-01-02T03:04:05Z", add=archives.layer({"x": b"x"}))
    archive = tmp_path / "archive.tar"
    archive.write_bytes(archives.docker_archive([Item(image, tags=("a:1",))]))
    command = [sys.executable, "-c", USE_EVERY_VERB, str(tmp_path / "root"), str(archive)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
