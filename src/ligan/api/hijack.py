"""Hijacked connections: after the answer's head they carry a container's streams, no HTTP.

Docker's clients send stdin until they close their half of the connection, and
read stdout and stderr until the server closes it: raw bytes of a terminal, else
frames of stream number, three zeros, length (big-endian) and payload.
"""

from __future__ import annotations

import asyncio
import http

from aiohttp.web import StreamResponse

from ligan.api.connections import Connection
from ligan.api.errors import status_of
from ligan.containers.detaching import DetachKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web import BaseRequest

    from ligan.api.router import Call
    from ligan.errors import LiganError

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

STDOUT, STDERR = 1, 2

_INPUT = 8 << 10
"""conmon reads no more of one packet of its attach socket; the rest of a larger one would be lost."""

_PACKET = 64 << 10
_WAITING = 1 << 20
_LOOK_SECONDS = 0.5


def frame(stream: int, data: bytes) -> bytes:
    """Return what tells a client which stream bytes belong to."""
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


class Hijacked(StreamResponse):
    """A connection taken over: `write`, `read`, and then `close`. Nothing else is answered on it."""

    def __init__(self, call: Call, content_type: str = RAW) -> None:
        """On return the client has been told, and every byte that it sends is for `read`."""
        upgrade = call.http.headers.get("Upgrade")
        super().__init__(status=101 if upgrade else 200)
        self._head = (
            f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\n"
            f"Connection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"
            if upgrade
            else f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n"
        )
        self._take_over(call)
        self._writer.write(self._head.encode())

    def _take_over(self, call: Call) -> None:
        connection, transport = call.http.protocol, call.http.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        assert isinstance(connection, Connection)
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=_WAITING, loop=loop)
        protocol = _Session(self._reader, connection, transport)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        early = connection.take_early()
        if early:
            self._reader.feed_data(early)
        transport.resume_reading()
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None  # the head is out

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; waits while the client does not read. Raises ConnectionError where it is gone."""
        self.put(data)
        await self.drained()

    def put(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep in memory until the client reads."""
        self._writer.write(data)

    @property
    def is_behind(self) -> bool:
        """Whether the client may have to read before more is sent."""
        transport = self._writer.transport
        return transport.get_write_buffer_size() > transport.get_write_buffer_limits()[0]

    async def drained(self) -> None:
        """Wait while the client does not read. Raises ConnectionError where it is gone."""
        await self._writer.drain()

    async def read(self) -> bytes:
        """Return what the client has sent, some kilobytes at the most; nothing once it sends no more."""
        return await self._reader.read(_INPUT)

    async def write_eof(self, data: bytes = b"") -> None:
        """On return what was written is on its way, and the connection ends after it."""
        self._writer.write(data)
        self._writer.close()


class _Session(asyncio.StreamReaderProtocol):
    """Tells the HTTP connection, which still counts, of its end: then the handler is cancelled.

    A client that sends no more may still read, and one that is gone looks the same, until something is
    written. So after the end of its bytes the kernel is asked now and then which of the two it is.
    """

    def __init__(
        self, reader: asyncio.StreamReader, connection: Connection, transport: asyncio.Transport
    ) -> None:
        super().__init__(reader)
        self._input = reader
        self._connection = connection
        self._client = transport

    def eof_received(self) -> bool | None:
        self._look_later()
        return super().eof_received()

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._client.is_closing():
            return
        if self._input.at_eof() and _is_gone(self._client):
            self._client.abort()
        else:
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.connection_lost(exc)


def _is_gone(transport: asyncio.Transport) -> bool:
    """Return whether both halves are closed. By TCP that shows only once something was written."""
    import select

    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), 0)
    return bool(poll.poll(0))  # hang-ups and errors are told unasked


class Refused(StreamResponse):
    """The answer of a failed attach: plain text, as Docker writes it to the bare connection."""

    def __init__(self, call: Call, error: LiganError) -> None:
        status = status_of(error)
        super().__init__(status=status)
        phrase = http.HTTPStatus(status).phrase
        self._text = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {RAW}\r\n\r\n{error.message}\r\n"
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is not None:
            request.transport.write(self._text.encode())
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass  # aiohttp hangs up after it


class Streams:
    """Which of a container's streams a client wants, and how it gets them."""

    def __init__(self, *, stdin: bool, stdout: bool, stderr: bool, tty: bool, detach_keys: bytes) -> None:
        """`detach_keys` end the session when a terminal's user types them; empty for none."""
        self._stdin = stdin
        self._wanted = {STDOUT: stdout, STDERR: stderr}
        self._tty = tty
        self._keys = detach_keys

    async def relay(
        self,
        client: Hijacked,
        container: socket.socket,
        is_over: Callable[[], Awaitable[bool]] | None = None,
    ) -> bool:
        """Carry bytes both ways until the container closes its side, or the client goes.

        Returns whether the client detached by its keys.
        `container` is conmon's attach socket: one packet a piece of output, its first byte 2 for stdout and
        3 for stderr. It is closed on return. `is_over` says whether the process has ended: then what is left
        is taken at once, since conmon waits for all who attached before it tells the exit status.
        """
        container.setblocking(False)
        output = asyncio.create_task(self._carry_output(client, container, is_over or _never))
        typing = asyncio.create_task(self._carry_input(client, container))
        try:
            await asyncio.wait((output, typing), return_when=asyncio.FIRST_COMPLETED)
            detached = not output.done() and typing.result()
            if not detached:
                await output  # also after stdin has ended
        finally:
            for task in (output, typing):
                task.cancel()
            await asyncio.wait((output, typing))
            container.close()
        return detached

    async def _carry_output(
        self, client: Hijacked, container: socket.socket, is_over: Callable[[], Awaitable[bool]]
    ) -> None:
        loop = asyncio.get_running_loop()
        waits = True
        while packet := await loop.sock_recv(container, _PACKET):
            stream = packet[0] - 1
            if self._wanted.get(stream):
                data = packet[1:]
                client.put(data if self._tty else frame(stream, data))
                waits = waits and not await _is_late(client, is_over)

    async def _carry_input(self, client: Hijacked, container: socket.socket) -> bool:
        """Returns whether the client detached, rather than closing its half."""
        loop = asyncio.get_running_loop()
        keys = DetachKeys(self._keys)
        while data := await client.read():
            if not self._stdin:
                continue
            typed, detached = keys.feed(data)
            if typed:
                await _send(loop, container, typed)
            if detached:
                return True
        if self._stdin:
            _close_input(container)
        return False


async def _never() -> bool:
    return False


async def _is_late(client: Hijacked, is_over: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until the client has read, and return False, or True where the process has ended before that."""
    while client.is_behind:
        try:
            await asyncio.wait_for(client.drained(), _LOOK_SECONDS)
        except TimeoutError:
            if await is_over():
                return True
        else:
            return False
    await client.drained()  # it may be gone
    return False


async def _send(loop: asyncio.AbstractEventLoop, container: socket.socket, data: bytes) -> None:
    try:
        for start in range(0, len(data), _INPUT):
            await loop.sock_sendall(container, data[start : start + _INPUT])
    except (BrokenPipeError, ConnectionResetError):
        pass  # the container reads no more; its output may still come


def _close_input(container: socket.socket) -> None:
    import socket

    try:
        container.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the container is gone
