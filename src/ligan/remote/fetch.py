"""Fetching a layer: one pass from the registry's bytes to a verified tar and a verified compressed form."""

from __future__ import annotations

import os

from ligan.errors import Corrupt, LiganError, NotFound
from ligan.images.importing import open_url
from ligan.layers.compression import open_decompressed
from ligan.layers.snapshots.indexing import scan_staged
from ligan.oci.digest import DiffID, Digest
from ligan.remote.faults import BadAnswer, NotThere
from ligan.remote.origins import LAYER_TYPES, NO_COMPRESSION
from ligan.remote.progress import Message, Meter
from ligan.store.blobs import CHUNK
from ligan.store.db import Explained
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, Self

    from ligan.layers.compression import Reader
    from ligan.oci.documents import Descriptor
    from ligan.remote.places import Origin
    from ligan.remote.progress import Report
    from ligan.store.blobs import Lease, Staged
    from ligan.store.downloads import Download

    class Stream(Protocol):
        def __enter__(self) -> Self: ...
        def __exit__(self, kind: Any, error: Any, trace: Any, /) -> object: ...
        def read(self, count: int, /) -> bytes: ...
        def close(self) -> None: ...


class LayerJob(Value):
    """A layer to fetch. `local` is a file that has had the blob's bytes, or empty."""

    descriptor: Descriptor
    diff_id: DiffID
    download: Download
    local: str


class FetchedLayer(Value):
    """A verified layer: its tar, Docker's DiffSize, and index and compressed form where these are kept."""

    diff_id: DiffID
    staged: Staged
    size: int
    index: Staged | None
    blob: Digest
    blob_size: int
    form: Staged | None
    compressor: str


class Ready(Value):
    """A layer is all there. Its message is for later, when those below are too."""

    layer: str
    size: int


_REDONE = 1 << 16


def fetch_layer(
    repository: Origin,
    job: LayerJob,
    lease: Lease,
    report: Callable[[Message | Ready], None],
    *,
    limit: int | None,
    keep: bool,
    index: bool,
) -> FetchedLayer:
    """Download, verify, decompress, verify again and check a layer; nothing is read twice.

    Raises BadAnswer where the blob is not what its digest says, or not what the
    config says; Corrupt for a layer that cannot be unpacked; and what the registry raises.
    """
    layer = job.descriptor.digest.short
    try:
        staged, compressor = _receive(repository, job, lease, report, limit)
    except _Stale:
        # What an earlier pull left, or the store has, is damaged: by a power cut, say.
        job.download.discard()
        staged, compressor = _receive(repository, job.replace(local=""), lease, report, limit)
    report(Message("Download complete", layer, True))
    if staged.digest != job.diff_id:
        raise BadAnswer(
            "layers from manifest don't match image configuration",
            f"The layer {job.descriptor.digest} unpacks to {staged.digest}; the image says {job.diff_id}.",
        )
    scanned = scan_staged(lease, staged, index=index)
    form = None
    if keep and compressor in LAYER_TYPES and job.descriptor.digest.algorithm == "sha256":
        form = lease.adopt(job.download.path, job.descriptor.digest, job.descriptor.size)
    report(Ready(layer, job.descriptor.size))
    return FetchedLayer(
        job.diff_id,
        staged,
        scanned.size,
        scanned.index,
        job.descriptor.digest,
        job.descriptor.size,
        form,
        compressor,
    )


class _Stale(Exception):
    """Bytes that did not come from the registry just now do not lead to the digest."""


def _receive(
    repository: Origin, job: LayerJob, lease: Lease, report: Report, limit: int | None
) -> tuple[Staged, str]:
    """Return the verified content of the blob, and what it was compressed with."""
    arriving = _Arriving(repository, job, lease, report)
    try:
        try:
            with open_decompressed(arriving, limit) as content:
                staged = lease.write_chunks(iter(lambda: _read(content), b""))
                compressor = content.compression or NO_COMPRESSION
        except Corrupt as error:
            if isinstance(error, BadAnswer):
                raise
            arriving.drain()
            arriving.verify()  # what the registry got wrong is said before what came of it
            raise
        arriving.drain()
        report(Message("Verifying Checksum", job.descriptor.digest.short, True))
        arriving.verify()
    finally:
        arriving.close()
    return staged, compressor


def _read(content: Reader) -> bytes:
    return content.read(CHUNK)


class _Arriving:
    """A blob's bytes, hashed and kept as they pass: of an earlier pull, then a local copy or the registry."""

    def __init__(self, repository: Origin, job: LayerJob, lease: Lease, report: Report) -> None:
        self._repository = repository
        self._job = job
        self._lease = lease
        self._report = report
        self._size = job.descriptor.size
        self._hash = job.descriptor.digest.new_hash()
        self._meter = Meter(report, job.descriptor.digest.short, "Downloading", self._size)
        self._stream: Stream | None = None
        self._file = job.download.open()
        self._here = os.fstat(self._file).st_size
        if self._here > self._size:
            os.ftruncate(self._file, 0)
            self._here = 0
        self._is_second_hand = self._here > 0

    def read(self, size: int, /) -> bytes:
        """Return some bytes, and none only at the end. Raises BadAnswer for another number of them."""
        done = self._meter.current
        if done < self._here:
            with Explained(self._job.download.path):
                data = os.pread(self._file, min(size, self._here - done), done)
        elif done < self._size:
            self._stream = self._stream or self._open(done)
            data = self._stream.read(size)
            if not data:
                raise self._failed(f"{done} bytes instead of {self._size}")
            self._lease.append(self._file, data)
        else:
            data = b""
        self._hash.update(data)
        self._meter.add(len(data))
        if self._meter.current > self._size:
            raise self._failed(f"more than {self._size} bytes")
        return data

    def _open(self, offset: int) -> Stream:
        if self._job.local and not offset:
            try:
                stream = open(self._job.local, "rb", buffering=0)  # noqa: SIM115  # closed by close()
            except FileNotFoundError:
                pass  # deleted since
            else:
                self._is_second_hand = True
                return stream
        return open_layer(self._repository, self._job.descriptor, offset, self._tell_wait)

    def _tell_wait(self, seconds: float) -> None:
        unit = "second" if round(seconds) == 1 else "seconds"
        layer = self._job.descriptor.digest.short
        self._report(Message(f"Retrying in {round(seconds)} {unit}", layer, True))

    def drain(self) -> None:
        """Read what the content's end left over."""
        while self.read(CHUNK):
            pass

    def verify(self) -> None:
        """Raise BadAnswer in Docker's words where the bytes are not the blob."""
        descriptor = self._job.descriptor
        actual = f"{descriptor.digest.algorithm}:{self._hash.hexdigest()}"
        if actual != descriptor.digest:
            raise self._failed(f"its bytes hash to {actual}")

    def _failed(self, fact: str) -> Exception:
        if self._is_second_hand:
            return _Stale()
        digest = self._job.descriptor.digest
        return BadAnswer(
            f"filesystem layer verification failed for digest {digest}", f"The registry sent {fact}."
        )

    def close(self) -> None:
        os.close(self._file)
        if self._stream is not None:
            self._stream.close()


def open_layer(
    origin: Origin,
    layer: Descriptor,
    offset: int = 0,
    waiting: Callable[[float], None] | None = None,
) -> Stream:
    """Open a blob, or, where there is none and it is a foreign layer, what its addresses lead to."""
    try:
        return origin.open_blob(layer.digest, layer.size, offset, waiting)
    except NotThere:
        if not layer.urls:
            raise
        return _from_urls(layer, offset)


def _from_urls(descriptor: Descriptor, offset: int) -> Stream:
    """Open a foreign layer where its descriptor says it is. Raises the last address's error."""
    failure: LiganError = NotFound(f"no address of the layer {descriptor.digest} can be used")
    for url in descriptor.urls:
        if not url.startswith(("http://", "https://")):
            continue
        try:
            stream = open_url(url)
            left = offset
            while left and (data := stream.read(min(left, _REDONE))):
                left -= len(data)
        except LiganError as error:
            failure = error
        else:
            return stream
    raise failure
