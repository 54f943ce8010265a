"""A registry in this process, on loopback, that answers whatever a test wants."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, NamedTuple

from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    Reply = bytes | Iterable[bytes]

_TLS_HANDSHAKE = 0x16


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


def reply(status: int = 200, body: bytes | str | object = b"", /, **headers: str) -> bytes:
    """Return an answer. Other bodies than bytes are sent as JSON. `_` in a header's name stands for `-`."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    return head(*lines, **headers) + body


def head(*lines: str, **headers: str) -> bytes:
    """Return the head of an answer: lines as they are, then headers."""
    fields = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in (*lines, *fields, "")).encode("latin-1")


class LyingRegistry:
    """Answers each request with what `answer` makes of it: bytes, or pieces of them.

    A piece that is empty closes the connection. `/v2/` is answered with 200
    where `answer` returns None, anything else with 404. `requests` are those
    that came, in order; `connections` counts them.
    """

    def __init__(
        self, answer: Callable[[Request], Reply | None], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.ended = threading.Event()
        self.requests: list[Request] = []
        self.connections = 0
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # closed by the other side
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive(), "a thread of the registry hangs"

    @property
    def client(self) -> socket.socket:
        """The one connection that is open."""
        (connection,) = self._open
        return connection

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self.host}"

    def paths(self, method: str = "GET") -> list[str]:
        return [request.path for request in self.requests if request.method == method]

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
                self.connections += 1
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.add(connection)
            with connection.makefile("rb") as file:
                while request := _read(file):
                    self.requests.append(request)
                    if not self._send(connection, request):
                        return
        except (OSError, ValueError):
            pass  # the client went away, or speaks TLS to a server that does not
        finally:
            with self._lock:
                self._open -= {plain, connection}
            connection.close()
            plain.close()

    def _send(self, connection: socket.socket, request: Request) -> bool:
        """Return whether the connection stays."""
        answer = self._answer(request)
        if answer is None:
            status, body = (200 if request.path == "/v2/" else 404), b"{}"
            answer = reply(status, body)
            if request.method == "HEAD":
                answer = answer.removesuffix(body)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            if not piece or self.ended.is_set():
                return False
            connection.sendall(piece)
        return True


def _read(file: socket.SocketIO | object) -> Request | None:
    readline, read = file.readline, file.read  # type: ignore[union-attr]
    line = readline(1 << 16)
    if not line or line[0] == _TLS_HANDSHAKE:
        return None
    method, path, _ = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while field := readline(1 << 16).strip().decode("latin-1"):
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") != "chunked":
        return Request(method, path, headers, read(int(headers.get("content-length", 0))))
    body = b""
    while size := int(readline(1 << 16), 16):
        body += read(size)
        readline()
    readline()
    return Request(method, path, headers, body)
