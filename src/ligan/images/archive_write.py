"""Writing the members of an archive to a file or pipe; the kernel copies the layers."""

from __future__ import annotations

import errno
import os

from ligan.errors import Corrupt, NoSpace, Unavailable
from ligan.layers.tar import DIRECTORY, REGULAR, SYMLINK
from ligan.layers.tar_write import END, header, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from ligan.images.archive_layouts import Member
    from ligan.oci.digest import Digest

_STEP = 16 << 20
"""Bytes copied by one call: an interrupt waits for no more than that."""
_BUFFER = 256 << 10

_NOT_THIS_WAY = (
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EBADF,  # a file opened for appending
    errno.EPERM,
)


def write_members(members: Iterable[Member], files: Mapping[Digest, int], target: BinaryIO) -> None:
    """Write a tar archive. `files` holds an open descriptor of each blob that is a member.

    Raises NoSpace or Unavailable where the target takes no more, Corrupt for a
    blob that is shorter than it was.
    """
    output = _Output(target)
    try:
        for member in members:
            if member.blob is None:
                output.write(_head(member, len(member.data)))
                output.write(member.data + padding(len(member.data)))
            else:
                file = files[member.blob]
                size = os.fstat(file).st_size
                output.write(_head(member, size))
                output.copy(file, size)
                output.write(padding(size))
        output.write(END)
        output.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("write archive: no space left on device") from error
        raise Unavailable(f"write archive: {(error.strerror or str(error)).lower()}") from error


def _head(member: Member, size: int) -> bytes:
    # Before Go 1.9 the mode told the kind of file too, and Docker keeps it so (engine 20.10, pkg/archive).
    if member.link:
        kind, mode = SYMLINK, 0o120777
    elif member.name.endswith("/"):
        kind, mode = DIRECTORY, 0o40755
    else:
        kind, mode = REGULAR, 0o100644
    return header(
        member.name, size, member.mtime, mode, kind, linkname=member.link, uname="root", gname="root"
    )


class _Output:
    """The target: small writes are gathered, files copied by whichever system call can."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._gathered = bytearray()
        try:
            target.flush()
            self._fd = target.fileno()
        except OSError:
            self._fd = -1  # io.UnsupportedOperation is one: bytes in memory have no descriptor

    def write(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        self._write_now(self._gathered)
        self._gathered = bytearray()

    def _write_now(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) if self._fd >= 0 else self._target.write(view) :]

    def copy(self, file: int, size: int) -> None:
        """Append a whole file of that size."""
        self.flush()
        done = 0
        ways = [self._copy_range, self._send, self._read_and_write][0 if self._fd >= 0 else 2 :]
        while done < size:
            try:
                count = ways[0](file, done, min(_STEP, size - done))
            except OSError as error:
                if len(ways) == 1 or error.errno not in _NOT_THIS_WAY:
                    raise
                del ways[0]
                continue
            if not count:
                raise Corrupt(f"a layer of the store ends at {done} of {size} bytes", "Run `ligan fsck`.")
            done += count

    def _copy_range(self, file: int, offset: int, count: int) -> int:
        return os.copy_file_range(file, self._fd, count, offset)

    def _send(self, file: int, offset: int, count: int) -> int:
        return os.sendfile(self._fd, file, offset, count)

    def _read_and_write(self, file: int, offset: int, count: int) -> int:
        data = os.pread(file, min(count, _BUFFER), offset)
        self._write_now(data)
        return len(data)
