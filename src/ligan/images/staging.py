"""Staging layers: bytes of an archive to verified, durable files of a lease, two at a time.

Hashing, copying and decompressing run beside each other in threads. The store's
database, and whoever watches the progress, stay in the thread that asked.
"""

from __future__ import annotations

from ligan.errors import Corrupt
from ligan.images.source import ExtentReader, check_start, content_of, regular_file
from ligan.layers.snapshots.indexing import are_wanted, scan_staged
from ligan.layers.tar import BLOCK
from ligan.oci.digest import DiffID, DigestMismatch
from ligan.store.team import Team
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import BinaryIO, Self

    from ligan.images.source import Extent, Source
    from ligan.layers.compression import Source as Readable
    from ligan.store.blobs import Staged
    from ligan.store.store import Store

THREADS = 2
"""Layers staged at a time: two saturate most disks, and each takes a few megabytes of memory."""


class LoadProgress(Value):
    """How much of a layer was read. `layer` is the start of its diff ID; counts are bytes of the archive."""

    layer: str
    current: int
    total: int


class LayerJob(Value):
    """A layer to stage: its place in the image, its member, and its diff ID where that is known before."""

    position: int
    name: str
    label: str
    diff_id: DiffID | None = None


class StagedLayer(Value):
    """A verified layer; `size` is Docker's DiffSize. `index` is None where containers do without one."""

    diff_id: DiffID
    staged: Staged
    size: int
    index: Staged | None


class Staging:
    """A lease, and the threads that fill it."""

    def __init__(self, store: Store, progress: Callable[[LoadProgress], None]) -> None:
        self._team = Team(store, progress, THREADS)
        # Without a limit of the policy the disk is one: whatever fills it is removed, and NoSpace.
        self.limit = store.policy.max_layer_size
        self._store = store
        self._index = False
        self.lease = store.lease(self._team.make_room)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lease.__exit__(kind, error, trace)

    def stage(self, source: Source, jobs: Sequence[LayerJob]) -> list[StagedLayer]:
        """Return the layers in the order of the jobs, each verified.

        Raises the error of the lowest layer that has one, in Docker's words.
        """
        self._index = are_wanted(self._store)
        return self._team.run(jobs, lambda job, tell: self._stage(source, job, tell))

    def _stage(self, source: Source, job: LayerJob, progress: Callable[[LoadProgress], None]) -> StagedLayer:
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            progress(LoadProgress(job.label, done, total))

        with source.open(job.name) as extent:
            total = extent.size
            staged = self._copy(extent, tell)
        layer = self._scan(staged)
        if job.diff_id is not None and staged.digest != job.diff_id:
            raise DigestMismatch(f"invalid diffID for layer {job.position}", job.diff_id, staged.digest)
        return layer

    def stage_stream(self, stream: BinaryIO | Readable) -> StagedLayer:
        """Stage the content of a stream, whatever it is compressed with, in the caller's thread."""
        self._index = are_wanted(self._store)
        file = regular_file(stream)
        if file is not None:
            return self._scan(self._copy(file, lambda _count: None))
        return self._scan(self.lease.write_chunks(content_of(stream, self.limit)))

    def _copy(self, extent: Extent, tell: Callable[[int], None]) -> Staged:
        if extent.runs is None and extent.compression() is None:
            check_start(extent.first(BLOCK))
            try:
                return self.lease.copy_range(extent.fd, extent.offset, extent.size, tell)
            except EOFError:
                raise Corrupt("unexpected EOF") from None
        return self.lease.write_chunks(content_of(ExtentReader(extent, tell), self.limit))

    def _scan(self, staged: Staged) -> StagedLayer:
        """Raises Corrupt in Docker's words for a layer that cannot be unpacked."""
        scanned = scan_staged(self.lease, staged, index=self._index)
        return StagedLayer(DiffID(staged.digest), staged, scanned.size, scanned.index)
