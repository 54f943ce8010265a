"""`GET /events`: the log of events, told as Docker tells it, to any number of listeners.

Each listener reads rows by its own key and waits for its client, so nothing is
buffered for it; one timer for all of them looks for new rows, which any process
may write (docs/decisions/0004-events.md).
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager

from ligan.api import answers, wire
from ligan.api.connections import end_with_client
from ligan.errors import Invalid, LiganError
from ligan.images.times import until_time
from ligan.oci.gojson import go_json
from ligan.oci.reference import InvalidReference, parse
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call
    from ligan.engine.role import Engine
    from ligan.images.events import Event

    Filters = Mapping[str, Sequence[str]]

_SECOND = 10**9
_LAST_TIME = (1 << 63) - 1
_POLL_SECONDS = 0.05
_BATCH = 64
"""Events read and sent at a time: about 20 kB, and two milliseconds of the loop."""

_BY_NAME = ("daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config")
"""Filters that hold where the actor's ID or name begins with a value, whatever the event's type is."""

_SUFFIXED = {"health_status", "exec_create", "exec_start"}
"""Actions that go on after a colon: filters that name one compare beginnings (moby issue 25798)."""

_log = logging.getLogger("ligan.events")


class Feed:
    """What listeners follow. Lives on the loop's thread, with an engine of its own."""

    def __init__(self, engine: Engine, now: Callable[[], int] = time.time_ns) -> None:
        self._engine = engine
        self._now = now
        self._last = 0
        self._news = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._closed = False
        self.listeners = 0

    def wake(self) -> None:
        """Look for new events at once: a change has just been made."""
        if self.listeners:
            self._look()

    def close(self) -> None:
        """End every stream as its `until` would."""
        self._closed = True
        self._announce()

    async def handle(self, call: Call) -> StreamResponse:
        """Tell the events that the query asks for; without `since` and `until` those from now on.

        The answer ends at `until`, or with its listener.
        """
        query = _read_query(call, self._now())
        response = answers.stream()
        end_with_client(call.http)
        key = self._first_key(query)
        with self.listening():
            await response.prepare(call.http)
            await self._tell(response, query, key)
        await response.write_eof()
        return response

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Look for events, whichever process writes them, while this goes on; gives the newest one's key."""
        self._listen(1)
        try:
            yield self._engine.last_event()
        finally:
            self._listen(-1)

    async def next(self, key: int) -> list[Event]:
        """Wait for events after `key`, and return the first of them; none once the feed is closed."""
        while not self._closed:
            batch = self._engine.events_after(key, _BATCH)
            if batch:
                return batch
            await self._wait(key, None)
        return []

    def _first_key(self, query: _Query) -> int:
        if query.since is None and query.until is None:
            return self._engine.last_event()
        return self._engine.event_before(query.since or 0)

    async def _tell(self, response: StreamResponse, query: _Query, key: int) -> None:
        past = self._engine.last_event()
        last = None
        while not self._closed and (last is None or key < last):
            if last is None and query.until is not None and self._now() >= query.until:
                last = self._engine.last_event()
                continue
            batch = self._engine.events_after(key, _BATCH)
            if not batch:
                await self._wait(key, query.until)
                continue
            if batch[0].key != key + 1:
                _log.warning("a listener was too slow: events %d to %d are gone", key + 1, batch[0].key - 1)
                raise ConnectionAbortedError("the listener fell behind")
            key = batch[-1].key
            text = b"".join([line(event) for event in batch if query.includes(event, past)])
            if text:
                await response.write(text)
            await asyncio.sleep(0)  # a fast client never makes write() wait, and others want their turn

    async def _wait(self, key: int, until: int | None) -> None:
        """Return when there is an event after `key`, at `until`, or when the feed is closed."""
        seconds = None if until is None else (until - self._now()) / _SECOND
        try:
            async with asyncio.timeout(seconds):
                while self._last <= key and not self._closed:
                    await self._news.wait()
        except TimeoutError:
            pass

    def _listen(self, count: int) -> None:
        self.listeners += count
        if self.listeners and self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        elif not self.listeners and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    async def _poll(self) -> None:
        while True:
            try:
                self._look()
                await asyncio.sleep(_POLL_SECONDS)
            except LiganError as error:
                _log.error("cannot read events: %s", error.message)
                await asyncio.sleep(1)

    def _look(self) -> None:
        last = self._engine.last_event()
        if last > self._last:
            self._last = last
            self._announce()

    def _announce(self) -> None:
        """Wake whoever waits now; who comes later looks at `_last` first."""
        self._news.set()
        self._news.clear()


class _Query(Value):
    """What a listener asks for. Times are nanoseconds since 1970, both inclusive."""

    since: int | None
    until: int | None
    filters: Filters

    def includes(self, event: Event, past: int) -> bool:
        """Return whether to tell the event. As for Docker, `since` looks back only: at keys up to `past`."""
        if event.key <= past and event.at < (self.since or 0):
            return False
        if self.until is not None and event.at > self.until:
            return False
        return matches(self.filters, event)


def _read_query(call: Call, now: int) -> _Query:
    since, until = (_read_time(call.text(key), now) for key in ("since", "until"))
    if since is not None and until is not None and until < since:
        raise Invalid(
            f"`since` time ({call.text('since')}) cannot be after `until` time ({call.text('until')})"
        )
    return _Query(since, until, wire.filters(call.text("filters")))


def _read_time(text: str, now: int) -> int | None:
    """Return nanoseconds since 1970, of a time beyond the 64 bits of the database the nearest that it has.

    Docker's daemon takes seconds only, its client translates the rest.
    """
    return max(-_LAST_TIME, min(until_time(text, now), _LAST_TIME)) if text else None


def matches(filters: Filters, event: Event) -> bool:
    """Return whether Docker would tell the event to a client with these filters (golden n_events).

    A name that Docker does not know filters nothing.
    """
    name = event.attributes.get("name", "")
    return (
        _is_action(filters, event.action)
        and _is_one_of(filters, "type", event.type)
        and _is_one_of(filters, "scope", "local")
        and all(
            _begins_with(filters, key, event.actor) or _begins_with(filters, key, name) for key in _BY_NAME
        )
        and _is_image(filters, event)
        and _has_labels(filters, event.attributes)
    )


def _is_one_of(filters: Filters, key: str, value: str) -> bool:
    return not filters.get(key) or value in filters[key]


def _begins_with(filters: Filters, key: str, value: str) -> bool:
    return not filters.get(key) or value.startswith(tuple(filters[key]))


def _is_action(filters: Filters, action: str) -> bool:
    if _SUFFIXED.isdisjoint(filters.get("event", ())):
        return _is_one_of(filters, "event", action)
    return _begins_with(filters, "event", action)


def _is_image(filters: Filters, event: Event) -> bool:
    """Compare an image's ID and name, with and without tag; and the image of a container."""
    if not filters.get("image"):
        return True
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    texts = (event.actor, name, _without_tag(event.actor), _without_tag(name))
    return not set(filters["image"]).isdisjoint(texts)


def _without_tag(text: str) -> str:
    try:
        return parse(text).familiar_repository
    except InvalidReference:
        return text


def _has_labels(filters: Filters, attributes: Mapping[str, str]) -> bool:
    """Every attribute counts, not the labels alone; `key` without a value asks that it be there."""
    for wanted in filters.get("label", ()):
        key, equals, value = wanted.partition("=")
        if key not in attributes or (equals and attributes[key] != value):
            return False
    return True


def line(event: Event) -> bytes:
    """Return one event as Docker writes it; the first keys are for clients older than API 1.22."""
    old: dict[str, str] = {}
    if event.type in ("image", "container"):
        old = {
            "status": event.action,
            "id": event.actor,
            "from": event.attributes.get("image", "") if event.type == "container" else "",
        }
    document = {
        **{key: value for key, value in old.items() if value},
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.actor, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": "local",
        "time": event.at // _SECOND,
        "timeNano": event.at,
    }
    return go_json(document) + b"\n"
