"""An engine's answers, asked for once and given back at once: what a client takes then is its own time.

python -m bench.recorded SOCKET ENGINE
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from http.client import HTTPConnection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnixConnection(HTTPConnection):
    """HTTP over the socket at a path."""

    def __init__(self, path: str) -> None:
        super().__init__("engine")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@contextlib.contextmanager
def recorded(engine: str, folder: str) -> Iterator[str]:
    """Answer in another process as the engine at this socket does; yield the path of the socket."""
    path = os.path.join(folder, "recorded.sock")
    process = subprocess.Popen([sys.executable, "-m", "bench.recorded", path, engine])
    try:
        while not os.path.exists(path):
            time.sleep(0.01)
        yield path
    finally:
        process.terminate()
        process.wait()
        os.unlink(path)


def serve(path: str, engine: str) -> None:
    @cache
    def answer(method: str, target: str) -> bytes:
        with contextlib.closing(UnixConnection(engine)) as connection:
            connection.request(method, target)
            response = connection.getresponse()
            body = response.read()
        headers = {name: value for name, value in response.getheaders() if name != "Transfer-Encoding"}
        headers.setdefault("Content-Length", str(len(body)))
        head = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode() + body

    def talk(client: socket.socket) -> None:
        with client, client.makefile("rb") as requests:
            while line := requests.readline():
                method, target, _ = line.decode().split()
                while requests.readline().strip():
                    pass
                client.sendall(answer(method, target))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        os.rename(f"{path}.new", path)  # whoever sees it can connect
        while True:
            threading.Thread(target=talk, args=listener.accept()[:1], daemon=True).start()


if __name__ == "__main__":
    serve(*sys.argv[1:])
