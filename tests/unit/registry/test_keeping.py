"""What undo keeps, and when it lets go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import NoSpace
from ligan.oci.digest import sha256
from ligan.registry.deleting import carry_out, release_expired
from ligan.registry.keeping import Deletion, UndoPolicy, drop_due, held_by_undo, make_room, with_room
from ligan.registry.pushing import LEASE_SECONDS
from ligan.registry.undoing import entries
from tests.support.ligan_registry import push_blob

if TYPE_CHECKING:
    from ligan.registry.index.database import Index
    from ligan.registry.keeping import Report
    from ligan.registry.storage.filesystem import FilesystemStorage

NOW = 1_700_000_000 * 10**9
HOUR = 3600 * 10**9
KEEPING = UndoPolicy(HOUR, 1.0)
LAYER = b"a layer"


def delete(
    index: Index,
    storage: FilesystemStorage,
    repository: str,
    data: bytes = LAYER,
    policy: UndoPolicy = KEEPING,
) -> Report:
    with index.write() as tx:
        deletion = Deletion(tx, storage, policy, "rm", NOW)
        deletion.of(repository).remove_blob(sha256(data))
        report = deletion.finish()
    carry_out(index, storage)
    return report


def test_entry_goes_when_its_time_is_over(index: Index, storage: FilesystemStorage) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    report = delete(index, storage, "app")
    assert (report.until, report.deleted.held, report.deleted.freed) == (NOW + HOUR, len(LAYER), 0)
    assert drop_due(index, storage, NOW + HOUR - 1) == 0
    assert storage.has_blob(sha256(LAYER), len(LAYER))
    assert drop_due(index, storage, NOW + HOUR) == len(LAYER)
    assert list(storage.blobs()) == []


def test_lease_that_ends_leaves_to_undo_what_that_holds(index: Index, storage: FilesystemStorage) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    push_blob(index, storage, "other", LAYER, NOW)
    assert delete(index, storage, "app").deleted.leased == len(LAYER)
    assert release_expired(index, storage, NOW + LEASE_SECONDS * 10**9) == 0
    assert held_by_undo(index.read()) == len(LAYER)


def test_room_is_made_by_the_oldest_entries_until_bytes_are_free(
    index: Index, storage: FilesystemStorage
) -> None:
    for repository in ("one", "two"):
        push_blob(index, storage, repository, LAYER, NOW)
        delete(index, storage, repository)  # the second holds the same
    push_blob(index, storage, "three", b"another", NOW)
    delete(index, storage, "three", b"another")
    assert make_room(index, storage)
    assert [entry.tags + entry.manifests for entry in entries(index.read())] == [()]
    assert held_by_undo(index.read()) == len(b"another")
    assert make_room(index, storage)
    assert not make_room(index, storage)


def test_work_is_done_again_as_long_as_room_can_be_made(index: Index, storage: FilesystemStorage) -> None:
    for data in (b"1", b"22"):
        push_blob(index, storage, "app", data, NOW)
        delete(index, storage, "app", data)
    held = []

    def work() -> None:
        held.append(held_by_undo(index.read()))
        raise NoSpace("no space left")

    with pytest.raises(NoSpace):
        with_room(index, storage, work)
    assert held == [3, 2, 0]


def test_budget_counts_what_all_entries_hold(index: Index, storage: FilesystemStorage) -> None:
    policy = UndoPolicy(HOUR, 1.0, budget=10)
    for data in (LAYER, b"another"):
        push_blob(index, storage, "app", data, NOW)
    assert delete(index, storage, "app", LAYER, policy).entry is not None
    report = delete(index, storage, "app", b"another", policy)
    assert (report.entry, report.deleted.freed) == (None, 7)
    assert report.reason == "more than undo_budget would be held"
