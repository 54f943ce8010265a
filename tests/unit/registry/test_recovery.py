"""What a start does before anything is served."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Unavailable
from ligan.registry.pushing import begin_upload
from ligan.registry.recovery import recover
from tests.support.registry_folders import NOW

if TYPE_CHECKING:
    from ligan.registry.index.database import Index
    from ligan.registry.storage.filesystem import FilesystemStorage


@pytest.mark.parametrize("was_cut_short", [False, True])
def test_a_start_syncs_what_a_crash_has_left_and_nothing_else(
    storage: FilesystemStorage, index: Index, monkeypatch: pytest.MonkeyPatch, was_cut_short: bool
) -> None:
    if was_cut_short:
        begin_upload(index, storage, "app", NOW, "2023-11-14T22:13:20Z")
    synced = []
    monkeypatch.setattr(storage, "sync", lambda: synced.append(storage.root))
    recover(index, storage, NOW, lambda *_progress: None)
    assert synced == [storage.root] * was_cut_short


def test_a_disk_that_cannot_be_synced_is_named(
    storage: FilesystemStorage, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_upload(index, storage, "app", NOW, "2023-11-14T22:13:20Z")

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error", storage.root)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "sync", fail)
        with pytest.raises(Unavailable, match="input/output error"):
            recover(index, storage, NOW, lambda *_progress: None)
    recover(index, storage, NOW, lambda *_progress: None)
