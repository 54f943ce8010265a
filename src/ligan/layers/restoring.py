"""What a member of a tar says of a file, put on the file: content, owner, mode, attributes and times."""

from __future__ import annotations

import errno
import os
import stat

from ligan.errors import Corrupt, Unsupported
from ligan.layers.namespaces import in_user_namespace
from ligan.layers.tar_xattrs import xattrs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.layers.tar import Member

CHUNK = 1 << 20
PERMISSIONS = 0o7777

_NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LATEST = (1 << 63) - 1
_ID = (1 << 32) - 1

NO_OWNERS = (
    "Run ligan as root, or in a user namespace that has these IDs: with /etc/subuid and /etc/subgid set up "
    "(Debian package uidmap), below `unshare --map-auto --map-root-user`."
)


def copy_content(tar: int, member: Member, file: int) -> None:
    """Write a member's bytes; its holes stay holes. Raises Corrupt where the tar ends before."""
    source = member.offset
    if member.sparse is None:
        _copy_run(tar, source, file, member.size)
        return
    os.ftruncate(file, member.size)
    for offset, length in member.sparse:
        os.lseek(file, offset, os.SEEK_SET)
        _copy_run(tar, source, file, length)
        source += length


def _copy_run(tar: int, source: int, file: int, length: int) -> None:
    while length:
        data = memoryview(os.pread(tar, min(length, CHUNK), source))
        if not data:
            raise Corrupt("unexpected EOF")
        source += len(data)
        length -= len(data)
        while data:
            data = data[os.write(file, data) :]


def finish_node(folder: int, name: str, member: Member, owner: tuple[int, int]) -> None:
    """Set what is to be known of something that has been made in an open folder and is not held open."""
    node = os.open(name, _NODE, dir_fd=folder)
    try:
        path = f"/proc/self/fd/{node}"  # this very inode, whatever has its name by now
        is_link = stat.S_ISLNK(os.fstat(node).st_mode)
        set_owner(path, *owner)
        set_attributes(path, member)
        if is_link:
            os.utime(name, ns=times_of(member), dir_fd=folder, follow_symlinks=False)
        else:
            os.chmod(path, member.mode & PERMISSIONS)
            os.utime(path, ns=times_of(member))
    finally:
        os.close(node)


def set_owner(file: int | str, uid: int, gid: int) -> None:
    """Give a file to somebody, by 32 bits of each ID as Linux does; all of them set leave it as it is.

    Raises Unsupported where this user may not.
    """
    try:
        os.chown(file, uid & _ID, gid & _ID)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        words = os.strerror(error.errno).lower()
        raise Unsupported(f"cannot give a file to {uid}:{gid}: {words}", NO_OWNERS) from None


def set_attributes(file: int | str, member: Member) -> None:
    """Set a member's extended attributes, as far as the file system and this user can."""
    if not member.pax:
        return
    for name, value in xattrs_of(member).items():
        if name.startswith("user.overlay.") and in_user_namespace():
            continue  # there overlay's own, by which the layer could point into others
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            # Docker goes on as well: not every file system has them, nor may everybody set them.
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise


def times_of(member: Member) -> tuple[int, int]:
    """Return access and change time in nanoseconds. To Docker what was before 1970 was then."""
    mtime = member.mtime if 0 <= member.mtime <= _LATEST else 0
    return mtime, mtime
