"""One pull: from a registry to images, layers and names in the store.

Nothing of an image is in the store until all of it was verified; then one
transaction makes its layers, the image and its name visible together, as a load
does. What a pull that ends early got stays in the ingest folder for the next one.
"""

from __future__ import annotations

import time

from ligan.errors import Conflict, Corrupt, Invalid, NoSpace, Unsupported
from ligan.images import catalog
from ligan.images.inspect import read_config
from ligan.layers.snapshots.indexing import add_indexes, are_wanted
from ligan.oci.digest import Digest, ImageID
from ligan.oci.documents import ImageConfig
from ligan.oci.identity import chain_ids
from ligan.remote.faults import BadAnswer
from ligan.remote.fetch import LayerJob, Ready, fetch_layer
from ligan.remote.origins import known_image, remember_manifest, remember_place
from ligan.remote.progress import Message
from ligan.remote.resolving import image_manifest, verified_config
from ligan.store import failpoints
from ligan.store.blobs import MissingBlob, find
from ligan.store.downloads import claim
from ligan.store.team import Team

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from ligan.oci.digest import ChainID, DiffID
    from ligan.oci.documents import Descriptor, Manifest
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.remote.fetch import FetchedLayer
    from ligan.remote.places import Origin
    from ligan.remote.progress import Report
    from ligan.remote.repository import FetchedManifest
    from ligan.store.blobs import Staged
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.downloads import Download
    from ligan.store.store import Store

THREADS = 3
"""Layers fetched at a time, as Docker does (max-concurrent-downloads)."""

_LOOK_AGAIN = 0.1
"""Seconds between looks at a blob that another pull fetches."""


class Pulling:
    """One name on its way into the store."""

    def __init__(
        self,
        store: Store,
        repository: Origin,
        reference: Reference,
        platform: Platform,
        report: Report,
        *,
        source: str = "",
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        """`source` is what the image is called in the repository, where that is not the reference's own.

        Without it names by digest are given too. `is_wanted` is asked while the registry is silent.
        """
        self._store = store
        self._repository = repository
        self._reference = reference
        self._platform = platform
        self._report = report
        self._is_remote = not source
        self._source = source or reference.digest or reference.tag
        self._team = Team(
            store, self._say, THREADS, in_order=False, stop=repository.stop, is_wanted=is_wanted
        )
        self._lease = store.lease(self._team.make_room)
        self._downloads: dict[Digest, Download] = {}
        self._layers: dict[DiffID, FetchedLayer] = {}
        self._waiting: list[str] = []
        self._ready: dict[str, int] = {}
        self.image = ImageID()
        self.digest = Digest()
        self.replaced: ImageID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is wrong, or too much, is not worth keeping; what was interrupted is.
        self._release(keep=error is not None and not isinstance(error, Corrupt | Invalid | NoSpace))
        self._lease.__exit__(kind, error, trace)

    def _release(self, *, keep: bool) -> None:
        for download in self._downloads.values():
            download.close(keep=keep)
        self._downloads.clear()

    def run(self, head: Descriptor | None) -> bool:
        """On return the name is stored. Returns whether it was not, or meant another image.

        `head` is what the repository says of the source.
        """
        digest = Digest(self._reference.digest) or (head.digest if head else Digest())
        known = self._known(digest) if head else None
        fetched = None if known else self._repository.get_manifest(digest or self._source)
        self._report(Message(f"Pulling from {self._repository.path}", self._shown))
        if fetched is None:
            is_news = self._name_known(digest, known or ImageID())
        else:
            digest = fetched.digest
            is_news = self._fetch(fetched)
        self.digest = digest
        self._report(Message(f"Digest: {digest}"))
        return is_news

    @property
    def _shown(self) -> str:
        return self._reference.familiar if self._reference.digest else self._reference.tag

    def _known(self, digest: Digest) -> ImageID | None:
        if not digest or not self._is_remote:
            return None
        with self._store.database.read() as tx:
            return known_image(tx, self._reference, digest, self._platform)

    def _name_known(self, digest: Digest, image: ImageID) -> bool:
        with self._store.database.write() as tx:
            row = catalog.find_by_id(tx, image)
            if row is None:
                raise Conflict(f"image {image} was deleted while it was pulled", "Pull again.")
            return self._name(tx, row, digest)

    def _fetch(self, fetched: FetchedManifest) -> bool:
        digest, manifest = image_manifest(self._repository, fetched, self._platform, self._reference.familiar)
        image = ImageID(manifest.config.digest)
        config = self._config(manifest)
        chain = list(zip(chain_ids(config.diff_ids), config.diff_ids, strict=True))
        staged: list[Staged] = []
        has_told: set[Digest] = set()
        while True:
            with self._store.database.read() as tx:
                is_known = catalog.find_by_id(tx, image) is not None
                missing = _missing(tx, chain)
            needed = [] if is_known else [place for place in missing if chain[place][1] not in self._layers]
            if self._claim([manifest.layers[place] for place in needed]):
                continue  # another pull had some of them: look again
            if not is_known:
                self._announce(manifest, missing, has_told)
                self._fetch_layers(manifest, chain, needed)
                staged = staged or [self._lease.write(config.raw)]
            with self._store.database.write() as tx:
                is_news = self._commit(tx, config, manifest, chain, staged, fetched.digest, digest)
            if is_news is not None:
                failpoints.hit("commit.done")
                return is_news
            # Another process deleted layers that were there: fetch them as well.

    def _config(self, manifest: Manifest) -> ImageConfig:
        """Return the image's config: the registry's, unless the store has it."""
        descriptor = manifest.config
        with self._store.database.read() as tx:
            is_here = catalog.find_by_id(tx, descriptor.digest) is not None
        if is_here:
            try:
                return read_config(self._store.layout, ImageID(descriptor.digest))
            except MissingBlob:
                pass  # deleted by another process since
        config = ImageConfig.parse(verified_config(self._repository, descriptor))
        if config.platform.os != "linux":
            raise Unsupported(
                f'cannot download image with operating system "{config.platform.os}" when requesting "linux"'
            )
        if len(config.diff_ids) != len(manifest.layers):
            raise BadAnswer("layers from manifest don't match image configuration")
        if len(config.diff_ids) > catalog.MAX_DEPTH:
            raise Invalid("max depth exceeded")
        return config

    def _claim(self, layers: Sequence[Descriptor]) -> bool:
        """On return this pull alone fetches these blobs. Returns whether it had to wait for another.

        Claims are made in the order of the digests, all at once: so no two pulls wait for each other.
        """
        digests = sorted({layer.digest for layer in layers})
        if all(digest in self._downloads for digest in digests):
            return False
        self._release(keep=True)
        has_waited = False
        for digest in digests:
            download = claim(self._store.layout, digest)
            if download is None:
                has_waited = True
                self._report(Message("Waiting", digest.short, True))
            while download is None:
                self._team.check_wanted()
                time.sleep(_LOOK_AGAIN)
                download = claim(self._store.layout, digest)
            self._downloads[digest] = download
        return has_waited

    def _announce(self, manifest: Manifest, missing: Sequence[int], has_told: set[Digest]) -> None:
        """Say of each layer what will become of it, once."""
        absent = set(missing)
        for place, layer in enumerate(manifest.layers):
            if layer.digest not in has_told:
                status = "Pulling fs layer" if place in absent else "Already exists"
                self._report(Message(status, layer.digest.short, True))
                has_told.add(layer.digest)

    def _fetch_layers(
        self, manifest: Manifest, chain: Sequence[tuple[ChainID, DiffID]], places: Sequence[int]
    ) -> None:
        jobs: dict[DiffID, LayerJob] = {}
        layout = self._store.layout
        with self._store.database.read() as tx:
            for place in places:
                layer, diff_id = manifest.layers[place], chain[place][1]
                local = layout.blob(layer.digest) if find(tx, layer.digest) is not None else ""
                jobs.setdefault(diff_id, LayerJob(layer, diff_id, self._downloads[layer.digest], local))
        self._waiting = [job.descriptor.digest.short for job in jobs.values()]
        for layer_id in self._waiting[THREADS:]:
            self._report(Message("Waiting", layer_id, True))
        if not jobs:
            return
        limit, keep = self._store.policy.max_layer_size, self._store.policy.keep_compressed
        index = are_wanted(self._store)

        def fetch(job: LayerJob, tell: Callable[[Message | Ready], None]) -> FetchedLayer:
            return fetch_layer(self._repository, job, self._lease, tell, limit=limit, keep=keep, index=index)

        fetched = self._team.run(list(jobs.values()), fetch)
        self._layers |= {layer.diff_id: layer for layer in fetched}

    def _say(self, message: Message | Ready) -> None:
        """Pass a worker's message on; a layer is told complete when those below it are."""
        if isinstance(message, Message):
            self._report(message)
            return
        self._ready[message.layer] = message.size
        while self._waiting and self._waiting[0] in self._ready:
            layer = self._waiting.pop(0)
            size = self._ready.pop(layer)
            self._report(Message("Extracting", layer, True, size, size))
            self._report(Message("Pull complete", layer, True))

    def _commit(
        self,
        tx: WriteTransaction,
        config: ImageConfig,
        manifest: Manifest,
        chain: Sequence[tuple[ChainID, DiffID]],
        staged: Sequence[Staged],
        named: Digest,
        digest: Digest,
    ) -> bool | None:
        """Make the image and its name. Returns whether the name is news, or None where something has gone."""
        row = catalog.find_by_id(tx, config.id)
        missing = [] if row else _missing(tx, chain)
        if not all(chain[place][1] in self._layers for place in missing) or not (row or staged):
            return None
        if row is None:
            row = self._create(tx, config, chain, missing, staged)
        layers = list(zip(config.diff_ids, manifest.layers, strict=True))
        for diff_id, layer in layers:
            fetched = self._layers.get(diff_id)
            # Of equal layers one blob was fetched: nobody has seen what the others hold.
            compressor = fetched.compressor if fetched and fetched.blob == layer.digest else None
            if self._is_remote:
                remember_place(tx, diff_id, self._reference.repository, layer, compressor)
        remember_manifest(tx, config.id, digest, manifest, layers)
        is_news = self._name(tx, row, named)
        failpoints.hit("commit.rows")
        return is_news

    def _create(
        self,
        tx: WriteTransaction,
        config: ImageConfig,
        chain: Sequence[tuple[ChainID, DiffID]],
        missing: Sequence[int],
        staged: Sequence[Staged],
    ) -> catalog.ImageRow:
        new = {chain[place][1]: self._layers[chain[place][1]] for place in missing}
        forms = [form for layer in new.values() for form in (layer.form, layer.index) if form]
        blobs = self._lease.commit(tx, [*staged, *[layer.staged for layer in new.values()], *forms])
        top = None
        for chain_id, diff_id in chain:
            top = catalog.live_layer(tx, chain_id) or catalog.ensure_layer(
                tx, chain_id, top, diff_id, new[diff_id].size, blobs[diff_id]
            )
        add_indexes(tx, blobs, [(diff_id, layer.index) for diff_id, layer in new.items()])
        for diff_id, layer in new.items():
            if layer.form is not None:
                tx.execute(
                    "INSERT OR IGNORE INTO layer_blob (diff_id, blob, compressor) VALUES (?, ?, ?)",
                    (diff_id, blobs[layer.form.digest], layer.compressor),
                )
        return catalog.create_image(tx, config, blobs[config.id], top)

    def _name(self, tx: WriteTransaction, row: catalog.ImageRow, digest: Digest) -> bool:
        """Give the image its names: by digest, and the tag (engine 20.10, distribution/pull_v2.go)."""
        self.image = row.id
        now = self._store.now()
        if self._is_remote:
            by_digest = self._reference.replace(tag="", digest=digest)
            old = catalog.find_by_reference(tx, by_digest.canonical)
            if self._reference.digest or old is None:
                catalog.set_reference(tx, by_digest, row, now)
            if self._reference.digest:
                return old is None
        before = catalog.find_by_reference(tx, self._reference.canonical)
        self.replaced = catalog.set_reference(tx, self._reference, row, now)
        return before is None or before.key != row.key


def _missing(tx: ReadTransaction, chain: Sequence[tuple[ChainID, DiffID]]) -> list[int]:
    """Return the places of the layers that do not exist in Docker's sense, bottom first."""
    return [
        place for place, (chain_id, _diff) in enumerate(chain) if catalog.live_layer(tx, chain_id) is None
    ]
