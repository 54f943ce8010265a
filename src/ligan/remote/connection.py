"""Connections: to a site or through a proxy, in the clear or by TLS."""

from __future__ import annotations

# The half of `socket` that is in C: the other makes enums of its constants, which takes 8 ms.
from _socket import (
    AF_INET6,
    IPPROTO_TCP,
    SHUT_RDWR,
    SOCK_STREAM,
    TCP_NODELAY,
    dup,
    getaddrinfo,
    socket,
)
from _thread import allocate_lock

from ligan.remote.http1 import Malformed, Response, Wire, head_of, pieces_of
from ligan.remote.site import bracketed, target_of
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.http1 import Body, Socket
    from ligan.remote.site import Site

HUNG_UP = (BrokenPipeError, ConnectionResetError)
"""What the other side's end of a connection is to this one."""


class DialFailure(OSError):
    """No connection; the text is Go's."""


class Route(Value):
    """How to connect to a site: to `address`, a proxy's where `through` is set; by TLS with a context.

    `proxy_context` is set where the proxy itself is spoken to by TLS.
    """

    address: tuple[str, int]
    context: SSLContext | None
    through: Site | None = None
    secret: str = ""
    proxy_context: SSLContext | None = None

    def open(self, site: Site, settings: RemoteSettings) -> Socket:
        """Return a connection to the site, or, in the clear, to its proxy. Raises DialFailure."""
        try:
            plain = _dial(self.address, settings.connect_timeout)
        except DialFailure as error:
            if self.through is None:
                raise
            raise DialFailure(f"proxyconnect tcp: {error}") from None
        connection: Socket = plain
        try:
            plain.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            if self.proxy_context is not None:
                connection = _secured(plain, self.proxy_context, self.address[0], settings)
            if self.context is None:
                return connection
            if self.through is not None:
                plain.settimeout(settings.handshake_timeout)
                self._tunnel(plain, site, settings)
            return _secured(plain, self.context, site.host, settings)
        except BaseException:
            connection.close()
            raise

    def _tunnel(self, connection: Socket, site: Site, settings: RemoteSettings) -> None:
        headers = {"Proxy-Authorization": self.secret} if self.secret else {}
        try:
            connection.sendall(head_of("CONNECT", site.address, site.address, headers, None))
            response = Response(Wire(connection, settings), "CONNECT")
        except TimeoutError:
            raise DialFailure("i/o timeout") from None
        except (OSError, Malformed) as error:
            raise DialFailure("malformed HTTP response" if isinstance(error, Malformed) else "EOF") from None
        if response.status != 200:
            raise DialFailure(f"{response.status} {response.reason}")


class Connection:
    """A connection to a site, direct or through a proxy. It serves one request after the other."""

    def __init__(self, site: Site, route: Route, settings: RemoteSettings) -> None:
        """Connect. Raises DialFailure."""
        self.site = site
        self.has_idled = False
        self._route = route
        self._settings = settings
        self._sock = route.open(site, settings)
        self._closing = allocate_lock()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> None:
        """Send a request. One that the other side stops taking is not lost: its answer says why."""
        route, target = self._route, target_of(url)
        if route.through is not None and route.context is None:
            target = f"{self.site.scheme}://{self.site.netloc}{target}"
            if route.secret:  # a tunnel has told it already
                headers = {**headers, "Proxy-Authorization": route.secret}
        head = head_of(method, target, self.site.netloc, headers, body)
        self._sock.settimeout(self._settings.idle_timeout)
        try:
            self._sock.sendall(head)
            for piece in pieces_of(body, chunked="Content-Length" not in headers):
                if piece:
                    self._sock.sendall(piece)
        except HUNG_UP:
            if body is None:
                raise

    def receive(self, method: str) -> Response:
        """Return the answer, of which the head has come."""
        self._sock.settimeout(self._settings.answer_timeout)
        return Response(Wire(self._sock, self._settings), method)

    def is_usable(self) -> bool:
        """Return whether the other side left an idle connection open, and said nothing."""
        import select

        if not hasattr(select, "poll"):  # Windows, whose select() takes sockets of any number
            return not select.select([self._sock], [], [], 0)[0]
        watched = select.poll()
        watched.register(self._sock.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not watched.poll(0)

    @property
    def is_closed(self) -> bool:
        return self._sock.fileno() < 0

    def close(self) -> None:
        with self._closing:
            self._sock.close()

    def hang_up(self) -> None:
        """End what another thread sends or receives here, as if the other side had gone."""
        with self._closing:
            if self.is_closed:
                return
            twin = socket(fileno=dup(self._sock.fileno()))  # that of TLS cannot be ended under its user
        try:
            twin.shutdown(SHUT_RDWR)
        except OSError:
            pass  # the other side has gone
        finally:
            twin.close()


def _secured(plain: socket, context: SSLContext, host: str, settings: RemoteSettings) -> Socket:
    from ligan.remote.tls import SecureSocket

    return SecureSocket(plain, context, host, settings.handshake_timeout)


def _dial(address: tuple[str, int], timeout: float) -> socket:
    """Connect to the first address of a host that answers. Raises DialFailure, for the first of them."""
    host, port = address
    try:
        # Bytes pass by the codec for international names, which takes 5 ms to import.
        found = getaddrinfo(host.encode() if host.isascii() else host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DialFailure(f"dial tcp: lookup {host}: no such host") from None
    first: DialFailure | None = None
    for family, kind, protocol, _, place in found:
        connection = socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except OSError as error:
            connection.close()
            shown_host = bracketed(str(place[0])) if family == AF_INET6 else place[0]
            reason = "i/o timeout" if isinstance(error, TimeoutError) else f"connect: {words(error)}"
            first = first or DialFailure(f"dial tcp {shown_host}:{port}: {reason}")
        else:
            return connection
    raise first or DialFailure(f"dial tcp: lookup {host}: no such host")


def words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
