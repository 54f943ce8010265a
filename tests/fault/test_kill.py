"""Killed, or failed by the disk, at every step: a verb happened whole or not at all, and nothing is left."""

from __future__ import annotations

import os
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ligan.errors import LiganError, NoSpace, NotFound, Unavailable
from ligan.store import failpoints
from ligan.store.failpoints import POINTS
from tests.support import faults
from tests.support.stores import Stock, check_store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[str]:
    with TemporaryDirectory(dir=faults.MEMORY) as path:
        yield path


def scenarios_at(point: str) -> list[str]:
    return [name for name in faults.SCENARIOS if faults.reference_run(name).reached.get(point)]


OTHERS = (
    "tree.",
    "snapshot.",
    "start.",
    "finish.",
    "still.",
    "create.",
    "rm.",
    "step.",
    "build.",
    "registry",
)
"""Tried by tests/contract and tests/containers, which need root, by tests/unit/store/test_folders.py, and by
test_killed.py and test_undo.py of tests/registry."""

IMAGES = [point for point in POINTS if not point.startswith(OTHERS)]
"""The points of verbs on images."""


@pytest.mark.parametrize("point", IMAGES)
def test_kill_at(point: str, folder: str) -> None:
    names = scenarios_at(point)
    assert names, "no verb gets there: the point is dead, or a scenario is missing"
    for name in names:
        reached = faults.reference_run(name).reached[point]
        for nth in {1, reached}:
            root = os.path.join(folder, f"{name}-{nth}")
            faults.prepare(root, faults.SCENARIOS[name])
            faults.run_killed(root, faults.SCENARIOS[name].verb, point, nth)
            faults.run(root, "repair")
            check_interrupted(root, name)


# A verb that is done asks nothing more of the system: nothing can fail there.
@pytest.mark.parametrize("point", [point for point in IMAGES if not point.endswith(".done")])
@pytest.mark.parametrize(("action", "kind"), [("eio", Unavailable), ("enospc", NoSpace)])
def test_error_at(point: str, action: str, kind: type[LiganError], folder: str) -> None:
    for name in scenarios_at(point):
        root = os.path.join(folder, name)
        faults.prepare(root, faults.SCENARIOS[name])
        failpoints.arm(f"{point}={action}")
        try:
            with pytest.raises(kind):
                faults.run(root, faults.SCENARIOS[name].verb)
        finally:
            failpoints.disarm()
        if point.startswith(("ingest.", "commit.")) and "repair" not in faults.SCENARIOS[name].verb:
            check_store(root)  # a process that lives cleans up after itself
        faults.run(root, "repair")
        check_interrupted(root, name)


def check_interrupted(root: str, name: str) -> None:
    """Assert that the verb happened whole or not at all, left nothing behind, and succeeds when repeated."""
    scenario = faults.SCENARIOS[name]
    expected = faults.reference_run(name).states
    check_store(root)
    assert os.listdir(os.path.join(root, "ingest")) == []
    assert os.listdir(os.path.join(root, "trash")) == []
    found = faults.state(root)
    assert found in expected
    try:
        faults.run(root, scenario.verb)
    except NotFound:
        assert found == expected[-1], "what was not done cannot be missing"
    check_store(root)
    if found == expected[0]:
        assert faults.state(root) == expected[-1]


def test_an_unknown_point_or_action_is_refused() -> None:
    for specification in ("nowhere=kill", "tag.rows=burn", "tag.rows"):
        with pytest.raises(ValueError, match="no such failpoint"):
            failpoints.arm(specification)


def test_a_digest_staged_twice_is_taken_back_after_a_kill(folder: str) -> None:
    """Recovery compares the link with the file staged first, whoever staged the same bytes again."""
    root = os.path.join(folder, "root")
    stock = Stock(root)
    try:
        lease = stock.store.lease()
        staged = lease.write(b"bytes")
        with suppress(faults.Stop), stock.store.database.write() as tx:
            lease.commit(tx, [staged])
            assert lease.write(b"bytes") == staged
            raise faults.Stop
        os.close(lease._lock)  # as the kernel does for the dead
        assert os.listdir(stock.store.layout.blobs)
        stock.store.recover()
        assert not os.listdir(stock.store.layout.blobs)
    finally:
        stock.store.close()
    check_store(root)
