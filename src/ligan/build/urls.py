"""Sources and contexts that a URL names.

Source: engine 20.10, builder/dockerfile/copy.go (downloadSource) and builder/remotecontext/remote.go;
BuildKit's source/http for checksums.
"""

from __future__ import annotations

import os
from posixpath import basename

from ligan.build.copying import Source
from ligan.build.files_tree import FilesTree, file_entry
from ligan.build.folder_tree import FolderTree
from ligan.build.git import clone, is_git
from ligan.errors import Invalid
from ligan.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ligan.images.importing import Download
    from ligan.oci.digest import Hash
    from ligan.store.blobs import Lease

    Watch = Callable[[int, int], object]
    """Told the bytes read so far and those of all, -1 where nobody knows."""

_CHUNK = 1 << 20
_UNNAMED = "__unnamed__"


def is_url(path: str) -> bool:
    """Return whether ADD takes a source for a URL."""
    return path.startswith(("http://", "https://"))


class NoGitFolder:
    """Leaves out what git keeps its books in."""

    def matches(self, path: str) -> bool:
        return f"{path}/".startswith(".git/")

    def may_hold_exceptions(self, _folder: str) -> bool:
        return False


def remote_sources(
    url: str,
    lease: Lease,
    *,
    checksum: str = "",
    keep_git: bool = False,
    unpack: bool = False,
    proxies: Mapping[str, str] | None = None,
) -> list[Source]:
    """Return what the modern ADD copies from a URL: a file, or the files of a git repository.

    With `unpack` a file is one that may be unpacked. The checksum of a repository is that of its commit. The
    caller closes the tree. Raises as `fetch_file` and `clone` do.
    """
    if not is_git(url):
        return [fetch_file(url, lease, checksum=checksum, proxies=proxies).replace(remote=not unpack)]
    tree = FolderTree(clone(url, lease, checksum=checksum), None if keep_git else NoGitFolder())
    top = tree.entry("")
    assert top is not None
    return [Source(tree, "", top, "", remote=True)]


def fetch_file(
    url: str,
    lease: Lease,
    *,
    checksum: str = "",
    proxies: Mapping[str, str] | None = None,
    watch: Watch = lambda _current, _size: None,
) -> Source:
    """Return a file that a URL names, of mode 0600 and the time that the server tells: a tree of its own.

    Where nothing names it, see `check_named`. `checksum` is the digest that it has to have. Raises NotFound
    and Unavailable with what the server said, Invalid for a wrong digest.
    """
    from ligan.images.importing import open_url

    wanted = Digest.parse(checksum) if checksum else None
    with open_url(url, proxies) as download:
        download.watch(watch)
        hasher = wanted.new_hash() if wanted else None
        path = lease.spool(_hashed(download, hasher))
        name = _file_name(url, download)
        mtime = _last_modified(download)
    if wanted and hasher:
        found = f"{wanted.algorithm}:{hasher.hexdigest()}"
        if found != wanted:
            raise Invalid(f"digest mismatch {found}: {wanted}")
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    kept = name or _UNNAMED
    tree = FilesTree({kept: (file_entry(kept, 0o600, os.fstat(file).st_size, mtime), file)})
    entry = tree.entry(kept)
    assert entry is not None
    return Source(tree, kept, entry, kept, remote=True)


def check_named(source: Source, url: str, destination: str) -> None:
    """Raise Invalid where a file without a name is to go into a folder; the words follow "ADD failed: "."""
    if source.path == _UNNAMED and destination.endswith("/"):
        raise Invalid(f"cannot determine filename for source {url}")


def _hashed(download: Download, hasher: Hash | None) -> Iterator[bytes]:
    while chunk := download.read(_CHUNK):
        if hasher is not None:
            hasher.update(chunk)
        yield chunk


def _file_name(url: str, download: Download) -> str:
    """Return what a URL or the server calls the file, "" where neither does."""
    from email.message import Message
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path, errors="surrogateescape")
    message = Message()
    message["Content-Disposition"] = download.header("Content-Disposition")
    for candidate in (path, message.get_filename() or ""):
        name = basename(candidate)
        if name not in ("", ".", "..") and "\0" not in name:
            return name
    return ""


def _last_modified(download: Download) -> int:
    """Return the time that the server tells in nanoseconds, 0 where it tells none."""
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(download.header("Last-Modified"))
    except (TypeError, ValueError):
        return 0
    return max(0, int(when.timestamp())) * 10**9
