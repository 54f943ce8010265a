"""Taking part in the streams of a container or exec, through conmon's socket and pipe.

conmon sends packets whose first byte names the stream, and takes what is for stdin as it is. Folders are
those that hold `attach` and `ctl`: of a container, or of an exec.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from ligan.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    import socket
    from collections.abc import Iterator

_AF_UNIX = 1
_SHUT_WR, _SHUT_RDWR = 1, 2

STDOUT, STDERR = 2, 3
"""The first byte of conmon's packets. A terminal's output is all STDOUT."""

PACKET = 1 + (1 << 15)
"""Bytes that hold any packet of conmon."""

_GIVEN = 1 << 13
"""Bytes of stdin in one packet: conmon reads no more of it."""


def open_attach_socket(folder: str) -> _socket.socket:
    """Return a connected SOCK_SEQPACKET socket. Raises Conflict where nobody listens: it has ended."""
    import _socket  # the half in C: the other takes a foreground `run` 4 ms

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        # By a descriptor of its folder: an address holds 107 bytes, a path may be longer.
        holder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{holder}/attach")
        finally:
            os.close(holder)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise Conflict("cannot attach: it is not running") from None
    except BaseException:
        connection.close()
        raise
    return connection


def await_accepted(pid: int, seconds: float) -> None:
    """Return when conmon has taken all who have connected out of its queue, or when so much time has passed.

    It takes one at a time, and output in between: who is still in the queue misses that.
    """
    deadline = time.monotonic() + seconds
    while _has_queue(pid) and time.monotonic() < deadline:
        time.sleep(_TURN_SECONDS)


_TURN_SECONDS = 0.0005


def _has_queue(pid: int) -> bool:
    """Return whether somebody waits to be accepted by a process, if the kernel tells (sock_diag(7))."""
    import _socket

    try:
        inodes = _sockets_of(pid)
        kernel = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _SOCK_DIAG)
    except OSError:
        return False
    try:
        return any(_queue_length(kernel, inode) for inode in inodes)
    except OSError:
        return False
    finally:
        kernel.close()


def _sockets_of(pid: int) -> list[int]:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # it has been closed meanwhile
        if link.startswith("socket:["):
            found.append(int(link[8:-1]))
    return found


# include/uapi/linux/{netlink,sock_diag,unix_diag}.h; the state is of include/net/tcp_states.h
_SOCK_DIAG, _REQUEST, _BY_FAMILY, _SHOW_QUEUE, _QUEUE, _LISTENS, _ANY = 4, 1, 20, 16, 4, 10, 0xFFFFFFFF


def _queue_length(kernel: _socket.socket, inode: int) -> int:
    """Return how many wait to be accepted by a unix socket; 0 of one that does not listen."""
    from struct import pack, unpack_from

    header = pack("=IHHII", 40, _BY_FAMILY, _REQUEST, 0, 0)
    kernel.send(header + pack("=BBHIIIII", _AF_UNIX, 0, 0, 1 << _LISTENS, inode, _SHOW_QUEUE, _ANY, _ANY))
    answer = kernel.recv(4096)
    kind, state = answer[4], answer[18]
    if kind != _BY_FAMILY or state != _LISTENS:
        return 0
    _length, attribute, waiting = unpack_from("=HHI", answer, 32)
    return int(waiting) if attribute == _QUEUE else 0


def adopt(descriptor: int) -> _socket.socket:
    """Return the socket of a descriptor such as `runtime.execute` gives; it is the socket's from now on."""
    import _socket

    return _socket.socket(fileno=descriptor)


class Attachment:
    """The streams of a container or exec: iterate for (STDOUT or STDERR, bytes) until they end.

    One thread may iterate while another writes. `fileno` is the socket's, for those who wait by themselves.
    """

    def __init__(self, connection: _socket.socket, *, stdout: bool = True, stderr: bool = True) -> None:
        self._socket = connection
        self._wanted = [stream for stream, wanted in ((STDOUT, stdout), (STDERR, stderr)) if wanted]
        self._reading = allocate_lock()
        self._ahead: list[bytes] = []

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while packet := self._next():
            if packet[0] in self._wanted:
                yield packet[0], packet[1:]

    def _next(self) -> bytes:
        with self._reading:
            return self._ahead.pop(0) if self._ahead else self._receive()

    def _receive(self) -> bytes:
        """Return the next packet, or nothing at the end."""
        try:
            return self._socket.recv(PACKET)
        except OSError:
            return b""  # conmon was killed, or `close` was quicker

    def take_rest(self) -> None:
        """Read what is left of a run that is over, for the thread that iterates, however slow that is.

        It is no more than pipes and sockets hold. conmon waits for all who attached, and would not come to
        writing the exit status.
        """
        with self._reading:
            while packet := self._receive():
                self._ahead.append(packet)

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> socket.socket:
        """Return the socket, which is the caller's from now on."""
        import socket

        return socket.socket(fileno=self._socket.detach())

    def write(self, data: bytes) -> None:
        """Give bytes to stdin. What comes after its end is dropped, as a pipe's would be."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), _GIVEN):
                self._socket.send(view[start : start + _GIVEN])
        except (BrokenPipeError, ConnectionResetError):
            pass

    def close_stdin(self) -> None:
        """End stdin; output goes on."""
        try:
            self._socket.shutdown(_SHUT_WR)
        except OSError:
            pass  # it has ended

    def close(self) -> None:
        """Take no part any more. A thread that iterates meanwhile comes to its end."""
        try:
            self._socket.shutdown(_SHUT_RDWR)
        except OSError:
            pass  # the other side was quicker
        self._socket.close()


_RESIZE, _REOPEN = 1, 2


def resize(folder: str, height: int, width: int) -> None:
    """Tell a terminal its size in characters. Of something that has ended, do nothing."""
    _tell(folder, f"{_RESIZE} {height} {width}\n")


def reopen_log(folder: str) -> None:
    """Have conmon go on in a new file at the log's path, after the old one was renamed."""
    _tell(folder, f"{_REOPEN} 0 0\n")


def _tell(folder: str, command: str) -> None:
    try:
        pipe = os.open(f"{folder}/ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # no conmon reads it: nothing there, or nobody
    try:
        os.write(pipe, command.encode())
    finally:
        os.close(pipe)
