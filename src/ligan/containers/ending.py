"""The end of a run: written down once, by whoever comes first, with nothing left behind.

Every verb that shows or uses containers begins with `reconcile`, so that it tells the truth also where all
who should have written down an end were killed (docs/decisions/0006-containers.md).
"""

from __future__ import annotations

import os
import time

from ligan.containers import rows
from ligan.containers.health import at_end
from ligan.containers.locking import Locked, Watch, is_checked, is_left_stilled, is_locked, is_watched
from ligan.containers.processes import Process, await_end, is_alive, send
from ligan.containers.restart_policy import wait_before, wants_restart
from ligan.containers.rows import Container, NoSuchContainer
from ligan.containers.use_events import record_end
from ligan.errors import LiganError
from ligan.store import failpoints
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ligan.containers.rows import Ended
    from ligan.store.db import WriteTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store

_SIGKILL = 9

UNKNOWN_STATUS = 255
"""Docker's exit status of a run whose end nobody saw, such as one that a power cut ended."""

_STATUS_SECONDS = 10.0
"""How long conmon has to write the exit status once the container's process is gone, and for what follows."""


def process_of(container: Container) -> Process:
    return Process(container.pid, container.pid_started, container.boot_id)


def finish(store: Store, container_id: str, *, restarts: bool = False) -> Ended:
    """Write down the end of a run that is over, if nobody did. Returns how the container is then.

    `restarts`: the caller sees to the restart, where the policy wants one. Otherwise conmon's exit command
    does, which finds the exit status still there.
    """
    try:
        with Locked(store.layout, container_id):
            with store.database.read() as tx:
                container = rows.by_id(tx, container_id)
            if container is not None:
                finish_locked(store, container, restarts=restarts)
    except NoSuchContainer:
        pass
    return ended(store, container_id)


def finish_locked(store: Store, container: Container, *, restarts: bool = False) -> None:
    """Do what `finish` promises, with the container's lock held, for a row read under it."""
    if container.state in ("running", "paused") and not is_alive(process_of(container)):
        with Explained(store.layout.container(container.id)):
            _end(store, container, restarts=restarts)


def current(store: Store, name: str, *, is_locked: bool = False) -> Container:
    """Return a container as it is now: the end of its run is written down first, if it has come.

    `is_locked`: the caller holds the container's lock. Raises NoSuchContainer.
    """
    with store.database.read() as tx:
        container = rows.resolve(tx, name)
    if container.state not in ("running", "paused") or is_alive(process_of(container)):
        return container
    if is_locked:
        finish_locked(store, container)
    else:
        finish(store, container.id)
    with store.database.read() as tx:
        return rows.resolve(tx, container.id)


def ended(store: Store, container_id: str) -> Ended:
    """Return how a container is or was, by its whole ID. Raises NoSuchContainer if it never was."""
    with store.database.read() as tx:
        found = rows.ended(tx, container_id)
        if found is not None:
            return found
        # Of a container that is gone, the log of events tells how it ended.
        status = tx.value(
            """SELECT attributes ->> 'exitCode' FROM event
               WHERE actor = ? AND type = 'container' AND action = 'die' ORDER BY key DESC LIMIT 1""",
            (container_id,),
        )
        if status is None and not tx.value("SELECT 1 FROM event WHERE actor = ? LIMIT 1", (container_id,)):
            raise NoSuchContainer(container_id)
    return rows.Ended(container_id, 0, int(status or 0), "", False, True)


def _end(store: Store, container: Container, *, restarts: bool) -> None:
    layout, now = store.layout, store.now()
    status, at = _exit_status(layout, container, now)
    failpoints.hit("finish.status")
    oom = _ran_out_of_memory(container)
    clear(store, container)
    failpoints.hit("finish.cleared")
    again = wants_restart(
        container.host_config,
        exit_code=status,
        restarts=container.restarts,
        stopped_by_hand=container.stopped_by_hand,
    )
    removed = not again and bool(container.host_config.get("AutoRemove"))
    with store.database.write() as tx:
        rows.set_ended(tx, container.key, status, at, oom_killed=oom, restarting=again)
        if again:
            wait = wait_before(container.restarts, at - container.started, container.restart_wait)
            rows.set_restarts(tx, container.key, container.restarts + 1, wait)
        if oom:
            rows.record(tx, now, "oom", container)
        if tx.value("SELECT 1 FROM exec WHERE container = ? LIMIT 1", (container.key,)):
            from ligan.containers.execs import end_all

            end_all(tx, store, container)
        if container.health is not None:
            rows.set_health(tx, container.key, at_end(container.health))
        rows.record(tx, now, "die", container, {"exitCode": str(status)})
        record_end(tx, now, container)
        if removed:
            _delete(tx, store, container)
    failpoints.hit("finish.rows")
    if restarts or not again:
        forget_status(layout, container.id)
    _unlink(layout.running(container.id))
    failpoints.hit("finish.done")
    if removed:
        store.sweep()


def _delete(tx: WriteTransaction, store: Store, container: Container) -> None:
    from ligan.containers import removing

    removing.delete(tx, store, container, volumes=True)


def clear(store: Store, container: Container) -> None:
    """Take away what a run needs: processes, cgroup, network, mounts. Of nothing, do nothing."""
    from ligan.containers import runtime
    from ligan.layers.snapshots import Snapshots
    from ligan.store.mounts import unmount

    Snapshots(store).unmount(container.id)  # first, as the kernel goes on with it for a while
    folder = store.layout.container(container.id)
    runtime.delete(folder, container.id)
    if has_network(container):
        from ligan.containers import network

        network.teardown(store, container)
    if container.mounts:
        from ligan.containers.volume_mounts import unmount_all

        unmount_all(store, container.mounts, container.id)
    unmount(f"{folder}/shm")
    _remove_files(f"{folder}/exec")


def has_network(container: Container) -> bool:
    """Return whether anything has to be set up for the container's network."""
    mode = container.host_config.get("NetworkMode") or ""
    return mode not in ("none", "host") and not mode.startswith("container:")


def _exit_status(layout: Layout, container: Container, now: int) -> tuple[int, int]:
    """Return the exit status and when the run ended, as conmon wrote them down, or UNKNOWN_STATUS and now.

    Waits for a conmon that lives. On return it will not take the name of its socket away any more, which may
    be the next run's by then.
    """
    conmon = Process(container.conmon_pid, container.conmon_started, container.boot_id)
    found = await_status(_status_path(layout, container.id), conmon)
    socket = f"{layout.container(container.id)}/attach"
    for _ in _looks(conmon):
        if not os.path.lexists(socket):
            break
    return found or (UNKNOWN_STATUS, now)


def await_status(path: str, conmon: Process) -> tuple[int, int] | None:
    """Return the exit status in conmon's file and its time, or None where there will be none."""
    for _ in _looks(conmon):
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
                if text:
                    return int(text), os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            pass
    return None


def _looks(conmon: Process) -> Iterator[None]:
    """Yield when it is time to look for what conmon does at its end, the last time when it has ended.

    A conmon that does not come to it is not waited for for ever.
    """
    pause, deadline = 0.0005, time.monotonic() + _STATUS_SECONDS
    while is_alive(conmon) and time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    yield


def _ran_out_of_memory(container: Container) -> bool:
    """Return whether the kernel killed for want of memory. The cgroup tells, for as long as it is there."""
    from ligan.containers.cgroups import out_of_memory_kills
    from ligan.containers.spec import cgroup_path

    return out_of_memory_kills(cgroup_path(container.id, container.host_config)) > 0


def _status_path(layout: Layout, container_id: str) -> str:
    return f"{layout.container(container_id)}/exit/{container_id}"


def forget_status(layout: Layout, container_id: str) -> None:
    """Take the exit status away: conmon's exit command finds nothing to do."""
    _unlink(_status_path(layout, container_id))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remove_files(folder: str) -> None:
    if os.path.isdir(folder):
        from ligan.store.trees import remove_tree

        remove_tree(folder)


def reconcile(store: Store) -> None:
    """Compare what is written down of runs with what runs. On return rows tell the truth.

    Nothing is left of a run that is over. What another process is busy with is left to it. A store that
    can only be read stays as it is. A run that cannot be ended, such as one with a process that the kernel
    does not let go, keeps its row: verbs that name its container say why, all others do their work.
    """
    if not store.database.is_writable or store.database.is_rehearsing:
        return
    with store.database.read() as tx:
        running = tx.all(
            """SELECT id, state, pid, pid_started, boot_id, health FROM container
               WHERE state IN ('running', 'paused', 'restarting') AND purpose = ''"""
        )
        steps = tx.column("SELECT id FROM container WHERE purpose = ?", (rows.BUILD,))
    known = {row[0] for row in running} | set(steps)
    starts = [container_id for container_id in _marked(store.layout) if container_id not in known]
    for row in running:
        _attempt(_compare, store, row)
    for container_id in starts:
        _attempt(_settle_start, store, container_id)
    for container_id in steps:
        _attempt(_take_away_step, store, container_id)


def _attempt(settle: Callable[[Store, Any], None], store: Store, one: object) -> None:
    try:
        settle(store, one)
    except LiganError:
        pass  # it is tried again by every verb, and told by those that name the container


def _compare(store: Store, row: tuple[str, str, int, int, str, str | None]) -> None:
    container_id, state, pid, pid_started, boot_id, health = row
    if state == "restarting":
        if not is_watched(store.layout, container_id):
            _spawn_cleanup(store.layout, container_id)
    elif not is_alive(Process(pid, pid_started, boot_id)):
        finish(store, container_id)
    elif _is_starting(store.layout, container_id):
        _settle_start(store, container_id)
    elif is_left_stilled(store.layout, container_id):
        from ligan.containers.stopping import let_go_on

        let_go_on(store, container_id)
    elif health and not is_checked(store.layout, container_id):
        _start_checking(store.layout, container_id)


def _take_away_step(store: Store, container_id: str) -> None:
    """Remove a container that runs a step of a build, with all in it, if its builder was killed."""
    try:
        with Watch(store.layout, container_id) as watch:
            with store.database.read() as tx:
                container = rows.by_id(tx, container_id)
            if watch.is_held and container is not None:
                from ligan.containers import removing

                take_back(store, container)
                removing.discard(store, container)
    except NoSuchContainer:
        pass  # the build has ended meanwhile


def mark_started(layout: Layout, container_id: str) -> None:
    """Write that the container's process has been let run: until then the mark of the run is empty."""
    with open(layout.running(container_id), "wb") as mark:
        mark.write(b"started")


def _is_starting(layout: Layout, container_id: str) -> bool:
    try:
        return os.path.getsize(layout.running(container_id)) == 0
    except FileNotFoundError:
        return False


def _settle_start(store: Store, container_id: str) -> None:
    """End or take back a start whose process was killed. One that is under way stays."""
    if is_locked(store.layout, container_id):
        return
    try:
        with Locked(store.layout, container_id):
            with store.database.read() as tx:
                container = rows.by_id(tx, container_id)
            if container is None:
                _unlink(store.layout.running(container_id))
            elif not container.is_running:
                take_back(store, container)
            elif _is_starting(store.layout, container_id):
                _settle_written_start(store, container)
    except NoSuchContainer:
        _unlink(store.layout.running(container_id))


def _settle_written_start(store: Store, container: Container) -> None:
    """Settle a start that came as far as the row: what the runtime still holds back is killed."""
    from ligan.containers import runtime

    if runtime.state(store.layout.container(container.id), container.id) == "created":
        send(process_of(container), _SIGKILL)
        await_end(process_of(container))
        finish_locked(store, container)
    else:
        mark_started(store.layout, container.id)


def take_back(store: Store, container: Container) -> None:
    """Take away all that a start made before it came to nothing, whoever is still busy with it."""
    from ligan.containers import runtime

    layout = store.layout
    with Explained(layout.container(container.id)):
        runtime.kill_conmon(layout.container(container.id))
        clear(store, container)
        forget_status(layout, container.id)
        _unlink(layout.running(container.id))


def _spawn_cleanup(layout: Layout, container_id: str) -> None:
    from ligan.containers.calling import spawn_cleanup

    spawn_cleanup(layout, container_id)


def _start_checking(layout: Layout, container_id: str) -> None:
    from ligan.containers.checking import start_checking

    start_checking(layout, container_id)


def _marked(layout: Layout) -> list[str]:
    """Return the IDs of containers whose run has begun to start, and has not been written down as ended."""
    try:
        return os.listdir(layout.all_running)
    except FileNotFoundError:
        return []  # nothing has ever run here
