from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import NotFound
from ligan.images.removal import Row
from ligan.insight.outcome import ArgumentOutcome, RemovalOutcome
from ligan.insight.plan import PlanOutdated, Refused, from_json, to_json
from ligan.insight.why import FormerName, Holder, Why
from ligan.oci.digest import Digest
from tests.support.fake_engine import ID, NOTHING, FakeEngine, plan

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

HELD = Why(
    "image",
    Digest(ID),
    (
        Holder("tag", "app:1", "", True),
        Holder("child", "ba9876543210", "<none>, was app:2", True),
        Holder("sharing", "ba9876543210", "other:1", False),
    ),
    (FormerName("old:1", 0),),
    ("ligan unpin 'a*'", "ligan rmi app:1"),
    2048,
)


def test_why_shows_holders_sharers_former_names_and_what_to_do(
    ligan: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ligan.cli.insight.local_minute", lambda _time: "1970-01-01 00:00")
    assert ligan("why", "app:1", engine=FakeEngine(why=HELD)) == (
        0,
        f"image {ID}\n\n"
        "HELD BY   NAME           DETAIL\n"
        "tag       app:1\n"
        "child     ba9876543210   <none>, was app:2\n\n"
        "Images that share its layers:\n  ba9876543210   other:1\n\n"
        "Was called:\n  old:1   until 1970-01-01 00:00\n\n"
        "To free 2.048kB (2048 bytes):\n  ligan unpin 'a*'\n  ligan rmi app:1\n",
        "",
    )


def test_why_of_what_nothing_holds(ligan: CommandLine) -> None:
    nothing = Why("blob", Digest(ID), (), (), (), 0)
    assert ligan("why", ID, engine=FakeEngine(why=nothing)).out == f"blob {ID}\n\nNothing holds it.\n"


def test_why_for_scripts(ligan: CommandLine) -> None:
    document = json.loads(ligan("why", "--format", "json", "app:1", engine=FakeEngine(why=HELD)).out)
    assert document["id"] == ID
    assert document["holders"][0] == {"kind": "tag", "name": "app:1", "detail": "", "blocks": True}
    assert document["commands"] == ["ligan unpin 'a*'", "ligan rmi app:1"]
    assert document["bytes"] == 2048


def test_only_json_is_a_format(ligan: CommandLine) -> None:
    engine = FakeEngine(why=HELD)
    assert ligan("why", "--format", "{{.}}", "x", engine=engine).err == (
        'unknown format "{{.}}": the only one is json\n'
    )


ROWS = (Row("Untagged", "app:1"), Row("Deleted", ID))


def test_plan_hands_its_flags_on(ligan: CommandLine) -> None:
    engine = FakeEngine(plan_removal=plan(), plan_prune=plan())
    ligan("plan", "rmi", "-f", "--no-prune", "--now", "a", "b", engine=engine)
    ligan("plan", "prune", "-a", "--filter", "label=x", engine=engine)
    assert engine.calls == [
        ("plan_removal", (["a", "b"],), {"force": True, "prune_parents": False, "now": True}),
        ("plan_prune", ({"label": ["x"], "dangling": ["false"]},), {"now": False}),
    ]


def test_a_plan_is_shown_and_saved(ligan: CommandLine, tmp_path: Any) -> None:
    made = plan(*ROWS)
    path = tmp_path / "plan.json"
    assert ligan("plan", "rmi", "-o", str(path), "app:1", engine=FakeEngine(plan_removal=made)) == (
        0,
        f"Untagged: app:1\nDeleted: {ID}\n\n"
        "Freed at once:  0 bytes (0B)\nKept for undo:  2048 bytes (2.048kB)\n",
        "",
    )
    assert from_json(path.read_text()) == made


def test_a_plan_for_scripts_is_what_apply_reads(ligan: CommandLine) -> None:
    made = plan(*ROWS, refused=(Refused("x", "No such image: x:latest"),))
    status, out, _ = ligan("plan", "rmi", "--format", "json", "x", engine=FakeEngine(plan_removal=made))
    assert status == 1
    assert from_json(out) == made


def test_apply_does_what_the_plan_says(ligan: CommandLine, tmp_path: Any) -> None:
    path = tmp_path / "plan.json"
    for verb in ("rmi", "prune"):
        made = plan(*ROWS, verb=verb)
        path.write_text(to_json(made))
        engine = FakeEngine(apply_plan=RemovalOutcome((ArgumentOutcome("app:1", ROWS, None),), NOTHING))
        assert ligan("apply", str(path), engine=engine) == (0, f"Untagged: app:1\nDeleted: {ID}\n", "")
        assert engine.calls == [("apply_plan", (made,), {})]


def test_apply_tells_what_is_refused(ligan: CommandLine, tmp_path: Any) -> None:
    path = tmp_path / "plan.json"
    path.write_text(to_json(plan()))
    outcome = RemovalOutcome((ArgumentOutcome("x", (), NotFound("No such image: x:latest")),), NOTHING)
    assert ligan("apply", str(path), engine=FakeEngine(apply_plan=outcome)).status == 1


def test_apply_refuses_where_the_store_moved_on(ligan: CommandLine, tmp_path: Any) -> None:
    path = tmp_path / "plan.json"
    path.write_text(to_json(plan()))
    engine = FakeEngine(apply_plan=PlanOutdated(["it would also say Untagged: b:1"]))
    assert ligan("apply", str(path), engine=engine) == (
        1,
        "",
        "the store has changed since the plan was made: it would also say Untagged: b:1\n"
        "ligan: Nothing was deleted. Make a new plan.\n",
    )


def test_apply_refuses_what_is_no_plan(ligan: CommandLine, tmp_path: Any) -> None:
    path = tmp_path / "plan.json"
    assert ligan("apply", str(path)).err == f"open {path}: no such file or directory\n"
    path.write_bytes(b"\xff")
    assert ligan("apply", str(path)).err == f"{path}: not a plan: it is not UTF-8\n"
    for text, fault in (("[]", "it is no object"), ('{"format": 2}', "it lacks 'rows'")):
        path.write_text(text)
        assert ligan("apply", str(path)).err == (
            f"not a plan: {fault}\n"
            "ligan: `ligan plan rmi` and `ligan plan prune` write plans, with -o FILE.\n"
        )
