"""Where the daemon listens: sockets of files, of addresses, and those that systemd passes on."""

from __future__ import annotations

import asyncio
import grp
import ipaddress
import os
import socket
import stat

from ligan.errors import Busy, Forbidden, Invalid, Unavailable
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

GROUPS = ("ligan", "docker")
"""Whose members may use the socket; the first that exists."""

_PORT, _TLS_PORT = 2375, 2376  # registered with IANA for Docker's API
_FIRST_PASSED = 3  # sd_listen_fds(3)
_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0
_NO_GROUP = (1 << 32) - 1  # chown(2): leave it as it is


class Address(Value):
    """One `-H`. `path` is that of a unix socket, or the number of a descriptor, or empty for all of them."""

    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class TlsFiles(Value):
    """Paths of the certificates: of the authority that signs clients, and of this server with its key."""

    ca: str
    certificate: str
    key: str


class Listener:
    """A socket that listens. `inode` is that of the socket's file, if it is ours to remove."""

    def __init__(self, listening: socket.socket, address: Address, inode: int = 0) -> None:
        self.socket = listening
        self.address = address
        self._inode = inode
        self._server: asyncio.Server | None = None

    @property
    def is_unix(self) -> bool:
        return self.socket.family == socket.AF_UNIX

    def __str__(self) -> str:
        return str(self.address)

    async def serve(
        self, make_protocol: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        """Answer whoever connects; on TCP by TLS, where there is a context."""
        loop = asyncio.get_running_loop()
        if self.is_unix:
            self._server = await loop.create_unix_server(make_protocol, sock=self.socket, backlog=_BACKLOG)
        else:
            self._server = await loop.create_server(
                make_protocol,
                sock=self.socket,
                backlog=_BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None,
            )

    def close(self) -> None:
        """Listen no more, and remove the socket's file unless another one is there by now."""
        path = self.address.path
        try:
            if self._inode and os.lstat(path).st_ino == self._inode:
                os.unlink(path)
        except FileNotFoundError:
            pass  # somebody else has removed it
        if self._server is not None:
            self._server.close()
        self.socket.close()


def parse_address(text: str, *, tls: bool = False) -> Address:
    """Read the value of a `-H`, as dockerd does. Raises Invalid."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "tcp", scheme
    if scheme == "unix":
        if not os.path.isabs(rest):
            raise Invalid(f"invalid address {text}: the path of a socket has to begin with /")
        return Address(scheme, path=rest)
    if scheme == "fd":
        if rest.strip("0123456789") and rest != "*":
            raise Invalid(f"invalid address {text}: fd:// takes the number of a descriptor, or nothing")
        return Address(scheme, path=rest.removeprefix("*"))
    if scheme != "tcp":
        raise Invalid(f"invalid bind address protocol: {text}", "Known are unix://, fd:// and tcp://.")
    return _parse_tcp(text, rest.removesuffix("/"), _TLS_PORT if tls else _PORT)


def _parse_tcp(text: str, rest: str, default_port: int) -> Address:
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, ""
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise Invalid(f"invalid bind address: {text}", "Write an IPv6 address in brackets.")
    is_port = port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 1 << 16
    if (port and not is_port) or "/" in host:
        raise Invalid(f"invalid bind address: {text}")
    return Address("tcp", host=host.strip("[]") or "localhost", port=int(port or default_port))


def open_listeners(
    addresses: Sequence[Address],
    environ: Mapping[str, str],
    *,
    group: str = "",
    tls: bool = False,
    insecure: bool = False,
) -> list[Listener]:
    """Listen on every address, or on none.

    A port that other machines reach needs client certificates (`tls`), or `insecure`. Raises Forbidden
    where it has neither, Busy where a living server has the address, Invalid or Unavailable else.
    """
    opened: list[Listener] = []
    try:
        for address in addresses:
            opened += _open(address, environ, group, local=not tls and not insecure)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open(address: Address, environ: Mapping[str, str], group: str, *, local: bool) -> list[Listener]:
    """Open an address; `local` refuses what other machines reach."""
    if address.scheme == "unix":
        return [_open_unix(address, group)]
    if address.scheme == "fd":
        return _open_passed(address, environ, local=local)
    return _open_tcp(address, local=local)


def _check_local(host: str, address: Address) -> None:
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    raise Forbidden(
        f"refused to listen on {address}: other machines could reach it without a certificate",
        "Whoever can use the API has the daemon's power on this machine. Add --tlsverify with --tlscacert,\n"
        "--tlscert and --tlskey, or --insecure if something else protects the port.",
    )


def _open_unix(address: Address, group: str) -> Listener:
    path = address.path
    owner = _group_of_socket(group)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)  # nobody else may connect before the group is set
    try:
        listening.bind(path)
        _give(path, owner, asked=bool(group))
        os.chmod(path, 0o660)  # the group of the socket is who may use the API
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_listen(address, error) from error
    finally:
        os.umask(mask)
    return Listener(listening, address, os.lstat(path).st_ino)


def _group_of_socket(name: str) -> int:
    """Return the number of a group: the one named, else the first of GROUPS that exists, else one's own."""
    if name.isascii() and name.isdigit() and int(name) < _NO_GROUP:
        return int(name)
    for known in (name,) if name else GROUPS:
        try:
            return grp.getgrnam(known).gr_gid
        except KeyError:
            pass
    if name:
        raise Invalid(f"there is no group {name}")
    return os.getegid()


def _give(path: str, group: int, *, asked: bool) -> None:
    """Give the socket to a group. One that nobody asked for need not be in this user's power."""
    try:
        os.chown(path, -1, group)
    except PermissionError:
        if asked:
            raise


def _remove_stale(path: str) -> None:
    """Make way for a new socket where nobody listens on the old one."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(f"cannot listen on unix://{path}: {(error.strerror or '').lower()}") from error
    if not stat.S_ISSOCK(mode):
        raise Busy(f"cannot listen on unix://{path}: it exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            pass
        except OSError:
            raise _occupied(path) from None
        else:
            raise _occupied(path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # its server was just ending


def _occupied(path: str) -> Busy:
    return Busy(f"cannot listen on unix://{path}: another server listens there")


def _open_passed(address: Address, environ: Mapping[str, str], *, local: bool) -> list[Listener]:
    """Take over the sockets that systemd opened (sd_listen_fds(3))."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit() or count == "0":
        raise Unavailable(
            "no sockets found via socket activation: make sure the service was started by systemd",
            "`-H fd://` belongs into the unit of a service that has a socket unit.",
        )
    passed = range(_FIRST_PASSED, _FIRST_PASSED + int(count))
    wanted = [int(address.path)] if address.path else list(passed)
    if wanted[0] not in passed:
        raise Invalid(f"systemd passed no descriptor {wanted[0]}, but {passed[0]} to {passed[-1]}")
    listeners = []
    for number in wanted:
        os.set_inheritable(number, False)
        try:
            listening = socket.socket(fileno=number)
        except OSError as error:
            raise _cannot_listen(address, error) from error
        if local and listening.family != socket.AF_UNIX:
            _check_local(listening.getsockname()[0], address)
        listeners.append(Listener(listening, Address("fd", path=str(number))))
    return listeners


def _open_tcp(address: Address, *, local: bool) -> list[Listener]:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise Unavailable(f"cannot listen on {address}: {error.strerror}") from error
    except UnicodeError:  # of the codec idna: a label is empty, or too long
        raise Invalid(f"invalid bind address: {address}") from None
    if local:
        for *_rest, where in found:
            _check_local(str(where[0]), address)
    listeners: list[Listener] = []
    try:
        for family, _type, _protocol, _name, where in dict.fromkeys(found):
            listeners.append(_bind_tcp(address, family, where))
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise _cannot_listen(address, error) from error
    return listeners


def _bind_tcp(address: Address, family: int, where: tuple[object, ...]) -> Listener:
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    host, port = listening.getsockname()[:2]
    return Listener(listening, address.replace(host=host, port=port))


def _cannot_listen(address: Address, error: OSError) -> Unavailable:
    return Unavailable(f"cannot listen on {address}: {(error.strerror or str(error)).lower()}")


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context that lets in only clients with a certificate of this authority. Raises Unavailable."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(files.ca)
    except OSError as error:  # SSLError is one
        missing = [path for path in (files.ca, files.certificate, files.key) if not os.access(path, os.R_OK)]
        reason = f"cannot read {' and '.join(missing)}" if missing else str(error.strerror or error)
        raise Unavailable(
            f"could not load the TLS certificates: {reason}",
            "--tlsverify needs --tlscacert, --tlscert and --tlskey, or ca.pem, cert.pem and key.pem\n"
            "in DOCKER_CERT_PATH or ~/.docker.",
        ) from error
    return context


def default_tls_files(environ: Mapping[str, str]) -> TlsFiles:
    """Return docker's paths: in DOCKER_CERT_PATH, else in the folder of the user."""
    folder = environ.get("DOCKER_CERT_PATH") or f"{environ.get('HOME', '')}/.docker"
    return TlsFiles(f"{folder}/ca.pem", f"{folder}/cert.pem", f"{folder}/key.pem")
