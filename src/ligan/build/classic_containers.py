"""The containers of a classic build: each RUN has one that runs, every other step one that is only told of.

Source: engine 20.10, builder/dockerfile/containerbackend.go and internals.go; goldens b_build_messages and
n_events.
"""

from __future__ import annotations

import os
import select
from posixpath import normpath

from ligan.build.output import Text
from ligan.build.stubs import ALWAYS, Stubs
from ligan.containers import naming, removing, rows
from ligan.containers.attach import STDERR
from ligan.containers.attaching import attach
from ligan.containers.checks import check_config, check_host_config, check_text, fill_in
from ligan.containers.committing import layer_of
from ligan.containers.creating import CreateRequest, create
from ligan.containers.ending import current
from ligan.containers.host import Host
from ligan.containers.locking import Locked
from ligan.containers.merging import merge
from ligan.containers.roots import settle
from ligan.containers.running import start
from ligan.containers.supervising import supervise
from ligan.errors import LiganError, Unavailable
from ligan.oci.documents import whole_characters
from ligan.oci.hostconfig import host_config
from ligan.oci.runconfig import run_config
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ligan.build.classic_images import Base
    from ligan.build.output import Output
    from ligan.containers.attach import Attachment
    from ligan.containers.locking import Watch
    from ligan.layers.snapshots import Snapshots
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store

    Config = Mapping[str, Any]

_LOOK_MILLISECONDS = 200
"""How often a build that waits for a command looks whether anybody still wants it."""


class StepFailed(LiganError):
    """A command ended with a status that is not 0."""

    def __init__(self, words: Sequence[str], status: int) -> None:
        super().__init__(f"The command '{' '.join(words)}' returned a non-zero code: {status}")
        self.status = status


class Cancelled(Unavailable):
    """Nobody wants the build any more."""

    def __init__(self) -> None:
        super().__init__("Build cancelled")


class StepContainer(Value):
    """The container of one step. `config` is what it was made with, `is_real` whether it has a row."""

    id: str
    config: dict[str, Any]
    is_real: bool

    @property
    def short(self) -> str:
        return self.id[:12]


class Containers:
    """Makes, runs and removes the containers of one build.

    With `keep` all stay; otherwise those that run nothing are never more than their events.
    """

    def __init__(
        self,
        store: Store,
        snapshots: Snapshots,
        output: Output,
        asked: Config,
        *,
        keep: bool,
        is_wanted: Callable[[], bool],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._output = output
        self._keep = keep
        self._is_wanted = is_wanted
        self._asked = asked
        self._limits: tuple[dict[str, Any], tuple[str, ...]] | None = None
        self._left: list[StepContainer] = []

    def _checked_limits(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the HostConfig, and what is to be said of it each time. Raises Invalid for a bad one."""
        if self._limits is None:
            asked = host_config(self._asked)
            check_text(asked)
            check_host_config(asked)
            self._limits = asked, tuple(fill_in(asked, Host.read())[1])
        return self._limits

    def check_wanted(self) -> None:
        if not self._is_wanted():
            raise Cancelled

    def make(self, base: Base, config: Config, *, runs: bool = False) -> StepContainer:
        """Make the container of a step on `base`, and say so."""
        limits, warnings = self._checked_limits()
        if runs or self._keep:
            request = CreateRequest(config=config, host_config=limits)
            made = create(self._store, request)
            with self._store.database.read() as tx:
                row = rows.by_id(tx, made.id)
            assert row is not None
            container, warnings = StepContainer(made.id, row.config, True), made.warnings
        else:
            container = self._told(base, config)
        self._left.append(container)
        self._output.say(*[f" ---> [Warning] {warning}\n" for warning in warnings])
        self._output.say(f" ---> Running in {container.short}\n")
        return container

    def _told(self, base: Base, config: Config) -> StepContainer:
        """Return a container that is not made: what a create would have made of the settings."""
        asked = whole_characters(run_config(config))
        check_text(asked)
        check_config(asked)
        container_id = naming.new_id()
        settings = base.document.get("config")
        merged = run_config(merge(asked, run_config(settings))) if settings is not None else asked
        if merged["Entrypoint"] == [""]:
            merged["Entrypoint"] = None
        merged["Hostname"] = merged["Hostname"] or container_id[:12]
        if merged["WorkingDir"]:
            merged["WorkingDir"] = "/" + normpath(merged["WorkingDir"]).lstrip("/")
        return StepContainer(container_id, merged, False)

    def run(self, container: StepContainer, command: Sequence[str]) -> None:
        """Run a command to its end, and pass on what it prints. Raises StepFailed.

        One that nobody wants any more is killed and removed. One that cannot be started stays as it was made.
        """
        from threading import Thread

        root = self._snapshots.mount(container.id, volatile=True)
        stubs = Stubs(root, ALWAYS)
        attachment = attach(self._store, container.id)
        watches: list[Watch] = []
        # A start waits for those who attach.
        connecting = Thread(target=attachment.connect, name="attach", daemon=True)  # type: ignore[attr-defined]  # of one that has not started
        connecting.start()
        try:
            self._output.flush()
            start(self._store, container.id, lambda _id, watch: watches.append(watch))
            connecting.join()
            self._pass_on(attachment)
            status = supervise(self._store, container.id, watches.pop() if watches else None)
        except BaseException:
            if watches:  # it runs
                removing.remove(self._store, container.id, force=True, volumes=True)
                self._left.remove(container)
            else:
                self._snapshots.unmount(container.id)
            raise
        finally:
            attachment.close()
            connecting.join()
            for watch in watches:
                watch.close()
        upper = self._store.layout.upper(container.id)
        is_upper = os.path.exists(upper)
        stubs.remove(upper if is_upper else root, is_upper=is_upper)
        if status:
            raise StepFailed(command, status)

    def _pass_on(self, attachment: Attachment) -> None:
        """Say what a command prints until it closes its streams. Raises Cancelled."""
        poll = select.poll()
        poll.register(attachment.fileno(), select.POLLIN)
        packets = iter(attachment)
        while True:
            while not poll.poll(_LOOK_MILLISECONDS):
                self.check_wanted()
            packet = next(packets, None)
            if packet is None:
                return
            stream, data = packet
            self._output.add(Text(data.decode("utf-8", "replace"), stream == STDERR))
            self._output.flush()

    def still(self, container: StepContainer) -> Still:
        """Return `with` what nobody starts a container that has run; its value is its layer."""
        return Still(self._store, container.id)

    def remove_all(self) -> None:
        """Remove the containers of this step, and say so."""
        for container in self._left:
            if container.is_real:
                removing.remove(self._store, container.id, force=True, volumes=True)
            self._output.say(f"Removing intermediate container {container.short}\n")
        self._left.clear()

    def leave_all(self) -> None:
        """Let the containers of this step stay."""
        self._left.clear()

    def tell_events(self, tx: WriteTransaction, base: Base, container: StepContainer) -> None:
        """Write the events of a container that was only told of: it came and went."""
        told = rows.Container(
            key=0,
            id=container.id,
            name=naming.generated(tx, container.id),
            image=None,
            image_id=base.id,
            layer=None,
            created=0,
            image_name=base.id,
            driver="",
            config=container.config,
            host_config={},
            networking={},
            mounts=(),
            labels=container.config["Labels"] or {},
        )
        now = self._store.now()
        rows.record(tx, now, "create", told)
        rows.record(tx, now, "destroy", told)


class Still:
    """`with` it, a container stays as it is. The value is what it changed, a tar."""

    def __init__(self, store: Store, container_id: str) -> None:
        self._store = store
        self._id = container_id
        self._lock = Locked(store.layout, container_id)

    def __enter__(self) -> Iterator[bytes]:
        self._lock.__enter__()
        try:
            container = current(self._store, self._id, is_locked=True)
            settle(self._store, container)
            return layer_of(self._store, container)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def __exit__(self, *_exception: object) -> None:
        self._lock.__exit__(None, None, None)
