"""Sending a layer: not at all where the registry has it, by a mount where it can, else packed on the way."""

from __future__ import annotations

import os

from ligan.errors import LiganError
from ligan.oci.digest import Digest, DigestMismatch
from ligan.remote.origins import Form
from ligan.remote.progress import Message, Meter
from ligan.store.blobs import CHUNK, MissingBlob
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.oci.digest import DiffID
    from ligan.remote.progress import Report
    from ligan.remote.writing import WritableRepository
    from ligan.store.layout import Layout

LEVEL = 1
"""Of isal's four. It takes a tenth of the time of zlib's usual level, and an eighth more room."""


class Sending(Value):
    """A layer to send. `size` is Docker's DiffSize, `forms` are the compressed forms that do, best first.

    `mounts` are pairs of a form and the path of a repository of the same registry that has it.
    """

    diff_id: DiffID
    size: int
    forms: tuple[Form, ...]
    mounts: tuple[tuple[Form, str], ...]


def send_layer(repository: WritableRepository, layout: Layout, job: Sending, report: Report) -> Form:
    """On return the repository has the layer, in the form that is returned.

    Raises what the registry raises, DigestMismatch where the store's own bytes are damaged.
    """
    layer = job.diff_id.short
    for form in job.forms:
        if repository.blob_exists(form.digest) is not None:
            report(Message("Layer already exists", layer, True))
            return form
    for form, path in job.mounts:
        if _mount(repository, form, path):
            report(Message(f"Mounted from {path}", layer, True))
            return form
    kept = next((form for form in job.forms if form.is_kept), None)
    sent = _send_kept(repository, layout, job, kept, report) if kept else None
    sent = sent or _send_compressed(repository, layout, job, report)
    report(Message("Pushed", layer, True))
    return sent


def _mount(repository: WritableRepository, form: Form, path: str) -> bool:
    try:
        return repository.mount_blob(form.digest, path)
    except LiganError:
        return False  # these credentials may not read there: then the layer is sent


def _send_kept(
    repository: WritableRepository, layout: Layout, job: Sending, form: Form, report: Report
) -> Form | None:
    """Send a blob as it is. Returns None where the store has it no more: another process deleted it."""
    try:
        file = os.open(layout.blob(form.digest), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None

    def chunks() -> Iterator[bytes]:
        meter = Meter(report, job.diff_id.short, "Pushing", form.size)
        return _chunks(file, meter)

    try:
        repository.upload_blob(chunks, form.size, form.digest)
    finally:
        os.close(file)
    return form


def _send_compressed(repository: WritableRepository, layout: Layout, job: Sending, report: Report) -> Form:
    path = layout.blob(job.diff_id)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise MissingBlob(f"the layer {job.diff_id} is gone", "It was deleted while it was pushed.") from None
    sent: list[_Gzip] = []

    def chunks() -> Iterator[bytes]:
        sent.append(_Gzip(job.diff_id))
        meter = Meter(report, job.diff_id.short, "Pushing", job.size)
        return sent[-1].compressed(_chunks(file, meter))

    try:
        repository.upload_blob(chunks, None, lambda: sent[-1].digest)
    finally:
        os.close(file)
    return Form(sent[-1].digest, sent[-1].size, "gzip")


def _chunks(file: int, meter: Meter) -> Iterator[bytes]:
    offset = 0
    while data := os.pread(file, CHUNK, offset):
        yield data
        offset += len(data)
        meter.add(len(data))


class _Gzip:
    """Compresses a layer as it is read, with the digests of both sides. Equal layers give equal bytes."""

    def __init__(self, diff_id: DiffID) -> None:
        from hashlib import sha256

        self._diff_id = diff_id
        self._plain = diff_id.new_hash()
        self._packed = sha256()
        self.size = 0

    def compressed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the gzip stream. Raises DigestMismatch before its end if the layer is damaged."""
        from isal import isal_zlib

        packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, _GZIP)
        for chunk in chunks:
            self._plain.update(chunk)
            if data := packer.compress(chunk):
                yield self._counted(data)
        actual = f"{self._diff_id.algorithm}:{self._plain.hexdigest()}"
        if actual != self._diff_id:
            raise DigestMismatch("the store is damaged: layer", self._diff_id, actual)
        yield self._counted(packer.flush())

    def _counted(self, data: bytes) -> bytes:
        self._packed.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> Digest:
        """The digest of all that was yielded."""
        return Digest(f"sha256:{self._packed.hexdigest()}")


_GZIP = 31
"""zlib's window bits for a gzip stream with a head of no name and no time."""
