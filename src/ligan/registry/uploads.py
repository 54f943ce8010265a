"""The bytes of uploads: appended, hashed as they come, and hashed anew where a process before began them."""

from __future__ import annotations

import errno
import hashlib
import os

from ligan.errors import NoSpace, NotFound
from ligan.oci.digest import Digest
from ligan.registry.deleting import Removal, carry_out
from ligan.registry.faults import DigestInvalid, UploadInvalid, UploadUnknown
from ligan.registry.index.database import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ligan.registry.index.database import Index, ReadTransaction
    from ligan.registry.storage.role import Storage

_PIECE = 1 << 20
_STALE = 7 * 24 * 3600 * 10**9
"""Nanoseconds after which an upload counts as given up: as long as by `registry:2` (`uploadpurging.age`)."""


class Upload:
    """One upload. Its file is open while a request writes to it."""

    def __init__(self, repository: str, name: str, folder: str) -> None:
        self.repository = repository
        self.name = name
        self._path = f"{folder}/data"
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._file = -1

    @property
    def size(self) -> int:
        """The bytes that are on the disk."""
        try:
            return os.stat(self._path).st_size
        except FileNotFoundError:
            raise UploadUnknown(f"blob upload unknown to registry: {self.name}") from None

    def open(self) -> None:
        """Begin to append. Reads what is there already where this process has not hashed it."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            raise UploadUnknown(f"blob upload unknown to registry: {self.name}") from None
        if self._hashed != os.fstat(self._file).st_size:
            self._hash = hashlib.sha256()
            self._hashed = 0
            while piece := os.pread(self._file, _PIECE, self._hashed):
                self._hash.update(piece)
                self._hashed += len(piece)

    def append(self, pieces: Sequence[bytes], make_room: Callable[[], bool]) -> None:
        """Raises NoSpace where the disk is full, and stays so: then the upload is empty."""
        if os.fstat(self._file).st_nlink > 1:
            self._leave_blob(make_room)
        for piece in pieces:
            self._write(piece, make_room)
            self._hash.update(piece)
            self._hashed += len(piece)

    def _leave_blob(self, make_room: Callable[[], bool]) -> None:
        """Go on in a copy: a commit that was cut short has made the upload's file that of a blob too."""
        blob, copy = self._file, f"{self._path}.copy"
        self._file = os.open(copy, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            copied = 0
            while piece := os.pread(blob, _PIECE, copied):
                self._write(piece, make_room)
                copied += len(piece)
            os.rename(copy, self._path)
        finally:
            os.close(blob)

    def _write(self, data: bytes, make_room: Callable[[], bool]) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if not make_room():
                    os.ftruncate(self._file, 0)  # the delete that empties the disk needs some of it
                    raise NoSpace(f"no space left for {self._path}") from error

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def finish(self, wanted: Digest) -> Digest:
        """On return the bytes are durable. Returns their SHA-256 digest.

        Raises DigestInvalid, or UploadInvalid where the file has other bytes than were hashed.
        """
        if os.fstat(self._file).st_size != self._hashed:
            raise UploadInvalid("somebody else has written to this upload")
        stored = Digest(f"sha256:{self._hash.hexdigest()}")
        found = stored if wanted.algorithm == "sha256" else hash_file(self._path, wanted)
        if found != wanted:
            raise DigestInvalid(f"provided digest did not match uploaded content: it is {found}")
        try:
            os.fsync(self._file)
        except OSError as error:
            raise explain(error, self._path) from error
        return stored


def hash_file(path: str, like: Digest) -> str:
    """Return the digest of a file's bytes, by the algorithm of another digest."""
    hashing = like.new_hash()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            hashing.update(piece)
    return f"{like.algorithm}:{hashing.hexdigest()}"


def find_upload(tx: ReadTransaction, storage: Storage, repository: str, name: str) -> Upload:
    """Raises UploadUnknown."""
    row = tx.one(
        """SELECT 1 FROM upload JOIN repository ON repository.key = upload.repository
           WHERE upload.id = ? AND repository.name = ?""",
        (name, repository),
    )
    if row is None:
        raise UploadUnknown(f"blob upload unknown to registry: {name}")
    return Upload(repository, name, storage.upload(repository, name))


def cancel_upload(index: Index, storage: Storage, repository: str, name: str, now: int) -> None:
    """On return nothing is left of the upload; its repository may be `carry_out`'s. Raises UploadUnknown."""
    with index.write() as tx:
        find_upload(tx, storage, repository, name)
        tx.execute("DELETE FROM upload WHERE id = ?", (name,))
    storage.drop_upload(repository, name)
    with index.write() as tx:
        try:
            Removal(tx, storage, repository, now).finish()
        except NotFound:
            pass  # another delete was first


def drop_stale(index: Index, storage: Storage, now: int) -> int:
    """Drop uploads to which nobody has sent anything for a week. Returns bytes."""
    freed = 0
    started = """SELECT repository.name, upload.id FROM upload
                 JOIN repository ON repository.key = upload.repository WHERE started <= ?"""
    for repository, name in index.read().all(started, (now - _STALE,)):
        try:
            data = os.stat(f"{storage.upload(repository, name)}/data")
        except FileNotFoundError:
            cancel_upload(index, storage, repository, name, now)
            continue
        if data.st_mtime_ns <= now - _STALE:
            cancel_upload(index, storage, repository, name, now)
            freed += data.st_size
    carry_out(index, storage)
    return freed
