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
from ligan.errors import LiganError
from ligan.images.event_filters import SECOND, document, read_query
from ligan.oci.gojson import go_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call
    from ligan.engine.role import Engine
    from ligan.images.event_filters import EventQuery
    from ligan.images.events import Event

_POLL_SECONDS = 0.05
_BATCH = 64
"""Events read and sent at a time: about 20 kB, and two milliseconds of the loop."""

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

    def _first_key(self, query: EventQuery) -> int:
        if query.since is None and query.until is None:
            return self._engine.last_event()
        return self._engine.event_before(query.since or 0)

    async def _tell(self, response: StreamResponse, query: EventQuery, key: int) -> None:
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
        seconds = None if until is None else (until - self._now()) / SECOND
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


def _read_query(call: Call, now: int) -> EventQuery:
    return read_query(call.text("since"), call.text("until"), wire.filters(call.text("filters")), now)


def line(event: Event) -> bytes:
    """Return one event as a line of the answer."""
    return go_json(document(event)) + b"\n"
