"""Making an image of what a container is now.

Source of rules and words: engine 20.10, daemon/commit.go, daemon/images/image_commit.go, image/image.go;
goldens k_containers and n_events.
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.copying import changes_of
from ligan.containers.ending import current
from ligan.containers.locking import Locked
from ligan.containers.merging import merge
from ligan.containers.roots import settle
from ligan.errors import Conflict
from ligan.images import catalog
from ligan.images.events import record
from ligan.images.host import host_platform
from ligan.images.inspect import read_config
from ligan.images.removal import NoSuchImage
from ligan.layers.diff import changes_size, overlay_layer, tree_layer, upper_size
from ligan.layers.scan import scan_layer
from ligan.layers.snapshots.drivers import VFS
from ligan.oci.digest import ChainID, DiffID
from ligan.oci.documents import ImageConfig
from ligan.oci.gojson import go_json, go_time
from ligan.oci.identity import chain_id
from ligan.oci.runconfig import ENGINE_VERSION, run_config
from ligan.oci.times import rfc3339nano
from ligan.store import failpoints
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.images.catalog import ImageRow
    from ligan.oci.digest import ImageID
    from ligan.oci.reference import Reference
    from ligan.store.blobs import Lease, Staged
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store


class CommitRequest(Value):
    """What to make of a container: an image of this name or none, with these settings over the container's.

    `config` is Docker's document of run settings, as a client sends it; `changes` are Dockerfile
    instructions. With `pause` a container that runs stands still meanwhile.
    """

    repository: str = ""
    tag: str = ""
    author: str = ""
    comment: str = ""
    changes: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None
    pause: bool = True


EMPTY_LAYER = DiffID("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
"""The tar without a member: such a layer is left out of an image."""


def commit(store: Store, name: str, request: CommitRequest) -> ImageID:
    """Make an image of a container; returns its ID. Names are checked before anything is made.

    Raises NoSuchContainer, NoSuchImage where the container's image is gone, Invalid and Conflict.
    """
    container = current(store, name)
    for state, words in (("dead", "Dead"), ("removing", "being removed")):
        if container.state == state:
            raise Conflict(f"You cannot commit container {container.id} which is {words}")
    reference = _reference(request)
    settings = _settings(container, request)
    with store.lease() as lease:
        layer, size = _stage_layer(store, lease, container, pause=request.pause)
        now = store.now()
        diff_id = DiffID(layer.digest)
        config = ImageConfig.parse(_document(store, container, request, settings, diff_id, now))
        staged = [lease.write(config.raw), *([] if diff_id == EMPTY_LAYER else [layer])]
        with store.database.write() as tx:
            blobs = lease.commit(tx, staged)
            parent = _image_of(tx, container)
            top = parent.layer if parent else None
            if diff_id in blobs:
                top = _add_layer(tx, top, diff_id, size, blobs[diff_id])
            image = catalog.create_image(tx, config, blobs[config.id], top, parent=parent, built_locally=True)
            if reference is not None:
                catalog.set_reference(tx, reference, image, now)
                tx.execute("UPDATE image SET last_tagged = ? WHERE key = ?", (now, image.key))
                record(tx, now, "tag", image.id, config.labels, name=reference.familiar)
            said = {
                "comment": request.comment,
                "imageID": image.id,
                "imageRef": reference.familiar if reference else "",
            }
            rows.record(tx, now, "commit", container, said)
            failpoints.hit("commit.rows")
        failpoints.hit("commit.done")
    return image.id


def _reference(request: CommitRequest) -> Reference | None:
    from ligan.oci.reference import parse_tag_target

    if not request.repository:
        return None
    return parse_tag_target(f"{request.repository}:{request.tag}" if request.tag else request.repository)


def _settings(container: Container, request: CommitRequest) -> dict[str, Any]:
    """Return the run settings of the new image."""
    asked = (
        run_config(request.config, "Config", "invalid container config")
        if request.config
        else container.config
    )
    if request.changes:
        from ligan.images.changes import apply_changes

        asked = apply_changes(asked, request.changes)
    return run_config(merge(run_config(asked), container.config))


def _stage_layer(store: Store, lease: Lease, container: Container, *, pause: bool) -> tuple[Staged, int]:
    """Write the layer once, hashed on the way. Returns it with its DiffSize.

    Nothing changes meanwhile, unless the container runs and is not to be paused: then only the layer itself
    can tell its size.
    """
    settle(store, container)
    if container.state == "running" and not pause:
        staged = lease.write_chunks(_layer(store, container))
        with open(staged.path, "rb") as file:
            return staged, scan_layer(file.fileno()).diff_size
    with _Still(store, container):
        return lease.write_chunks(_layer(store, container)), _size(store, container)


class _Still:
    """`with _Still(store, container)`: one that runs is paused, and any other is not started."""

    def __init__(self, store: Store, container: Container) -> None:
        self._store = store
        self._container = container
        self._lock = (
            Locked(store.layout, container.id) if container.state not in ("running", "paused") else None
        )

    def __enter__(self) -> None:
        if self._lock is not None:
            self._lock.__enter__()
        elif self._container.state == "running":
            from ligan.containers.stopping import pause

            pause(self._store, self._container.id)

    def __exit__(self, *_exception: object) -> None:
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
        elif self._container.state == "running":
            from ligan.containers.stopping import unpause

            unpause(self._store, self._container.id)


def _layer(store: Store, container: Container) -> Iterator[bytes]:
    """Return the tar of what the container changed."""
    if container.driver == VFS:
        return tree_layer(store.layout.merged(container.id), changes_of(store, container))
    return overlay_layer(store.layout.upper(container.id))


def _size(store: Store, container: Container) -> int:
    if container.driver == VFS:
        return changes_size(store.layout.merged(container.id), changes_of(store, container))
    return upper_size(store.layout.upper(container.id))


def _image_of(tx: ReadTransaction, container: Container) -> ImageRow | None:
    """Return the container's image, or None for one on nothing. Raises NoSuchImage where it is gone."""
    if not container.image_id:
        return None
    image = catalog.find_by_id(tx, container.image_id)
    if image is None:
        entry = tx.value("SELECT max(deletion) FROM deletion_image WHERE id = ?", (container.image_id,))
        hint = f"It was removed, and can be brought back: ligan undo {entry}" if entry else ""
        raise NoSuchImage(container.image_id, hint)
    return image


def _add_layer(tx: WriteTransaction, below: int | None, diff_id: DiffID, size: int, blob: int) -> int:
    parent = tx.value("SELECT chain_id FROM layer WHERE key = ?", (below,))
    whole = chain_id(ChainID(parent) if parent else None, diff_id)
    return catalog.ensure_layer(tx, whole, below, diff_id, size, blob)


def _document(
    store: Store,
    container: Container,
    request: CommitRequest,
    settings: Mapping[str, Any],
    diff_id: DiffID,
    now: int,
) -> bytes:
    """Return the config as Docker marshals it: keys sorted at the top, in its structs' order below."""
    parent = _config_of(store, container)
    is_empty = diff_id == EMPTY_LAYER
    created = rfc3339nano(*divmod(now, 10**9))
    diff_ids = [*((parent.get("rootfs") or {}).get("diff_ids") or ()), *([] if is_empty else [diff_id])]
    step = {
        "created": created,
        "author": request.author,
        "created_by": " ".join(container.config["Cmd"] or ()),
        "comment": request.comment,
        "empty_layer": is_empty,
    }
    document = {
        "architecture": parent.get("architecture") or host_platform().architecture,
        "author": request.author,
        "config": settings,
        "container": container.id,
        "container_config": run_config(container.config),
        "created": created,
        "docker_version": ENGINE_VERSION,
        "history": [*_history(parent), _in_order(step)],
        "os": "linux",
        "os.features": parent.get("os.features"),
        "os.version": parent.get("os.version"),
        "rootfs": {"type": "layers"} | ({"diff_ids": diff_ids} if diff_ids else {}),
        "variant": parent.get("variant"),
    }
    return go_json({key: value for key, value in document.items() if value})


def _config_of(store: Store, container: Container) -> dict[str, Any]:
    """Return the config of the container's image, empty for one on nothing."""

    def read(tx: ReadTransaction) -> dict[str, Any]:
        image = _image_of(tx, container)
        return read_config(store.layout, image.id).document if image else {}

    return store.read_files(read)


def _history(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _in_order(row | {"created": go_time(row.get("created") or "")})
        for row in document.get("history") or ()
    ]


def _in_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of history as Go marshals it: what is empty is left out."""
    fields = ("created", "author", "created_by", "comment", "empty_layer")
    return {field: row[field] for field in fields if row.get(field)}
