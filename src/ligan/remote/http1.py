"""HTTP/1.1 for a client whose servers may lie (RFC 9112): requests as bytes, answers from a watched wire.

The standard library's http.client does as much, but for the limits; with the
package email, which it imports, it takes longer than a pull that is up to date has in all.
"""

from __future__ import annotations

import time

from ligan.remote.faults import BadAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Protocol

    from ligan.remote.endpoint import RemoteSettings

    Body = bytes | Iterable[bytes] | None

    class Socket(Protocol):
        """What plain sockets, and those of TLS, have in common."""

        def recv(self, count: int, /) -> bytes: ...
        def sendall(self, data: bytes, /) -> object: ...
        def settimeout(self, seconds: float, /) -> object: ...
        def fileno(self) -> int: ...
        def close(self) -> object: ...


MAX_HEAD = 1 << 20
"""Bytes of status line and headers, and of what frames a body."""

BUFFER = 1 << 18

_LINE = 1 << 13
"""Bytes received at a time where a line is wanted."""

_NO_BODY = (204, 304)


class TooSlow(OSError):
    """Bytes come, but too few."""


class TooLong(OSError):
    """More bytes come than any answer to this request has."""


class HungUp(ConnectionResetError):
    """The connection ended before an answer began."""


class CutShort(OSError):
    """The connection ended before the answer did."""


class Malformed(ValueError):
    """What came is no answer of HTTP/1.1. The text says why, in no word of the server's."""


def head_of(method: str, target: str, host: str, headers: Mapping[str, str], body: Body) -> bytes:
    """Return the bytes that come before a request's body. Raises BadAnswer for what cannot stand in them.

    Bodies of several pieces are chunked, unless a Content-Length is among the headers.
    """
    fields = {"Host": host, "Accept-Encoding": "identity", **headers}
    if isinstance(body, bytes) or (body is None and method not in ("GET", "HEAD", "CONNECT", "DELETE")):
        fields["Content-Length"] = str(len(body or b""))
    elif body is not None and "Content-Length" not in fields:
        fields["Transfer-Encoding"] = "chunked"
    if not _is_visible(target) or " " in target:
        raise BadAnswer("an address holds what no URL can")
    for name, value in fields.items():
        if not _is_visible(value):
            raise BadAnswer(f'net/http: invalid header field value for "{name}"')
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()], "", ""]
    return "\r\n".join(lines).encode()


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable()


def pieces_of(body: Body, *, chunked: bool) -> Iterator[bytes]:
    """Yield a request's body as it is sent."""
    if body is None or isinstance(body, bytes):
        yield body or b""
        return
    for piece in body:
        if not chunked:
            yield piece
        elif piece:  # an empty one would end the body
            yield b"%x\r\n" % len(piece)
            yield piece
            yield b"\r\n"
    if chunked:
        yield b"0\r\n\r\n"


class Wire:
    """The bytes of one answer: not too slowly, and no more than is allowed."""

    def __init__(self, sock: Socket, settings: RemoteSettings) -> None:
        self._sock = sock
        self._settings = settings
        self._buffer = bytearray()
        self._began = False
        self._waited = 0.0
        self._came = 0
        self.allowance = MAX_HEAD

    @property
    def is_drained(self) -> bool:
        """Whether nothing came beyond what was read."""
        return not self._buffer

    def line(self) -> bytes:
        """Return the next line without its end. Raises HungUp, CutShort."""
        begin = 0
        while (end := self._buffer.find(b"\n", begin)) < 0:
            begin = len(self._buffer)
            data = self._receive(_LINE)
            if not data:
                raise CutShort if self._began else HungUp
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def some(self, count: int) -> bytes:
        """Return the next bytes, at most `count`, and none only where the connection ends."""
        if not self._buffer:
            return self._receive(min(count, BUFFER))
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _receive(self, count: int) -> bytes:
        started = time.monotonic()
        data = self._sock.recv(count)
        if self._began:
            self._judge(time.monotonic() - started, len(data))
        elif data:
            self._began = True
            self._sock.settimeout(self._settings.idle_timeout)
        self.allowance -= len(data)
        if self.allowance < 0:
            raise TooLong
        return data

    def _judge(self, seconds: float, count: int) -> None:
        """Raise where a time of waiting brought less than the least rate."""
        self._waited += seconds
        self._came += count
        if self._waited >= self._settings.idle_timeout:
            if count and self._came < self._settings.least_rate * self._waited:
                raise TooSlow
            self._waited, self._came = 0.0, 0


class Headers:
    """The headers of an answer. Their names are alike in any case."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str:
        """Return the first of this name, or an empty string."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> list[str]:
        return self._values.get(name.lower(), [])

    def tokens(self, name: str) -> list[str]:
        """Return the items of a list, over all headers of this name, in lower case."""
        return [item.strip().lower() for value in self.all(name) for item in value.split(",") if item.strip()]


class Response:
    """An answer whose head was read, and whose body comes by `read`."""

    def __init__(self, wire: Wire, method: str) -> None:
        """Read the head, past answers that only say to wait. Raises Malformed, and what the wire raises."""
        self.wire = wire
        self.status = 100
        while 100 <= self.status < 200:
            is_old, self.status, self.reason = _status_line(wire.line())
            self.headers = _headers(wire)
        self.length = self._stated_length()
        """Bytes of the body by the head, be there one or not; None where it does not say."""
        self._is_chunked = False
        self._left = self._first_part(method)
        """Bytes to come of the body, or of its chunk; None for all until the connection ends."""
        connection = self.headers.tokens("Connection")
        self.will_close = (
            self._left is None or "close" in connection or (is_old and "keep-alive" not in connection)
        )

    @property
    def is_over(self) -> bool:
        """Whether all of the body was read."""
        return self._left == 0 and not self._is_chunked

    def read(self, count: int) -> bytes:
        """Return the next bytes of the body, at most `count`, and none at its end."""
        if self._is_chunked and self._left == 0:
            self._next_chunk()
        if self._left == 0:
            return b""
        data = self.wire.some(count if self._left is None else min(count, self._left))
        if self._left is not None:
            if not data:
                raise CutShort
            self._left -= len(data)
            if self._is_chunked and not self._left and self.wire.line():
                raise Malformed("a chunk is longer than it says")
        elif not data:
            self._left = 0
        return data

    def _stated_length(self) -> int | None:
        lengths = set(self.headers.tokens("Content-Length"))
        if len(lengths) > 1 or not all(_is_number(text) for text in lengths):
            raise Malformed("no sense in its Content-Length")
        return int(lengths.pop()) if lengths else None

    def _first_part(self, method: str) -> int | None:
        """Return how much of the body is to be read before looking further (RFC 9112, 6.3)."""
        encodings = self.headers.tokens("Transfer-Encoding")
        if method == "HEAD" or self.status in _NO_BODY or (method == "CONNECT" and self.status == 200):
            return 0
        if not encodings:
            return self.length
        if encodings != ["chunked"] or self.length is not None:
            raise Malformed("no sense in its Transfer-Encoding")
        self._is_chunked = True
        return 0

    def _next_chunk(self) -> None:
        size = self.wire.line().partition(b";")[0].strip(b" \t")
        if not size or len(size) > 16 or size.strip(b"0123456789abcdefABCDEF"):
            raise Malformed("no sense in the size of a chunk")
        self._left = int(size, 16)
        if not self._left:
            self._is_chunked = False
            while self.wire.line():
                pass  # trailers say nothing that is wanted


def _status_line(line: bytes) -> tuple[bool, int, str]:
    """Return whether the server is of the time of HTTP/1.0, the status, and its words."""
    version, _, rest = line.partition(b" ")
    status, _, reason = rest.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or len(status) != 3 or not status.isdigit():
        raise Malformed("no status line")
    if status < b"100" or status == b"101":  # nobody asked to switch protocols
        raise Malformed("no status of an answer")
    return version == b"HTTP/1.0", int(status), reason.strip().decode("latin-1")


def _headers(wire: Wire) -> Headers:
    headers = Headers()
    name = value = ""
    while line := wire.line().decode("latin-1"):
        if line[0] in " \t" and name:  # a line goes on: of old, and still met
            value = f"{value} {line.strip(_BLANK)}"
            continue
        if name:
            headers.add(name, value)
        name, colon, value = line.partition(":")
        if not colon or not name or name.strip(_BLANK) != name:
            raise Malformed("a line among the headers is none")
        value = value.strip(_BLANK)
    if name:
        headers.add(name, value)
    return headers


_BLANK = " \t"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
