from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import LiganError, NotFound
from ligan.images.removal import ImageInUse, Row
from ligan.insight.outcome import (
    DISK_FULL,
    NOW,
    ArgumentOutcome,
    PruneOutcome,
    RemovalOutcome,
    Report,
)
from ligan.insight.plan import Refused, Stays
from ligan.insight.why import Why
from ligan.oci.digest import Digest
from tests.support.fake_engine import ID, KEPT, NOTHING, OTHER_ID, FakeEngine, plan

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

UNTAGGED, DELETED = Row("Untagged", "app:1"), Row("Deleted", ID)
HINT_OF_KEPT = (
    "ligan: 1.986MB kept for undo until 2027-01-15 08:00; bring it back: ligan undo 3; "
    "free it now: ligan reclaim 3\n"
)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def removal(*arguments: ArgumentOutcome, report: Report = NOTHING) -> RemovalOutcome:
    return RemovalOutcome(arguments, report)


def done(*rows: Row, name: str = "app:1") -> ArgumentOutcome:
    return ArgumentOutcome(name, rows, None)


def refused(error: LiganError, name: str = "app:1") -> ArgumentOutcome:
    return ArgumentOutcome(name, (), error)


def test_rmi_prints_dockers_rows_and_what_is_kept_on_stderr(ligan: CommandLine) -> None:
    engine = FakeEngine(remove_images=removal(done(UNTAGGED, DELETED), report=KEPT))
    assert ligan("rmi", "app:1", engine=engine) == (0, f"Untagged: app:1\nDeleted: {ID}\n", HINT_OF_KEPT)
    assert engine.calls == [
        ("remove_images", (["app:1"],), {"force": False, "prune_parents": True, "now": False})
    ]


def test_rmi_hands_its_flags_on(ligan: CommandLine) -> None:
    engine = FakeEngine(remove_images=removal(done()))
    ligan("image", "rm", "-f", "--no-prune", "--now", "a", "b", engine=engine)
    assert engine.calls == [
        ("remove_images", (["a", "b"],), {"force": True, "prune_parents": False, "now": True})
    ]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (NOTHING, ""),
        (Report(2048, 0, None, None, NOW), "ligan: 2.048kB freed\n"),
        (
            Report(2048, 0, None, None, DISK_FULL),
            f"ligan: 2.048kB freed, nothing kept for undo: {DISK_FULL}\n",
        ),
        (
            Report(0, 0, 4, 1_800_000_000_000_000_000, ""),
            "ligan: kept for undo until 2027-01-15 08:00; bring it back: ligan undo 4\n",
        ),
    ],
)
def test_what_became_of_the_bytes_is_told(ligan: CommandLine, report: Report, words: str) -> None:
    engine = FakeEngine(remove_images=removal(done(UNTAGGED), report=report))
    assert ligan("rmi", "app:1", engine=engine) == (0, "Untagged: app:1\n", words)


def test_rows_come_first_and_all_errors_after_them(ligan: CommandLine) -> None:
    outcome = removal(
        done(UNTAGGED),
        refused(NotFound("No such image: x:latest")),
        refused(NotFound("No such image: y:latest", "Look.")),
    )
    assert ligan("rmi", "app:1", "x", "y", engine=FakeEngine(remove_images=outcome)) == (
        1,
        "Untagged: app:1\n",
        "Error response from daemon: No such image: x:latest\n"
        "Error response from daemon: No such image: y:latest\nligan: Look.\n",
    )


def test_forced_removal_of_what_is_not_there_is_no_failure(ligan: CommandLine) -> None:
    """Golden c_two_tags."""
    missing = refused(NotFound("No such image: x:latest"))
    message = "Error response from daemon: No such image: x:latest\n"
    assert ligan("rmi", "-f", "x", engine=FakeEngine(remove_images=removal(missing))) == (0, "", message)
    held = refused(ImageInUse(ID, "image has dependent child images", forceable=False))
    why = Why("image", Digest(ID), (), (), (), 0)
    engine = FakeEngine(remove_images=removal(missing, held), why=why)
    assert ligan("rmi", "-f", "x", "y", engine=engine).status == 1


def test_a_refused_removal_ends_with_what_holds_the_image(ligan: CommandLine) -> None:
    error = ImageInUse(ID, "image is referenced in multiple repositories", forceable=True)
    why = Why("image", Digest(ID), (), (), ("ligan unpin 'a*'", "ligan rmi a:1 b:1"), 10)
    engine = FakeEngine(remove_images=removal(refused(error)), why=why)
    assert ligan("rmi", "app:1", engine=engine) == (
        1,
        "",
        "Error response from daemon: conflict: unable to delete 0123456789ab (must be forced) - "
        "image is referenced in multiple repositories\n"
        "ligan: see what holds it: ligan why app:1\n"
        "ligan: what would free it: ligan unpin 'a*' && ligan rmi a:1 b:1\n",
    )


def test_a_hint_that_fails_does_not_hide_the_error(ligan: CommandLine) -> None:
    error = ImageInUse(ID, "image has dependent child images", forceable=False)
    engine = FakeEngine(remove_images=removal(refused(error)), why=NotFound("gone"))
    assert ligan("rmi", "app:1", engine=engine).err.count("\n") == 2


def test_a_dry_run_shows_the_plan_and_deletes_nothing(ligan: CommandLine) -> None:
    engine = FakeEngine(plan_removal=plan(UNTAGGED, DELETED, refused=(Refused("x", "No such image: x"),)))
    assert ligan("rmi", "--dry-run", "app:1", "x", engine=engine) == (
        1,
        f"Untagged: app:1\nDeleted: {ID}\nRefused: x: No such image: x\n\n"
        "Freed at once:  0 bytes (0B)\nKept for undo:  2048 bytes (2.048kB)\n",
        "",
    )
    engine = FakeEngine(plan_prune=plan(recoverable=0, reason=DISK_FULL))
    assert ligan("image", "prune", "--dry-run", engine=engine) == (
        0,
        "Nothing would be deleted.\n\nFreed at once:  0 bytes (0B)\nKept for undo:  0 bytes (0B)\n",
        f"ligan: nothing would be kept for undo: {DISK_FULL}\n",
    )


def test_a_plan_names_what_stays_and_the_first_of_its_holders(ligan: CommandLine) -> None:
    stays = (
        Stays(OTHER_ID, ("app:1",), ("tag app:2",)),
        Stays(ID, (), tuple(f"child {number}" for number in range(7))),
    )
    out = ligan("rmi", "--dry-run", "app:1", engine=FakeEngine(plan_removal=plan(UNTAGGED, stays=stays))).out
    assert out.splitlines()[:3] == [
        "Untagged: app:1",
        f"Stays: {OTHER_ID}, by tag app:2",
        f"Stays: {ID}, by child 0, child 1, child 2, child 3, child 4 and 2 more",
    ]


DANGLING = "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] "
UNUSED = (
    "WARNING! This will remove all images without at least one container associated to them.\n"
    "Are you sure you want to continue? [y/N] "
)


@pytest.mark.parametrize("answer", [b"", b"n\n", b"\n", b"yes\n", b"no\n"])
def test_prune_does_nothing_unless_told_yes(ligan: CommandLine, answer: bytes) -> None:
    assert ligan("image", "prune", stdin=answer, engine=FakeEngine()) == (0, DANGLING, "")
    assert ligan("image", "prune", "-a", stdin=answer, engine=FakeEngine()) == (0, UNUSED, "")


@pytest.mark.parametrize("answer", [b"y\n", b"Y\n", b"y", b" y \n"])
def test_prune_prints_its_rows_in_small_letters(ligan: CommandLine, answer: bytes) -> None:
    engine = FakeEngine(prune_images=PruneOutcome((UNTAGGED, DELETED), 2048, KEPT))
    rows = f"Deleted Images:\nuntagged: app:1\ndeleted: {ID}\n\nTotal reclaimed space: 2.048kB\n"
    assert ligan("image", "prune", stdin=answer, engine=engine) == (0, DANGLING + rows, HINT_OF_KEPT)


@pytest.mark.parametrize(
    ("words", "filters"),
    [
        (["-f"], {"dangling": ["true"]}),
        (["-af"], {"dangling": ["false"]}),
        (["-f", "--filter", "dangling=false"], {"dangling": ["false", "true"]}),
        (["-f", "--filter", "label!=a=b"], {"label!": ["a=b"], "dangling": ["true"]}),
    ],
)
def test_prune_adds_its_own_filter(ligan: CommandLine, words: list[str], filters: object) -> None:
    engine = FakeEngine(prune_images=PruneOutcome((), 0, NOTHING))
    assert ligan("image", "prune", *words, engine=engine) == (0, "Total reclaimed space: 0B\n", "")
    assert engine.calls == [("prune_images", (filters,), {"now": False})]
