"""The classic builder, killed at every step: the store is sound, and the next build works."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ligan.containers.ending import reconcile
from ligan.errors import Invalid
from ligan.images import catalog
from tests.support.classic_builds import build
from tests.support.faults import REPOSITORY

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

POINTS = (
    *("ingest.synced", "commit.linked", "commit.rows", "commit.done", "create.rows", "snapshot.mounted"),
    *("start.marked", "start.rows", "finish.status", "finish.rows", "rm.rows"),
)


@pytest.mark.parametrize("point", POINTS)
def test_kill_at(point: str, home: Home) -> None:
    words = [sys.executable, "-m", "tests.support.classic_builds", home.root, point]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    home.store.recover()
    reconcile(home.store)
    assert home.engine.fsck() == []
    assert build(home.engine, "after").startswith("sha256:")
    container = home.create(config={"Image": "after", "Cmd": None})
    assert home.run_attached(container)[:2] == (0, b"x\nf")


def test_a_layer_too_many_is_no_fault_of_the_copy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_DEPTH", 3)  # busybox, WORKDIR, RUN
    with pytest.raises(Invalid, match=r"^max depth exceeded$"):
        build(home.engine, "deep")
    assert home.engine.fsck() == []
