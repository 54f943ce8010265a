"""An index of a layer's tar that the kernel mounts as a file system: the layer's tree, without unpacking it.

The index is an EROFS image; its files' data lies in the tar, an extra device.
`mount -t erofs -o device=TAR INDEX DIR` shows the tree, which is the one that
Docker's unpacking would make: `ligan.layers.scan` plays that in one walk over
the headers, and an `Index` keeps what it tells of inodes. overlayfs stacks the
layers, so a whiteout is what overlayfs takes for one.

Observed on dockerd 20.10.24 with overlay2; where Docker takes the time of the
unpacking, for folders that only lie above an entry, an index takes the entry's.
"""

from __future__ import annotations

import stat

from ligan.errors import Unsupported
from ligan.layers.attributes import CAPABILITY
from ligan.layers.erofs_image import BLOCK, BLOCKS_MAX, DEVICE, OPAQUE, ROOT, Image
from ligan.layers.erofs_image import Inode as Entry
from ligan.layers.scan import Inodes
from ligan.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, FIFO, REGULAR, SYMLINK
from ligan.layers.tar_xattrs import POSIX_ACLS, xattrs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.layers.scan import Folder, Inode
    from ligan.layers.tar import Member

_KINDS = {CHARACTER_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_PERMISSIONS = 0o7777
_UNCHANGED = (1 << 32) - 1
_LATEST = (1 << 63) - 1


class NotIndexable(Unsupported):
    """The layer holds what an index cannot: it has to be unpacked."""


class Index(Inodes):
    """The index of a tar of `size` bytes, which begins where its file does. `scan_layer` fills it.

    Takes some 100 bytes of memory an entry beside what the scan keeps.
    """

    def __init__(self, size: int) -> None:
        self._blocks = size // BLOCK
        self._image = Image()
        if size % BLOCK:
            self._image.unfit = f"its tar ends within a block, after {size} bytes"
        elif self._blocks > BLOCKS_MAX:
            self._image.unfit = f"its tar is too large, {size} bytes"

    def finish(self) -> bytearray:
        """Return the index of what was scanned. To be called once. Raises NotIndexable with the reason."""
        image = self._image
        if not image.unfit:
            self._put_folders()
            finished = image.finish(self._blocks)
        if image.unfit:
            raise NotIndexable(f"the layer cannot be indexed: {image.unfit}")
        return finished

    def add(self, member: Member) -> int:
        permissions = member.mode & _PERMISSIONS
        if member.type == REGULAR:
            if member.sparse is not None:
                self._image.unfit = "it has a sparse file"
            block = DEVICE + member.offset // BLOCK
            return self._put(member, stat.S_IFREG | permissions, member.size, block)
        if member.type == SYMLINK:
            target = member.linkname.encode("utf-8", "surrogateescape")
            return self._put(member, stat.S_IFLNK | 0o777, len(target), target=target)
        number = 0 if member.type == FIFO else _device_number(member)
        return self._put(member, _KINDS[member.type] | permissions, data=number)

    def add_whiteout(self, member: Member) -> int:
        return self._image.put_plain(stat.S_IFCHR, *_owner_of(member), _time_of(member))

    def add_folder(self, member: Member | None, *, missing: bool = False) -> Folder:
        """Return a new folder, in which `.` has its own number."""
        if member is None:
            root = Entry(_MISSING, 0, 0, 0)
            self._root: Folder = {".": self._image.put(root, number=ROOT)}
            return self._root
        if missing:
            return {".": self._image.put_plain(_MISSING, 0, 0, _time_of(member))}
        return {".": self._put(member, stat.S_IFDIR | member.mode & _PERMISSIONS)}

    def size(self, number: int) -> int:
        return self._image.size_of(number)

    def change(self, number: int, member: Member, target: str | None = None) -> int:
        """Set owner, attributes, mode and time once more, as Docker does.

        A symbolic link keeps its mode and time. Whoever sets the owner of a
        file takes its capabilities.
        """
        entry = self._image.read(number)
        entry.uid, entry.gid = _owner_of(member, (entry.uid, entry.gid))
        if not stat.S_ISLNK(entry.mode):
            entry.mode = stat.S_IFMT(entry.mode) | member.mode & _PERMISSIONS
            entry.time = _time_of(member)
        xattrs = dict(entry.xattrs)
        if not stat.S_ISDIR(entry.mode):
            xattrs.pop(CAPABILITY, None)
        xattrs |= self._xattrs_of(member, entry.mode)
        return self._replace(number, entry, xattrs, target)

    def change_folder(self, folder: Folder, member: Member) -> None:
        folder["."] = self.change(_own(folder), member)

    def mark_opaque(self, folder: Folder) -> None:
        number = _own(folder)
        entry = self._image.read(number)
        xattrs = {**entry.xattrs, OPAQUE: b"y"}
        folder["."] = self._replace(number, entry, xattrs)

    def touch(self, node: Folder | Inode | int, member: Member) -> None:
        if isinstance(node, dict):
            node = _own(node)
        self._image.set_time(node if isinstance(node, int) else node.number, _time_of(member))

    def _put(self, member: Member, mode: int, size: int = 0, data: int = 0, target: bytes = b"") -> int:
        uid, gid = _owner_of(member)
        time = _time_of(member)
        xattrs = self._xattrs_of(member, mode) if member.pax else None
        if not xattrs and not target:
            return self._image.put_plain(mode, uid, gid, time, size, data)
        entry = Entry(mode, uid, gid, time, size, data)
        if xattrs:
            entry.xattrs = xattrs
        return self._image.put(entry, target)

    def _replace(self, number: int, entry: Entry, xattrs: dict[str, bytes], target: str | None = None) -> int:
        """Write an inode again: elsewhere, if it has other attributes now; only the root stays."""
        in_place = number == ROOT or xattrs == entry.xattrs
        entry.xattrs = xattrs
        inline = target.encode("utf-8", "surrogateescape") if target and not entry.data else b""
        return self._image.put(entry, inline, number if in_place else None)

    def _xattrs_of(self, member: Member, mode: int) -> dict[str, bytes]:
        xattrs = xattrs_of(member)
        for name in POSIX_ACLS:
            if xattrs.pop(name, None):
                self._image.unfit = "it has POSIX ACLs"  # which the kernel checks, and changes with the mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return {name: value for name, value in xattrs.items() if not name.startswith("user.")}
        return xattrs

    def _put_folders(self) -> None:
        """Write what is in the folders, whose numbers are final now, and how many links there are."""
        image = self._image
        todo = [(self._root, ROOT)]
        while todo:
            folder, parent = todo.pop()
            own = _own(folder)
            entries = [(b"..", parent)]
            links = 2
            for name, node in folder.items():
                if isinstance(node, int):
                    number = node
                elif isinstance(node, dict):
                    number = _own(node)
                    links += 1
                    todo.append((node, own))
                else:
                    number = node.number
                    image.set_links(number, node.links)
                entries.append((name.encode("utf-8", "surrogateescape"), number))
            image.put_entries(own, entries)
            image.set_links(own, links)


_MISSING = stat.S_IFDIR | 0o755


def _own(folder: Folder) -> int:
    number = folder["."]
    assert isinstance(number, int)
    return number


def _owner_of(member: Member, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Return the IDs that the kernel sets: of 32 bits, and -1 leaves the one before."""
    uid, gid = member.uid & _UNCHANGED, member.gid & _UNCHANGED
    return uid if uid != _UNCHANGED else before[0], gid if gid != _UNCHANGED else before[1]


def _time_of(member: Member) -> int:
    """Return the time that Docker sets: 0 for one it cannot hold, or before 1970 but for symbolic links."""
    earliest = -_LATEST if member.type == SYMLINK else 0
    return member.mtime if earliest <= member.mtime <= _LATEST else 0


def _device_number(member: Member) -> int:
    """Return the number that Docker makes of a device, the form that EROFS has, too."""
    major, minor = member.devmajor, member.devminor
    return (minor & 0xFFF00) << 12 | (major & 0xFFF) << 8 | minor & 0xFF
