"""Staging layers: bytes of an archive to verified, durable files of a lease, two at a time.

Hashing, copying and decompressing run beside each other in threads. The store's
database, and whoever watches the progress, stay in the thread that asked.
"""

from __future__ import annotations

import os
from collections import deque
from queue import SimpleQueue
from threading import Thread, current_thread

from ligan.errors import Corrupt
from ligan.images.source import ExtentReader, content_of, regular_file
from ligan.layers.scan import scan_layer
from ligan.oci.digest import DiffID, DigestMismatch
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
    """A verified layer; `size` is Docker's DiffSize."""

    diff_id: DiffID
    staged: Staged
    size: int


class _RoomRequest(Value):
    """A thread found the disk full, and waits for what the owner of the database can do."""

    wanted: int
    answer: SimpleQueue[bool]


class _Abandoned(Exception):
    """An earlier layer has failed, or the caller gave up: the rest would be for nothing."""


class Staging:
    """A lease, and the threads that fill it."""

    def __init__(self, store: Store, progress: Callable[[LoadProgress], None]) -> None:
        self._store = store
        self._progress = progress
        self._owner = current_thread()
        self._inbox: SimpleQueue[LoadProgress | _RoomRequest | None] = SimpleQueue()
        self._pending: deque[LayerJob] = deque()
        self._results: dict[int, StagedLayer] = {}
        self._failures: dict[int, BaseException] = {}
        self._abandoned = False
        # Without a limit of the policy the disk is one: whatever fills it is removed, and NoSpace.
        self.limit = store.policy.max_layer_size
        self.lease = store.lease(self._make_room)

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
        if len(jobs) == 1:
            return [self._stage(source, jobs[0], self._progress)]
        self._pending.extend(jobs)
        threads = [Thread(target=self._work, args=(source,)) for _ in range(min(THREADS, len(jobs)))]
        for thread in threads:
            thread.start()
        try:
            self._serve(threads)
        except BaseException:
            self._abandoned = True
            self._pending.clear()
            self._serve(threads)
            raise
        if self._failures:
            raise self._failures[min(self._failures)]
        return [self._results[job.position] for job in jobs]

    def _serve(self, threads: list[Thread]) -> None:
        """Do what the threads want done in this one, until all of them have ended."""
        while threads:
            message = self._inbox.get()
            if message is None:
                threads.pop()
            elif isinstance(message, _RoomRequest):
                there_is_room = False
                try:
                    there_is_room = not self._abandoned and self._store.make_room(message.wanted)
                finally:
                    message.answer.put(there_is_room)
            elif not self._abandoned:
                self._progress(message)

    def _make_room(self, wanted: int) -> bool:
        if current_thread() is self._owner:
            return self._store.make_room(wanted)
        request = _RoomRequest(wanted, SimpleQueue())
        self._inbox.put(request)
        return request.answer.get()

    def _work(self, source: Source) -> None:
        """Stage layers until none is left: the body of a thread."""
        while self._pending:
            try:
                job = self._pending.popleft()
            except IndexError:
                break  # the other thread took the last one
            try:
                self._results[job.position] = self._stage(source, job, self._inbox.put)
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that asked
                self._failures[job.position] = error
                self._pending.clear()
        self._inbox.put(None)

    def _stage(self, source: Source, job: LayerJob, progress: Callable[[LoadProgress], None]) -> StagedLayer:
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            if self._abandoned or any(position < job.position for position in self._failures):
                raise _Abandoned
            done += count
            progress(LoadProgress(job.label, done, total))

        with source.open(job.name) as extent:
            total = extent.size
            staged = self._copy(extent, tell)
        layer = _scan(staged)
        if job.diff_id is not None and staged.digest != job.diff_id:
            raise DigestMismatch(f"invalid diffID for layer {job.position}", job.diff_id, staged.digest)
        return layer

    def stage_stream(self, stream: BinaryIO | Readable) -> StagedLayer:
        """Stage the content of a stream, whatever it is compressed with, in the caller's thread."""
        file = regular_file(stream)
        if file is not None:
            return _scan(self._copy(file, lambda _count: None))
        return _scan(self.lease.write_chunks(content_of(stream, self.limit)))

    def _copy(self, extent: Extent, tell: Callable[[int], None]) -> Staged:
        if extent.runs is None and extent.compression() is None:
            try:
                return self.lease.copy_range(extent.fd, extent.offset, extent.size, tell)
            except EOFError:
                raise Corrupt("unexpected EOF") from None
        return self.lease.write_chunks(content_of(ExtentReader(extent, tell), self.limit))


def _scan(staged: Staged) -> StagedLayer:
    """Raises Corrupt in Docker's words for a layer that cannot be unpacked."""
    fd = os.open(staged.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return StagedLayer(DiffID(staged.digest), staged, scan_layer(fd).diff_size)
    finally:
        os.close(fd)
