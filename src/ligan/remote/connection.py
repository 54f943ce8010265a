"""Connections: to a site or through a proxy, in the clear or by TLS, watched while they bring an answer.

http.client parses answers; what it leaves open is closed here: how long one may
take, and how many bytes it may be.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

from ligan.remote.endpoint import PORTS
from ligan.remote.faults import BadAnswer
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.remote.endpoint import RemoteSettings

MAX_HEAD = 1 << 20
"""Bytes of status line and headers, and of what frames a body."""

BUFFER = 1 << 18

HUNG_UP = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What the other side's end of a connection is to this one."""


class TooSlow(OSError):
    """Bytes come, but too few."""


class TooLong(OSError):
    """More bytes come than any answer to this request has."""


class Site(Value):
    """Where a URL leads: what one connection can serve. Credentials are for one site."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Site:
        """Raises BadAnswer for what is no URL of http or https: only registries name such."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadAnswer("the registry named an address that is none") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise BadAnswer("the registry named an address that is none of http or https")
        return cls(parts.scheme, parts.hostname, port or PORTS[parts.scheme])

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Route(Value):
    """How to connect to a site: to `address`, a proxy's where `through` is set; by TLS with a context."""

    address: tuple[str, int]
    context: ssl.SSLContext | None
    through: Site | None
    secret: str
    over_tls: bool = False

    def open(self, site: Site, settings: RemoteSettings) -> socket.socket:
        """Return a connection to the site, or, in the clear, to its proxy."""
        try:
            connection = _dial(self.address, settings.connect_timeout)
        except OSError as error:
            if self.through is None:
                raise
            raise DialFailure(f"proxyconnect tcp: {error}") from None
        try:
            connection.settimeout(settings.handshake_timeout)
            if self.over_tls:
                connection = ssl.create_default_context().wrap_socket(
                    connection, server_hostname=self.address[0]
                )
            if self.context is None:
                return connection
            if self.through is not None:
                self._tunnel(connection, self.through, settings)
            return self.context.wrap_socket(connection, server_hostname=site.host)
        except BaseException:
            connection.close()
            raise

    def _tunnel(self, connection: socket.socket, site: Site, settings: RemoteSettings) -> None:
        host = f"[{site.host}]" if ":" in site.host else site.host
        lines = [f"CONNECT {host}:{site.port} HTTP/1.1", f"Host: {host}:{site.port}"]
        if self.secret:
            lines.append(f"Proxy-Authorization: {self.secret}")
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
        response = Response(connection, settings, method="CONNECT")
        try:
            response.begin()
            if response.status != 200:
                raise DialFailure(f"{response.status} {response.reason}")
        finally:
            response.close()


class Connection(HTTPConnection):
    """A connection to a site, direct or through a proxy."""

    def __init__(self, site: Site, route: Route, settings: RemoteSettings) -> None:
        super().__init__(site.host, site.port, blocksize=1 << 20)
        self.default_port = PORTS[site.scheme]  # so that the header Host is what others send
        self.response_class = lambda sock, **options: Response(sock, settings, **options)  # type: ignore[assignment]  # any callable does
        self.site = site
        self.has_idled = False
        self._route = route
        self._settings = settings

    @property
    def proxy_headers(self) -> dict[str, str]:
        """What a request in the clear tells a proxy; a tunnel has told it already."""
        route = self._route
        return {"Proxy-Authorization": route.secret} if route.secret and route.context is None else {}

    def target(self, url: str) -> str:
        """Return what the request line names: a path, or to a proxy the whole URL."""
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        if self._route.through is None or self._route.context is not None:
            return path
        return f"{parts.scheme}://{self.site.netloc}{path}"

    def connect(self) -> None:
        self.sock = self._route.open(self.site, self._settings)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, seconds: float) -> None:
        """Let each piece of the request take so long."""
        self.sock.settimeout(seconds)

    expect = begin

    def is_usable(self) -> bool:
        """Return whether the other side left an idle connection open, and said nothing."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)


class Response(HTTPResponse):
    """An answer whose bytes come over a watched wire."""

    def __init__(self, sock: socket.socket, settings: RemoteSettings, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp.close()
        self.wire = Wire(sock, settings)
        self.fp = io.BufferedReader(self.wire, BUFFER)


class Wire(io.RawIOBase):
    """The bytes that a socket receives: not too slowly, and no more than is allowed."""

    def __init__(self, sock: socket.socket, settings: RemoteSettings) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._settings = settings
        self._began = False
        self._waited = 0.0
        self._came = 0
        self.allowance = MAX_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        started = time.monotonic()
        count = self._raw.readinto(buffer) or 0
        if self._began:
            self._judge(time.monotonic() - started, count)
        elif count:
            self._began = True
            self._sock.settimeout(self._settings.idle_timeout)
        self.allowance -= count
        if self.allowance < 0:
            raise TooLong
        return count

    def _judge(self, seconds: float, count: int) -> None:
        """Raise where a time of waiting brought less than the least rate."""
        self._waited += seconds
        self._came += count
        if self._waited >= self._settings.idle_timeout:
            if count and self._came < self._settings.least_rate * self._waited:
                raise TooSlow
            self._waited, self._came = 0.0, 0

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class DialFailure(OSError):
    """No connection; the text is Go's."""


def _dial(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect to the first address of a host that answers. Raises DialFailure, for the first of them."""
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DialFailure(f"dial tcp: lookup {host}: no such host") from None
    first: DialFailure | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except OSError as error:
            connection.close()
            shown_host = f"[{place[0]}]" if family == socket.AF_INET6 else place[0]
            reason = "i/o timeout" if isinstance(error, TimeoutError) else f"connect: {words(error)}"
            first = first or DialFailure(f"dial tcp {shown_host}:{port}: {reason}")
        else:
            return connection
    raise first or DialFailure(f"dial tcp: lookup {host}: no such host")


_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's verify codes for a chain that ends nowhere known."""


def dial_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return "x509: certificate signed by unknown authority"
        return f"x509: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        if error.reason in _NOT_TLS:
            return "http: server gave HTTP response to HTTPS client"
        return words(error)
    if isinstance(error, DialFailure):
        return str(error)
    if isinstance(error, TimeoutError):
        return "net/http: TLS handshake timeout"
    if isinstance(error, OSError) and error.strerror:
        return f"connect: {words(error)}"
    return "EOF"


def words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"tls: {error.reason.replace('_', ' ').lower()}"
    return (error.strerror or str(error)).lower()
