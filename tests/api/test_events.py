"""Events: Docker's shape and filters, every change of any process once; no listener holds another up."""

from __future__ import annotations

import http.client
import json
import lzma
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from ligan.api.events import line
from ligan.images import events
from ligan.images.event_filters import matches
from ligan.images.events import Event
from tests.support.stores import START, Stock, opened
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.serving import Daemon

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "data", "n_events.json.xz")
MANY = 3000


def _golden_answers() -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the filters and the answer of every request for events."""
    with lzma.open(GOLDEN) as file:
        steps = json.load(file)["steps"]
    for step in steps:
        for call in step.get("api", ()):
            url = urlsplit(call["path"])
            if url.path.endswith("/events"):
                yield json.loads(parse_qs(url.query).get("filters", ["{}"])[0]), call["response_body"]


ANSWERS = list(_golden_answers())


def _event(key: int, text: str) -> Event:
    told = json.loads(text)
    actor = told["Actor"]
    return Event(key, told["timeNano"], told["Type"], told["Action"], actor["ID"], actor["Attributes"])


EVENTS = [_event(key, text) for key, text in enumerate(ANSWERS[0][1].splitlines())]


@pytest.mark.parametrize(("filters", "answer"), ANSWERS)
def test_golden_events_and_filters(filters: dict[str, Any], answer: str) -> None:
    chosen = {name: list(values) for name, values in filters.items()}
    told = b"".join([line(event) for event in EVENTS if matches(chosen, event)])
    assert told.decode() == answer


def _image(name: str, action: str = "tag", **attributes: str) -> Event:
    return Event(1, 0, "image", action, "sha256:" + "a" * 64, {"name": name, **attributes})


CONTAINER = Event(1, 0, "container", "exec_start: sh", "c0ffee", {"image": "app:1", "name": "web"})


@pytest.mark.parametrize(
    ("filters", "event", "told"),
    [
        ({"image": ["app"]}, _image("app:1"), True),
        ({"image": ["app:1"]}, _image("app:1"), True),
        ({"image": ["app:2"]}, _image("app:1"), False),
        ({"image": ["ap"]}, _image("app:1"), False),
        ({"image": ["sha256:" + "a" * 64]}, _image("app:1"), True),
        ({"image": ["host:5000/team/app"]}, _image("host:5000/team/app:1"), True),
        ({"image": ["app"]}, CONTAINER, True),
        ({"image": ["Not A Name"]}, _image("Not A Name"), True),
        ({"container": ["we"]}, CONTAINER, True),
        ({"container": ["c0f"]}, CONTAINER, True),
        ({"container": ["x", "web"]}, CONTAINER, True),
        ({"container": ["x"]}, CONTAINER, False),
        ({"event": ["exec_start"]}, CONTAINER, True),
        ({"event": ["exec"]}, CONTAINER, False),
        ({"event": ["tag", "untag"]}, _image("app:1", "untag"), True),
        ({"event": ["unta"]}, _image("app:1", "untag"), False),
        ({"label": ["team"]}, _image("app:1", team="a"), True),
        ({"label": ["team=a"]}, _image("app:1", team="a"), True),
        ({"label": ["team=b"]}, _image("app:1", team="a"), False),
        ({"label": ["team", "stage"]}, _image("app:1", team="a"), False),
        ({"label": ["team="]}, _image("app:1", team=""), True),
        ({"scope": ["local"]}, _image("app:1"), True),
        ({"scope": ["swarm"]}, _image("app:1"), False),
        ({"daemon": ["app"]}, _image("app:1"), True),
        ({"daemon": ["other"]}, _image("app:1"), False),
        ({"type": ["image", "network"]}, _image("app:1"), True),
        ({"type": ["imag"]}, _image("app:1"), False),
        ({"nonsense": ["x"]}, _image("app:1"), True),
        ({"type": []}, _image("app:1"), True),
    ],
)
def test_filters_hold_as_in_docker(filters: Mapping[str, Sequence[str]], event: Event, told: bool) -> None:
    assert matches(filters, event) is told


def test_attributes_are_written_as_go_writes_them() -> None:
    event = Event(1, 5, "image", "prune", "", {"z": "<&>", "a": "\u2028ä"})
    assert line(event).decode() == (
        '{"status":"prune","Type":"image","Action":"prune","Actor":{"ID":"","Attributes":'
        '{"a":"\\u2028ä","z":"\\u003c\\u0026\\u003e"}},"scope":"local","time":0,"timeNano":5}\n'
    )


class Listener:
    """A client of `GET /events`."""

    def __init__(self, daemon: Daemon, query: str = "", timeout: float = SECONDS) -> None:
        self.connection = http.client.HTTPConnection("localhost")
        self.connection.sock = daemon.connect(timeout)
        self.connection.request("GET", f"/events?{query}")
        self.answer = self.connection.getresponse()

    def next(self) -> dict[str, Any]:
        text = self.answer.readline()
        assert text, "the stream has ended"
        event: dict[str, Any] = json.loads(text)
        return event

    def rest(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.answer.read().splitlines()]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.answer.close()
        self.connection.close()


def _ligan(root: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "ligan", "--root", root, *words], check=True, capture_output=True)


def _write(root: str, count: int, first: int = 0, size: int = 0, at: int = START) -> None:
    """Write events as another process would, all of them in one transaction."""
    with opened(root) as stock, stock.store.database.write() as tx:
        for number in range(first, first + count):
            events.record(tx, at, "tag", "sha256:0", {"number": str(number), "fill": "x" * size})


def _numbers(told: Sequence[Mapping[str, Any]]) -> list[int]:
    return [int(event["Actor"]["Attributes"]["number"]) for event in told]


def test_a_change_of_another_process_is_told_at_once(daemon: Daemon, store_root: str) -> None:
    with opened(store_root) as stock:
        stock.image("one", names=["app:0"])
    with Listener(daemon) as listener:
        for number in range(1, 100):
            _ligan(store_root, "tag", "app:0", f"app:{number}")
            event = listener.next()
            wait = time.time_ns() - event["timeNano"]
            assert (event["Action"], event["Actor"]["Attributes"]) == ("tag", {"name": f"app:{number}"})
            if wait < 0.2 * 10**9:  # the commit and the end of the other process are part of it
                return
    raise AssertionError("the machine cannot have been busy each time")


def test_a_change_of_the_daemon_is_told(daemon: Daemon, store_root: str) -> None:
    with opened(store_root) as stock:
        image = stock.image("one", names=["app:0"])
    with Listener(daemon, f"filters={quote(json.dumps({'event': {'delete': True}}))}") as listener:
        client = http.client.HTTPConnection("localhost")
        client.sock = daemon.connect()
        client.request("DELETE", "/images/app:0")
        assert client.getresponse().status == 200
        client.close()
        event = listener.next()
    assert (event["status"], event["id"], event["Type"]) == ("delete", image, "image")


def test_events_of_many_writers_are_told_once_and_in_order(daemon: Daemon, store_root: str) -> None:
    def write(name: str) -> None:
        stock = Stock(store_root)
        try:
            for number in range(50):
                with stock.store.database.write() as tx:
                    events.record(tx, stock.now, "tag", name, {"number": str(number)})
        finally:
            stock.store.close()

    with Listener(daemon) as one, Listener(daemon) as other:
        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        told = [[listener.next() for _ in range(200)] for listener in (one, other)]
        for thread in threads:
            thread.join()
    assert told[0] == told[1]
    for name in "abcd":
        assert _numbers([event for event in told[0] if event["id"] == name]) == list(range(50))


def test_since_and_until_tell_the_past_and_end(daemon: Daemon, store_root: str) -> None:
    second = 10**9
    for number in range(5):
        _write(store_root, 1, first=number, at=START + number * second)
    start = START // second
    for query, expected in (
        (f"since={start + 1}&until={start + 3}", [1, 2, 3]),
        (f"since={start}.000000001&until={start + 1}.999999999", [1]),
        (f"until={start + 1}", [0, 1]),
        (f"since={start + 3}&until={quote('2023-11-14T22:13:25Z')}", [3, 4]),
        ("since=0&until=1h", [0, 1, 2, 3, 4]),
        (f"since={start + 9}&until={start + 10}", []),
    ):
        with Listener(daemon, query) as listener:
            assert _numbers(listener.rest()) == expected, query


def test_until_ends_a_stream_that_is_live(daemon: Daemon, store_root: str) -> None:
    _write(store_root, 2)
    for number, seconds in enumerate((0.3, 3, 30), 2):
        end = time.time() + seconds
        with Listener(daemon, f"since=0&until={end:.9f}") as listener:
            _write(store_root, 1, first=number, at=time.time_ns())
            is_in_time = time.time() < end - seconds / 2
            told = _numbers(listener.rest())
        if is_in_time:
            break
    assert told == list(range(number + 1))


def test_since_is_followed_by_what_comes(daemon: Daemon, store_root: str) -> None:
    _write(store_root, 2)
    with Listener(daemon, "since=0") as listener:
        assert _numbers([listener.next(), listener.next()]) == [0, 1]
        _write(store_root, 1, first=2)
        assert _numbers([listener.next()]) == [2]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=20&until=10", "`since` time (20) cannot be after `until` time (10)"),
        ("since=tomorrow", 'failed to parse value as time or duration: "tomorrow"'),
    ],
)
def test_times_that_make_no_sense_are_refused(daemon: Daemon, query: str, message: str) -> None:
    with Listener(daemon, query) as listener:
        assert (listener.answer.status, json.loads(listener.answer.read())) == (400, {"message": message})


def test_a_slow_listener_holds_nobody_up_and_costs_no_memory(daemon: Daemon, store_root: str) -> None:
    with Listener(daemon) as slow, Listener(daemon) as fast:
        before = daemon.memory("VmRSS")
        _write(store_root, MANY, size=2000)
        assert _numbers([fast.next() for _ in range(MANY)]) == list(range(MANY))
        assert daemon.memory("VmRSS") - before < MANY * 2000
        assert _numbers([slow.next() for _ in range(MANY)]) == list(range(MANY))


def test_a_listener_that_missed_events_is_cut_off(daemon: Daemon, store_root: str) -> None:
    with Listener(daemon) as slow:
        _write(store_root, MANY, size=2000)
        slow.next()  # the stream runs, and stops where the buffers are full
        with opened(store_root) as stock, stock.store.database.write() as tx:
            tx.execute("DELETE FROM event WHERE key < ?", (MANY,))
        with pytest.raises(http.client.IncompleteRead):
            slow.rest()
    daemon.await_log("a listener was too slow")


def test_the_newest_events_are_kept(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT", 5)
    hour = events.KEPT_FOR
    with opened(f"{tmp_path}/store") as stock:

        def write(count: int, at: int) -> None:
            with stock.store.database.write() as tx:
                for _ in range(count):
                    events.record(tx, at, "tag", "sha256:0")

        def keys() -> list[int]:
            return [event.key for event in stock.engine.events_after(0, 1000)]

        write(20, START)
        assert keys() == list(range(1, 21))  # all of them are young
        write(1, START + hour)
        assert keys() == list(range(1, 22))
        write(1, START + hour + 1)
        assert keys() == list(range(9, 23))
        write(2, START + hour + 1)
        assert keys() == list(range(20, 25))
        write(5, START)  # the clock was set back: what is of the future counts as old
        assert keys() == [20, *range(25, 30)]
        assert stock.engine.last_event() == 29


def test_a_key_before_a_time_leaves_nothing_out(tmp_path: object) -> None:
    with opened(f"{tmp_path}/store") as stock:
        assert (stock.engine.last_event(), stock.engine.event_before(0)) == (0, 0)
        with stock.store.database.write() as tx:
            for at in (10, 30, 20, 40):  # clocks are read before the turn to write comes
                events.record(tx, at, "tag", "sha256:0")
        assert [stock.engine.event_before(at) for at in (0, 10, 11, 20, 30, 31, 41)] == [0, 0, 1, 1, 1, 3, 4]
