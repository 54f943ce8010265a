"""Where every request comes in: guarded, answered to its last byte, counted and logged."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from ligan.api import journal, wire
from ligan.api.answers import HEADERS
from ligan.api.connections import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.api.connections import Handler
    from ligan.api.events import Feed
    from ligan.api.guard import Guard
    from ligan.api.metrics import Metrics

CLIENT_GONE = 499
"""What the log says where nobody was left to answer; nginx's number."""


class Front:
    """The outermost handler. `running` are the tasks of requests under way."""

    def __init__(self, handler: Handler, guard: Guard, feed: Feed) -> None:
        self._handler = handler
        self._guard = guard
        self._feed = feed
        self._metrics: Metrics | None = None
        self.running: set[asyncio.Task[object]] = set()

    def count_in(self, metrics: Metrics) -> None:
        """Count every request there from now on."""
        self._metrics = metrics

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        connection, task, started = request.protocol, asyncio.current_task(), time.perf_counter()
        assert isinstance(connection, Connection)
        assert task is not None
        path = request.path
        status = CLIENT_GONE
        self.running.add(task)
        if self._metrics:
            self._metrics.begin(path)
        try:
            response = await self._answer(request)
            # aiohttp would do both after this call, which must last as long as the answer does.
            await response.prepare(request)
            await response.write_eof()
            status = response.status
        finally:
            connection.end()
            self.running.discard(task)
            seconds = time.perf_counter() - started
            if request.method not in ("GET", "HEAD"):
                self._feed.wake()
            if self._metrics:
                self._metrics.end(request.method, path, status, seconds)
            journal.log_request(request.method, path, status, seconds, request.writer.output_size)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = self._guard.refusal(request)
        if not refusal:
            return await self._handler(request)
        headers = HEADERS | {"Content-Type": "application/json"}
        response = web.Response(status=403, body=wire.message(refusal), headers=headers)
        response.force_close()  # its body is not worth reading
        return response
