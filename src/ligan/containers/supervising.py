"""Watching runs until they end: by the process that started one, and by the daemon for all of them."""

from __future__ import annotations

import os
import select
import time

from ligan.containers import rows
from ligan.containers.ending import current, ended, finish, forget_status, process_of, reconcile
from ligan.containers.locking import Watch
from ligan.containers.log_options import log_limits
from ligan.containers.processes import await_end, is_alive, open_pidfd
from ligan.containers.restart_policy import wants_start_at_boot
from ligan.containers.rows import Ended, NoSuchContainer
from ligan.containers.running import start, start_again
from ligan.errors import LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.containers.log_options import LogLimits
    from ligan.containers.rows import Container
    from ligan.store.store import Store

_LOOK_SECONDS = 0.02
"""How often a waiter looks at the database for what no process of the kernel tells."""


def supervise(
    store: Store, name: str, watch: Watch | None = None, at_end: Callable[[], object] = lambda: None
) -> int:
    """Watch the run of a container until its end, and write that down. Returns the exit status.

    `watch` is what `start` gave to keep; it is closed. `at_end` is called once the process is gone, before
    the status is known: those who attached must let conmon come to it.
    """
    with store.database.read() as tx:
        container = rows.resolve(tx, name)
    with watch or Watch(store.layout, container.id):
        was_running = container.state in ("running", "paused")
        if was_running:
            await_end(process_of(container))
        at_end()
        return (finish if was_running else ended)(store, container.id).exit_code


def is_process_gone(store: Store, name: str) -> bool:
    """Return whether a container has no process. Its end may not be written down yet; this does not do it."""
    try:
        with store.database.read() as tx:
            return not is_alive(process_of(rows.resolve(tx, name)))
    except NoSuchContainer:
        return True


def end(store: Store, name: str) -> Ended:
    """Return how often the container has ended, how it did the last time, and whether it runs."""
    return ended(store, current(store, name).id)


_TURN_MILLISECONDS = 1000
"""How often the daemon looks at the logs that have a limit, and asks for the watches that others have."""


def wait(store: Store, name: str, condition: str = "not-running") -> Ended:
    """Return when the container does not run, has ended once more, or is gone.

    Unknown conditions are not-running, as for engine 20.10.
    """
    container = current(store, name)
    while True:
        found = ended(store, container.id)
        if found.removed:
            return found
        if condition == "next-exit":
            if found.exits > container.exits:
                return found
        elif condition != "removed" and not found.is_running:
            return found
        _await_change(store, container.id)


def _await_change(store: Store, container_id: str) -> None:
    """Return when there is reason to look again."""
    with store.database.read() as tx:
        container = rows.by_id(tx, container_id)
    if container is not None and container.state in ("running", "paused"):
        await_end(process_of(container))
        finish(store, container_id)
    else:
        time.sleep(_LOOK_SECONDS)


def clean_up(store: Store, container_id: str) -> None:
    """Do what is to be done about a container that nobody watches: write its end down, restart it.

    conmon's exit command does this, or `reconcile`, with `watch` in hand. Returns when nothing is left to do.
    """
    try:
        finish(store, container_id, restarts=True)
        if _await_restart(store, container_id):
            start_again(store, container_id)
    except NoSuchContainer:
        pass


def _await_restart(store: Store, container_id: str) -> bool:
    """Wait as long as the restart policy says; returns False where somebody else has decided meanwhile."""
    while True:
        with store.database.read() as tx:
            container = rows.by_id(tx, container_id)
        if container is None or container.state != "restarting":
            return False
        left = container.finished + container.restart_wait - store.now()
        if left <= 0:
            return True
        time.sleep(min(left / 10**9, _LOOK_SECONDS))


class Supervisor:
    """Watches every run of a root, in one thread of its own: ends, restarts, and health.

    One poll for all processes: a thread is not spent on each. Other threads hand runs over by `add`.
    """

    def __init__(self, open_store: Callable[[], Store], report: Callable[[str], None]) -> None:
        from queue import SimpleQueue
        from threading import Thread

        self._open_store = open_store
        self._report = report
        self._new: SimpleQueue[tuple[str, Watch]] = SimpleQueue()
        self._runs: dict[int, tuple[str, Watch]] = {}
        self._claims: set[str] = set()
        self._restarts: dict[str, int] = {}
        self._wanted: list[str] = []
        self._logs: dict[str, LogLimits] = {}
        self._bell, self._ring = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopping = False
        self._thread = Thread(target=self._work, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, container_id: str, watch: Watch) -> None:
        """Take over the watch of a run that has just begun; claim it if nothing is held. For any thread."""
        self._new.put((container_id, watch))
        os.write(self._ring, b"\0")

    def close(self) -> None:
        """On return nothing is watched any more: the containers run on, and conmon sees to their ends."""
        self._stopping = True
        os.write(self._ring, b"\0")
        self._thread.join()
        for pidfd, (_, watch) in self._runs.items():
            os.close(pidfd)
            watch.close()
        os.close(self._bell)
        os.close(self._ring)

    def _work(self) -> None:
        store = self._open_store()
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        try:
            self._take_all(store, poll)
            while not self._stopping:
                for file, _ in poll.poll(self._patience(store)):
                    if file == self._bell:
                        os.read(self._bell, 4096)
                        self._take_new(store, poll)
                    else:
                        poll.unregister(file)
                        container_id, watch = self._runs.pop(file)
                        os.close(file)
                        self._finish(store, poll, container_id, watch)
                self._restart_due(store)
                if self._wanted:
                    self._start(store, self._wanted.pop(0))
                self._rotate_logs(store)
                self._take_new(store, poll)
                self._take_claimed(store, poll)
        finally:
            store.close()

    def _take_all(self, store: Store, poll: select.poll) -> None:
        """Watch what ran before this daemon did."""
        reconcile(store)
        with store.database.read() as tx:
            running = rows.in_states(tx, "running", "paused")
            stopped = rows.in_states(tx, "exited")
        for container in running:
            self._take(store, poll, container)
        self._wanted = [container.id for container in stopped if _wants_start(container)]

    def _take(self, store: Store, poll: select.poll, container: Container) -> None:
        """Watch a run, or claim it: another process may watch, or a last run's exit command for a moment."""
        try:
            watch = Watch(store.layout, container.id)
        except NoSuchContainer:
            return
        if watch.is_held:
            self._watch(store, poll, container, watch)
        else:
            self._claims.add(container.id)

    def _take_claimed(self, store: Store, poll: select.poll) -> None:
        """Watch those runs that nobody else watches any more."""
        self._claims.difference_update([container_id for container_id, _ in self._runs.values()])
        for container_id in list(self._claims):
            with store.database.read() as tx:
                container = rows.by_id(tx, container_id)
            if container is None or not container.is_running:
                self._claims.discard(container_id)
            elif container.state != "restarting":  # else by whoever waits for that
                self._claims.discard(container_id)
                self._take(store, poll, container)

    def _take_new(self, store: Store, poll: select.poll) -> None:
        while not self._new.empty():
            container_id, watch = self._new.get()
            with store.database.read() as tx:
                container = rows.by_id(tx, container_id)
            if container is None or container.state not in ("running", "paused"):
                watch.close()
            elif watch.is_held:
                self._watch(store, poll, container, watch)
            else:
                self._claims.add(container_id)

    def _watch(self, store: Store, poll: select.poll, container: Container, watch: Watch) -> None:
        pidfd = open_pidfd(process_of(container))
        if pidfd < 0:  # it has ended already
            self._finish(store, poll, container.id, watch)
        else:
            self._runs[pidfd] = container.id, watch
            poll.register(pidfd, select.POLLIN)
            limits = log_limits(container.host_config)
            if limits.bytes:
                self._logs[container.id] = limits

    def _finish(self, store: Store, poll: select.poll, container_id: str, watch: Watch) -> None:
        """Write an end down, and remember when the restart is due. The daemon survives what goes wrong."""
        try:
            finish(store, container_id, restarts=True)
        except LiganError as error:
            self._report(f"cannot write down the end of container {container_id}: {error.message}")
            watch.close()  # conmon's exit command tries next, then every verb that looks
            return
        self._logs.pop(container_id, None)
        with store.database.read() as tx:
            container = rows.by_id(tx, container_id)
        if container is not None and container.state == "restarting":
            forget_status(store.layout, container_id)  # whoever wrote the end down: the restart is ours
        watch.close()  # conmon's exit command waits for it
        if container is None:
            return
        if container.state == "restarting":
            self._restarts[container_id] = container.finished + container.restart_wait
        elif container.state in ("running", "paused"):  # somebody was quick to start it again
            self._take(store, poll, container)

    def _patience(self, store: Store) -> int | None:
        """Return the milliseconds until there is something to do without being told, or None."""
        if self._wanted:
            return 0
        waits = [-(-(at - store.now()) // 10**6) for at in self._restarts.values()]
        if self._logs or self._claims:
            waits.append(_TURN_MILLISECONDS)
        return max(0, min(waits)) if waits else None

    def _rotate_logs(self, store: Store) -> None:
        for container_id, limits in self._logs.items():
            from ligan.containers.logs import rotate

            rotate(store.layout.container(container_id), limits.bytes, limits.files)

    def _start(self, store: Store, container_id: str) -> None:
        """Start what its restart policy wants to run now that there is a daemon."""
        try:
            start(store, container_id, self.add)
        except NoSuchContainer:
            pass  # it was removed meanwhile
        except LiganError as error:
            self._report(f"cannot start container {container_id}: {error.message}")

    def _restart_due(self, store: Store) -> None:
        now = store.now()
        for container_id in [key for key, at in self._restarts.items() if at <= now]:
            del self._restarts[container_id]
            try:
                start_again(store, container_id, self.add)
            except NoSuchContainer:
                pass  # it was removed meanwhile
            except LiganError as error:
                self._report(f"cannot restart container {container_id}: {error.message}")


def _wants_start(container: Container) -> bool:
    """Return whether a daemon starts a container when it begins: never what has not run before."""
    return container.started > 0 and wants_start_at_boot(
        container.host_config,
        exit_code=container.exit_code,
        restarts=container.restarts,
        stopped_by_hand=container.stopped_by_hand,
    )
