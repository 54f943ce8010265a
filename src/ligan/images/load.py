"""Loading: from an archive to images, layers and names in the store.

Layers are copied, hashed and checked without any lock; then one transaction an
image makes its layers, the image and its names visible together.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.images import catalog
from ligan.images.archive import ArchivedImage, docker_images, is_docker_archive, is_oci_layout, oci_images
from ligan.images.events import record
from ligan.images.host import host_platform
from ligan.images.inspect import read_config
from ligan.images.legacy import legacy_config, legacy_images
from ligan.images.source import open_archive, open_layout_folder
from ligan.images.staging import LayerJob, LoadProgress, StagedLayer, Staging
from ligan.layers.snapshots.indexing import add_indexes
from ligan.oci.digest import SHORT_LENGTH, ImageID
from ligan.oci.identity import chain_ids
from ligan.store import failpoints
from ligan.store.blobs import MissingBlob
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from ligan.images.source import Source
    from ligan.oci.digest import ChainID, DiffID
    from ligan.oci.documents import ImageConfig
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.store.blobs import Staged
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store


_LOADED = "Loaded image: "


class LoadOutcome(Value):
    """The images that were loaded, in the archive's order, and what Docker would not have told."""

    images: tuple[ImageID, ...]
    notes: tuple[str, ...]


def load(
    store: Store,
    source: BinaryIO | str,
    report: Callable[[LoadProgress | str], None],
    platform: Platform | None = None,
) -> LoadOutcome:
    """Load an archive, or the folder of an OCI layout by its path.

    `report` is told how far each layer is, and each of Docker's messages once
    it is true. `platform` chooses among the manifests of an image for several;
    it is this machine's unless given. On return every image and name of the
    archive is stored. After an error the images before the faulty one are, with
    their names, and nothing of the others.
    """
    with Staging(store, report) as staging:
        members = (
            open_layout_folder(source)
            if isinstance(source, str)
            else open_archive(source, staging.lease, staging.limit)
        )
        try:
            loading = _Loading(store, members, staging, report)
            loading.run(platform or host_platform())
        finally:
            members.close()
    return LoadOutcome(tuple(loading.images), tuple(loading.notes))


class _Loading:
    """One archive on its way into the store."""

    def __init__(self, store: Store, source: Source, staging: Staging, say: Callable[[str], None]) -> None:
        self._store = store
        self._source = source
        self._staging = staging
        self._say = say
        self._layers: dict[DiffID, StagedLayer] = {}
        # What the archive says is the parent, and what the config says.
        self._parents: dict[ImageID, tuple[str, str]] = {}
        self.images: list[ImageID] = []
        self.notes: list[str] = []

    def run(self, platform: Platform) -> None:
        """Load all images of the archive, then the links between them."""
        if is_docker_archive(self._source):
            self._load_all(docker_images(self._source))
        elif is_oci_layout(self._source):
            self._load_all(oci_images(self._source, platform, self.notes.append))
        else:
            self._load_legacy()

    def _load_all(self, images: Iterable[ArchivedImage]) -> None:
        untagged = []
        last = None
        for last in images:
            for message in self._load(last):
                self._say(message)
            if not last.tags:
                untagged.append(last.config.id)
        self._link_parents()
        if last is not None and not last.tags:
            # Docker tells all IDs if the last image has no name, else none (engine 20.10, image/tarexport).
            self._say("\n".join(f"Loaded image ID: {image}" for image in self.images))
        else:
            self.notes += [f"Loaded image ID: {image}" for image in untagged]

    def _load_legacy(self) -> None:
        """Docker says nothing of a legacy archive, but that a name moved (engine 20.10, image/tarexport)."""
        loaded: dict[str, ArchivedImage] = {}
        for legacy in legacy_images(self._source):
            parent = loaded.get(legacy.parent)
            below = parent.layers if parent else ()
            job = LayerJob(len(below), legacy.layer, legacy.id[:SHORT_LENGTH])
            (layer,) = self._staging.stage(self._source, [job])
            self._layers[layer.diff_id] = layer
            config = legacy_config(legacy, parent.config if parent else None, layer.diff_id)
            image = ArchivedImage(
                config, (*below, legacy.layer), legacy.tags, parent.config.id if parent else ""
            )
            loaded[legacy.id] = image
            for message in self._load(image):
                if message.startswith(_LOADED):
                    self.notes.append(message)
                else:
                    self._say(message)
            if not image.tags:
                self.notes.append(f"Loaded image ID: {config.id}")
        self._link_parents()

    def _load(self, image: ArchivedImage) -> list[str]:
        """On return the image and its names are stored. Returns Docker's messages."""
        config = image.config
        chain = list(zip(chain_ids(config.diff_ids), config.diff_ids, strict=True))
        staged_config = None
        while True:
            with self._store.database.read() as tx:
                missing = _missing(tx, chain)
                known = catalog.find_by_id(tx, config.id)
            self._stage_layers(image, missing)
            if known is None and staged_config is None:
                staged_config = self._staging.lease.write(config.raw)
            with self._store.database.write() as tx:
                messages = self._commit(tx, image, chain, staged_config)
            if messages is not None:
                break
            # Another process deleted layers that were there: stage them as well.
        failpoints.hit("commit.done")
        self.images.append(config.id)
        self._parents[config.id] = (image.parent, _built_on(config))
        return messages

    def _stage_layers(self, image: ArchivedImage, missing: Sequence[DiffID]) -> None:
        positions = {diff_id: position for position, diff_id in reversed([*enumerate(image.config.diff_ids)])}
        jobs = [
            LayerJob(positions[diff_id], image.layers[positions[diff_id]], diff_id.short, diff_id)
            for diff_id in missing
            if diff_id not in self._layers
        ]
        if jobs:
            for layer in self._staging.stage(self._source, jobs):
                self._layers[layer.diff_id] = layer

    def _commit(
        self,
        tx: WriteTransaction,
        image: ArchivedImage,
        chain: Sequence[tuple[ChainID, DiffID]],
        staged_config: Staged | None,
    ) -> list[str] | None:
        """Make the image and its names. Returns Docker's messages, or None where something has gone."""
        row = catalog.find_by_id(tx, image.config.id)
        missing = _missing(tx, chain)
        if not all(diff_id in self._layers for diff_id in missing) or (row is None and staged_config is None):
            return None
        new = [self._layers[diff_id] for diff_id in missing]
        staged = [layer.staged for layer in new] + [layer.index for layer in new if layer.index]
        if staged_config is not None:
            staged.append(staged_config)
        blobs = self._staging.lease.commit(tx, staged)
        if row is None:
            layer = None
            for chain_id, diff_id in chain:
                live = catalog.live_layer(tx, chain_id)
                layer = live or catalog.ensure_layer(
                    tx, chain_id, layer, diff_id, self._layers[diff_id].size, blobs[diff_id]
                )
            row = catalog.create_image(tx, image.config, blobs[image.config.id], layer)
            add_indexes(tx, blobs, [(layer.diff_id, layer.index) for layer in new])
        messages = self._name(tx, row, image.tags)
        record(tx, self._store.now(), "load", row.id, image.config.labels)
        failpoints.hit("commit.rows")
        return messages

    def _name(self, tx: WriteTransaction, row: catalog.ImageRow, tags: Sequence[Reference]) -> list[str]:
        messages = []
        for tag in tags:
            old = catalog.set_reference(tx, tag, row, self._store.now())
            if old is not None:
                messages.append(
                    f"The image {tag.familiar} already exists, "
                    f"renaming the old one with ID {old} to empty string"
                )
            messages.append(f"{_LOADED}{tag.familiar}")
        return messages

    def _link_parents(self) -> None:
        """Give images without a parent the one they were built on.

        Raises Invalid for a parent in the archive that cannot be one; the links before it stay.
        """
        links: list[tuple[ImageID, ImageID]] = []
        failure = None
        with self._store.database.read() as tx:
            for child, (named, base) in self._parents.items():
                parent = ImageID(named if named in self._parents and named != child else base)
                is_child = self._is_child(tx, child, parent)
                if is_child:
                    links.append((parent, child))
                elif is_child is False and parent == named:
                    failure = Invalid(f"image {parent} is not a valid parent for {child}")
                    break
        if links:
            with self._store.database.write() as tx:
                for parent, child in links:
                    catalog.link_parent(tx, parent, child)
        if failure is not None:
            raise failure

    def _is_child(self, tx: ReadTransaction, child: ImageID, parent: ImageID) -> bool | None:
        """Return whether the one can be built on the other, or None where one of them is not there."""
        if not parent or catalog.find_by_id(tx, parent) is None:
            return None
        try:
            layout = self._store.layout
            return read_config(layout, child).is_child_of(read_config(layout, parent))
        except MissingBlob:
            return None  # deleted by another process since


def _built_on(config: ImageConfig) -> str:
    """Return the ID of the image that the classic builder started the last step from, or "".

    `docker save` keeps the links between images of one archive only. The builder
    also leaves its base in the config, so a base that is in the store is found again.
    Without a history nothing proves that it is one.
    """
    run = config.document.get("config")
    base = run.get("Image") if isinstance(run, dict) else None
    return base if isinstance(base, str) and base.startswith("sha256:") and config.history else ""


def _missing(tx: ReadTransaction, chain: Sequence[tuple[ChainID, DiffID]]) -> list[DiffID]:
    """Return the diff IDs of the layers that do not exist in Docker's sense, each once, bottom first."""
    return list(
        dict.fromkeys(diff_id for chain_id, diff_id in chain if catalog.live_layer(tx, chain_id) is None)
    )
