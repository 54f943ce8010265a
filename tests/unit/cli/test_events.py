"""`events`: lines and templates as docker's client writes them, and where they end."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ligan.images.events import Event
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.conftest import CommandLine

SECOND = 10**9
EVENTS = [
    Event(1, 5 * SECOND + 7, "container", "create", "c1", {"name": "web", "image": "app"}),
    Event(2, 6 * SECOND, "volume", "destroy", "vol", {}),
]


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def engine(events: list[Event]) -> FakeEngine:
    def after(key: int, limit: int) -> list[Event]:
        return [event for event in events if event.key > key][:limit]

    def last() -> int:
        return max((event.key for event in events), default=0)

    return FakeEngine(last_event=last, event_before=lambda _at: 0, events_after=after)


def shown(ligan: CommandLine, *words: str) -> Any:
    return ligan("events", "--since", "0", "--until", "100", *words, engine=engine(EVENTS))


def test_lines(ligan: CommandLine) -> None:
    assert shown(ligan).out == (
        "1970-01-01T09:00:05.000000007+09:00 container create c1 (image=app, name=web)\n"
        "1970-01-01T09:00:06.000000000+09:00 volume destroy vol\n"
    )


def test_filters(ligan: CommandLine) -> None:
    assert shown(ligan, "--filter", "type=volume", "--format", "{{.Actor.ID}}").out == "vol\n"
    assert shown(ligan, "-f", "event=start").out == ""


def test_templates(ligan: CommandLine) -> None:
    assert shown(ligan, "--format", "{{.Status}} {{.ID}} {{.From}} {{.Actor.Attributes.name}}").out == (
        "create c1 app web\n   <no value>\n"
    )
    first = json.loads(shown(ligan, "--format", "json").out.splitlines()[0])
    assert first["Actor"] == {"ID": "c1", "Attributes": {"image": "app", "name": "web"}}
    assert (first["status"], first["timeNano"]) == ("create", 5 * SECOND + 7)


def test_what_is_refused(ligan: CommandLine) -> None:
    status, out, err = shown(ligan, "--format", "{{.Foo}}")
    assert (status, out) == (64, "")
    assert err == (
        'Error parsing format: template: :1:2: executing "" at <.Foo>: '
        "can't evaluate field Foo in type *events.Message\n"
    )
    status, _, err = ligan("events", "--since", "x", engine=FakeEngine())
    assert (status, err) == (1, 'failed to parse value as time or duration: "x"\n')
    status, _, err = ligan("events", "--since", "5", "--until", "3", engine=FakeEngine())
    words = "`since` time (5) cannot be after `until` time (3)"
    assert (status, err) == (1, f"Error response from daemon: {words}\n")
