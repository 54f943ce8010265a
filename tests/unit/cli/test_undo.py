from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ligan.images.pins import Pin
from ligan.insight.outcome import UndoOutcome
from ligan.insight.undo import NoSuchEntry, UndoEntry
from tests.support.fake_engine import ID, KEPT, OTHER_ID, FakeEngine

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

NOW = time.time_ns()


def test_undo_tells_what_came_back(ligan: CommandLine) -> None:
    outcome = UndoOutcome(3, "ligan rmi app:1", (ID, OTHER_ID), (OTHER_ID,), ("app:1", "b:1"), ("b:1",), None)
    engine = FakeEngine(undo=outcome)
    assert ligan("undo", engine=engine) == (
        0,
        f"Restored: {ID}\nAlready there: {OTHER_ID}\nTagged: app:1\nMoved back: b:1\n",
        "ligan: undone: ligan rmi app:1\n",
    )
    ligan("undo", "-f", "3", engine=engine)
    assert engine.calls == [("undo", (None,), {"force": False}), ("undo", (3,), {"force": True})]


def test_a_dry_run_tells_what_would_come_back(ligan: CommandLine) -> None:
    engine = FakeEngine(plan_undo=UndoOutcome(3, "ligan rmi app:1", (ID,), (), ("app:1",), (), None))
    assert ligan("undo", "--dry-run", "-f", "3", engine=engine) == (
        0,
        f"Restored: {ID}\nTagged: app:1\n",
        "ligan: would undo: ligan rmi app:1\n",
    )
    assert engine.calls == [("plan_undo", (3,), {"force": True})]


def test_an_undo_that_moves_names_can_be_undone_too(ligan: CommandLine) -> None:
    engine = FakeEngine(undo=UndoOutcome(3, "x", (), (), ("b:1",), ("b:1",), KEPT))
    assert "bring it back: ligan undo 3" in ligan("undo", "--force", engine=engine).err


def test_undo_of_nothing(ligan: CommandLine) -> None:
    assert ligan("undo", engine=FakeEngine(undo=NoSuchEntry(None))) == (1, "", "there is nothing to undo\n")
    assert ligan("undo", "7", engine=FakeEngine(undo=NoSuchEntry(7))) == (
        1,
        "",
        "No such undo entry: 7\nligan: List the entries with `ligan undo --list`.\n",
    )


ENTRY = UndoEntry(3, "ligan rmi app:1", NOW - 5400 * 10**9, NOW, ("app:1",), (ID,), 1986042)


def test_undo_lists_entries(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ligan.cli.undo.local_minute", lambda _time: "2026-11-22 07:50")
    engine = FakeEngine(undo_entries=[ENTRY])
    assert ligan("undo", "--list", engine=engine) == (
        0,
        "ENTRY     WHEN          KEPT UNTIL         FREES     COMMAND\n"
        "3         2 hours ago   2026-11-22 07:50   1.986MB   ligan rmi app:1\n",
        "",
    )
    out = ligan("undo", "-l", "--format", "{{.ID}} {{.Names}} {{.Images}}", engine=engine).out
    assert out == f"3 app:1 {ID}\n"


@pytest.mark.parametrize("word", ["x", "-", "1.5", "٣", "9" * 19, "9" * 5000])
def test_an_entry_is_a_number(ligan: CommandLine, word: str) -> None:
    for verb in ("undo", "reclaim"):
        assert ligan(verb, word, engine=FakeEngine()) == (
            1,
            "",
            f'"{word}" is not the number of an undo entry: see ligan undo --list\n',
        )


def test_reclaim_frees_what_is_named(ligan: CommandLine) -> None:
    engine = FakeEngine(reclaim=2048, undo_entries=[])
    for words in (["3", "4"], ["--all"], []):
        assert ligan("reclaim", *words, engine=engine) == (0, "Total reclaimed space: 2.048kB\n", "")
    assert [call for call in engine.calls if call[0] == "reclaim"] == [
        ("reclaim", ([3, 4],), {"drop_all": False}),
        ("reclaim", ([],), {"drop_all": True}),
        ("reclaim", ([],), {"drop_all": False}),
    ]
    assert ligan("reclaim", "--all", "3").err == "name entries or give --all, not both\n"


def test_a_dry_run_of_reclaim_frees_nothing(ligan: CommandLine) -> None:
    engine = FakeEngine(plan_reclaim=2048)
    assert ligan("reclaim", "--dry-run", "3", engine=engine) == (
        0,
        "Freed at once:  2048 bytes (2.048kB)\n",
        "",
    )
    assert engine.calls == [("plan_reclaim", ([3],), {"drop_all": False})]


def test_reclaim_says_that_entries_are_not_due(ligan: CommandLine) -> None:
    engine = FakeEngine(reclaim=0, undo_entries=[ENTRY, ENTRY])
    assert ligan("reclaim", engine=engine).err == (
        "ligan: 2 undo entries are not due yet: ligan undo --list; free all: ligan reclaim --all\n"
    )


def test_pins(ligan: CommandLine) -> None:
    hour_ago = time.time_ns() - 3700 * 10**9
    engine = FakeEngine(pin=lambda target, _reason: target, unpin=None, pins=[Pin("app:*", hour_ago, "live")])
    assert ligan("pin", "-r", "live", "app:*", "b", engine=engine) == (0, "app:*\nb\n", "")
    assert engine.calls[0] == ("pin", ("app:*", "live"), {})
    assert ligan("pins", engine=engine).out == (
        "PIN       SINCE               REASON\napp:*     About an hour ago   live\n"
    )
    assert ligan("pins", "--format", "{{.Pattern}}", engine=engine).out == "app:*\n"
    assert ligan("unpin", "app:*", "b", engine=engine) == (0, "app:*\nb\n", "")
