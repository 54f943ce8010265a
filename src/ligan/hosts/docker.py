"""A blocking client of any daemon that speaks the Docker Engine API.

Addresses are those of DOCKER_HOST: `unix://PATH` and `tcp://HOST[:PORT]`, the
latter with TLS where certificates are given.
"""

from __future__ import annotations

import io
import json
import os
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlencode, urlsplit

from ligan.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LiganError,
    NoSpace,
    NotFound,
    Unauthorized,
    Unavailable,
    Unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from http.client import HTTPResponse
    from ssl import SSLContext
    from types import TracebackType
    from typing import Any, BinaryIO, Self

    Query = Sequence[tuple[str, str]]

MIN_VERSION = (1, 24)
MAX_VERSION = (1, 44)
"""The last at which inspect tells all of an image's config."""

PORT = 2375
TLS_PORT = 2376
"""The ports that docker takes for tcp:// without one."""

_KINDS: dict[int, type[LiganError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    501: Unsupported,
    507: NoSpace,
}

_BUFFER = 1 << 20


class Unreachable(Unavailable):
    """Nothing answers at the daemon's address."""


class DockerHost:
    """A daemon, at the highest version of the API that both sides speak. Not shared between threads."""

    def __init__(self, address: str, certificates: str | None = None) -> None:
        """Connect, and agree on a version.

        `certificates` is a folder with docker's ca.pem, cert.pem and key.pem;
        without it tcp:// is in the clear. Raises Invalid for an address that is
        none, Unsupported for one of another kind, Unreachable or Unavailable where no such daemon answers.
        """
        self.address = address
        self._connect = _connector(address, certificates)
        self._idle: HTTPConnection | None = None
        try:
            self.version = self._negotiate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._idle is not None:
            self._idle.close()

    def get(self, path: str) -> dict[str, Any]:
        """Return the object that answers a GET. Raises the daemon's error, with its words."""
        document = self._get(path, ())
        if not isinstance(document, dict):
            raise self._unreadable()
        return document

    def get_list(self, path: str, query: Query = ()) -> list[dict[str, Any]]:
        """Return the list of objects that answers a GET. Raises the daemon's error, with its words."""
        document = self._get(path, query)
        if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
            raise self._unreadable()
        return document

    def stream(self, path: str, query: Query = (), progress: Callable[[int], None] | None = None) -> BinaryIO:
        """Return the body of the answer to a GET, to be read as it comes and closed.

        `progress` is told how many bytes each read brought. Reading raises
        Unavailable where the daemon breaks off. Raises the daemon's error, with its words.
        """
        connection, response = self._request(path, query)
        return io.BufferedReader(_Body(connection, response, self.address, progress), _BUFFER)

    def _negotiate(self) -> str:
        connection, response = self._send("/_ping")
        self._read(connection, response)
        text = response.headers.get("Api-Version", "")
        major, _, minor = text.partition(".")
        if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
            raise Unavailable(f"what answers at {self.address} is no Docker Engine API")
        theirs = (int(major), int(minor))
        if theirs < MIN_VERSION:
            raise Unsupported(
                f"the daemon at {self.address} speaks version {text} of the API: too old, 1.24 is the least"
            )
        return ".".join(map(str, min(theirs, MAX_VERSION)))

    def _get(self, path: str, query: Query) -> Any:
        return self._document(*self._request(path, query))

    def _request(self, path: str, query: Query) -> tuple[HTTPConnection, HTTPResponse]:
        """Return an answer of status 200 whose body is not read yet. Raises the error it is instead."""
        target = f"/v{self.version}{quote(path)}" + (f"?{urlencode(query)}" if query else "")
        connection, response = self._send(target)
        if response.status == 200:
            return connection, response
        document = self._document(connection, response)
        message = document.get("message") if isinstance(document, dict) else None
        raise _KINDS.get(response.status, Unavailable)(str(message or f"{response.status} {response.reason}"))

    def _send(self, target: str) -> tuple[HTTPConnection, HTTPResponse]:
        connection, self._idle = self._idle, None
        if connection is not None:
            try:
                connection.request("GET", target)
                return connection, connection.getresponse()
            except (OSError, HTTPException):
                connection.close()  # the daemon closes what has been idle for long
        connection = self._connect()
        try:
            connection.request("GET", target)
            return connection, connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from None

    def _document(self, connection: HTTPConnection, response: HTTPResponse) -> Any:
        try:
            return json.loads(self._read(connection, response))
        except (ValueError, RecursionError):
            raise self._unreadable() from None

    def _read(self, connection: HTTPConnection, response: HTTPResponse) -> bytes:
        """Return the whole body; the connection serves the next request, where the daemon lets it open."""
        try:
            body = response.read()
        except (OSError, HTTPException):
            connection.close()
            raise self._unreadable() from None
        self._idle = connection
        return body

    def _unreadable(self) -> Unavailable:
        return Unavailable(f"the daemon at {self.address} gave an answer that cannot be read")

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "Is the daemon running?"
        if isinstance(error, PermissionError):
            hint = "Its socket is for root and for members of its group, mostly `docker`."
        return Unreachable(f"cannot connect to the daemon at {self.address}: {reason.lower()}", hint)


class _Body(io.RawIOBase):
    """The body of an answer as a stream of bytes."""

    def __init__(
        self,
        connection: HTTPConnection,
        response: HTTPResponse,
        address: str,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._connection = connection
        self._response = response
        self._address = address
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            count = self._response.readinto(buffer)
        except (OSError, HTTPException):
            raise Unavailable(f"the daemon at {self._address} broke off its answer") from None
        if self._progress is not None:
            self._progress(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._response.close()
            self._connection.close()
        super().close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        self.sock = connection


def _connector(address: str, certificates: str | None) -> Callable[[], HTTPConnection]:
    """Return what makes a connection that is yet to be opened."""
    kind, _, place = address.partition("://")
    if kind == "unix" and place:
        return lambda: _UnixConnection(place)
    if kind != "tcp":
        raise Unsupported(
            f'cannot use "{address}": the address of a daemon is unix://PATH or tcp://HOST[:PORT]',
            "Through ssh: ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST, then unix:///tmp/docker.sock"
            if kind == "ssh"
            else "",
        )
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:  # UnicodeError is one
        host, port = None, None
    if not host:
        raise Invalid(f'"{address}" is no address of a daemon')
    if certificates is None:
        return lambda: HTTPConnection(host, port or PORT)
    context = _context(certificates)
    return lambda: HTTPSConnection(host, port or TLS_PORT, context=context)


def _context(folder: str) -> SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    except OSError as error:  # ssl.SSLError is one
        raise Invalid(
            f"cannot use the certificates in {folder}: {error.strerror or error}",
            "ca.pem, cert.pem and key.pem have to be there, in PEM.",
        ) from None
    return context
