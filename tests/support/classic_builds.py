"""A classic build of a test; `python -m tests.support.classic_builds ROOT POINT` is killed at a failpoint."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from ligan.build.classic import ClassicRequest
from ligan.build.output import Output
from ligan.store import failpoints
from tests.differential.builds import context
from tests.support.homes import PARENT, Home

if TYPE_CHECKING:
    from ligan.engine.embedded import EmbeddedEngine

DOCKERFILE = "FROM busybox\nENV A=1\nWORKDIR /w\nRUN echo x > x\nCOPY f .\nCMD cat x f\n"


def build(engine: EmbeddedEngine, tag: str) -> str:
    """Return the ID of the image that is built."""
    request = ClassicRequest(
        tags=(tag,), no_cache=True, host_config={"NetworkMode": "none", "CgroupParent": PARENT}
    )
    tar = io.BytesIO(context(DOCKERFILE, {"f": "f"}))
    return engine.build_classic(tar, "Dockerfile", request, Output(lambda _batch: None), {})


if __name__ == "__main__":
    root, point = sys.argv[1:]
    home = Home(root)
    failpoints.arm(f"{point}=kill")
    build(home.engine, "killed")
