"""Making an image of what a container is now.

Source of rules and words: engine 20.10, daemon/commit.go, daemon/images/image_commit.go, image/image.go;
goldens k_containers and n_events.
"""

from __future__ import annotations

from ligan.containers import rows
from ligan.containers.copying import changes_of
from ligan.containers.ending import current
from ligan.containers.locking import Locked, Stilling
from ligan.containers.merging import merge
from ligan.containers.roots import settle
from ligan.errors import Conflict
from ligan.images import catalog
from ligan.images.children import Step, add_layer, child_config
from ligan.images.events import record
from ligan.images.inspect import read_document
from ligan.images.removal import NoSuchImage
from ligan.layers.diff import changes_size, overlay_layer, tree_layer, upper_size
from ligan.layers.scan import scan_layer
from ligan.layers.snapshots.drivers import VFS
from ligan.oci.digest import DiffID
from ligan.oci.documents import ImageConfig
from ligan.oci.identity import EMPTY_LAYER
from ligan.oci.runconfig import run_config
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
    from ligan.store.db import ReadTransaction
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
        step = Step(settings, run_config(container.config), container.id, request.author, request.comment)
        config = ImageConfig.parse(child_config(_config_of(store, container), step, diff_id, now))
        staged = [lease.write(config.raw), *([] if diff_id == EMPTY_LAYER else [layer])]
        with store.database.write() as tx:
            blobs = lease.commit(tx, staged)
            parent = _image_of(tx, container)
            top = parent.layer if parent else None
            if diff_id in blobs:
                top = add_layer(tx, top, diff_id, size, blobs[diff_id])
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

    Nothing changes meanwhile, unless the container runs and is not to be paused, or somebody lets it go on:
    then only the layer itself can tell its size.
    """
    settle(store, container)
    if container.state == "running" and not pause:
        staged = lease.write_chunks(layer_of(store, container))
        return staged, _size_in(staged)
    still = _Still(store, container)
    with still:
        staged, size = lease.write_chunks(layer_of(store, container)), _size(store, container)
    return staged, _size_in(staged) if still.was_broken else size


def _size_in(staged: Staged) -> int:
    with open(staged.path, "rb") as file:
        return scan_layer(file.fileno()).diff_size


class _Still:
    """`with _Still(store, container)`: one that runs is paused, and any other is not started.

    `was_broken`: somebody let it go on, or killed it, before the end of the block.
    """

    def __init__(self, store: Store, container: Container) -> None:
        self._store = store
        self._container = container
        self._lock = (
            Locked(store.layout, container.id) if container.state not in ("running", "paused") else None
        )
        self._stilling: Stilling | None = None
        self.was_broken = False

    def __enter__(self) -> None:
        if self._lock is not None:
            self._lock.__enter__()
        elif self._container.state == "running":
            from ligan.containers.stopping import pause

            self._stilling = Stilling(self._store.layout, self._container.id)
            try:
                if self._stilling.is_held:
                    self._stilling.mark()
                pause(self._store, self._container.id)
            except BaseException:
                self._end()
                raise
            failpoints.hit("still.paused")

    def __exit__(self, *_exception: object) -> None:
        if self._lock is not None:
            self._lock.__exit__(None, None, None)
        elif self._stilling is not None:
            from ligan.containers.stopping import unpause

            try:
                unpause(self._store, self._container.id)
            except Conflict:  # as Docker, which heeds no error here
                self.was_broken = True
            finally:
                self._end()

    def _end(self) -> None:
        if self._stilling is not None:
            if self._stilling.is_held:
                self._stilling.unmark()
            self._stilling.close()


def layer_of(store: Store, container: Container) -> Iterator[bytes]:
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


def _config_of(store: Store, container: Container) -> dict[str, Any]:
    """Return the config of the container's image, empty for one on nothing."""

    def read(tx: ReadTransaction) -> dict[str, Any]:
        image = _image_of(tx, container)
        return read_document(store.layout, image.id) if image else {}

    return store.read_files(read)
