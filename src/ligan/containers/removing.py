"""Removing containers, with what only they held.

Source of rules and words: engine 20.10, daemon/delete.go, daemon/prune.go, daemon/mounts.go.
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.locking import Locked, is_locked
from ligan.containers.outcome import ContainerPruneOutcome
from ligan.containers.rows import NoSuchContainer
from ligan.errors import Conflict, Invalid
from ligan.images.catalog import retire_layer
from ligan.store import failpoints
from ligan.store.reclaim import release_layer, release_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ligan.containers.rows import Container
    from ligan.layers.snapshots import Snapshots
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store

    Filters = Mapping[str, Sequence[str]]

_BATCH = 100
"""Containers that a prune removes in one transaction: each has a lock, thus an open file."""

_PRUNE_FILTERS = ("until", "label", "label!")


class CannotRemove(Conflict):
    """The container runs."""

    def __init__(self, container: Container) -> None:
        procedure = "Stop the container before attempting removal or force remove"
        if container.state == "paused":
            procedure = f"Unpause and then {procedure[0].lower()}{procedure[1:]}"
        super().__init__(f"You cannot remove a {container.state} container {container.id}. {procedure}")


def remove(
    store: Store, name: str, *, force: bool = False, volumes: bool = False, link: bool = False
) -> None:
    """Remove a container; with `force` one that runs is killed first, with `volumes` its anonymous ones go.

    With `link` the container stays, and the link of that name goes. Raises NoSuchContainer, CannotRemove.
    """
    if link:
        _remove_link(store, name)
        return
    with store.database.read() as tx:
        container = rows.resolve(tx, name)
    if container.is_running:
        if not force:
            raise CannotRemove(container)
        if not store.database.is_rehearsing:
            from ligan.containers.stopping import kill_and_wait

            kill_and_wait(store, container)
    try:
        with Locked(store.layout, container.id):
            _remove_locked(store, container.id, volumes=volumes)
    except NoSuchContainer:
        return  # another process removed it meanwhile
    failpoints.hit("rm.done")
    store.sweep()


def _remove_locked(store: Store, container_id: str, *, volumes: bool) -> None:
    with store.database.write() as tx:
        container = rows.by_id(tx, container_id)
        if container is None:
            return
        if container.is_running and not store.database.is_rehearsing:
            raise CannotRemove(container)
        delete(tx, store, container, volumes=volumes)
        failpoints.hit("rm.rows")


def discard(store: Store, container: Container) -> None:
    """Take back a container that could not be made in full, with the anonymous volumes made for it."""
    with store.database.write() as tx:
        delete(tx, store, container, volumes=True)
    store.sweep()


def delete(tx: WriteTransaction, store: Store, container: Container, *, volumes: bool) -> None:
    """Remove the rows of a container that does not run; its folder goes with the next sweep.

    Layers of an image that was removed before and that only this container held go too, as far as undo
    does not hold them.
    """
    anonymous = _anonymous_volumes(tx, container) if volumes else []
    for table in ("exec", "endpoint", "container_volume"):
        tx.execute(f"DELETE FROM {table} WHERE container = ?", (container.key,))
    tx.execute("DELETE FROM container WHERE key = ?", (container.key,))
    retire_layer(tx, container.layer)
    release_layer(tx, store.layout, container.layer)
    release_tree(tx, store.layout.container_name(container.id))
    if anonymous:
        _delete_unused(tx, store, anonymous)
    rows.record(tx, store.now(), "destroy", container)


def _anonymous_volumes(tx: ReadTransaction, container: Container) -> list[str]:
    """Return the volumes that were made for a container's mounts; one that was asked for by name stays."""
    asked = {bind.partition(":")[0] for bind in container.host_config.get("Binds") or ()}
    asked |= {mount.get("Source", "") for mount in container.host_config.get("Mounts") or ()}
    names = tx.column(
        """SELECT volume.name FROM container_volume JOIN volume ON volume.key = container_volume.volume
           WHERE container_volume.container = ? AND volume.anonymous""",
        (container.key,),
    )
    return [name for name in names if name not in asked]


def _delete_unused(tx: WriteTransaction, store: Store, names: Sequence[str]) -> None:
    from ligan.containers import volumes

    for name in dict.fromkeys(names):
        volume = volumes.get(tx, name)
        if not volumes.users(tx, volume.key):
            volumes.delete(tx, store.layout, volume, store.now())


def _remove_link(store: Store, name: str) -> None:
    """Remove the link `parent/alias` (daemon/delete.go, rmLink)."""
    parent, slash, alias = name.strip("/").rpartition("/")
    if not slash:
        with store.database.read() as tx:
            rows.resolve(tx, name)
        raise Conflict("Conflict, cannot remove the default link name of the container")
    with store.database.write() as tx:
        try:
            container = rows.resolve(tx, parent)
        except NoSuchContainer:
            raise NoSuchContainer(name) from None
        links = container.host_config["Links"] or []
        left = [link for link in links if _alias(link) != alias]
        if len(left) == len(links):
            raise NoSuchContainer(name)
        rows.set_host_config(tx, container.key, container.host_config | {"Links": left or None})


def _alias(link: str) -> str:
    name, colon, alias = link.partition(":")
    return alias.rpartition("/")[2] if colon else name.strip("/")


def prune(store: Store, filters: Filters) -> ContainerPruneOutcome:
    """Remove the containers that do not run and pass the filters; their volumes stay. Raises Invalid."""
    from ligan.layers.snapshots import Snapshots

    candidates = _candidates(store, filters)
    snapshots = Snapshots(store)
    removed: list[str] = []
    size = 0
    for start in range(0, len(candidates), _BATCH):
        for container, bytes_written in _prune_batch(store, snapshots, candidates[start : start + _BATCH]):
            removed.append(container)
            size += bytes_written
    with store.database.write() as tx:
        from ligan.images.events import record

        record(tx, store.now(), "prune", "", {"reclaimed": str(size)}, kind="container")
    store.sweep()
    return ContainerPruneOutcome(tuple(removed), size)


def _candidates(store: Store, filters: Filters) -> list[str]:
    for name in filters:
        if name not in _PRUNE_FILTERS:
            raise Invalid(f"Invalid filter '{name}'")
    until = filters.get("until", ())
    if len(until) > 1:
        raise Invalid("more than one until filter specified")
    limit = None
    if until:
        from ligan.images.times import until_time

        limit = until_time(until[0], store.now())
    with store.database.read() as tx:
        found = tx.all(
            """SELECT id, labels FROM container
               WHERE purpose = '' AND state NOT IN ('running', 'paused', 'restarting')
               AND (?1 IS NULL OR created <= ?1) ORDER BY key""",
            (limit,),
        )
    from ligan.images.listing import matches_labels

    wanted, unwanted = filters.get("label", ()), filters.get("label!", ())
    return [
        container
        for container, labels in found
        if matches_labels(labels, wanted) and not (unwanted and matches_labels(labels, unwanted))
    ]


def _prune_batch(store: Store, snapshots: Snapshots, candidates: Sequence[str]) -> list[tuple[str, int]]:
    """Remove the candidates that nobody is starting. Returns their IDs, and the bytes each had written."""
    from contextlib import ExitStack

    sizes: dict[str, int] = {}
    with ExitStack() as locks:
        for container_id in candidates:
            if is_locked(store.layout, container_id):
                continue  # it is being started
            try:
                locks.enter_context(Locked(store.layout, container_id))
                sizes[container_id] = snapshots.size(container_id)
            except NoSuchContainer:
                continue
        removed = []
        with store.database.write() as tx:
            for container_id, size in sizes.items():
                container = rows.by_id(tx, container_id)
                if container is not None and not container.is_running:
                    delete(tx, store, container, volumes=False)
                    removed.append((container_id, size))
            failpoints.hit("rm.rows")
    return removed
