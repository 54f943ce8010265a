"""What a runtime needs in a root file system, and the image has not, is no change of the container.

The lists are what dockerd 20.10.24 answers for the same image and commands.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from ligan.containers.committing import CommitRequest
from ligan.images.importing import ImportRequest
from tests.support.trees import PLACES

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root


@pytest.fixture(params=["", "vfs"])
def bare(home: Home, busybox: str, request: pytest.FixtureRequest) -> Home:
    """A store with the image `bare`, which holds one static binary, for each way to have layers."""
    home.store.policy = home.store.policy.replace(storage_driver=request.param)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add(f"{busybox}/bin/busybox", "busybox")
    tar.seek(0)
    home.engine.import_image(tar, ImportRequest("bare"))
    return home


def changes(home: Home, container: str) -> list[str]:
    return [f"{kind} {path}" for path, kind in home.engine.container_changes(container).items()]


def test_a_run_changes_nothing_of_itself(bare: Home) -> None:
    container = bare.create("/busybox", "echo", "ran", config={"Image": "bare"}, Tmpfs={"/t/mp": ""})
    assert changes(bare, container) == []
    assert bare.run_attached(container) == (0, b"ran\n", b"")
    assert changes(bare, container) == ["A /t", "A /t/mp"]
    exported = io.BytesIO()
    bare.engine.export_container(container, exported)
    exported.seek(0)
    with tarfile.open(fileobj=exported) as archive:
        assert sorted(archive.getnames()) == sorted([*PLACES, "busybox", "t", "t/mp"])


def test_what_a_container_does_beside_them_is_a_change(bare: Home) -> None:
    container = bare.create("/busybox", "touch", "/etc/made", config={"Image": "bare"})
    assert bare.run_attached(container)[0] == 0
    assert changes(bare, container) == ["C /etc", "A /etc/made"]


def test_commit_of_a_run_that_changed_nothing_adds_no_layer(bare: Home) -> None:
    container = bare.create("/busybox", "true", config={"Image": "bare"})
    assert bare.run_attached(container)[0] == 0
    image = bare.engine.commit_container(container, CommitRequest("made"))
    before, after = [bare.engine.inspect_image(name)["RootFS"] for name in ("bare", image)]
    assert before["Layers"] == after["Layers"]
