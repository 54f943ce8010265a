"""Blobs: ingest -> verify -> fsync -> link -> commit.

Order of writes, by which a row implies a durable, verified file:

1. bytes go to a file of this process's lease and are hashed, outside any lock;
2. the file is fsynced;
3. under the write transaction it is linked to its final name, the folder is
   fsynced, and the row is inserted;
4. after the commit the lease's name goes.

A process that dies in between leaves a lease that nobody locks; recovery finds
there every file whose row never came.
"""

from __future__ import annotations

import errno
import fcntl
import os
from _thread import allocate_lock  # all of threading would cost more to import than it is of use here
from itertools import count

from ligan.errors import Corrupt
from ligan.oci.digest import Digest
from ligan.store import failpoints
from ligan.store.db import DISK_FULL, Explained, explain
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO, Self

    from ligan.oci.digest import Hash
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout

CHUNK = 1 << 20
"""Bytes read, written and hashed at a time: large enough to be fast, small enough to stay in the cache."""


TREE_MARK = "tree-"
"""What begins the name by which a lease says which layer it is about to unpack."""


class MissingBlob(Corrupt):
    """A row names a file that is not there: damage, or another process's delete (see Store.read_files)."""


class Staged(Value):
    """Verified and durable bytes that are not yet a blob."""

    digest: Digest
    size: int
    path: str


def _hasher() -> Hash:
    import hashlib  # starting a container reads what leases left, and hashes nothing

    return hashlib.sha256()


class Lease:
    """A folder for unfinished writes, released by the kernel when the process dies.

    `make_room(bytes)` is asked for when the disk is full: it frees what undo
    entries hold and returns whether trying again makes sense. `recover()` is
    called after a failure: blobs were linked, and it can tell which have rows.
    """

    def __init__(self, layout: Layout, make_room: Callable[[int], bool], recover: Callable[[], None]) -> None:
        self._layout = layout
        self._make_room = make_room
        self._recover = recover
        self._linked = False
        self._room_lock = allocate_lock()
        self._rooms_made = 0
        self._numbers = count(1)  # taken by several threads at once: next() is one step, += is not
        self.path, self._lock = _make_lease(layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        failed = kind is not None and self._linked
        try:
            if not failed:
                remove_lease(self.path)
        finally:
            os.close(self._lock)
        if failed:
            self._recover()

    def _new_file(self) -> tuple[str, BinaryIO]:
        """Return a fresh file inside the lease, unbuffered, and its path."""
        path = f"{self.path}/unnamed-{next(self._numbers)}"
        with Explained(self.path):
            failpoints.hit("ingest.opened")
            return path, open(path, "x+b", buffering=0)

    def _stage(self, path: str, file: int, hexadecimal: str, size: int) -> Staged:
        """Make a finished file durable and name it by its digest: recovery goes by that name."""
        named = f"{self.path}/{hexadecimal}"
        with Explained(self.path):
            failpoints.hit("ingest.written")
            os.fsync(file)
            try:
                os.link(path, named)
            except FileExistsError:
                pass  # staged before, and perhaps linked: recovery compares that very file
            os.unlink(path)
            failpoints.hit("ingest.synced")
        return Staged(Digest("sha256:" + hexadecimal), size, named)

    def write(self, data: bytes | bytearray) -> Staged:
        """On return the bytes are durable in the lease."""
        return self.write_chunks([memoryview(data)])

    def write_chunks(self, chunks: Iterable[bytes | memoryview]) -> Staged:
        """Write, hash and fsync a stream."""
        hasher = _hasher()
        size = 0
        path, file = self._new_file()
        with file:
            for chunk in chunks:
                hasher.update(chunk)
                self.append(file.fileno(), chunk)
                size += len(chunk)
            return self._stage(path, file.fileno(), hasher.hexdigest(), size)

    def folder(self) -> str:
        """Return the path of a new empty folder that goes with the lease, with all that is in it by then."""
        path = f"{self.path}/folder-{next(self._numbers)}"
        with Explained(self.path):
            os.mkdir(path, 0o700)
        return path

    def adopt(self, path: str, digest: Digest, size: int) -> Staged:
        """Stage a file of the store that is written already, and hashes to this: the caller has seen to it.

        On return its bytes are durable. Nobody may write to it any more.
        """
        named = f"{self.path}/{digest.hex}"
        with Explained(self.path):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)
            try:
                os.link(path, named)
            except FileExistsError:
                pass  # staged before: the same bytes under the same name
        return Staged(digest, size, named)

    def spool(self, chunks: Iterable[bytes | memoryview]) -> str:
        """Write a stream to a file that goes with the lease, neither hashed nor durable; returns its path."""
        path, file = self._new_file()
        with file:
            for chunk in chunks:
                self.append(file.fileno(), chunk)
        return path

    def copy_range(
        self, source: int, offset: int, size: int, progress: Callable[[int], None] = lambda _count: None
    ) -> Staged:
        """Copy bytes of an open file inside the kernel, hash the copy while it is cached, and fsync it.

        `progress` is told the count of bytes after each chunk.
        """
        hasher = _hasher()
        path, file = self._new_file()
        buffer = memoryview(bytearray(CHUNK))
        with file:
            target = file.fileno()
            done = 0
            while done < size:
                count = self._copy_chunk(source, target, offset + done, done, min(CHUNK, size - done))
                if not count:
                    raise EOFError
                view = buffer[:count]
                with Explained(self.path):
                    read = os.preadv(target, [view], done)
                hasher.update(view[:read])
                done += read
                progress(read)
            return self._stage(path, target, hasher.hexdigest(), size)

    def _copy_chunk(
        self, source: int, target: int, source_offset: int, target_offset: int, count: int
    ) -> int:
        while True:
            made = self._rooms_made
            try:
                return os.copy_file_range(source, target, count, source_offset, target_offset)
            except OSError as error:
                if error.errno in DISK_FULL:
                    self._find_room(count, made, error)
                elif error.errno in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                    data = os.pread(source, count, source_offset)
                    os.lseek(target, target_offset, os.SEEK_SET)
                    self.append(target, data)
                    return len(data)
                else:
                    raise explain(error, self.path) from error

    def append(self, file: int, data: bytes | memoryview) -> None:
        """Write all of the data, making room where the disk is full."""
        view = memoryview(data)
        while view:
            made = self._rooms_made
            try:
                view = view[os.write(file, view) :]
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise explain(error, self.path) from error
                self._find_room(len(view), made, error)

    def _find_room(self, wanted: int, made: int, error: OSError) -> None:
        """On return writing again makes sense. `made` is how often there was room when the write began."""
        with self._room_lock:
            if self._rooms_made != made:
                return  # another thread has found the disk full as well, and has dropped enough for now
            if not self._make_room(wanted):
                raise explain(error, self.path) from error
            self._rooms_made += 1

    def commit(self, tx: WriteTransaction, staged: Iterable[Staged]) -> dict[Digest, int]:
        """Make staged bytes blobs; returns the key of each.

        On return every digest has a row and the file that was staged, whoever
        stored it before; they are durable when the transaction commits. The caller
        makes something hold each key within the same transaction.
        """
        keys: dict[Digest, int] = {}
        for item in staged:
            if item.digest in keys:
                continue
            self._link(item)
            key = find(tx, item.digest)
            if key is None:
                tx.execute("DELETE FROM outbox WHERE name = ?", (self._layout.blob_name(item.digest),))
                key = tx.insert("INSERT INTO blob (digest, size) VALUES (?, ?)", (item.digest, item.size))
            keys[item.digest] = key
        if keys:
            failpoints.hit("commit.linked")
            sync_folder(self._layout.blobs)
        return keys

    def commit_tree(self, tx: WriteTransaction, path: str, diff_id: str, size: int) -> None:
        """Make a folder of this lease, which is durable, the unpacked form of a layer whose tar is a blob.

        On return it is in its place, whatever a crash may have left there, and its row says so.
        """
        final = self._layout.tree(diff_id)
        # By this name recovery finds the folder if the row never comes.
        os.close(
            os.open(f"{self.path}/{TREE_MARK}{os.path.basename(final)}", os.O_CREAT | os.O_CLOEXEC, 0o600)
        )
        self._linked = True
        try:
            os.rename(final, self.folder() + "/left")
        except FileNotFoundError:
            pass
        os.rename(path, final)
        failpoints.hit("tree.renamed")
        sync_folder(self._layout.layers)
        tx.execute("DELETE FROM outbox WHERE name = ?", (self._layout.tree_name(diff_id),))
        tx.execute("UPDATE blob SET unpacked = ? WHERE digest = ?", (size, diff_id))

    def _link(self, item: Staged) -> None:
        self._linked = True
        final = self._layout.blob(item.digest)
        try:
            os.link(item.path, final)
        except FileExistsError:
            if os.path.samefile(item.path, final):
                return
            # What a crash left, or a blob that may be damaged since: ours was verified just now.
            # A row may name it, so that it must not be missing for a moment.
            os.link(item.path, f"{item.path}-again")
            os.rename(f"{item.path}-again", final)


def _make_lease(layout: Layout) -> tuple[str, int]:
    """Return a new folder and the descriptor of its held lock."""
    while True:
        path = layout.lease(f"{os.getpid()}-{os.urandom(6).hex()}")
        os.mkdir(path, 0o700)
        lock = lock_lease(path)
        if lock >= 0:
            return path, lock
        # Recovery saw the folder before we had locked it, and removes it.


def lock_lease(path: str) -> int:
    """Return a descriptor that holds the lease, or -1 where a living process has it or it is gone."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return -1
    if not os.path.exists(path):  # removed by its holder between our two steps
        os.close(lock)
        return -1
    return lock


def find(tx: ReadTransaction, digest: Digest) -> int | None:
    """Return the key of a committed blob, or None."""
    key: int | None = tx.value("SELECT key FROM blob WHERE digest = ?", (digest,))
    return key


def sync_folder(path: str) -> None:
    """On return the folder's names are durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_lease(path: str) -> None:
    """Remove the folder of a lease whose lock the caller holds, and unmount what is mounted in it."""
    for name in os.listdir(path):
        try:
            os.unlink(f"{path}/{name}")
        except IsADirectoryError:
            from ligan.store.trees import remove_tree

            remove_tree(f"{path}/{name}")
    os.rmdir(path)
