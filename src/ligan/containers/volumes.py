"""Volumes of the local driver: folders that outlive containers.

Source of rules and words: engine 20.10, volume/service and volume/local.
"""

from __future__ import annotations

import json
import os

from ligan.containers.naming import NAME_RULE, is_valid, new_id
from ligan.errors import Conflict, Invalid, NotFound
from ligan.images.events import record
from ligan.oci.documents import whole_characters
from ligan.oci.times import rfc3339nano
from ligan.store import failpoints
from ligan.store.folders import NewFolders
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store

    Filters = Mapping[str, Sequence[str]]

DRIVER = "local"

_NAME_MOST = 255

_OPTIONS = {"type": ("device",), "device": ("type",), "o": ("device", "type"), "size": ()}
"""Options of the driver, and what each of them needs beside it."""


class Volume(Value):
    """A volume as the database knows it. `created` is in nanoseconds since 1970."""

    key: int
    name: str
    created: int
    anonymous: bool
    labels: dict[str, str] | None
    options: dict[str, str] | None


class NoSuchVolume(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")


class VolumeInUse(Conflict):
    def __init__(self, name: str, containers: Sequence[str]) -> None:
        super().__init__(f"remove {name}: volume is in use - [{', '.join(containers)}]")


_SELECT = "SELECT key, name, created, anonymous, labels, options FROM volume"


def _volume(row: tuple[int, str, int, int, str | None, str | None]) -> Volume:
    key, name, created, anonymous, labels, options = row
    return Volume(
        key,
        name,
        created,
        bool(anonymous),
        None if labels is None else json.loads(labels),
        None if options is None else json.loads(options),
    )


def find(tx: ReadTransaction, name: str) -> Volume | None:
    row = tx.one(f"{_SELECT} WHERE name = ?", (name,))
    return row and _volume(row)


def get(tx: ReadTransaction, name: str) -> Volume:
    """Return the volume. Raises NoSuchVolume."""
    volume = find(tx, name)
    if volume is None:
        raise NoSuchVolume(name)
    return volume


def ensure(
    tx: WriteTransaction,
    name: str,
    now: int,
    *,
    driver: str = "",
    options: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Volume:
    """Return the volume of that name, made where there is none; without a name, a new anonymous one.

    Before the transaction ends, `make_folders` has to be called. Options and labels of a volume that exists
    are not looked at. Raises Invalid and NotFound in Docker's words.
    """
    if driver and driver != DRIVER:
        raise NotFound(
            f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found',
            "Ligan has the driver local, with its options type, device and o.",
        )
    anonymous = not name
    if anonymous:
        name = new_id()
    volume = find(tx, name)
    if volume is None:
        _check(name, options or {})
        tx.execute(
            "INSERT INTO volume (name, created, anonymous, labels, options) VALUES (?, ?, ?, ?, ?)",
            (name, now, int(anonymous), _dumps(labels), _dumps(options)),
        )
        volume = get(tx, name)
    # Docker tells of a creation even where the volume was there (volume/service, Create).
    record(tx, now, "create", name, {"driver": DRIVER}, kind="volume")
    return volume


def _dumps(document: Mapping[str, str] | None) -> str | None:
    return None if document is None else json.dumps(dict(sorted(document.items())), ensure_ascii=False)


def _check(name: str, options: Mapping[str, str]) -> None:
    if len(name) == 1:
        raise Invalid(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if len(name) > _NAME_MOST:
        raise Invalid(f"create {name}: file name too long")
    if not is_valid(name):
        raise Invalid(
            f'create {name}: "{name}" includes invalid characters for a local volume name, '
            f'only "{NAME_RULE}" are allowed. If you intended to pass a host directory, use absolute path'
        )
    for option in options:
        if option not in _OPTIONS:
            raise Invalid(f'create {name}: invalid option: "{option}"')
        for needed in _OPTIONS[option]:
            if needed not in options:
                raise Invalid(f'create {name}: missing required option: "{needed}"')
    if "size" in options:
        raise Invalid(f"create {name}: quota size requested but no quota support")


def make_folders(layout: Layout, folders: NewFolders, names: Sequence[str]) -> None:
    """On return the folders of these volumes are there; whatever a volume holds stays."""
    folders.make([layout.volume_name(name) for name in names])
    for name in names:
        try:
            os.mkdir(layout.volume_data(name))
        except FileExistsError:
            continue
        os.chmod(layout.volume_data(name), 0o755)  # noqa: S103 - as Docker's, whatever the umask is


def create(
    store: Store, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """Make a volume, or return the one that is there, as Docker's document."""
    name, options, labels = whole_characters([name, options, labels])  # words may be no text
    with (
        store.lease() as lease,
        NewFolders(store.layout, lease) as folders,
        store.database.write() as tx,
    ):
        volume = ensure(tx, name, store.now(), driver=driver, options=options or None, labels=labels or None)
        make_folders(store.layout, folders, [volume.name])
        failpoints.hit("create.rows")
    return document(store.layout, volume)


def document(layout: Layout, volume: Volume) -> dict[str, Any]:
    """Return the volume as `GET /volumes/{name}` does, in Docker's order."""
    return {
        "CreatedAt": rfc3339nano(volume.created // 10**9),
        "Driver": DRIVER,
        "Labels": volume.labels,
        "Mountpoint": layout.volume_data(volume.name),
        "Name": volume.name,
        "Options": volume.options,
        "Scope": "local",
    }


_LIST_FILTERS = ("dangling", "name", "driver", "label")
_PRUNE_FILTERS = ("label", "label!", "all")


def list_volumes(tx: ReadTransaction, layout: Layout, filters: Filters) -> list[dict[str, Any]]:
    """Return the volumes that pass the filters, by name. Raises Invalid."""
    for name in filters:
        if name not in _LIST_FILTERS:
            raise Invalid(f"Invalid filter '{name}'")
    dangling = _dangling(filters.get("dangling", ()))
    if filters.get("driver") and DRIVER not in filters["driver"]:
        return []
    volumes = [_volume(row) for row in tx.all(f"{_SELECT} ORDER BY name")]
    if dangling is not None:
        used = set(tx.column("SELECT volume FROM container_volume"))
        volumes = [volume for volume in volumes if (volume.key not in used) == dangling]
    if filters.get("name"):
        from ligan.containers.filters import matches

        volumes = [volume for volume in volumes if matches(filters["name"], volume.name)]
    if filters.get("label"):
        volumes = [volume for volume in volumes if _has_labels(volume, filters["label"])]
    return [document(layout, volume) for volume in volumes]


def _dangling(values: Sequence[str]) -> bool | None:
    if not values:
        return None
    if "true" in values or "1" in values:
        return True
    if "false" in values or "0" in values:
        return False
    raise Invalid(f"Invalid filter 'dangling=[{' '.join(values)}]'")


def _has_labels(volume: Volume, wanted: Sequence[str]) -> bool:
    from ligan.containers.filters import has_labels

    return has_labels(volume.labels or {}, wanted)


def users(tx: ReadTransaction, key: int) -> list[str]:
    """Return the IDs of the containers that use a volume, oldest first."""
    return tx.column(
        """SELECT DISTINCT container.id FROM container_volume
           JOIN container ON container.key = container_volume.container
           WHERE container_volume.volume = ? ORDER BY container.key""",
        (key,),
    )


def usage(tx: ReadTransaction, layout: Layout) -> list[dict[str, Any]]:
    """Return every volume as `system df` tells of it: with the bytes it holds and how many containers use it.

    Volumes with options hold nothing here, and are left out (volume/service, LocalVolumesSize).
    """
    return [
        document(layout, volume)
        | {
            "UsageData": {
                "RefCount": len(users(tx, volume.key)),
                "Size": _held(layout, volume),
            }
        }
        for volume in map(_volume, tx.all(f"{_SELECT} WHERE options IS NULL ORDER BY name"))
    ]


def _held(layout: Layout, volume: Volume) -> int:
    """Return the bytes of a volume; of one whose folder somebody took away, 0."""
    from ligan.store.trees import tree_size

    try:
        return tree_size(layout.volume_data(volume.name))
    except FileNotFoundError:
        return 0


def remove(store: Store, name: str, *, force: bool = False) -> None:
    """Remove a volume and what it holds; with `force` it need not be there. Raises VolumeInUse."""
    with store.database.write() as tx:
        volume = find(tx, name)
        if volume is None:
            if force:
                return
            raise NoSuchVolume(name)
        containers = users(tx, volume.key)
        if containers:
            raise VolumeInUse(name, containers)
        delete(tx, store.layout, volume, store.now())
    store.sweep()


def delete(tx: WriteTransaction, layout: Layout, volume: Volume, now: int) -> None:
    """Remove the row of a volume that nothing uses; its folder goes with the next sweep."""
    tx.execute("DELETE FROM volume WHERE key = ?", (volume.key,))
    tx.execute("INSERT INTO outbox (name, kind) VALUES (?, 'tree')", (layout.volume_name(volume.name),))
    record(tx, now, "destroy", volume.name, {"driver": DRIVER}, kind="volume")


def prune(store: Store, filters: Filters) -> tuple[list[str], int]:
    """Remove the volumes that no container uses; returns their names and the bytes that they held.

    All of them, or with the filter all=0 the anonymous ones only (API 1.42 and later ask so). Volumes
    with options stay: what they hold is elsewhere (volume/service, Prune).
    """
    for name in filters:
        if name not in _PRUNE_FILTERS:
            raise Invalid(f"Invalid filter '{name}'")
    pruned, freed = [], 0
    with store.database.read() as tx:
        sizes = {volume.key: _held(store.layout, volume) for volume in _unused(tx, filters)}
    with store.database.write() as tx:
        for volume in _unused(tx, filters):
            if volume.key not in sizes:
                continue  # it came meanwhile
            freed += sizes[volume.key]
            delete(tx, store.layout, volume, store.now())
            pruned.append(volume.name)
        record(tx, store.now(), "prune", "", {"reclaimed": str(freed)}, kind="volume")
    store.sweep()
    return pruned, freed


def _unused(tx: ReadTransaction, filters: Filters) -> list[Volume]:
    anonymous_only = any(value in ("0", "false") for value in filters.get("all", ()))
    rows = tx.all(
        f"""{_SELECT} WHERE options IS NULL AND anonymous >= ?
            AND NOT EXISTS (SELECT 1 FROM container_volume WHERE container_volume.volume = volume.key)
            ORDER BY name""",
        (int(anonymous_only),),
    )
    wanted, unwanted = filters.get("label", ()), filters.get("label!", ())
    return [
        volume
        for volume in map(_volume, rows)
        if (not wanted or _has_labels(volume, wanted)) and not (unwanted and _has_labels(volume, unwanted))
    ]
