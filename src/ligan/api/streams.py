"""Bodies between the loop and an engine's thread, each side waiting for the other where it is faster."""

from __future__ import annotations

import asyncio
import io
from queue import SimpleQueue

from aiohttp.web import StreamResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ligan.api.router import Call
    from ligan.engine.role import Engine

    T = TypeVar("T")

_CHUNKS = 4
"""Chunks of a body that wait for the engine: each is a few hundred kilobytes at the most."""


class ClientGone(ConnectionError):
    """The client has left: what was done for it ends, and nobody reads this."""


class RequestBody(io.RawIOBase):
    """The body of a request, as a file that an engine's thread reads."""

    def __init__(self, call: Call) -> None:
        self._content = call.http.content
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_CHUNKS)
        self._chunks: SimpleQueue[bytes | None] = SimpleQueue()
        self._pending: bytes | None = b""

    async def receive(self) -> None:
        """Take the body off the connection until its end, or the client's."""
        end = None
        try:
            while chunk := await self._content.readany():
                await self._room.acquire()
                self._chunks.put(chunk)
            end = b""
        finally:
            self._chunks.put(end)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes, `size` at the most, and none only at the end. Raises ClientGone."""
        if size < 0:
            return self.readall()
        if self._pending == b"":
            self._pending = self._chunks.get()
            if self._pending:
                self._loop.call_soon_threadsafe(self._room.release)
            else:
                self._chunks.put(self._pending)  # the end stays the end
        if self._pending is None:
            raise ClientGone
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class ResponseBody(io.RawIOBase):
    """The body of an answer, as a file that an engine's thread writes. The first byte starts the answer."""

    def __init__(self, call: Call, response: StreamResponse) -> None:
        self._http = call.http
        self._loop = asyncio.get_running_loop()
        self.response = response
        self.abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12
        """On return the client has taken all but a buffer of it. Raises ClientGone."""
        if self.abandoned:
            raise ClientGone
        if not memoryview(data).readonly:
            data = bytes(data)  # what the transport has not sent yet must not change
        try:
            asyncio.run_coroutine_threadsafe(self.send(data), self._loop).result()
        except (ConnectionError, asyncio.CancelledError):
            raise ClientGone from None
        return len(data)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Write from the loop."""
        if not self.response.prepared:
            await self.response.prepare(self._http)
        await self.response.write(data)

    def cut(self) -> None:
        """End the connection, so that what was sent cannot pass for the whole."""
        if self._http.transport is not None:
            self._http.transport.abort()


async def run(
    call: Call, verb: Callable[[Engine], T], answer: ResponseBody, body: RequestBody | None = None
) -> T:
    """Run a verb that reads the body of the request or writes that of the answer.

    It ends where the client goes.
    """
    receiving = None if body is None else asyncio.create_task(body.receive())
    try:
        return await call.engine.stream(verb, call.command)
    except asyncio.CancelledError:
        answer.abandoned = True
        raise
    finally:
        if receiving is not None:
            receiving.cancel()
            await asyncio.wait((receiving,))
            if not receiving.cancelled():
                receiving.exception()  # the verb has met it, as ClientGone
