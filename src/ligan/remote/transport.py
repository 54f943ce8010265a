"""HTTP/1.1 to hosts that may lie: connections that are used again, redirects, and bounds on everything.

http.client parses; what it leaves open is closed here: how long an answer may
take, how long its head and body may be, and whom credentials are told.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from ligan.errors import Unsupported
from ligan.remote.endpoint import proxy_for, tls_context
from ligan.remote.faults import BadAnswer, Interrupted, RemoteError, Unreachable
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ligan.remote.endpoint import RemoteSettings

    Body = bytes | Iterable[bytes] | None

MAX_HEAD = 1 << 20
"""Bytes of status line and headers, and of what frames a body."""

MAX_REDIRECTS = 10
"""As Go's client, and so Docker."""

_BUFFER = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_UNRESERVED = "%/:=&?~#+!$,;'@()*[]"
_PUBLIC_KEYS = {
    "account",
    "client_id",
    "digest",
    "from",
    "last",
    "mount",
    "n",
    "offline_token",
    "scope",
    "service",
}


class _Slow(OSError):
    """Bytes come, but too few."""


class _Flood(OSError):
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
        if parts.scheme not in _PORTS or not parts.hostname:
            raise BadAnswer("the registry named an address that is none of http or https")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def shown(url: str) -> str:
    """Return the URL as messages may show it: without credentials, or a query that may hold some."""
    parts = urlsplit(url)
    query = parts.query
    if not {key for key, _ in parse_qsl(query, keep_blank_values=True)} <= _PUBLIC_KEYS:
        query = ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


class Transport:
    """Requests to any site, from any number of threads."""

    def __init__(self, settings: RemoteSettings, unverified: Iterable[str] = ()) -> None:
        """`unverified` are hosts, as in URLs, whose certificates nobody need have signed."""
        self._settings = settings
        self._unverified = frozenset(unverified)
        self._lock = threading.Lock()
        self._idle: dict[Site, list[_Connection]] = {}
        self._contexts: dict[Site, ssl.SSLContext] = {}
        self._closed = False

    def close(self) -> None:
        """Close the connections that no answer uses. Those in use are closed with their answers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = None,
        *,
        credentials: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Answer:
        """Return the answer, of any status, at the end of all redirects.

        `credentials` are headers for the site of the URL; no other sees them. Redirects
        are followed where the request can be repeated, and never from https
        to http. Raises Unreachable, Interrupted and BadAnswer, naming method and URL.
        """
        site = Site.of(url)
        kept = credentials or {}
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(method, url, {**headers, **kept}, body)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None or not follow:
                return answer
            if method not in ("GET", "HEAD") and not (answer.status in (307, 308) and _is_repeatable(body)):
                return answer
            answer.discard()
            previous, url = url, self._target(method, url, location)
            if Site.of(url) != site:
                kept = {}
            if Site.of(previous).scheme == "https" and Site.of(url).scheme == "http":
                raise BadAnswer(
                    f"{operation(method, previous)}: redirected from https to http, at {shown(url)}"
                )
        raise BadAnswer(f"{operation(method, url)}: stopped after {MAX_REDIRECTS} redirects")

    def _target(self, method: str, url: str, location: str) -> str:
        try:
            target = urljoin(url, quote(location, safe=_UNRESERVED))
            Site.of(target)
        except (ValueError, BadAnswer):
            raise BadAnswer(
                f"{operation(method, url)}: redirected to what is no URL of http or https"
            ) from None
        return target

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> Answer:
        site = Site.of(url)
        connection = self._connection(method, url, site)
        sent = dict(headers) | connection.proxy_headers
        try:
            connection.begin(self._settings.idle_timeout)
            _send(connection, method, connection.target(url), body, sent)
            connection.expect(self._settings.answer_timeout)
            response = connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            raise fault(method, url, error, self._settings) from None
        except BaseException:
            connection.close()
            raise
        return Answer(self, connection, response, method, url)

    def _connection(self, method: str, url: str, site: Site) -> _Connection:
        with self._lock:
            idle = self._idle.get(site, [])
            while idle:
                connection = idle.pop()
                if connection.is_usable():
                    return connection
                connection.close()
        connection = _Connection(site, self._route(site), self._settings)
        try:
            connection.connect()
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, HTTPException, ValueError)):
                raise Unreachable(f"{operation(method, url)}: {_dial_words(error)}") from None
            raise
        return connection

    def _route(self, site: Site) -> _Route:
        proxy = proxy_for(site.scheme, site.netloc, self._settings)
        if not proxy:
            return _Route((site.host, site.port), self._context(site), None, "")
        parts = urlsplit(proxy)
        if (
            parts.scheme not in _PORTS
            or not parts.hostname
            or (parts.scheme, site.scheme) == ("https", "https")
        ):
            raise Unsupported(f"cannot use the proxy {shown(proxy)}: it has to be http://HOST:PORT")
        secret = ""
        if parts.username is not None:
            secret = basic(unquote(parts.username), unquote(parts.password or ""))
        address = (parts.hostname, parts.port or _PORTS[parts.scheme])
        return _Route(address, self._context(site), site, secret, over_tls=parts.scheme == "https")

    def _context(self, site: Site) -> ssl.SSLContext | None:
        if site.scheme == "http":
            return None
        with self._lock:
            if site not in self._contexts:
                self._contexts[site] = tls_context(
                    site.netloc,
                    verified=site.netloc not in self._unverified,
                    folders=self._settings.certificate_folders,
                )
            return self._contexts[site]

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.setdefault(connection.site, []).append(connection)
                return
        connection.close()


class Answer:
    """An answer whose body is not read yet. Read it to its end, or close it."""

    def __init__(
        self, transport: Transport, connection: _Connection, response: HTTPResponse, method: str, url: str
    ) -> None:
        self._transport = transport
        self._connection: _Connection | None = connection
        self._response = response
        self.method = method
        self.url = url
        self.status = response.status
        self.headers = response.headers
        if response.length == 0:
            self._end()

    @property
    def operation(self) -> str:
        """What was asked, as errors begin."""
        return operation(self.method, self.url)

    @property
    def length(self) -> int | None:
        """The bytes of the body by its header, or None where that says nothing."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None

    def allow(self, size: int) -> None:
        """Let the body be of this many bytes, and be framed by as many more and MAX_HEAD."""
        if isinstance(self._response, _Response):
            self._response.wire.allowance = 2 * size + MAX_HEAD

    def read_some(self, count: int) -> bytes:
        """Return the next bytes, at most `count`, or none at the end. Raises Interrupted, BadAnswer."""
        if self._connection is None:
            return b""
        try:
            data = self._response.read1(count)
            if not data and self._response.length:
                raise IncompleteRead(b"", self._response.length)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise fault(self.method, self.url, error, self._transport._settings) from None
        if not data or self._response.length == 0:
            self._end()
        return data

    def read_all(self, limit: int) -> bytes:
        """Return the whole body. Raises BadAnswer where that is longer than the limit, else as read_some."""
        self.allow(limit)
        if (self.length or 0) <= limit:
            body = bytearray()
            while data := self.read_some(limit + 1 - len(body)):
                body += data
                if len(body) > limit:
                    break
            else:
                return bytes(body)
        self.close()
        raise BadAnswer(f"{self.operation}: the answer is longer than {limit} bytes")

    def discard(self) -> None:
        """Be done with the answer. A short rest is read, so that the connection can be used again."""
        try:
            if (self.length or 0) <= _BUFFER:
                self.read_all(_BUFFER)
        except RemoteError:
            pass  # nobody wanted it
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._response.close()
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        will_close = self._response.will_close
        self._response.close()
        if connection is not None:
            connection.close() if will_close else self._transport._keep(connection)


class _Route(Value):
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
            raise _Dial(f"proxyconnect tcp: {error}") from None
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
        response = _Response(connection, settings, method="CONNECT")
        try:
            response.begin()
            if response.status != 200:
                raise _Dial(f"{response.status} {response.reason}")
        finally:
            response.close()


class _Connection(HTTPConnection):
    """A connection to a site, direct or through a proxy."""

    def __init__(self, site: Site, route: _Route, settings: RemoteSettings) -> None:
        super().__init__(site.host, site.port, blocksize=1 << 20)
        self.default_port = _PORTS[site.scheme]  # so that the header Host is what others send
        self.response_class = lambda sock, **options: _Response(sock, settings, **options)  # type: ignore[assignment]  # any callable does
        self.site = site
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


class _Response(HTTPResponse):
    """An answer whose bytes come over a watched wire."""

    def __init__(self, sock: socket.socket, settings: RemoteSettings, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp.close()
        self.wire = _Wire(sock, settings)
        self.fp = io.BufferedReader(self.wire, _BUFFER)


class _Wire(io.RawIOBase):
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
            raise _Flood
        return count

    def _judge(self, seconds: float, count: int) -> None:
        """Raise where a time of waiting brought less than the least rate."""
        self._waited += seconds
        self._came += count
        if self._waited >= self._settings.idle_timeout:
            if count and self._came < self._settings.least_rate * self._waited:
                raise _Slow
            self._waited, self._came = 0.0, 0

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def _send(connection: _Connection, method: str, target: str, body: Body, headers: Mapping[str, str]) -> None:
    """Send a request. One that the other side stops taking is not lost: its answer says why."""
    try:
        connection.request(method, target, body, dict(headers))
    except (BrokenPipeError, ConnectionResetError):
        if body is None:
            raise


def _is_repeatable(body: Body) -> bool:
    return body is None or isinstance(body, bytes)


def basic(name: str, password: str) -> str:
    """Return the header of basic authentication."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def operation(method: str, url: str) -> str:
    """As Go's errors begin, and so Docker's."""
    return f'{method.title()} "{shown(url)}"'


class _Dial(OSError):
    """No connection; the text is Go's."""


def _dial(address: tuple[str, int], timeout: float) -> socket.socket:
    """Connect to the first of the host's addresses that answers. Raises _Dial for the first that does not."""
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _Dial(f"dial tcp: lookup {host}: no such host") from None
    first: _Dial | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except OSError as error:
            connection.close()
            shown_host = f"[{place[0]}]" if family == socket.AF_INET6 else place[0]
            words = "i/o timeout" if isinstance(error, TimeoutError) else f"connect: {_words(error)}"
            first = first or _Dial(f"dial tcp {shown_host}:{port}: {words}")
        else:
            return connection
    raise first or _Dial(f"dial tcp: lookup {host}: no such host")


_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's verify codes for a chain that ends nowhere known."""


def _dial_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return "x509: certificate signed by unknown authority"
        return f"x509: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        if error.reason in _NOT_TLS:
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {(error.reason or 'handshake failure').replace('_', ' ').lower()}"
    if isinstance(error, _Dial):
        return str(error)
    if isinstance(error, TimeoutError):
        return "net/http: TLS handshake timeout"
    if isinstance(error, OSError) and error.strerror:
        return f"connect: {_words(error)}"
    return "EOF"


def fault(method: str, url: str, error: Exception, settings: RemoteSettings) -> RemoteError:
    """Return the fault that broke off a request or its answer, named."""
    asked = operation(method, url)
    if isinstance(error, _Flood):
        return BadAnswer(f"{asked}: the answer is longer than any to this request")
    if isinstance(error, _Slow):
        return Interrupted(f"{asked}: less than {settings.least_rate} bytes a second come")
    if isinstance(error, TimeoutError):
        return Interrupted(f"{asked}: nothing comes any more: timeout")
    if isinstance(error, RemoteDisconnected):
        return Interrupted(f"{asked}: EOF")
    if isinstance(error, IncompleteRead):
        return Interrupted(f"{asked}: unexpected EOF")
    if isinstance(error, OSError):
        return Interrupted(f"{asked}: {_words(error)}")
    return BadAnswer(f"{asked}: malformed HTTP response: {type(error).__name__}")


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
