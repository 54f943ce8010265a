"""How a folder is compared with its index, one turn after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import NoSpace
from ligan.registry import verifying
from ligan.registry.adopting import take_in
from ligan.registry.index.database import open_index
from ligan.registry.recovery import open_registry
from ligan.registry.verifying import Verification
from tests.support.ligan_registry import check_registry
from tests.support.registry_folders import RegistryFolder, take_over

if TYPE_CHECKING:
    from pathlib import Path

    from ligan.registry.index.database import Index

REPOSITORIES = ("a", "b", "c")


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Return the root of a folder that another registry has pushed to since the last start."""
    root = f"{tmp_path}/registry"
    folder = RegistryFolder(root)
    folder.image("known", "v1")
    take_over(root)
    for name in REPOSITORIES:
        folder.image(name, "v1", layers=(name.encode(),))
    return root


def finish(verification: Verification, index: Index) -> int:
    """Return how many turns it takes."""
    turns = 1
    while not verification.go_on(index):
        turns += 1
    return turns


def test_a_turn_that_is_over_takes_up_nothing_more(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_TURN", -1)
    storage = open_registry(root)
    index = open_index(storage.index)
    verification = Verification(index, storage)
    assert finish(verification, index) == 256 + len(REPOSITORIES) + 1
    assert verification.taken.new == len(REPOSITORIES)
    index.close()
    check_registry(root)


def test_what_a_full_disk_rolls_back_is_looked_at_again(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_registry(root)
    index = open_index(storage.index)
    verification = Verification(index, storage)

    def fail(tx: object, storage: object, repository: str, find: object) -> None:
        take_in(tx, storage, repository, find)  # type: ignore[arg-type]  # passed on as they came
        if repository == "b":
            raise NoSpace("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(verifying, "take_in", fail)
        with pytest.raises(NoSpace):
            finish(verification, index)
    assert not verification.has_verified("a")
    assert index.read().column("SELECT name FROM repository") == ["known"]
    finish(verification, index)
    assert verification.taken.new == len(REPOSITORIES)
    assert index.read().column("SELECT name FROM repository ORDER BY name") == [*REPOSITORIES, "known"]
    index.close()
    check_registry(root)
