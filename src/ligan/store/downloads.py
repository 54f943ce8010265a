"""Downloads: blobs on their way from a registry, which outlive the process that fetches them.

Each has a folder of its own in the ingest folder, named by the blob's digest.
The lock on that folder is the right to fetch the blob: of several pulls one
fetches, and the others wait. A pull that ends early leaves the bytes it got;
the next one hashes them again and goes on from there.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ligan.store.blobs import lock_lease, remove_lease
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.oci.digest import Digest
    from ligan.store.layout import Layout

KEPT_FOR = 24 * 3600 * 10**9
"""How long the bytes of a download that nobody works on stay. Nanoseconds."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Download:
    """The right to fetch one blob, until `close`. `path` is where the bytes got so far are, if any."""

    def __init__(self, folder: str, lock: int) -> None:
        self._folder = folder
        self._lock = lock
        self.path = f"{folder}/data"

    def open(self) -> int:
        """Return a descriptor to read and append the bytes, those of an earlier pull first."""
        with Explained(self._folder):
            file = os.open(self.path, _FLAGS, 0o600)
            if os.fstat(file).st_nlink == 1:
                return file
            # A pull that was killed had just made a blob of this very file: nobody may write to it.
            os.close(file)
            self.discard()
            return os.open(self.path, _FLAGS, 0o600)

    def discard(self) -> None:
        """Forget the bytes got so far."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass

    def close(self, *, keep: bool) -> None:
        """Let others fetch the blob. Without `keep` the bytes got so far go."""
        try:
            if not keep or not os.path.exists(self.path):
                remove_lease(self._folder)
        finally:
            os.close(self._lock)


def claim(layout: Layout, digest: Digest) -> Download | None:
    """Return the right to fetch a blob, or None while another process or thread has it."""
    folder = layout.download(digest)
    with Explained(layout.ingest):
        while True:
            try:
                os.mkdir(folder, 0o700)
            except FileExistsError:
                pass
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # its holder was done with it, and removed it
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(lock, folder):
                    return Download(folder, lock)
            except BlockingIOError:
                os.close(lock)
                return None
            os.close(lock)


def _is_at(folder: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), os.stat(path))
    except FileNotFoundError:
        return False


def drop_abandoned(layout: Layout, before: int | None = None) -> int:
    """Remove downloads that nobody works on; with `before`, those last written to before that time.

    The time is in nanoseconds since 1970. Returns the bytes that are freed.
    """
    freed = 0
    for path in _folders(layout):
        size, written, names = _state(path)
        # A file of two names is a blob by now: its pull was killed when all was done.
        if before is not None and written >= before and names == 1:
            continue
        lock = lock_lease(path)
        if lock >= 0:
            try:
                remove_lease(path)
                freed += size
            finally:
                os.close(lock)
    return freed


def _folders(layout: Layout) -> Iterator[str]:
    for name in os.listdir(layout.ingest):
        if layout.is_download(name):
            yield layout.lease(name)


def _state(folder: str) -> tuple[int, int, int]:
    """Return the bytes of a download, when it was last written to, and the names of its file."""
    for path in (f"{folder}/data", folder):
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        else:
            is_empty = path == folder
            return 0 if is_empty else status.st_size, status.st_mtime_ns, 1 if is_empty else status.st_nlink
    return 0, 0, 1
