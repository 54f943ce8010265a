"""RUN: a command in a container of its own, whose changes become a layer.

The container is one of `containers`, with its networks, mounts and limits, and nobody's: its row has the
purpose `build`, and this process holds `watch`. It goes in the transaction that writes the layer.
"""

from __future__ import annotations

import os

from ligan.build.stubs import ALWAYS, Stubs
from ligan.containers import naming, rows
from ligan.containers.ending import await_status, clear, forget_status, process_of
from ligan.containers.locking import Attaching, Locked, Watch
from ligan.containers.processes import Process, await_end, send
from ligan.errors import LiganError
from ligan.store import failpoints
from ligan.store.folders import NewFolders
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ligan.containers.mounts import Mount
    from ligan.containers.rows import Container
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store

    Output = Callable[[int, bytes], None]

HOSTNAME = "buildkitsandbox"
"""BuildKit's, whose steps may have it in what they make."""


class Command(Value):
    """What a RUN runs: its words, variables, folder and user.

    `network` is default, none or host. `host` has settings of Docker's HostConfig besides.
    """

    words: tuple[str, ...]
    environment: tuple[str, ...]
    folder: str
    user: str
    network: str = "default"
    privileged: bool = False
    host: Mapping[str, Any] = {}


class Failed(LiganError):
    """The command of a step ended with a status that is not 0, or could not be started."""

    def __init__(self, words: Sequence[str], status: int, hint: str = "") -> None:
        command = " ".join(words)
        super().__init__(f'process "{command}" did not complete successfully: exit code: {status}', hint)
        self.status = status


class Run:
    """`with Run(store, top, command, mounts) as run`: a container for one command on the layer of that key.

    After `execute`, `layer` gives what the command changed as a tar; `forget` takes the container's row away
    in the caller's transaction. At the end nothing is left of it in any case.
    """

    def __init__(
        self,
        store: Store,
        top: int | None,
        command: Command,
        mounts: Sequence[Mount] = (),
        prepare: Callable[[str], Sequence[Mount]] = lambda _folder: (),
        secrets: Sequence[str] = (),
    ) -> None:
        """`prepare` is given the container's folder, and returns mounts of what it has made there.

        `secrets` are variables of which no row tells.
        """
        self._store = store
        self._top = top
        self._command = command
        self._mounts = tuple(mounts)
        self._prepare = prepare
        self._secrets = tuple(secrets)
        self._is_done = False

    def __enter__(self) -> Run:
        from ligan.layers.snapshots import Snapshots

        self._snapshots = Snapshots(self._store)
        driver = self._snapshots.prepare(self._top)
        with (
            self._store.lease() as lease,
            NewFolders(self._store.layout, lease) as folders,
            self._store.database.write() as tx,
        ):
            container = _container(self._store, self._top, driver, self._command)
            folders.make([self._store.layout.container_name(container.id)])
            self._watch = Watch(self._store.layout, container.id)  # before anybody sees the row
            folder = self._store.layout.container(container.id)
            container = container.replace(mounts=(*self._mounts, *self._prepare(folder)))
            self.container = container.replace(key=rows.insert(tx, container))
            failpoints.hit("step.rows")
        return self

    def __exit__(self, *_exception: object) -> None:
        from ligan.containers import removing
        from ligan.containers.ending import take_back
        from ligan.store.mounts import unmount_below

        try:
            if not self._is_done:
                take_back(self._store, self.container)
                unmount_below(self._store.layout.container(self.container.id))
                removing.discard(self._store, self.container)
        finally:
            self._watch.close()

    def execute(self, output: Output) -> None:
        """Run the command to its end, and tell its output. Raises Failed, or what keeps it from starting."""
        from ligan.containers.running import launch
        from ligan.store.mounts import unmount_below

        root = self._snapshots.create(self.container.id, self._top)
        merged = self._snapshots.mount(self.container.id, volatile=True)
        self._is_vfs = root == "vfs"
        self._stubs = Stubs(merged, [*ALWAYS, *[mount.destination for mount in self.container.mounts]])
        reader = _Reader(self._store, self.container.id, output)
        try:
            with Locked(self._store.layout, self.container.id):
                launch(self._store, self._with_secrets())
            reader.finish()
            status = self._end()
        except BaseException:
            reader.close()
            raise
        finally:
            unmount_below(self._store.layout.container(self.container.id))
        if status:
            raise Failed(self._command.words, status)
        failpoints.hit("step.ran")

    def _with_secrets(self) -> Container:
        config = self.container.config
        return self.container.replace(config=config | {"Env": [*(config["Env"] or ()), *self._secrets]})

    def _end(self) -> int:
        """Return the exit status once the command has ended, with all that a run needs taken away."""
        with self._store.database.read() as tx:
            container = rows.by_id(tx, self.container.id)
        if container is None:
            raise LiganError("the container of a step was removed while it ran")
        layout = self._store.layout
        await_end(process_of(container))
        conmon = Process(container.conmon_pid, container.conmon_started, container.boot_id)
        path = f"{layout.container(container.id)}/exit/{container.id}"
        status, _at = await_status(path, conmon) or (_UNKNOWN, 0)
        clear(self._store, container)
        forget_status(layout, container.id)
        try:
            os.unlink(layout.running(container.id))
        except FileNotFoundError:
            pass
        return status

    def stop(self, store: Store) -> None:
        """End the command, from another thread, whose store this is: the build has failed elsewhere."""
        with store.database.read() as tx:
            container = rows.by_id(tx, self.container.id)
        if container is not None and container.pid:
            send(process_of(container), 9)

    def layer(self, epoch: int | None) -> Iterator[bytes]:
        """Return the tar of what the command changed, nothing in it newer than `epoch`."""
        from ligan.build.layers import clamp_times
        from ligan.layers.diff import overlay_layer, tree_layer

        layout, container = self._store.layout, self.container.id
        root = layout.merged(container) if self._is_vfs else layout.upper(container)
        self._stubs.remove(root, is_upper=not self._is_vfs)
        if self._is_vfs:
            from ligan.containers.copying import changes_of

            changes = changes_of(self._store, self.container)
            if epoch is not None:
                clamp_times(root, epoch)
            return tree_layer(root, changes)
        if epoch is not None:
            clamp_times(root, epoch)
        return overlay_layer(root)

    def keep_until_forgotten(self) -> None:
        """Leave the container's row where it is at the end: the one who writes the layer calls `forget`."""
        self._is_done = True

    def forget(self, tx: WriteTransaction) -> None:
        """Remove the container's rows; its folder goes with the next sweep."""
        from ligan.containers import removing

        removing.delete(tx, self._store, self.container, volumes=False)


_UNKNOWN = 255


class _Reader:
    """Takes what the command writes, from before it runs until its end, in a thread of its own."""

    def __init__(self, store: Store, container_id: str, output: Output) -> None:
        from threading import Thread

        from ligan.containers.attaching import LateAttachment

        folder = store.layout.container(container_id)
        self._attachment = LateAttachment(
            folder, Attaching(store.layout, container_id), stdout=True, stderr=True
        )
        self._output = output
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for stream, data in self._attachment:
            self._output(stream - 1, data)  # conmon counts from 2

    def finish(self) -> None:
        """Return when all is told: the output has ended, and so has the command."""
        self._thread.join()
        self._attachment.close()

    def close(self) -> None:
        self._attachment.close()
        self._thread.join()


def _container(store: Store, top: int | None, driver: str, command: Command) -> Container:
    from ligan.containers.checks import check_config, check_host_config, check_text, fill_in
    from ligan.containers.host import Host
    from ligan.containers.spec import MASKED_PATHS, READONLY_PATHS
    from ligan.oci.hostconfig import endpoint_settings, host_config
    from ligan.oci.runconfig import run_config

    config = run_config(
        {
            "Hostname": HOSTNAME,
            "Cmd": list(command.words),
            "Env": list(command.environment),
            "WorkingDir": command.folder,
            "User": command.user,
        }
    )
    asked = host_config(
        {
            **command.host,
            "NetworkMode": command.network,
            "Privileged": command.privileged,
            "AutoRemove": True,  # whoever finds it ended removes it
            "LogConfig": {"Type": "none", "Config": {}},
        }
    )
    check_text([config, asked])
    check_config(config)
    check_host_config(asked)
    host, _warnings = fill_in(asked, Host.read())
    if not command.privileged:
        host |= {"MaskedPaths": list(MASKED_PATHS), "ReadonlyPaths": list(READONLY_PATHS)}
    container_id = naming.new_id()
    networks = {"bridge": endpoint_settings({})} if command.network == "default" else {}
    return rows.Container(
        key=0,
        id=container_id,
        name=f"build-{container_id}",
        image=None,
        image_id="",
        layer=top,
        created=store.now(),
        image_name="",
        driver=driver,
        config=config,
        host_config=host,
        networking={"EndpointsConfig": networks},
        mounts=(),
        labels={},
        purpose=rows.BUILD,
    )
