"""Connections: how many, how long they may be silent, and what is said before a handler is asked.

Limits hold for what costs a client nothing: opening connections, sending
headers byte by byte, staying idle. A body, or an answer, takes as long as it
takes.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from ligan.api import wire
from ligan.api.answers import HEADERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_CONNECTIONS = 1000
HEADER_SECONDS = 20.0
"""From a connection, or the first byte of a request, to the end of its headers."""

IDLE_SECONDS = 600.0
"""Between two requests. Docker's clients keep connections for a minute or two."""

_MAX_LINE = 256 << 10  # a request line: `docker save` of ten thousand images is one
_MAX_HEADER = 64 << 10  # one header; X-Registry-Auth can hold the tokens of many registries
_READ_BUFFER = 128 << 10

_log = logging.getLogger("ligan.server")


class Server(web.Server):
    """Makes a connection of every client, up to a number; to others it says that there are too many."""

    def __init__(
        self,
        handler: Handler,
        *,
        most: int = MAX_CONNECTIONS,
        header_seconds: float = HEADER_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`handler` is cancelled when its client goes."""
        super().__init__(
            handler,
            request_factory=_begin,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=idle_seconds,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_HEADER,
            read_bufsize=_READ_BUFFER,
            auto_decompress=False,  # Docker stores what it is sent
        )
        self._most = most
        self._header_seconds = header_seconds
        self.open = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self.open += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self.open -= 1
        super().connection_lost(handler, exc)

    def __call__(self) -> web.RequestHandler:
        if self.open >= self._most:
            # asyncio wants a protocol, whichever; aiohttp's signature is narrower than that.
            return _Refusal()  # type: ignore[return-value]
        return Connection(self, self._loop, self._header_seconds, **self._kwargs)


class Connection(web.RequestHandler):
    """One client. `busy` is true while a handler works for it."""

    __slots__ = ("_body", "_deadline", "_early", "_header_seconds", "_last", "_open_ended", "busy")

    def __init__(
        self, server: Server, loop: asyncio.AbstractEventLoop, header_seconds: float, **options: object
    ) -> None:
        super().__init__(server, loop=loop, **options)  # type: ignore[arg-type]  # those of Server above
        self._header_seconds = header_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None
        self._early = b""
        self._last = False
        self._open_ended = False
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        if self._has_whole_request():
            self._early += data  # of the next request, or of a stream that this one opens
            if len(self._early) >= _READ_BUFFER and self.transport is not None:
                self.transport.pause_reading()
            return
        if not self.busy and self._deadline is None:
            self._set_deadline()
        super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's returns nothing: asyncio then hangs up
        """The client sends no more. It may still read: keep what is under way, unless that has no end."""
        waiting = self._messages[-1][1].is_eof() if self._messages else self._has_whole_request()
        if waiting and not self._open_ended:
            self._last = True
            return True
        super().eof_received()
        return False

    def _has_whole_request(self) -> bool:
        return self._body is not None and self._body.is_eof()

    def end_with_client(self) -> None:
        self._open_ended = True

    def take_early(self) -> bytes:
        """Return what the client sent after its request, which is now nobody else's."""
        early, self._early = self._early, b""
        return early

    def connection_lost(self, exc: BaseException | None) -> None:
        self._drop_deadline()
        super().connection_lost(exc)

    def begin(self, body: StreamReader) -> None:
        """A request's headers are here."""
        self.busy = True
        self._body = body
        self._open_ended = False
        self._drop_deadline()

    def end(self) -> None:
        """The request is answered."""
        self.busy = False
        self._body = None
        if self._last and not self._messages:
            self.close()
        elif early := self.take_early():
            self.data_received(early)
            if self.transport is not None:
                self.transport.resume_reading()

    def finish(self) -> None:
        """Hang up: at once where nothing is under way, else after that."""
        if self.busy:
            self._last = True  # close() now would drop what is still to come of the request's body
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request: with Docker's shape of an error, and then hang up.

        Raises ConnectionError, on which aiohttp hangs up at once, where the client is gone or an answer
        cannot be finished.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if status >= 500:
            _log.error("%s %s failed", request.method, request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun: it can only be broken off")
        text = "internal error: the server's log has the details" if status >= 500 else "bad request"
        body = wire.message(f"{text}: {message.splitlines()[0]}" if message and status < 500 else text)
        response = web.Response(status=status, body=body, headers=HEADERS | _JSON)
        response.force_close()
        return response

    def _set_deadline(self) -> None:
        self._drop_deadline()
        self._deadline = self._loop.call_later(self._header_seconds, self._give_up)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.busy:
            self.force_close()


def _begin(
    message: RawRequestMessage,
    body: StreamReader,
    connection: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    assert isinstance(connection, Connection)
    connection.begin(body)
    return web.BaseRequest(message, body, connection, writer, task, asyncio.get_running_loop())


def end_with_client(request: web.BaseRequest) -> None:
    """Let a request go on no longer than its client listens: it has no end of its own.

    A client says that it goes by closing its half already, as to Go's server.
    """
    assert isinstance(request.protocol, Connection)
    request.protocol.end_with_client()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        body = wire.message("too many connections: try again later")
        transport.write(  # type: ignore[attr-defined]  # a Transport, though uvloop's do not say so
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        transport.close()


_JSON = {"Content-Type": "application/json"}
