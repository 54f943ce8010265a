"""TLS: certificates, the handshake, and sockets whose errors are those of plain ones.

Only who speaks TLS imports this: `ssl` takes as long to import as a whole request to this machine.
"""

from __future__ import annotations

import os
import socket
import ssl

from ligan.errors import Invalid
from ligan.remote.connection import DialFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket


class SecureSocket:
    """A socket by TLS."""

    def __init__(self, plain: _socket.socket, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Shake hands, each step in so many seconds, and take `plain` over. Raises DialFailure."""
        whole = socket.socket(fileno=plain.detach())
        try:
            whole.settimeout(seconds)
            self._sock = context.wrap_socket(whole, server_hostname=host)
        except OSError as error:
            raise DialFailure(_handshake_words(error)) from None
        finally:
            whole.close()  # wrapped, it is a husk
        self.settimeout = self._sock.settimeout
        self.fileno = self._sock.fileno
        self.close = self._sock.close

    def recv(self, count: int) -> bytes:
        try:
            return self._sock.recv(count)
        except ssl.SSLError as error:
            raise _plain(error) from None

    def sendall(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except ssl.SSLError as error:
            raise _plain(error) from None


_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's verify codes for a chain that ends nowhere known."""


def _handshake_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_AUTHORITY:
            return "x509: certificate signed by unknown authority"
        return f"x509: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        if error.reason in _NOT_TLS:
            return "http: server gave HTTP response to HTTPS client"
        return str(_plain(error))
    if isinstance(error, TimeoutError):
        return "net/http: TLS handshake timeout"
    return f"connect: {error.strerror.lower()}" if error.strerror else "EOF"


def _plain(error: ssl.SSLError) -> OSError:
    words = f"tls: {error.reason.replace('_', ' ')}".lower() if error.reason else str(error).lower()
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConnectionResetError(words)
    return OSError(words)


def context_for(host: str, *, verified: bool, folders: tuple[str, ...]) -> ssl.SSLContext:
    """Return the context for `host[:port]`: the system's authorities and those of its folders.

    A folder holds authorities (*.crt) and client certificates (*.cert, each
    with its *.key), as /etc/docker/certs.d does. Raises Invalid for a half pair and
    for a file that holds neither.
    """
    if verified:
        context = ssl.create_default_context()
    else:  # the system's authorities take longer to read than a whole request to this machine
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for folder in folders:
        _add_folder(context, os.path.join(folder, host))
    return context


def _add_folder(context: ssl.SSLContext, folder: str) -> None:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Invalid(f"cannot read the certificates in {folder}: {error.strerror}") from None
    for name in names:
        path = os.path.join(folder, name)
        stem, suffix = os.path.splitext(path)
        if suffix == ".key" and f"{os.path.basename(stem)}.cert" not in names:
            raise Invalid(f"missing client certificate {os.path.basename(stem)}.cert for key {name}")
        if suffix == ".cert" and f"{os.path.basename(stem)}.key" not in names:
            raise Invalid(
                f"missing key {os.path.basename(stem)}.key for client certificate {name}. "
                "Note that CA certificates should use the extension .crt"
            )
        try:
            if suffix == ".crt":
                context.load_verify_locations(path)
            elif suffix == ".cert":
                context.load_cert_chain(path, f"{stem}.key")
        except OSError as error:  # ssl.SSLError is one
            raise Invalid(f"cannot use the certificate {path}: {error.strerror or error}") from None
