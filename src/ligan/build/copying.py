"""COPY and ADD: which files they name, and the layer that they make.

Nothing is copied twice: the files of a new layer are arranged in memory over the root folder of the image
below, and the layer's tar is written straight from where they lie. It is what Docker would find in its
writable layer afterwards, but for the times of folders: those that were there keep theirs.

Source: engine 20.10, builder/dockerfile/copy.go, pkg/archive and pkg/chrootarchive, observed on dockerd
20.10.24; BuildKit's solver/llbsolver/file for what differs there.
"""

from __future__ import annotations

from posixpath import basename, normpath

from ligan.build.sums import path_sum
from ligan.build.tar_tree import open_member
from ligan.build.trees import NO_XATTRS, Entry, Tree, has_wildcards, without
from ligan.build.upper import File, Upper
from ligan.errors import Invalid, NotFound
from ligan.layers.tar import CHARACTER_DEVICE, DIRECTORY, REGULAR, SYMLINK
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ligan.build.trees import Ignore
    from ligan.build.upper import Folder
    from ligan.store.blobs import Lease

_SECOND = 10**9
_SETUID, _SETGID, _GROUP_RUNS = 0o4000, 0o2000, 0o010


class MissingSource(NotFound):
    """Nothing is there that a source names. `path` is as the builder words it."""

    def __init__(self, path: str, *, in_context: bool) -> None:
        reason = "file not found in build context or excluded by .dockerignore: " if in_context else ""
        super().__init__(f"{reason}stat {path}: file does not exist")
        self.path = path


class NoSources(Invalid):
    """No path matches a pattern."""

    def __init__(self) -> None:
        super().__init__("no source files were specified")


class Source(Value):
    """What one source names: `entry` is where its links end, `path` is what was named, relative to the tree.

    `relative` is the end of the path that `--parents` makes again. What is `remote` came from elsewhere than
    the tree that was asked for, and is never unpacked.
    """

    tree: Tree
    path: str
    entry: Entry
    relative: str
    remote: bool = False

    @property
    def name(self) -> str:
        """What a file is called in a folder that it is copied into."""
        return basename(normpath(self.path))

    def sum(self) -> str:
        """Return Docker's string for it in the classic cache. That of a URL has no word before it."""
        return self.tree.tarsum(self.entry) or "" if self.remote else path_sum(self.tree, self.path)


class Options(Value):
    """How files are copied.

    `owner` is a user's and a group's number, None to keep what a file has. `mode` makes a new mode of the one
    that something has, told whether it is a folder (see `modes`). With `unpack` archives are unpacked. `time`
    is that of folders which are made, `latest` what no time may be after: both in seconds. `exclude` leaves
    out files by their path within the source. With `parents` the folders above a source are copied too.
    `classic` is the way of the classic builder: it clears set-ID bits and capabilities of what it gives an
    owner, and puts files in the place of folders and folders in that of files.
    """

    classic: bool
    owner: tuple[int, int] | None = (0, 0)
    mode: Callable[[int, bool], int] | None = None
    unpack: bool = False
    time: int = 0
    latest: int | None = None
    exclude: Ignore | None = None
    parents: bool = False


def find_sources(
    tree: Tree,
    paths: Iterable[str],
    *,
    in_context: bool = True,
    classic: bool = True,
    parents: bool = False,
) -> list[Source]:
    """Return what the sources of a COPY or ADD name, patterns resolved.

    What begins outside of the tree is refused by the classic builder, and begins at its root for the other,
    to which a pattern may also match nothing, and begin with a link. With `parents` a `**` in it is any
    number of folders. Raises MissingSource, NoSources and ForbiddenPath, whose words follow "COPY failed: ".
    """
    found: list[Source] = []
    for path in paths:
        if classic:
            above, wanted = 0, path.removeprefix("/").removeprefix("./")
        else:
            above, wanted = _without_pivot(path)
        for name in _named(tree, wanted, classic=classic, parents=parents):
            entry = tree.find(name)
            if entry is None:
                raise MissingSource(name, in_context=in_context)
            found.append(Source(tree, name, entry, "/".join(name.split("/")[above:])))
    if not found and classic:
        raise NoSources
    return found


def _without_pivot(path: str) -> tuple[int, str]:
    """Return how many folders are in front of the `/./` in a path, and the path clean and without it."""
    before, pivot, after = path.partition("/./")
    above = len([part for part in before.split("/") if part not in ("", ".")]) if pivot else 0
    return above, normpath(f"/{before}/{after}").lstrip("/")


def _named(tree: Tree, path: str, *, classic: bool, parents: bool) -> list[str]:
    """Return the paths that a source names: all that match it if it is a pattern, else itself."""
    if parents and "**" in path:
        return _matched_deeply(tree, path)
    if not has_wildcards(path):
        return [path]
    return [entry.path for entry in (tree.glob(path) if classic else _matched(tree, path))]


def _matched(tree: Tree, pattern: str) -> list[Entry]:
    """Return what matches a pattern, links followed in front of its first wildcard."""
    parts = pattern.split("/")
    literal = next(number for number, part in enumerate(parts) if has_wildcards(part))
    top = tree.find("/".join(parts[:literal]))
    return [] if top is None else tree.glob("/".join(parts[literal:]), top.path)


def _matched_deeply(tree: Tree, pattern: str) -> list[str]:
    """Return the paths that match a pattern as .dockerignore has them, without what is below such a one."""
    from ligan.dockerfile.ignore import Ignore

    wanted = Ignore(pattern)
    paths = [entry.path for entry in tree.walk() if entry.path and wanted.matches(entry.path)]
    return [path for path in paths if not wanted.matches(path.rpartition("/")[0])]


def destination_path(folder: str, destination: str) -> str:
    """Return a destination as an absolute path; a slash at its end, which means a folder, stays there."""
    if destination.startswith("/"):
        return destination
    slash = "/" if destination.endswith("/") else ""
    return normpath(f"/{folder.lstrip('/')}/{destination}").rstrip("/") + (slash or "") or "/"


def check_destination(command: str, sources: Sequence[Source], destination: str) -> None:
    """Raise Invalid where there are several sources, and the destination is not marked as a folder."""
    if len(sources) > 1 and not destination.endswith("/"):
        raise Invalid(
            f"When using {command} with more than one source file, the destination must be a directory "
            "and end with a /"
        )


class Layer:
    """A layer that was arranged: iterate for the bytes of its tar, once. `size` is Docker's DiffSize.

    `is_empty` says that nothing changed, so that the tar is the empty layer's.
    """

    def __init__(self, upper: Upper, archives: Sequence[Tree]) -> None:
        self._upper = upper
        self._archives = archives
        self.size = upper.size()
        self.is_empty = not upper.root.children

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._upper.tar()
        finally:
            for archive in self._archives:
                archive.close()


def copy_layer(
    base: str | None, sources: Sequence[Source], destination: str, options: Options, lease: Lease
) -> Layer:
    """Return the layer that copying makes over the files below the folder `base`, None for none at all.

    `destination` is an absolute path of the image, links in which are followed inside it. The trees of the
    sources have to stay open until the layer was written. Archives that are compressed are unpacked into the
    lease. Raises Invalid for what the image has in the way, Corrupt for an archive that cannot be unpacked:
    in words that follow "failed to copy files: ".
    """
    upper = Upper(base, options.time, options.latest)
    copier = _Copier(upper, options, lease)
    try:
        for number, source in enumerate(sources, 1):
            copier.copy(source, destination, number)
    except BaseException:
        for archive in copier.archives:
            archive.close()
        raise
    finally:
        upper.close()
    return Layer(upper, copier.archives)


class _Copier:
    """Arranges one source after the other. `archives` are the trees that it has opened."""

    def __init__(self, upper: Upper, options: Options, lease: Lease) -> None:
        self.archives: list[Tree] = []
        self._upper = upper
        self._options = options
        self._lease = lease

    def copy(self, source: Source, destination: str, number: int) -> None:
        """Copy one source. Files of sources with different numbers are never linked to each other."""
        options = self._options
        path = self._upper.resolve(_inside(destination, clamp=not options.classic))
        if options.parents:
            path = self._copy_parents(source, path)
        if source.entry.is_folder:
            self._copy_folder(source, path, number)
        elif options.unpack and not source.remote and (archive := self._archive(source)) is not None:
            folder = self._make(path, (0, 0), "")
            top = archive.entry("")
            assert top is not None
            self._copy_below(archive, top, folder, path, number, is_archive=True)
        else:
            if destination.endswith("/") or options.parents or self._upper.is_folder(path):
                path = f"{path}/{source.name}" if path else source.name
            self._copy_file(source, path)

    def _copy_folder(self, source: Source, path: str, number: int) -> None:
        """Copy what is in a folder. The folder itself is made where there is none, and has nothing of it."""
        options = self._options
        owner = options.owner or (0, 0)
        if options.classic:
            is_new = not self._upper.is_folder(path)
            folder = self._make(path, (0, 0), "failed to copy directory: ")
            if is_new:
                folder.uid, folder.gid = owner
        else:
            folder = self._make(path, owner, "")
        self._copy_below(source.tree, source.entry, folder, path, number)

    def _copy_below(
        self, tree: Tree, top: Entry, folder: Folder, path: str, number: int, *, is_archive: bool = False
    ) -> None:
        """Copy all below a folder of a tree into a folder of the layer, which has that path."""
        stem = len(top.path) + 1 if top.path else 0
        # The folders of the source by their paths below the top: what has become of them, and where. One that
        # an archive only implies is made for what lies in it, and may be behind a link of the image.
        folders: dict[str, tuple[Folder | None, str]] = {"": (folder, path)}
        entries = tree.walk(top.path)
        options = self._options
        if options.exclude is not None:
            entries = without(options.exclude, entries, stem)
        for entry in entries:
            relative = entry.path[stem:]
            if not relative:
                continue
            above, _, name = relative.rpartition("/")
            at, where = folders[above]
            here = f"{where}/{name}" if where else name
            if is_archive and entry.implied:
                folders[relative] = (None, self._upper.resolve(here[len(path) :], path))
                continue
            if at is None:
                at = self._make(where, (0, 0), "")
            if entry.kind != DIRECTORY:
                if _is_whiteout(entry):
                    doing = "failed to copy directory: " if options.classic and not is_archive else ""
                    words = "Error processing tar file(exit status 1): operation not permitted"
                    raise Invalid(doing + words)
                inode = (number, entry.inode) if entry.inode else None
                self._put_file(at, name, here, tree, entry, inode, chowned=not is_archive)
            else:
                folders[relative] = (self._put_folder(at, name, here, entry, chowned=not is_archive), here)

    def _copy_file(self, source: Source, path: str) -> None:
        owner = self._options.owner
        parent, _, name = path.rpartition("/")
        folder = self._make(parent, owner or (0, 0), "failed to create new directory: " if owner else "")
        if not name:
            raise Invalid("cannot replace the root of the image with a file")
        self._put_file(folder, name, path, source.tree, source.entry, None, chowned=True)

    def _copy_parents(self, source: Source, path: str) -> str:
        """Copy the folders above a source, and itself if it is one. Returns where the last one is."""
        path_in_tree = source.path[: len(source.path) - len(source.relative)].rstrip("/")
        kept = source.relative if source.entry.is_folder else source.relative.rpartition("/")[0]
        self._make(path, self._options.owner or (0, 0), "")
        for part in kept.split("/") if kept else ():
            at = self._upper.folder(path, (0, 0))
            path_in_tree = f"{path_in_tree}/{part}" if path_in_tree else part
            path = f"{path}/{part}" if path else part
            entry = source.tree.find(path_in_tree)
            assert entry is not None
            self._put_folder(at, part, path, entry, chowned=True)
        return path

    def _make(self, path: str, owner: tuple[int, int], doing: str) -> Folder:
        try:
            return self._upper.folder(path, owner)
        except Invalid as error:
            raise Invalid(f"{doing}{error}") from None

    def _put_folder(self, at: Folder, name: str, path: str, entry: Entry, *, chowned: bool) -> Folder:
        options = self._options
        if not options.classic and self._upper.kind(path) == "file":
            raise Invalid(f"cannot copy to non-directory: /{path}")
        folder = self._upper.put_folder(at, name, path)
        uid, gid = options.owner if chowned and options.owner else (entry.uid, entry.gid)
        mode = options.mode(entry.mode, True) if chowned and options.mode else entry.mode
        folder.set(mode, uid, gid, self._upper.bounded(entry.mtime // _SECOND))
        return folder

    def _put_file(
        self,
        at: Folder,
        name: str,
        path: str,
        tree: Tree,
        entry: Entry,
        inode: tuple[int, int] | None,
        *,
        chowned: bool,
    ) -> None:
        """Put a file into a folder of the layer. What is `chowned` has the owner and mode of the options."""
        options = self._options
        if not options.classic and self._upper.is_folder(path):
            raise Invalid(f"cannot replace to directory /{path} with file")
        mode, xattrs = entry.mode, entry.xattrs
        uid, gid = entry.uid, entry.gid
        if chowned:
            if options.owner:
                uid, gid = options.owner
            if options.classic:
                # The kernel takes these from a file that gets an owner; one file alone has no attributes.
                if options.owner:
                    mode &= ~_SETUID if not mode & _GROUP_RUNS else ~(_SETUID | _SETGID)
                if options.owner or inode is None:
                    xattrs = NO_XATTRS
            if options.mode and entry.kind != SYMLINK:
                mode = options.mode(mode, False)
        mtime = self._upper.bounded(entry.mtime // _SECOND)
        at.children[name] = File(tree, entry, mode, uid, gid, mtime, xattrs, inode)

    def _archive(self, source: Source) -> Tree | None:
        """Return the tree of a file that is an archive, None for any other file."""
        if source.entry.kind != REGULAR:
            return None
        with source.tree.extent(source.entry) as extent:
            archive = open_member(extent, self._lease)
        if archive is not None:
            self.archives.append(archive)
        return archive


def _is_whiteout(entry: Entry) -> bool:
    """Return whether it is the device by which overlay marks what was deleted: it lets nobody make one."""
    return entry.kind == CHARACTER_DEVICE and entry.devmajor == entry.devminor == 0


def _inside(destination: str, *, clamp: bool) -> str:
    """Return a destination as a clean path below the root. Raises Invalid for one that begins outside."""
    clean = normpath(f"./{destination}")
    if clean == ".." or clean.startswith("../"):
        if not clamp:
            raise Invalid(f"{destination} is not in the image")
        clean = normpath(f"/{destination.lstrip('/')}")
    return clean.lstrip("/")
