"""SSH agents of a RUN: a socket of the step's own, behind which is the user's.

The user's socket is the user's alone; the one in the container has the owner and mode that the mount asks
for.

Source: BuildKit, session/sshforward.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_CHUNK = 16 << 10


class ForwardedAgent:
    """`with` it: whoever connects to the socket `agent` in a folder speaks to the user's own, at `target`."""

    def __init__(self, folder: str, target: str, mode: int, uid: int, gid: int) -> None:
        self.path = f"{folder}/agent"
        self._target = target
        self._listening = socket.socket(socket.AF_UNIX)
        try:
            with _short(folder) as short:
                self._listening.bind(f"{short}/agent")
            os.chown(self.path, uid, gid)
            os.chmod(self.path, mode)
            self._listening.listen()
        except BaseException:
            self._listening.close()
            raise
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # which wakes the thread
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        """Pass on what each says to the other until either ends."""
        with client, socket.socket(socket.AF_UNIX) as agent:
            try:
                with _short(self._target) as short:
                    agent.connect(short)
                back = Thread(target=_pump, args=(agent, client), daemon=True)
                back.start()
                _pump(client, agent)
                back.join()
            except OSError:
                pass  # the agent is gone: so is the connection


@contextmanager
def _short(path: str) -> Iterator[str]:
    """Yield another name of what has a path, as an address of a socket has 108 bytes."""
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError:
        pass  # one of them has closed
    finally:
        for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                end.shutdown(how)
            except OSError:
                pass  # closed already
