"""Unpacking a tar into a folder, as Docker does in a chroot, without one.

Every folder is opened by its name in the one above, links resolved inside the root (`ligan.layers.beneath`):
whatever the tar says and whoever changes the folder meanwhile, nothing outside of it is touched.

A layer is unpacked in one of two ways. For overlay it has a folder of its own, where a whiteout becomes what
overlay takes for one: a character device 0:0, or an attribute of the folder. A whole root file system is made
by applying layers one upon the other, whiteouts taking away what is below.
"""

from __future__ import annotations

import errno
import os
import stat

from ligan.errors import Conflict, Corrupt, Invalid, Unsupported
from ligan.layers.attributes import overlay_attribute
from ligan.layers.beneath import CHANGED, FOLDER, open_folder, resolve
from ligan.layers.namespaces import in_user_namespace
from ligan.layers.restoring import (
    NO_OWNERS,
    PERMISSIONS,
    copy_content,
    finish_node,
    set_attributes,
    set_owner,
    times_of,
)
from ligan.layers.scan import OPAQUE, WHITEOUT, path_in_layer
from ligan.layers.tar import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Member,
    members,
)
from ligan.store.db import DISK_FULL
from ligan.store.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_MAX = 4095
"""Bytes of a path that Linux takes, with its slash. Here no path is given to it whole, in Docker each is."""
_KINDS = {CHARACTER_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}


class CannotOverwrite(Conflict):
    """A folder lies where something else is to go, or something else where a folder is to go."""


def unpack_layer(tar: int, folder: str) -> None:
    """Unpack a layer into an empty folder, as a lower one of overlay.

    On return every member is there as the tar has it. A folder that the tar does not name is this user's,
    with mode 0755 and the time of the member it was made for. Raises Corrupt for what dockerd would refuse,
    Unsupported where this user may not make such files, OSError where the disk fails.
    """
    _unpack(tar, folder, _Unpacking.add_whiteout)


def apply_layer(tar: int, folder: str) -> None:
    """Apply a layer to the root file system in `folder`. Raises as unpack_layer.

    What a whiteout hides is what the layers below have, wherever in the tar it comes: so these go first.
    """
    _unpack(tar, folder, _Unpacking.apply_whiteout, only_whiteouts=True)
    _unpack(tar, folder, _Unpacking.skip)


def unpack_archive(
    tar: int,
    folder: str,
    path: str,
    *,
    keep_kinds: bool = False,
    owner: tuple[int, int] | None = None,
    rename: Callable[[str], str] | None = None,
) -> None:
    """Unpack what is to be copied into a root file system, to its folder at `path`, which has no links in it.

    `.wh.` means nothing here. With `keep_kinds` no folder gives way to something else, nor the other way
    round: CannotOverwrite. All is given to `owner`, if there is one. `rename` says what a member, and the
    target of a hard link, is to be called. Raises Invalid for names that lead out of `path`, else as
    unpack_layer.
    """
    _unpack(tar, folder, None, below=path, keep_kinds=keep_kinds, owner=owner, rename=rename)


def _unpack(
    tar: int,
    folder: str,
    whiteout: Callable[[_Unpacking, str, str], None] | None,
    *,
    below: str = "",
    keep_kinds: bool = False,
    owner: tuple[int, int] | None = None,
    only_whiteouts: bool = False,
    rename: Callable[[str], str] | None = None,
) -> None:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    unpacking = _Unpacking(tar, root, below, keep_kinds=keep_kinds, owner=owner)
    try:
        for member in members(tar):
            if rename:
                member.name = rename(member.name)
                member.linkname = rename(member.linkname) if member.type == HARD_LINK else member.linkname
            path = unpacking.path_of(member)
            if path == below:
                continue  # Docker leaves the folder that it unpacks into as it is
            parent, _, name = path.rpartition("/")
            unpacking.times = times_of(member)
            if len(os.fsencode(path)) >= _PATH_MAX:
                raise _explained(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)), path, member)
            try:
                if whiteout and name.startswith(WHITEOUT):
                    whiteout(unpacking, parent, name)
                elif not only_whiteouts:
                    unpacking.add(parent, name, member)
            except OSError as error:
                raise _explained(error, path, member) from error
        unpacking.set_times()
    finally:
        unpacking.close()
        os.close(root)


def _explained(error: OSError, path: str, member: Member) -> Exception:
    """Return the error of a member for people; what the disk or the machine lacks stays an OSError."""
    if error.errno in (*DISK_FULL, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return error
    words = os.strerror(error.errno or 0).lower()
    if member.type == DIRECTORY:
        return Corrupt(f"mkdir /{path}: {words}")
    if member.type == SYMLINK:
        return Corrupt(f"symlink {member.linkname} /{path}: {words}")
    if member.type == HARD_LINK:
        return Corrupt(f"link /{path_in_layer(member.linkname)} /{path}: {words}")
    return Corrupt(f"open /{path}: {words}" if member.type == REGULAR else words)


class _Unpacking:
    """Members on their way into a folder. Paths are relative to it, without `.` and `..`.

    `times` are those of the member at hand, which the folders have that are made for it.
    """

    def __init__(
        self, tar: int, root: int, below: str, *, keep_kinds: bool, owner: tuple[int, int] | None
    ) -> None:
        self._tar = tar
        self._root = root
        self._below = below
        self._keep_kinds = keep_kinds
        self._owner = owner
        self._folder_times: list[tuple[str, tuple[int, int]]] = []
        self._made_times: list[tuple[str, tuple[int, int]]] = []
        self.times = (0, 0)
        # Members of a folder follow one another, so the last one is kept at hand.
        self._parent = ""
        self._parent_file = os.dup(root)

    def close(self) -> None:
        os.close(self._parent_file)

    def path_of(self, member: Member) -> str:
        """Return where a member goes. Raises Invalid where that is outside of the folder to unpack into."""
        if not self._below:
            return path_in_layer(member.name)
        from posixpath import normpath

        path = normpath(f"{self._below}/{member.name}")
        if path != self._below and not path.startswith(f"{self._below}/"):
            raise Invalid(f'"{normpath(member.name)}" is outside of "/{self._below}"')
        return path

    def add(self, parent: str, name: str, member: Member) -> None:
        """Make what a member tells of, in the place of what has its name."""
        folder = self._folder(parent)
        kind = member.type
        if self._keep_kinds:
            self._check_kind(folder, parent, name, is_folder=kind == DIRECTORY)
        if kind == REGULAR:
            self._add_file(folder, name, member)
        elif kind == DIRECTORY:
            self._add_folder(folder, parent, name, member)
        elif kind == SYMLINK:
            self._replace(folder, name, lambda: os.symlink(member.linkname, name, dir_fd=folder))
            finish_node(folder, name, member, self._owner_of(member))
        elif kind == HARD_LINK:
            self._add_link(folder, name, member)
        elif kind in _KINDS:
            self._add_device(folder, name, member)
        else:
            raise Corrupt(f"unhandled tar header type {ord(kind)}")

    def skip(self, parent: str, name: str) -> None:
        """Leave out a whiteout that was applied before."""

    def add_whiteout(self, parent: str, name: str) -> None:
        """Make what overlay takes for a whiteout."""
        folder = self._folder(parent)
        if name == OPAQUE:
            opened = os.open(".", FOLDER, dir_fd=folder)
            try:
                os.setxattr(opened, overlay_attribute("opaque"), b"y")
            finally:
                os.close(opened)
            return
        hidden = name[len(WHITEOUT) :]
        if hidden in ("", ".", ".."):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=folder)

    def apply_whiteout(self, parent: str, name: str) -> None:
        """Take away what a whiteout hides."""
        hidden = name[len(WHITEOUT) :]
        if name != OPAQUE and hidden in ("", ".", ".."):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        try:
            folder = self._folder(parent, make=False)
        except OSError as error:
            if error.errno in CHANGED:
                return  # the layers below have no such folder
            raise
        if name != OPAQUE:
            self._remove(folder, hidden)
            return
        opened = os.open(".", FOLDER, dir_fd=folder)
        try:
            for entry in os.listdir(opened):
                self._remove(folder, entry)
        finally:
            os.close(opened)

    def set_times(self) -> None:
        """Give the folders the times that the tar has for them, now that nothing more goes into them.

        As Docker does, by their names: a later member may have put something else there.
        """
        self._parent = "/"  # what is at hand may have been come to by a link
        for path, times in self._made_times:
            self._set_time_of_folder(path, times)
        for path, times in self._folder_times:
            if not self._set_time_of_folder(path, times):
                self._set_time(path, times)

    def _set_time_of_folder(self, path: str, times: tuple[int, int]) -> bool:
        """Return False where the path does not lead to a folder, or through a link."""
        # A folder often follows the one that it is in: the way to it is not gone again.
        is_below = path.startswith(f"{self._parent}/")
        try:
            if is_below:
                folder = open_folder(self._parent_file, path[len(self._parent) + 1 :])
            else:
                folder = open_folder(self._root, path)
        except OSError as error:
            if error.errno not in CHANGED:
                raise
            return False
        os.close(self._parent_file)
        self._parent, self._parent_file = path, folder
        os.utime(folder, ns=times)
        return True

    def _set_time(self, path: str, times: tuple[int, int]) -> None:
        """Set the time of what a path leads to. Raises Corrupt where that is nothing."""
        parent, _, name = resolve(self._root, path).rpartition("/")
        try:
            folder = open_folder(self._root, parent)
            try:
                os.utime(name or ".", ns=times, dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(folder)
        except OSError as error:
            if error.errno not in CHANGED:
                raise
            raise Corrupt(f"chtimes /{path}: {os.strerror(error.errno).lower()}") from None

    def _folder(self, path: str, *, make: bool = True) -> int:
        """Return a descriptor of the folder a path leads to, open until the next call.

        With `make` what is missing is made.
        """
        if path == self._parent:
            return self._parent_file
        try:
            folder = self._walked(path, make=make)
        except OSError as error:
            if error.errno not in CHANGED:
                raise
            folder = self._walked(resolve(self._root, path), make=make)  # there is a link on the way
        os.close(self._parent_file)
        self._parent, self._parent_file = path, folder
        return folder

    def _walked(self, path: str, *, make: bool) -> int:
        folder = os.open(".", FOLDER, dir_fd=self._root)
        parts = path.split("/") if path else []
        for place, part in enumerate(parts, 1):
            try:
                try:
                    below = os.open(part, FOLDER, dir_fd=folder)
                except FileNotFoundError:
                    if not make:
                        raise
                    below = self._make_folder(folder, part)
                    self._made_times.append(("/".join(parts[:place]), self.times))
            finally:
                os.close(folder)
            folder = below
        return folder

    def _make_folder(self, above: int, name: str) -> int:
        """Make a folder that the tar has no member for; returns its descriptor."""
        os.mkdir(name, 0o700, dir_fd=above)
        folder = os.open(name, FOLDER, dir_fd=above)
        try:
            set_owner(folder, *(self._owner or (os.geteuid(), os.getegid())))
            os.fchmod(folder, 0o755)
        except BaseException:
            os.close(folder)
            raise
        return folder

    def _check_kind(self, folder: int, parent: str, name: str, *, is_folder: bool) -> None:
        try:
            found = stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return
        if found != is_folder:
            old, new = ("directory", "non-directory") if found else ("non-directory", "directory")
            path = f"/{parent}/{name}" if parent else f"/{name}"
            raise CannotOverwrite(f'cannot overwrite {old} "{path}" with {new} "/{self._below}"')

    def _replace(self, folder: int, name: str, make: Callable[[], None]) -> None:
        """Make something of this name, after removing what has it."""
        try:
            make()
        except FileExistsError:
            self._remove(folder, name)
            make()

    def _remove(self, folder: int, name: str) -> None:
        """On return nothing has that name."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            remove_tree(f"/proc/self/fd/{folder}/{name}")
            # The folder at hand may be gone, or no longer be what its path leads to.
            self._parent = "/"

    def _add_file(self, folder: int, name: str, member: Member) -> None:
        try:
            file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        except FileExistsError:
            self._remove(folder, name)
            file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            copy_content(self._tar, member, file)
            set_owner(file, *self._owner_of(member))
            set_attributes(file, member)
            os.fchmod(file, member.mode & PERMISSIONS)
            os.utime(file, ns=times_of(member))
        finally:
            os.close(file)

    def _add_folder(self, folder: int, parent: str, name: str, member: Member) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                self._remove(folder, name)
                os.mkdir(name, 0o700, dir_fd=folder)
        opened = os.open(name, FOLDER, dir_fd=folder)
        try:
            set_owner(opened, *self._owner_of(member))
            set_attributes(opened, member)
            os.fchmod(opened, member.mode & PERMISSIONS)
        finally:
            os.close(opened)
        self._folder_times.append((f"{parent}/{name}" if parent else name, times_of(member)))

    def _add_link(self, folder: int, name: str, member: Member) -> None:
        target = self._target_of(member)
        parent, _, base = target.rpartition("/")
        source = open_folder(self._root, resolve(self._root, parent))
        try:
            self._replace(
                folder,
                name,
                lambda: os.link(
                    base or ".", name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False
                ),
            )
        finally:
            os.close(source)
        finish_node(folder, name, member, self._owner_of(member))

    def _target_of(self, member: Member) -> str:
        if not self._below:
            return path_in_layer(member.linkname)
        from posixpath import normpath

        target = normpath(f"{self._below}/{member.linkname}")
        if target != self._below and not target.startswith(f"{self._below}/"):
            raise Invalid(f'invalid hardlink "/{target.lstrip("/")}" -> "{member.linkname}"')
        return target

    def _add_device(self, folder: int, name: str, member: Member) -> None:
        kind = _KINDS[member.type]
        device = 0 if member.type == FIFO else os.makedev(member.devmajor, member.devminor)
        try:
            self._replace(folder, name, lambda: os.mknod(name, kind | 0o600, device, dir_fd=folder))
        except PermissionError:
            if member.type != FIFO and in_user_namespace():
                return  # no device can be made there, and Docker leaves it out
            raise Unsupported(f"cannot make the device {name}: operation not permitted", NO_OWNERS) from None
        finish_node(folder, name, member, self._owner_of(member))

    def _owner_of(self, member: Member) -> tuple[int, int]:
        return self._owner or (member.uid, member.gid)
