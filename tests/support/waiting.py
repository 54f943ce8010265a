"""Waiting for what other threads, processes and machines do in their own time, and taking turns with them."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    T = TypeVar("T")

SECONDS = 60.0
"""How long what takes a moment may take where the machine has much else to do."""


def until(ready: Callable[[], T | None], what: object = "it does not come about") -> T:
    """Return the first answer of `ready` that is true. After SECONDS without one the test has failed."""
    deadline = time.monotonic() + SECONDS
    while not (answer := ready()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.005)
    return answer


def receive_until(connection: socket.socket, words: bytes) -> bytes:
    """Return what comes up to the piece that ends with these words: one answer may come in several."""
    heard = b""
    while words not in heard:
        piece = connection.recv(1 << 16)
        assert piece, heard
        heard += piece
    return heard


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Keep all others out who name this file, in other processes too: who share what only one may change."""
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
