"""HTTP/1.1 to hosts that may lie: connections that are used again, redirects, whole answers.

Credentials are told to the site they are for, and to no other.
"""

from __future__ import annotations

from _thread import allocate_lock  # all of threading would cost more to import than it is of use here

from ligan.errors import Unsupported
from ligan.remote.connection import HUNG_UP, Connection, DialFailure, Route, words
from ligan.remote.endpoint import proxy_for
from ligan.remote.faults import BadAnswer, Interrupted, RemoteError, Unreachable
from ligan.remote.http1 import BUFFER, MAX_HEAD, CutShort, HungUp, Malformed, TooLong, TooSlow
from ligan.remote.site import Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ssl import SSLContext

    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.http1 import Body, Response

MAX_REDIRECTS = 10
"""As Go's client, and so Docker."""

_REDIRECTS = (301, 302, 303, 307, 308)
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


def shown(url: str) -> str:
    """Return the URL as messages may show it: without credentials, or a query that may hold some."""
    from urllib.parse import parse_qsl, urlsplit

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
        self._lock = allocate_lock()
        self._idle: dict[Site, list[Connection]] = {}
        self._open: list[Connection] = []
        self._contexts: dict[Site, SSLContext] = {}
        self._closed = False

    def close(self) -> None:
        """Close the connections that no answer uses. Those in use are closed with their answers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def stop(self) -> None:
        """Break off the requests and answers of all threads, and let none begin."""
        self.close()
        with self._lock:
            under_way = list(self._open)
        for connection in under_way:
            connection.hang_up()

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
            if answer.status not in _REDIRECTS or not location or not follow:
                return answer
            if method not in ("GET", "HEAD") and not (answer.status in (307, 308) and _is_repeatable(body)):
                return answer
            answer.discard()
            previous, url = url, answer.resolve(location)
            if Site.of(url) != site:
                kept = {}
            if Site.of(previous).scheme == "https" and Site.of(url).scheme == "http":
                raise BadAnswer(
                    f"{operation(method, previous)}: redirected from https to http, at {shown(url)}"
                )
        raise BadAnswer(f"{operation(method, url)}: stopped after {MAX_REDIRECTS} redirects")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> Answer:
        connection = self._connection(method, url, Site.of(url))
        try:
            connection.send(method, url, headers, body)
            response = connection.receive(method)
        except (OSError, Malformed) as error:
            connection.close()
            # A connection that idled may be closed just when it is used: that is no fault yet.
            if connection.has_idled and isinstance(error, HUNG_UP) and _is_repeatable(body):
                return self._once(method, url, headers, body)
            raise fault(method, url, error, self._settings) from None
        except BaseException:
            connection.close()
            raise
        return Answer(self, connection, response, method, url)

    def _connection(self, method: str, url: str, site: Site) -> Connection:
        with self._lock:
            if self._closed:
                raise Interrupted(f"{operation(method, url)}: broken off")
            idle = self._idle.get(site, [])
            while idle:
                connection = idle.pop()
                if connection.is_usable():
                    connection.has_idled = True
                    return connection
                connection.close()
        try:
            connection = Connection(site, self._route(site), self._settings)
        except DialFailure as error:
            raise Unreachable(f"{operation(method, url)}: {error}") from None
        self._watch(connection)
        return connection

    def _watch(self, connection: Connection) -> None:
        """Let `stop` break the connection off, now if it was called meanwhile."""
        with self._lock:
            self._open = [other for other in self._open if not other.is_closed] + [connection]
            if self._closed:
                connection.hang_up()

    def _route(self, site: Site) -> Route:
        proxy = proxy_for(site.scheme, site.netloc, self._settings)
        if not proxy:
            return Route((site.host, site.port), self._context(site))
        from urllib.parse import unquote, urlsplit

        through: Site | None = None
        try:
            through = Site.of(proxy)
        except BadAnswer:
            pass
        if through is None or (through.scheme, site.scheme) == ("https", "https"):
            place = f"{proxy.partition('://')[0]}://{proxy.partition('://')[2].rpartition('@')[2]}"
            raise Unsupported(f"cannot use the proxy {place}: it has to be http://HOST:PORT")
        parts = urlsplit(proxy)
        secret = ""
        if parts.username is not None:
            secret = basic(unquote(parts.username), unquote(parts.password or ""))
        address = (through.host, through.port)
        return Route(address, self._context(site), site, secret, self._context(through))

    def _context(self, site: Site) -> SSLContext | None:
        if site.scheme == "http":
            return None
        from ligan.remote.tls import context_for

        with self._lock:
            if site not in self._contexts:
                self._contexts[site] = context_for(
                    site.netloc,
                    verified=site.netloc not in self._unverified,
                    folders=self._settings.certificate_folders,
                )
            return self._contexts[site]

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.setdefault(connection.site, []).append(connection)
                return
        connection.close()


class Answer:
    """An answer whose body is not read yet. Read it to its end, or close it."""

    def __init__(
        self, transport: Transport, connection: Connection, response: Response, method: str, url: str
    ) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._response = response
        self.method = method
        self.url = url
        self.status = response.status
        self.headers = response.headers
        if response.is_over:
            self._end()

    @property
    def operation(self) -> str:
        """What was asked, as errors begin."""
        return operation(self.method, self.url)

    @property
    def length(self) -> int | None:
        """The bytes of the body by its header, or None where that says nothing."""
        return self._response.length

    def resolve(self, address: str) -> str:
        """Return the URL of an address in a header, which may be relative. Raises BadAnswer."""
        from urllib.parse import quote, urljoin

        try:
            url = urljoin(self.url, quote(address, safe=_UNRESERVED))
            Site.of(url)
        except (ValueError, BadAnswer):
            self.close()
            raise BadAnswer(
                f"{self.operation}: the answer leads to what is no URL of http or https"
            ) from None
        return url

    def allow(self, size: int) -> None:
        """Let the body be of this many bytes, and be framed by as many more and MAX_HEAD."""
        self._response.wire.allowance = 2 * size + MAX_HEAD

    def read_some(self, count: int) -> bytes:
        """Return the next bytes, at most `count`, or none at the end. Raises Interrupted, BadAnswer."""
        if self._connection is None:
            return b""
        try:
            data = self._response.read(count)
        except (OSError, Malformed) as error:
            self.close()
            raise fault(self.method, self.url, error, self._transport._settings) from None
        if not data or self._response.is_over:
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
            if (self.length or 0) <= BUFFER:
                self.read_all(BUFFER)
        except RemoteError:
            pass  # nobody wanted it
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._response.will_close or not self._response.wire.is_drained:
            connection.close()
        else:
            self._transport._keep(connection)


def _is_repeatable(body: Body) -> bool:
    return body is None or isinstance(body, bytes)


def basic(name: str, password: str) -> str:
    """Return the header of basic authentication."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{name}:{password}".encode("utf-8", "surrogateescape")).decode()


def operation(method: str, url: str) -> str:
    """As Go's errors begin, and so Docker's."""
    return f'{method.title()} "{shown(url)}"'


def fault(method: str, url: str, error: Exception, settings: RemoteSettings) -> RemoteError:
    """Return the fault that broke off a request or its answer, named."""
    asked = operation(method, url)
    if isinstance(error, TooLong):
        return BadAnswer(f"{asked}: the answer is longer than any to this request")
    if isinstance(error, TooSlow):
        return Interrupted(f"{asked}: less than {settings.least_rate} bytes a second come")
    if isinstance(error, TimeoutError):
        return Interrupted(f"{asked}: nothing comes any more: timeout")
    if isinstance(error, HungUp):
        return Interrupted(f"{asked}: EOF")
    if isinstance(error, CutShort):
        return Interrupted(f"{asked}: unexpected EOF")
    if isinstance(error, OSError):
        return Interrupted(f"{asked}: {words(error)}")
    return BadAnswer(f"{asked}: malformed HTTP response: {error}")
