"""Network namespaces that outlive the process which makes them: mounted on a file."""

from __future__ import annotations

import os

from ligan.errors import Unavailable
from ligan.store.mounts import unmount

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def make(path: str) -> None:
    """On return `path` is a new network namespace whose loopback is up. Raises Unavailable."""
    from threading import Thread

    open(path, "wb").close()
    failures: list[OSError] = []
    # A thread of its own: only the one that calls unshare(2) changes its namespace.
    thread = Thread(target=_make, args=(path, failures))
    thread.start()
    thread.join()
    if failures:
        os.unlink(path)
        raise Unavailable(f"cannot make a network namespace: {(failures[0].strerror or '').lower()}")


def _make(path: str, failures: list[OSError]) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _check(libc.unshare(_CLONE_NEWNET))
        _raise_loopback()
        target, flags = os.fsencode(path), ctypes.c_ulong(_MS_BIND)
        _check(libc.mount(b"/proc/thread-self/ns/net", target, None, flags, None))
    except OSError as error:
        failures.append(error)


def _check(result: int) -> None:
    import ctypes

    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _raise_loopback() -> None:
    import fcntl
    import socket
    from struct import pack, unpack

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, pack("16sh14x", b"lo", 0))
        flags = unpack("16sh14x", answer)[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, pack("16sh14x", b"lo", flags | _IFF_UP))


def remove(path: str) -> None:
    """On return nothing is at the path; the namespace goes with its last process. Of nothing, do nothing."""
    unmount(path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
