"""Read one URL over and over on many connections, and say what came: `python -m bench.readers ADDRESS PATH`.

The kernel throws away what comes (MSG_TRUNC, tcp(7)): wrk copies it, 8 kB at a time, and is slower at that
than a server that copies nothing.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

CONNECTIONS = 16
SECONDS = 3.0
_PIECE = 1 << 20


def read(address: str, path: str) -> tuple[int, float]:
    """Return bytes and seconds."""
    host, _, port = address.rpartition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
    left: dict[socket.socket, int] = {}
    buffer = bytearray(_PIECE)
    total = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection((host, int(port)))
            connection.sendall(request)
            left[connection] = 0
            selector.register(connection, selectors.EVENT_READ)
        start = time.perf_counter()
        while (seconds := time.perf_counter() - start) < SECONDS:
            for key, _events in selector.select():
                connection = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                if left[connection]:
                    took = connection.recv_into(buffer, min(_PIECE, left[connection]), socket.MSG_TRUNC)
                    left[connection] -= took
                    total += took
                    if not left[connection]:
                        connection.sendall(request)
                else:
                    left[connection] = _length(connection)
        for connection in left:
            connection.close()
    return total, seconds


def _length(connection: socket.socket) -> int:
    """Take in the head of an answer, byte by byte, and return the length of its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    fields = dict(line.lower().split(b":", 1) for line in head.splitlines()[1:] if b":" in line)
    return int(fields[b"content-length"])


if __name__ == "__main__":
    told = read(*sys.argv[1:])
    print(f"bytes={told[0]}\nseconds={told[1]}")
