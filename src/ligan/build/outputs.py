"""`--output`: the result as files, as a tar, or as an image's archive, instead of an image of this store."""

from __future__ import annotations

import os

from ligan.build.exporting import config_of
from ligan.build.folder_tree import FolderTree
from ligan.build.request import BuildOutcome
from ligan.errors import Unavailable
from ligan.images import catalog
from ligan.images.archive_layouts import LAYOUTS, SavedImage
from ligan.images.archive_write import write_members
from ligan.images.save import OpenBlobs
from ligan.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, REGULAR, SYMLINK
from ligan.oci.documents import ImageConfig
from ligan.oci.reference import parse_tag_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from ligan.build.bases import Made
    from ligan.build.solver import Build
    from ligan.build.trees import Entry
    from ligan.oci.digest import Digest


def write_archive(build: Build, made: Made, target: BinaryIO, layout: str) -> BuildOutcome:
    """Write an archive that `load` takes, of layout docker or oci, with the image's names."""
    names = tuple([parse_tag_target(name) for name in build.request.names])
    config = ImageConfig.parse(config_of(build, made))
    said = "exporting to oci image format" if layout == "oci" else "exporting to docker image format"
    with build.progress.begin(said) as vertex:
        vertex.status("exporting layers")
        with build.store.database.read() as tx:
            blobs: dict[Digest, int] = {
                diff_id: tx.value("SELECT size FROM blob WHERE digest = ?", (blob,))
                for _key, _chain, diff_id, _size, blob in catalog.chain(tx, made.layer)
            }
            opened = OpenBlobs(build.store.layout, blobs)
        with opened:
            members = LAYOUTS[layout]((SavedImage(config, names, ""),), blobs)
            write_members(members, opened.files, target)
        vertex.status("sending tarball")
    build.note_uses()
    return BuildOutcome(config.id, (), config.raw)


def write_tar(build: Build, made: Made, target: BinaryIO) -> BuildOutcome:
    """Write the files of the result as one tar."""
    from ligan.layers.tree_tar import export_tar

    with build.progress.begin("exporting to client tarball") as vertex:
        with build.view(build.store, made.layer) as root, build.store.lease() as lease:
            for chunk in export_tar(root or lease.folder()):
                target.write(chunk)
        vertex.status("sending tarball")
    build.note_uses()
    return BuildOutcome(None)


def write_files(build: Build, made: Made, folder: str) -> BuildOutcome:
    """Write the files of the result into a folder, where others stay. They are the caller's own."""
    with build.progress.begin("exporting to client directory") as vertex:
        with build.view(build.store, made.layer) as root:
            size = _Copy(root, folder).run() if root else 0
        vertex.status("copying files", size)
    build.note_uses()
    return BuildOutcome(None)


class _Copy:
    """One copy of a tree into a folder of this machine. No link in that is followed: it is replaced."""

    def __init__(self, root: str, folder: str) -> None:
        self._root = root
        self._folder = folder
        self._first: dict[int, str] = {}
        self._times: list[tuple[str, int]] = []
        self._size = 0

    def run(self) -> int:
        """Return the bytes of the files."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            with FolderTree(self._root) as tree:
                for entry in tree.walk():
                    if entry.path:
                        self._put(tree, entry)
            for path, time in reversed(self._times):
                os.utime(path, ns=(time, time))
        except OSError as error:
            path = os.fsdecode(error.filename or self._folder)
            raise Unavailable(f"cannot write {path}: {(error.strerror or '').lower()}") from None
        return self._size

    def _put(self, tree: FolderTree, entry: Entry) -> None:
        path = f"{self._folder}/{entry.path}"
        if entry.kind == DIRECTORY:
            if os.path.islink(path) or not os.path.isdir(path):
                _clear(path)
                os.mkdir(path)
            os.chmod(path, entry.mode)
            self._times.append((path, entry.mtime))
            return
        _clear(path)
        if entry.inode and entry.inode in self._first:
            os.link(self._first[entry.inode], path)
            return
        if entry.inode:
            self._first[entry.inode] = path
        if entry.kind == SYMLINK:
            os.symlink(entry.target, path)
        elif entry.kind == REGULAR:
            with open(path, "xb") as file:
                for chunk in tree.read(entry):
                    self._size += file.write(chunk)
        elif entry.kind == FIFO:
            os.mkfifo(path)
        elif entry.kind in (CHARACTER_DEVICE, BLOCK_DEVICE):
            return  # BuildKit leaves out what only root may make
        if entry.kind != SYMLINK:
            os.chmod(path, entry.mode)
        os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def _clear(path: str) -> None:
    """Remove what is not a folder; a folder in the way is left for the caller to trip over."""
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
        os.unlink(path)
