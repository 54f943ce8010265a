"""Stores made to measure for tests, and the oracle of every test that touches one."""

from __future__ import annotations

import json
import os
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ligan.engine.embedded import EmbeddedEngine
from ligan.images.catalog import ImageRow, create_image, ensure_layer, find_by_id, set_reference
from ligan.oci.digest import DiffID, ImageID
from ligan.oci.documents import ImageConfig
from ligan.oci.identity import chain_ids
from ligan.oci.reference import parse
from ligan.store import fsck
from ligan.store.layout import Layout
from ligan.store.reclaim import release_layer
from ligan.store.store import Policy, Store
from tests.support import archives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

SECOND = 10**9
HOUR = 3600 * SECOND
START = 1_700_000_000 * SECOND
"""When the clock of a test's store starts: in November 2023."""

KEEP = Policy(disk_limit=1.0)
"""Keep what is deleted, however full the disk of the test machine is."""

_DUMP = {
    "image": """SELECT image.id, blob.digest, parent.id, layer.chain_id, image.created_s, image.created_ns,
                       image.os, image.architecture, image.variant, image.labels, image.built_locally,
                       image.last_tagged, image.last_used
                FROM image JOIN blob ON blob.key = image.config
                     LEFT JOIN image parent ON parent.key = image.parent
                     LEFT JOIN layer ON layer.key = image.layer""",
    "reference": """SELECT name, repository, is_digest, image.id, since
                    FROM reference JOIN image ON image.key = reference.image""",
    "layer": """SELECT layer.chain_id, parent.chain_id, layer.diff_id, layer.size, blob.digest
                FROM layer JOIN blob ON blob.key = layer.blob
                     LEFT JOIN layer parent ON parent.key = layer.parent WHERE layer.live""",
    "pin": "SELECT pattern, image.id, since, reason FROM pin LEFT JOIN image ON image.key = pin.image",
    "container": """SELECT container.id, name, image.id, image_id, chain_id, state
                    FROM container LEFT JOIN image ON image.key = container.image
                         LEFT JOIN layer ON layer.key = container.layer""",
    "name_history": "SELECT name, image, until FROM name_history",
}


def check_store(root: str) -> None:
    """Assert the invariants of the store at `root`: nothing missing, nothing left over, no byte changed."""
    store = Store(Layout(root), KEEP)
    try:
        faults = fsck.check(store.database, store.layout)
    finally:
        store.close()
    assert not faults, "the store is not sound:\n" + "\n".join(map(str, faults))


class Stock:
    """A store, its engine, and ways to fill it without an archive. Its clock stands still until moved."""

    def __init__(self, root: str, policy: Policy = KEEP) -> None:
        self.now = START
        self.store = Store(Layout(root), policy, lambda: self.now)
        self.engine = EmbeddedEngine(self.store, "test")

    def image(
        self,
        *layers: str | bytes,
        names: Iterable[str] = (),
        parent: ImageID | None = None,
        step: str = "",
        labels: Mapping[str, str] | None = None,
        created: str = "2023-01-02T03:04:05Z",
    ) -> ImageID:
        """Store an image with these layers, bottom first, and these names.

        A layer is a whole tar, or the content of its one file. `step` tells
        images with equal layers apart. Nothing of the parent is taken over.
        """
        tars = [archives.layer({"file": item.encode()}) if isinstance(item, str) else item for item in layers]
        sizes = [len(item) for item in layers]
        config = {
            "architecture": "amd64",
            "config": {"Labels": dict(labels)} if labels is not None else None,
            "created": created,
            "history": [{"created": created, "created_by": step or "test"}] if tars else [],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [archives.digest(tar) for tar in tars]},
            "comment": step,
        }
        raw = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
        return self.add(raw, tars, sizes, names, parent)

    def add(
        self,
        raw_config: bytes,
        tars: Sequence[bytes],
        sizes: Sequence[int],
        names: Iterable[str] = (),
        parent: ImageID | None = None,
    ) -> ImageID:
        """Store an image by its exact config and layers; `sizes` are their DiffSizes in bytes."""
        config = ImageConfig.parse(raw_config)
        with self.store.lease() as lease:
            staged = [lease.write(tar) for tar in tars]
            staged_config = lease.write(raw_config)
            with self.store.database.write() as tx:
                keys = lease.commit(tx, [*staged, staged_config])
                layer = None
                chains = chain_ids([DiffID(item.digest) for item in staged])
                for chain, item, size in zip(chains, staged, sizes, strict=True):
                    diff_id = DiffID(item.digest)
                    layer = ensure_layer(tx, chain, layer, diff_id, size, keys[item.digest])
                parent_row = find_by_id(tx, parent) if parent else None
                row = create_image(tx, config, keys[staged_config.digest], layer, parent=parent_row)
                for name in names:
                    set_reference(tx, parse(name).with_default_tag(), row, self.now)
        return row.id

    def load_archive(self, path: str) -> dict[str, ImageID]:
        """Store the images of a docker-archive; returns them by name. Reads what the tests' archives hold."""
        found = {}
        with tarfile.open(path) as archive:
            for item in json.loads(_member(archive, "manifest.json")):
                tars = [_member(archive, name) for name in item["Layers"]]
                config = _member(archive, item["Config"])
                image = self.add(config, tars, [_diff_size(archive, name) for name in item["Layers"]])
                for name in item["RepoTags"] or ():
                    self.name(image, name)
                    found[name] = image
        return found

    def row(self, image: ImageID) -> ImageRow:
        with self.store.database.read() as tx:
            row = find_by_id(tx, image)
        assert row is not None
        return row

    def name(self, image: ImageID, *names: str) -> None:
        """Give names as a load does: no event, no time of tagging."""
        row = self.row(image)
        with self.store.database.write() as tx:
            for name in names:
                set_reference(tx, parse(name).with_default_tag(), row, self.now)

    def container(self, image: ImageID, name: str, state: str = "exited") -> str:
        """Put a container on the image; returns its ID."""
        identity = archives.digest(name.encode())[7:]
        row = self.row(image)
        with self.store.database.write() as tx:
            tx.execute(
                "INSERT INTO container (id, name, image, image_id, layer, state) VALUES (?, ?, ?, ?, ?, ?)",
                (identity, name, row.key, image, row.layer, state),
            )
        return identity

    def remove_container(self, prefix: str) -> None:
        """Remove the container whose ID starts so, and the layers that it was the last to hold."""
        with self.store.database.write() as tx:
            key, layer = tx.one("SELECT key, layer FROM container WHERE id GLOB ?", (f"{prefix}*",))
            tx.execute("DELETE FROM container WHERE key = ?", (key,))
            top = layer
            while layer is not None and not tx.value(
                """SELECT EXISTS (SELECT 1 FROM layer child WHERE child.parent = ?1 AND child.live)
                       OR EXISTS (SELECT 1 FROM image WHERE layer = ?1)
                       OR EXISTS (SELECT 1 FROM container WHERE layer = ?1)""",
                (layer,),
            ):
                tx.execute("UPDATE layer SET live = 0 WHERE key = ?", (layer,))
                layer = tx.value("SELECT parent FROM layer WHERE key = ?", (layer,))
            release_layer(tx, self.store.layout, top)
        self.store.sweep()

    def compressed(self, tar: bytes, data: bytes) -> None:
        """Keep a compressed form of a layer, as a pull does."""
        with self.store.lease() as lease:
            staged = lease.write(data)
            with self.store.database.write() as tx:
                key = lease.commit(tx, [staged])[staged.digest]
                tx.execute("INSERT INTO layer_blob VALUES (?, ?, 'gzip')", (archives.digest(tar), key))

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that Docker would call existing, without the keys of rows."""
        with self.store.database.read() as tx:
            return {table: sorted(tx.all(sql), key=repr) for table, sql in _DUMP.items()}

    def names(self) -> dict[str, ImageID]:
        """Return every familiar name and the image that it means."""
        return {
            name: image.id
            for image in self.engine.list_images({}, show_all=True)
            for name in (*image.tags, *image.digests)
        }

    def images(self) -> set[ImageID]:
        return {image.id for image in self.engine.list_images({}, show_all=True)}

    def disk_bytes(self) -> int:
        """Return the bytes of all blob files, as the disk has them."""
        folder = self.store.layout.blobs
        return sum(os.stat(os.path.join(folder, name)).st_size for name in os.listdir(folder))

    def book_bytes(self) -> int:
        """Return the bytes of all blobs, as the database has them."""
        with self.store.database.read() as tx:
            return int(tx.value("SELECT COALESCE(SUM(size), 0) FROM blob"))


@contextmanager
def opened(root: str, policy: Policy = KEEP) -> Iterator[Stock]:
    """Yield a stock at `root`; afterwards the store must be sound."""
    stock = Stock(root, policy)
    try:
        yield stock
        faults = fsck.check(stock.store.database, stock.store.layout)
    finally:
        stock.store.close()
    assert not faults, "the store is not sound:\n" + "\n".join(map(str, faults))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    with file:
        return file.read()


def _diff_size(archive: tarfile.TarFile, name: str) -> int:
    """Return Docker's size of a layer: its files and the targets of its links, each inode once."""
    file = archive.extractfile(name)
    with tarfile.open(fileobj=file) as layer:
        return sum(item.size if item.isreg() else len(item.linkname) * item.issym() for item in layer)
