"""Signals to containers, and what follows from them: stop, kill, restart, pause, unpause.

Words and order of events are those of engine 20.10 (daemon/kill.go, stop.go, restart.go, pause.go).
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.ending import current, finish, process_of
from ligan.containers.locking import Locked, Stilling, Watch
from ligan.containers.processes import await_end, send
from ligan.errors import Conflict, Invalid, LiganError, NotFound, Unavailable
from ligan.oci.signals import is_supported, parse_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.containers.running import Keep
    from ligan.store.store import Store

SIGKILL = 9

STOP_SECONDS = 10
"""How long a container has to stop by itself, unless it or the caller says otherwise."""


class NotRunning(Conflict):
    def __init__(self, container_id: str) -> None:
        super().__init__(f"Container {container_id} is not running")


class IsRestarting(Conflict):
    def __init__(self, container_id: str) -> None:
        super().__init__(f"Container {container_id} is restarting, wait until the container is running")


def stop(store: Store, name: str, timeout: int | None = None) -> bool:
    """Send the stop signal and, `timeout` seconds later (-1: never), SIGKILL. False: it did not run."""
    container = current(store, name)
    if not container.is_running:
        return False
    end(store, container, timeout)
    with store.database.write() as tx:
        rows.record(tx, store.now(), "stop", container)
    return True


def end(store: Store, container: Container, timeout: int | None = None) -> None:
    """Do what `stop` does to a container that runs. On return its end has been written down."""
    with Watch(store.layout, container.id):  # conmon's exit command waits, and finds nothing to do
        if not _send(store, container, _stop_signal(container)):
            return
        seconds = _stop_seconds(container) if timeout is None else timeout
        if not await_end(process_of(container), None if seconds < 0 else seconds):
            _send(store, container, SIGKILL)
            await_end(process_of(container))
        finish(store, container.id)


def kill(store: Store, name: str, signal: str = "KILL") -> None:
    """Send a signal; of SIGKILL the end is waited for. Raises Conflict where the container does not run."""
    number = parse_signal(signal or "KILL")
    try:
        container = current(store, name)
        _check_supported(number)
        if not container.is_running:
            raise NotRunning(container.id)
        if number == SIGKILL:
            kill_and_wait(store, container)
        else:
            _send(store, container, number)
    except (Conflict, Invalid, NotFound) as error:
        kind = next(kind for kind in (Conflict, Invalid, NotFound) if isinstance(error, kind))
        raise kind(f"Cannot kill container: {name}: {error.message}") from None


def _check_supported(number: int) -> None:
    if not is_supported(number):
        raise Invalid(f"The linux daemon does not support signal {number}")


def kill_and_wait(store: Store, container: Container) -> None:
    """Kill a container that runs, or waits for its restart. On return its end has been written down."""
    with Watch(store.layout, container.id):
        if _send(store, container, SIGKILL):
            await_end(process_of(container))
            finish(store, container.id)


def _send(store: Store, container: Container, number: int) -> bool:
    """Send a signal, and write the event; returns False where no process is left to wait for.

    A signal that is to stop it keeps the restart policy from starting it again.
    """
    with Locked(store.layout, container.id):
        with store.database.read() as tx:
            found = rows.by_id(tx, container.id)
        if found is None or found.exits != container.exits or not found.is_running:
            return False  # it ended by itself meanwhile
        stops = number in (SIGKILL, _stop_signal(found))
        with store.database.write() as tx:
            if stops:
                rows.set_stopped_by_hand(tx, found.key)
            if found.state == "restarting":
                rows.set_state(tx, found.key, "exited")
            rows.record(tx, store.now(), "kill", found, {"signal": str(number)})
        if found.state == "restarting":
            return False
        send(process_of(found), number)
        if stops and found.state == "paused":
            _thaw(store, found)
        return True


def _thaw(store: Store, container: Container) -> None:
    """Let a frozen container meet a signal: one that is frozen does not even die."""
    from ligan.containers import runtime

    folder = store.layout.container(container.id)
    try:
        runtime.resume(folder, container.id)
    except LiganError:
        if runtime.state(folder, container.id) == "paused":
            raise
        # It is not frozen, or no more: whoever thawed it was killed before it wrote that down.
    with store.database.write() as tx:
        rows.set_state(tx, container.key, "running")
        rows.record(tx, store.now(), "unpause", container)


def let_go_on(store: Store, container_id: str) -> None:
    """Let a container go on that was paused for a commit which was killed."""
    from ligan.containers import runtime

    with Locked(store.layout, container_id), Stilling(store.layout, container_id) as stilling:
        if not stilling.is_held:
            return
        with store.database.read() as tx:
            container = rows.by_id(tx, container_id)
        if (
            container is not None
            and runtime.state(store.layout.container(container_id), container_id) == "paused"
        ):
            _thaw(store, container)
        stilling.unmark()


def _stop_signal(container: Container) -> int:
    """Return the signal that stops a container: SIGKILL, where Linux has not the one that was asked for."""
    number = parse_signal(container.config.get("StopSignal") or "TERM")
    return number if is_supported(number) else SIGKILL


def _stop_seconds(container: Container) -> int:
    """Return the container's own --stop-timeout, or Docker's."""
    seconds = container.config.get("StopTimeout")
    return STOP_SECONDS if seconds is None else int(seconds)


def restart(store: Store, name: str, timeout: int | None = None, keep: Keep | None = None) -> None:
    """Stop a container if it runs, and start it, `keep` being as for `start`.

    One that is removed when it ends is not, this time.
    """
    from ligan.containers.running import start

    container = current(store, name)
    try:
        if container.is_running:
            _end_and_keep(store, container, timeout)
        start(store, container.id, keep)
    except LiganError as error:
        error.message = f"Cannot restart container {name}: {error.message}"
        error.args = (error.message,)
        raise
    with store.database.write() as tx:
        rows.record(tx, store.now(), "restart", container)


def _end_and_keep(store: Store, container: Container, timeout: int | None) -> None:
    kept = container.host_config
    if kept.get("AutoRemove"):
        _set_host_config(store, container, {**kept, "AutoRemove": False})
    try:
        end(store, container, timeout)
    finally:
        if kept.get("AutoRemove"):
            _set_host_config(store, container, kept)
    with store.database.write() as tx:
        rows.record(tx, store.now(), "stop", container)


def _set_host_config(store: Store, container: Container, document: Mapping[str, Any]) -> None:
    with store.database.write() as tx:
        rows.set_host_config(tx, container.key, document)


def pause(store: Store, name: str) -> None:
    """Freeze all processes of a container."""
    from ligan.containers import runtime

    container = current(store, name)
    with Locked(store.layout, container.id):
        container = current(store, container.id, is_locked=True)
        if not container.is_running:
            raise NotRunning(container.id)
        if container.state == "paused":
            raise Conflict(f"Container {container.id} is already paused")
        if container.state == "restarting":
            raise IsRestarting(container.id)
        folder = store.layout.container(container.id)
        try:
            runtime.pause(folder, container.id)
        except LiganError as error:
            if runtime.state(folder, container.id) != "paused":
                raise Unavailable(
                    f"Cannot pause container {container.id}: {error.message}", error.hint
                ) from None
        with store.database.write() as tx:
            rows.set_state(tx, container.key, "paused")
            rows.record(tx, store.now(), "pause", container)


def unpause(store: Store, name: str) -> None:
    """Let a frozen container go on."""
    container = current(store, name)
    with Locked(store.layout, container.id):
        container = current(store, container.id, is_locked=True)
        if container.state != "paused":
            raise Conflict(f"Container {container.id} is not paused")
        _thaw(store, container)


def resize(store: Store, name: str, height: int, width: int) -> None:
    """Tell a container's terminal its size, in characters."""
    from ligan.containers import attach

    container = current(store, name)
    if container.state not in ("running", "paused"):
        raise NotRunning(container.id)
    attach.resize(store.layout.container(container.id), height, width)
