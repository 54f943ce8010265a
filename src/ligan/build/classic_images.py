"""Images as steps of the classic builder: each is written on the one before it, in one transaction."""

from __future__ import annotations

from ligan.build import layers
from ligan.images import catalog
from ligan.images.children import child_config
from ligan.images.inspect import read_document
from ligan.images.removal import NoSuchImage
from ligan.layers.snapshots.drivers import EROFS
from ligan.oci.documents import ImageConfig
from ligan.oci.identity import EMPTY_LAYER
from ligan.store import failpoints
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Self

    from ligan.build.layers import NewLayer
    from ligan.images.catalog import ImageRow
    from ligan.images.children import Step
    from ligan.layers.snapshots import Snapshots
    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store


class Base(Value):
    """What a step builds on: an image by its ID, its config, and its top layer by its key.

    Of `scratch` the ID and the config are empty.
    """

    id: str
    document: Mapping[str, Any]
    layer: int | None

    @classmethod
    def of(cls, store: Store, image: ImageRow) -> Self:
        return cls(image.id, read_document(store.layout, image.id), image.layer)

    @property
    def short(self) -> str:
        return self.id.removeprefix("sha256:")[:12]


SCRATCH = Base("", {}, None)


def write_image(
    store: Store,
    snapshots: Snapshots,
    base: Base,
    step: Step,
    layer: Iterable[bytes] | None,
    also: Callable[[WriteTransaction], None] = lambda _tx: None,
) -> Base:
    """Write the image of a step and its layer, a tar, if it has one; what `also` writes comes with it.

    On return both are durable, and the layer can be mounted. Raises NoSuchImage where `base` is gone,
    Invalid for a layer too many, Corrupt for a layer that could not be unpacked.
    """
    with store.lease() as lease:
        new = None if layer is None else _stage(lease, snapshots, layer)
        diff_id = EMPTY_LAYER if new is None else new.diff_id
        config = ImageConfig.parse(child_config(base.document, step, diff_id, store.now()))
        staged = [lease.write(config.raw), *(new.staged if new else [])]
        with store.database.write() as tx:
            blobs = lease.commit(tx, staged)
            parent = catalog.find_by_id(tx, base.id)
            if base.id and parent is None:
                raise NoSuchImage(base.id)
            top = parent.layer if parent else None
            if new is not None:
                top = layers.add(tx, blobs, new, top)
            catalog.create_image(tx, config, blobs[config.id], top, parent=parent, built_locally=True)
            also(tx)
            failpoints.hit("commit.rows")
        failpoints.hit("commit.done")
    return Base(config.id, config.document, top)


def _stage(lease: Lease, snapshots: Snapshots, chunks: Iterable[bytes]) -> NewLayer | None:
    """Write a layer; returns None for one that changes nothing, which no image has."""
    new = layers.stage(lease, chunks, index=snapshots.choice.driver == EROFS)
    return None if new.diff_id == EMPTY_LAYER else new
