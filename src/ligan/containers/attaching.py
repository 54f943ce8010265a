"""Attaching to a container, before or after it starts: of one that starts later nothing is missed."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from ligan.containers import rows
from ligan.containers.attach import Attachment, open_attach_socket
from ligan.containers.ending import current
from ligan.containers.locking import Attaching
from ligan.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.store.store import Store


def pauses() -> Iterator[float]:
    """Yield seconds between looks for the socket: few at first, since a start waits for whoever attaches."""
    for _ in range(500):
        yield 0.002
    while True:
        yield 0.02


class LateAttachment(Attachment):
    """The streams of a container that has not started: `connect` waits for its start, and so does reading.

    A start waits for it, so what starts the container must not come after `connect` in the same thread.
    Who reads and who writes both connect, whoever comes first: there is one socket. Of two each would get all
    output, and the end of one would be the end of stdin to conmon.
    """

    def __init__(self, folder: str, lock: Attaching, *, stdout: bool, stderr: bool) -> None:
        self._folder = folder
        self._lock = lock
        self._streams = {"stdout": stdout, "stderr": stderr}
        self._one_at_a_time = allocate_lock()
        self._is_connected = False
        self._is_closed = False

    def connect(self) -> bool:
        """Return True once attached, or False where there is nothing to wait for any more."""
        for pause in pauses():
            if self.try_connect() or self.is_over:
                break
            time.sleep(pause)
        return self._is_connected

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for: this was closed, or the container is gone."""
        return self._is_closed or not os.path.isdir(self._folder)

    def try_connect(self) -> bool:
        """Return whether this is attached: now, or since before."""
        with self._one_at_a_time:
            if not self._is_connected and not self._is_closed:
                try:
                    connection = open_attach_socket(self._folder)
                except Conflict:
                    return False
                super().__init__(connection, **self._streams)
                self._is_connected = True
                self._lock.close()
            return self._is_connected

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return super().__iter__() if self.connect() else iter(())

    def fileno(self) -> int:
        return super().fileno() if self._is_connected else -1

    def take_rest(self) -> None:
        if self.try_connect():
            super().take_rest()
        else:
            self.close()  # what it waits for has been

    def write(self, data: bytes) -> None:
        if self.connect():
            super().write(data)

    def close_stdin(self) -> None:
        if self.connect():
            super().close_stdin()

    def close(self) -> None:
        with self._one_at_a_time:
            self._is_closed = True
            self._lock.close()
            if self._is_connected:
                super().close()


def attach(store: Store, name: str, *, stdout: bool = True, stderr: bool = True) -> Attachment:
    """Take part in a container's streams.

    Raises Conflict for one that is paused, or restarting, and for one that has lost its streams: conmon was
    killed, and the container runs on.
    """
    container = current(store, name)
    if container.state == "paused":
        raise Conflict(f"container {name} is paused, unpause the container before attach")
    if container.state == "restarting":
        raise Conflict(f"container {name} is restarting, wait until the container is running")
    folder = store.layout.container(container.id)
    with store.database.write(durable=False) as tx:
        rows.record(tx, store.now(), "attach", container)
    if container.is_running:
        try:
            return Attachment(open_attach_socket(folder), stdout=stdout, stderr=stderr)
        except Conflict:
            if current(store, container.id).is_running:
                raise Conflict(f"container {name} runs, but conmon, which had its streams, is gone") from None
            # It has ended meanwhile.
    return LateAttachment(folder, Attaching(store.layout, container.id), stdout=stdout, stderr=stderr)
