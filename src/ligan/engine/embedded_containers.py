"""The embedded engine's containers, volumes and networks; see `ligan.engine.container_role`.

What a verb needs is imported when it is called, as in `ligan.engine.embedded`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, BinaryIO

    from ligan.containers.attach import Attachment
    from ligan.containers.committing import CommitRequest
    from ligan.containers.creating import Created, CreateRequest
    from ligan.containers.execs import ExecRequest
    from ligan.containers.listing import ContainerSummary
    from ligan.containers.locking import Watch
    from ligan.containers.logs import LogLine, LogRequest
    from ligan.containers.outcome import ContainerPruneOutcome
    from ligan.containers.rows import Ended
    from ligan.engine.rehearsal import Rehearsal
    from ligan.engine.role import Filters
    from ligan.store.store import Store

    Document = dict[str, Any]


class EmbeddedContainers:
    """The verbs of a store's containers. `watched_by` is who sees to the ends of runs that this starts."""

    store: Store
    watched_by: Callable[[str, Watch], None] | None = None

    def create_container(self, request: CreateRequest) -> Created:
        from ligan.containers.creating import create

        self.store.recover()
        return create(self.store, request)

    def start_container(self, name: str) -> bool:
        from ligan.containers.running import start

        return start(self.store, name, self.watched_by)

    def run_to_end(
        self, name: str, started: Callable[[], None], at_end: Callable[[], object] = lambda: None
    ) -> int:
        from ligan.containers.running import start

        watches: list[Watch] = []
        start(self.store, name, lambda _name, watch: watches.append(watch))
        started()
        from ligan.containers.supervising import supervise  # `start` had time to import it

        return supervise(self.store, name, watches[0] if watches else None, at_end)

    def attach_container(
        self, name: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Attachment:
        from ligan.containers.attaching import attach

        return attach(self.store, name, stdout=stdout, stderr=stderr)

    def container_end(self, name: str) -> Ended:
        from ligan.containers.supervising import end

        return end(self.store, name)

    def wait_container(self, name: str, condition: str = "not-running") -> Ended:
        from ligan.containers.supervising import wait

        return wait(self.store, name, condition)

    def is_process_gone(self, name: str) -> bool:
        from ligan.containers.supervising import is_process_gone

        return is_process_gone(self.store, name)

    def clean_up_container(self, name: str) -> None:
        from ligan.containers.supervising import clean_up

        clean_up(self.store, name)

    def check_container(self, name: str) -> None:
        from ligan.containers.checking import check

        check(self.store, name)

    def stop_container(self, name: str, timeout: int | None = None) -> bool:
        from ligan.containers.stopping import stop

        return stop(self.store, name, timeout)

    def kill_container(self, name: str, signal: str = "KILL") -> None:
        from ligan.containers.stopping import kill

        kill(self.store, name, signal)

    def restart_container(self, name: str, timeout: int | None = None) -> None:
        from ligan.containers.stopping import restart

        restart(self.store, name, timeout, self.watched_by)

    def pause_container(self, name: str) -> None:
        from ligan.containers.stopping import pause

        pause(self.store, name)

    def unpause_container(self, name: str) -> None:
        from ligan.containers.stopping import unpause

        unpause(self.store, name)

    def resize_container(self, name: str, height: int, width: int) -> None:
        from ligan.containers.stopping import resize

        resize(self.store, name, height, width)

    def rename_container(self, name: str, new_name: str) -> None:
        from ligan.containers.renaming import rename

        rename(self.store, name, new_name)

    def update_container(self, name: str, changes: Document) -> list[str]:
        from ligan.containers.updating import update

        return update(self.store, name, changes)

    def remove_container(
        self, name: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        from ligan.containers.ending import reconcile
        from ligan.containers.removing import remove

        reconcile(self.store)
        remove(self.store, name, force=force, volumes=volumes, link=link)

    def prune_containers(self, filters: Filters) -> ContainerPruneOutcome:
        from ligan.containers.ending import reconcile
        from ligan.containers.removing import prune

        reconcile(self.store)
        return prune(self.store, filters)

    def rehearsal(self) -> Rehearsal:
        from ligan.engine.rehearsal import Rehearsal

        return Rehearsal(self.store)

    def list_containers(
        self, filters: Filters, *, show_all: bool = False, limit: int = 0, size: bool = False
    ) -> list[ContainerSummary]:
        from ligan.containers.ending import reconcile
        from ligan.containers.listing import list_containers

        reconcile(self.store)
        snapshots = None
        if size:
            from ligan.layers.snapshots import Snapshots

            snapshots = Snapshots(self.store)
        with self.store.database.read() as tx:
            return list_containers(
                tx, filters, now=self.store.now(), show_all=show_all, limit=limit, snapshots=snapshots
            )

    def inspect_container(self, name: str, *, size: bool = False) -> Document:
        from ligan.containers.ending import current
        from ligan.containers.inspecting import inspect

        return inspect(self.store, current(self.store, name), size=size)

    def container_logs(
        self, name: str, request: LogRequest, is_wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[LogLine]:
        from ligan.containers.ending import current, ended
        from ligan.containers.logs import read_logs

        container = current(self.store, name)

        def goes_on() -> bool:
            return is_wanted() and ended(self.store, container.id).is_running

        return read_logs(self.store.layout.container(container.id), request, goes_on)

    def container_top(self, name: str, arguments: str = "-ef") -> Document:
        from ligan.containers.looking import top

        return top(self.store, name, arguments)

    def container_stats(self, name: str, *, previous: Document | None = None) -> Document:
        from ligan.containers.looking import stats

        return stats(self.store, name, previous)

    def container_changes(self, name: str) -> dict[str, str]:
        from ligan.containers.copying import changes

        return changes(self.store, name)

    def export_container(self, name: str, target: BinaryIO) -> None:
        from ligan.containers.copying import export

        export(self.store, name, target)

    def stat_in_container(self, name: str, path: str) -> Document:
        from ligan.containers.copying import stat

        return stat(self.store, name, path)

    def copy_from_container(self, name: str, path: str, target: BinaryIO) -> Document:
        from ligan.containers.copying import copy_out

        return copy_out(self.store, name, path, target)

    def copy_to_container(
        self, name: str, path: str, source: BinaryIO, *, no_overwrite_dir_non_dir: bool = False
    ) -> None:
        from ligan.containers.copying import copy_in

        copy_in(self.store, name, path, source, no_overwrite_dir_non_dir=no_overwrite_dir_non_dir)

    def commit_container(self, name: str, request: CommitRequest) -> str:
        from ligan.containers.committing import commit

        self.store.recover()
        return commit(self.store, name, request)

    def create_exec(self, name: str, request: ExecRequest) -> str:
        from ligan.containers.execs import create

        return create(self.store, name, request)

    def start_exec(self, exec_id: str, *, detach: bool = False, tty: bool | None = None) -> Attachment | None:
        from ligan.containers.execs import start

        return start(self.store, exec_id, detach=detach, tty=tty)

    def wait_exec(self, exec_id: str) -> int:
        from ligan.containers.execs import wait

        return wait(self.store, exec_id)

    def inspect_exec(self, exec_id: str) -> Document:
        from ligan.containers.execs import inspect

        return inspect(self.store, exec_id)

    def end_exec(self, exec_id: str) -> None:
        from ligan.containers.execs import ended

        ended(self.store, exec_id)

    def resize_exec(self, exec_id: str, height: int, width: int) -> None:
        from ligan.containers.execs import resize

        resize(self.store, exec_id, height, width)

    def create_volume(
        self, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> Document:
        from ligan.containers.volumes import create

        return create(self.store, name, driver, options, labels)

    def list_volumes(self, filters: Filters) -> list[Document]:
        from ligan.containers.volumes import list_volumes

        with self.store.database.read() as tx:
            return list_volumes(tx, self.store.layout, filters)

    def inspect_volume(self, name: str) -> Document:
        from ligan.containers.volumes import document, get

        with self.store.database.read() as tx:
            return document(self.store.layout, get(tx, name))

    def remove_volume(self, name: str, *, force: bool = False) -> None:
        from ligan.containers.volumes import remove

        remove(self.store, name, force=force)

    def volume_usage(self) -> list[Document]:
        from ligan.containers.volumes import usage

        with self.store.database.read() as tx:
            return usage(tx, self.store.layout)

    def prune_volumes(self, filters: Filters) -> tuple[list[str], int]:
        from ligan.containers.volumes import prune

        return prune(self.store, filters)

    def create_network(self, request: Document) -> tuple[str, str]:
        from ligan.containers import network, networks

        network.ensure_built_in(self.store)
        with self.store.database.write() as tx:
            return networks.create(tx, request, self.store.now(), network.host_routes())

    def list_networks(self, filters: Filters) -> list[Document]:
        from ligan.containers import network, networks

        network.ensure_built_in(self.store)
        with self.store.database.read() as tx:
            return networks.listing(tx, filters)

    def inspect_network(self, name: str) -> Document:
        from ligan.containers import network, networks

        network.ensure_built_in(self.store)
        with self.store.database.read() as tx:
            return networks.document(tx, networks.get(tx, name))

    def remove_network(self, name: str) -> None:
        from ligan.containers import networks

        with self.store.database.write() as tx:
            networks.remove(tx, name, self.store.now())

    def connect_network(self, name: str, container: str, endpoint: Document) -> None:
        from ligan.containers.ending import current
        from ligan.containers.network import connect

        connect(self.store, name, current(self.store, container), endpoint)

    def disconnect_network(self, name: str, container: str, *, force: bool = False) -> None:
        from ligan.containers.ending import current
        from ligan.containers.network import disconnect

        disconnect(self.store, name, current(self.store, container))

    def prune_networks(self, filters: Filters) -> list[str]:
        from ligan.containers import networks

        with self.store.database.write() as tx:
            return networks.prune(tx, filters, self.store.now())
