"""Starting containers: every step of a start, and what is left of one that fails: nothing.

The order of steps, and why nothing is lost when the process is killed between two of them, is in
docs/decisions/0006-containers.md.
"""

from __future__ import annotations

import os

from ligan.containers import rows
from ligan.containers.attach import await_accepted
from ligan.containers.bundling import join, write_bundle
from ligan.containers.calling import exit_command
from ligan.containers.ending import current, has_network, mark_started, take_back
from ligan.containers.failures import RuntimeFailed
from ligan.containers.health import at_start, check_of
from ligan.containers.locking import Locked, Watch, await_attaching
from ligan.containers.log_options import log_limits
from ligan.containers.processes import boot_id, start_time
from ligan.containers.use_events import record_start
from ligan.errors import Conflict, Invalid, LiganError
from ligan.store import failpoints
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.containers.mounts import Mount
    from ligan.containers.network import Connection
    from ligan.containers.rows import Container
    from ligan.containers.runtime import Launched
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store

    Keep = Callable[[str, Watch], None]

_ATTACH_SECONDS = 10.0
"""How long a start waits for those who said that they want to attach."""

_FAILED = 128
"""Docker's exit status of a container that could not be started, where nothing tells more."""


def start(store: Store, name: str, keep: Keep | None = None) -> bool:
    """Start what does not run; returns False where it runs already.

    `keep` takes the container's ID and the watch over this run, from before its process runs; nothing is held
    where another process watches, or has yet to see that the last run is over. Raises what the runtime
    says, in Docker's words; then the container is as before, the error in its row, or it is gone, if it was
    to go at its end.
    """
    container = current(store, name)
    with Locked(store.layout, container.id):
        container = current(store, container.id, is_locked=True)
        if container.state == "paused":
            raise Conflict("cannot start a paused container, try unpause instead")
        if container.is_running:
            return False
        if container.state in ("removing", "dead"):
            raise Conflict("container is marked for removal and cannot be started")
        _launch_watched(store, container, keep)
    return True


def start_again(store: Store, container_id: str, keep: Keep | None = None) -> None:
    """Start a container whose restart policy has waited for long enough, unless somebody stopped it."""
    with Locked(store.layout, container_id):
        container = current(store, container_id, is_locked=True)
        if container.state == "restarting":
            _launch_watched(store, container, keep, restarts=container.restarts)


def _launch_watched(store: Store, container: Container, keep: Keep | None, *, restarts: int = 0) -> None:
    """Launch with `watch` in hand: conmon's exit command finds nothing to do after a launch that failed."""
    watch = Watch(store.layout, container.id)
    try:
        launch(store, container, restarts=restarts)
        if keep is not None:
            # The last run's exit command may have had it for a moment.
            watch = watch if watch.is_held else Watch(store.layout, container.id)
            keep(container.id, watch.handed_over())
    finally:
        watch.close()


def launch(store: Store, container: Container, *, restarts: int = 0) -> None:
    """Do every step of a start, with the container's lock held. Of one that fails only its error is left."""
    try:
        with Explained(store.layout.container(container.id)):
            _launch(store, container, restarts)
    except BaseException as error:
        take_back(store, container)
        _write_failure(store, container, error)
        raise


def _launch(store: Store, container: Container, restarts: int) -> None:
    from ligan.containers import runtime
    from ligan.layers.snapshots import Snapshots

    layout = store.layout
    folder = layout.container(container.id)
    joined = join(store, container)
    os.makedirs(layout.all_running, 0o700, exist_ok=True)
    with open(layout.running(container.id), "wb"):
        failpoints.hit("start.marked")
    # What goes at its end is of no use after a power cut either.
    root = Snapshots(store).mount(container.id, volatile=_goes_at_its_end(container))
    failpoints.hit("start.mounted")
    _prepare_mounts(store, container)
    _share_memory(container, joined.shm, folder)
    connection = _connect(store, container)
    failpoints.hit("start.connected")
    try:
        write_bundle(store, container, root, joined, connection)
    except Invalid as error:  # to Docker what it cannot make a specification of is a fault of the system
        raise RuntimeFailed(error.message) from None
    config, limits = container.config, log_limits(container.host_config)
    launched = runtime.launch(
        folder,
        container.id,
        tty=bool(config.get("Tty")),
        stdin=bool(config.get("OpenStdin")),
        stdin_once=bool(config.get("StdinOnce")),
        exit_command=exit_command(layout, container.id),
        log_limit=limits.bytes * limits.files,  # nobody rotates it without a daemon
        keep_log=container.host_config["LogConfig"]["Type"] != "none",
        meanwhile=_prepare_the_end,
    )
    failpoints.hit("start.created")
    await_attaching(layout, container.id, _ATTACH_SECONDS)
    with store.database.write(durable=not _goes_at_its_end(container)) as tx:
        _write_start(tx, store, container, launched, restarts)
    failpoints.hit("start.rows")
    await_accepted(launched.conmon_pid, _ATTACH_SECONDS)
    runtime.start(folder, container.id, launched.pid)
    failpoints.hit("start.started")
    mark_started(layout, container.id)
    if check_of(config) is not None:
        from ligan.containers.checking import start_checking

        start_checking(layout, container.id)


def _goes_at_its_end(container: Container) -> bool:
    return bool(container.host_config.get("AutoRemove"))


def _write_start(
    tx: WriteTransaction, store: Store, container: Container, launched: Launched, restarts: int
) -> None:
    now = store.now()
    rows.set_running(
        tx,
        container.key,
        pid=launched.pid,
        pid_started=start_time(launched.pid) or 0,
        conmon_pid=launched.conmon_pid,
        conmon_started=start_time(launched.conmon_pid) or 0,
        boot_id=boot_id(),
        now=now,
    )
    if restarts != container.restarts:
        rows.set_restarts(tx, container.key, restarts)
    rows.set_health(tx, container.key, at_start(container.config, container.health))
    record_start(tx, now, container)
    rows.record(tx, now, "start", container)


def _prepare_the_end() -> None:
    """Import what the end of a run needs: now it costs no time, while this process waits for the runtime."""
    import ligan.containers.removing
    import ligan.containers.supervising
    import ligan.store.trees  # noqa: F401  # only to have been imported


def _connect(store: Store, container: Container) -> Connection | None:
    """Return how the container reaches others, or None where the runtime makes its network, or joins one."""
    if not has_network(container):
        for settings in (container.networking.get("EndpointsConfig") or {}).values():
            if settings and (settings.get("IPAMConfig") or settings.get("Aliases")):
                from ligan.containers.networks import check_built_in

                check_built_in(settings)
        return None
    from ligan.containers import network

    return network.setup(store, container)


def _prepare_mounts(store: Store, container: Container) -> None:
    """Mount volumes, and make the folders of `-v` that are not there; those of `--mount` have to be."""
    if container.mounts:
        from ligan.containers.volume_mounts import mount_all

        mount_all(store, container.mounts)
    for mount in container.mounts:
        if mount.type == "bind" and not os.path.lexists(mount.source):
            if mount.must_exist:
                raise Invalid(
                    f'invalid mount config for type "bind": bind source path does not exist: {mount.source}'
                )
            os.makedirs(mount.source, 0o755, exist_ok=True)
        if mount.type == "bind" and mount.propagation.endswith(("shared", "slave")):
            _check_propagation(store, mount)


def _check_propagation(store: Store, mount: Mount) -> None:
    """Raise RuntimeFailed where nothing can be propagated (daemon/oci_linux.go, ensureSharedOrSlave).

    What has the store in it, or is in it, is a slave unasked: there it is no error.
    """
    from ligan.store.mounts import peers_of

    root, source = f"{store.layout.root}/", f"{mount.source.rstrip('/')}/"
    is_asked = mount.propagation in mount.mode.split(",")
    if not is_asked and (root.startswith(source) or source.startswith(root)):
        return
    wanted = ("shared",) if mount.propagation.endswith("shared") else ("shared", "slave")
    point, peers = peers_of(mount.source)
    if not peers.intersection(wanted):
        raise RuntimeFailed(
            f"path {mount.source} is mounted on {point} but it is not a {' or '.join(wanted)} mount"
        )


def _share_memory(container: Container, shm: str, folder: str) -> None:
    """Mount the /dev/shm that other containers may join, where it is this container's own."""
    if shm != f"{folder}/shm":
        return
    from ligan.layers.mounting import mount_shared_memory
    from ligan.store.mounts import is_mounted

    os.makedirs(shm, 0o700, exist_ok=True)
    if not is_mounted(shm):
        mount_shared_memory(shm, size=int(container.host_config.get("ShmSize") or 0))


def _write_failure(store: Store, container: Container, error: BaseException) -> None:
    """Keep why a start came to nothing; a container that was to go at its end goes.

    Also after a fault of Ligan's own: somebody may wait for the container to be gone.
    """
    from ligan.containers import removing

    reason = error.message if isinstance(error, LiganError) else f"internal error: {type(error).__name__}"
    removed = _goes_at_its_end(container)
    with store.database.write() as tx:
        rows.set_start_failed(tx, container.key, getattr(error, "exit_code", _FAILED), reason)
        rows.set_state(tx, container.key, "exited" if container.finished else "created")
        if removed:
            removing.delete(tx, store, container, volumes=True)
    if removed:
        store.sweep()
