"""Build contexts: from what a user names to a tree, and the Dockerfile with it.

A context is a folder, `-` for what comes through stdin, a git repository, or the URL of a tar or of a
Dockerfile.

Source of rules and words: docker's client, cli/command/image/build; engine 20.10, builder/remotecontext;
BuildKit's dockerui for the file that says what is ignored.
"""

from __future__ import annotations

import os

from ligan.build.files_tree import FilesTree
from ligan.build.folder_tree import FolderTree
from ligan.build.git import clone, is_git
from ligan.build.tar_tree import open_tar
from ligan.build.trees import Tree
from ligan.build.urls import NoGitFolder, is_url
from ligan.errors import Invalid, NotFound, Unavailable, Unsupported
from ligan.layers.beneath import open_root
from ligan.layers.compression import detect
from ligan.layers.tar import BLOCK, begins_archive
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, BinaryIO, Self

    from ligan.build.tar_tree import TarTree
    from ligan.dockerfile.ignore import Ignore
    from ligan.images.importing import Download
    from ligan.layers.compression import Source as Readable
    from ligan.store.blobs import Lease

DOCKERFILE = "Dockerfile"
STDIN = "-"
_IGNORE_FILE = ".dockerignore"
_ARCHIVE_TYPES = tuple(
    f"application/{name}"
    for name in ("tar", "x-tar", "gzip", "x-gzip", "bzip", "x-bzip", "bzip2", "x-bzip2", "xz", "x-xz")
)
_SPACES = b"\t\n\f\r\x1b"
_MOST_TEXT = 16 << 20
"""Bytes of a Dockerfile: to read one that never ends would take all memory."""


class Context(Value):
    """`with` it: what is copied from, and the text of the Dockerfile, called `name`.

    `ignored` is the size of the context's .dockerignore in bytes, 0 where it has none; None where nobody
    looks for one.
    """

    tree: Tree
    text: str
    name: str
    ignored: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: Any) -> None:
        self.tree.close()


def open_context(
    where: str,
    lease: Lease,
    *,
    dockerfile: str = "",
    stdin: BinaryIO | None = None,
    proxies: Mapping[str, str] | None = None,
) -> Context:
    """Return the context that a user of the modern builder names, and its Dockerfile.

    `dockerfile` is the path of another one: on this machine for a folder, in the context for all else, or
    `-`. What is fetched goes with the lease. Raises NotFound, Invalid, Unavailable and Corrupt.
    """
    if where == STDIN and dockerfile == STDIN:
        raise Invalid("invalid argument: can't use stdin for both build context and dockerfile")
    text = _read_text(_given(stdin), "stdin") if dockerfile == STDIN else None
    if where == STDIN:
        return _stream_context(_given(stdin), lease, dockerfile)
    if os.path.isdir(where):
        return _folder_context(where, dockerfile, text)
    if is_git(where):
        return _inside(FolderTree(clone(where, lease), NoGitFolder()), dockerfile, text)
    if is_url(where):
        with _download(where, proxies) as download:
            return _stream_context(download, lease, dockerfile, text)
    raise NotFound(f'unable to prepare context: path "{where}" not found')


def open_tree(where: str, lease: Lease, proxies: Mapping[str, str] | None = None) -> Tree:
    """Return the tree of a further context (`--build-context`): a folder, a git repository or a tar's URL.

    Raises as `open_context`.
    """
    if os.path.isdir(where):
        return FolderTree(where, _patterns(_read_ignore(f"{where}/{_IGNORE_FILE}")))
    if is_git(where):
        return FolderTree(clone(where, lease), NoGitFolder())
    if is_url(where):
        with _download(where, proxies) as download:
            return open_tar(download, lease)
    if where.startswith("oci-layout://"):
        raise Unsupported(
            f"build context {where}: layouts are not read in place",
            f"Load it and name the image: ligan load -i {where[13:]}, then docker-image://NAME",
        )
    raise NotFound(f'unable to prepare context: path "{where}" not found')


def _download(url: str, proxies: Mapping[str, str] | None) -> Download:
    from ligan.images.importing import open_url  # most contexts are folders

    return open_url(url, proxies)


def _given(stdin: BinaryIO | None) -> BinaryIO:
    if stdin is None:
        raise Invalid("there is no stdin to read")
    return stdin


def _stream_context(stream: Readable, lease: Lease, dockerfile: str, text: str | None = None) -> Context:
    """Return the context that a stream is: a tar, or a Dockerfile alone."""
    first = _Peeked(stream)
    if first.is_archive():
        return _inside(open_tar(first, lease), dockerfile, text)
    if text is None:
        text = _read_text(first, "the context")
    return Context(FilesTree({}), text, DOCKERFILE)


def _inside(tree: Tree, dockerfile: str, text: str | None) -> Context:
    """Return a context whose Dockerfile is in it, unless its text is given."""
    try:
        if text is not None:
            return Context(tree, text, DOCKERFILE)
        return Context(tree, *_read_dockerfile(tree, dockerfile or DOCKERFILE))
    except BaseException:
        tree.close()
        raise


def _read_dockerfile(tree: Tree, name: str) -> tuple[str, str]:
    """Return text and name. To both builders `dockerfile` will do where there is no `Dockerfile`."""
    entry = tree.find(name)
    if entry is None and name == DOCKERFILE:
        entry = tree.find(name.lower())
    if entry is None:
        raise _no_dockerfile(name)
    if entry.is_folder:
        raise Invalid(f"failed to read dockerfile: read {name}: is a directory")
    if entry.size > _MOST_TEXT:
        raise Invalid(f"failed to read dockerfile: {name} is larger than {_MOST_TEXT} bytes")
    return tree.text(entry), entry.name


def _no_dockerfile(name: str) -> NotFound:
    return NotFound(f"failed to read dockerfile: open {name}: no such file or directory")


def _folder_context(folder: str, dockerfile: str, text: str | None) -> Context:
    path = dockerfile
    if not dockerfile:
        path = f"{folder}/{DOCKERFILE}"
        if not os.path.exists(path) and os.path.exists(f"{folder}/{DOCKERFILE.lower()}"):
            path = f"{folder}/{DOCKERFILE.lower()}"
    if text is not None:
        return _ignoring(folder, text, DOCKERFILE)
    name = os.path.basename(path)
    try:
        with open(path, "rb", buffering=0) as file:
            text = _read_text(file, name)
    except FileNotFoundError:
        raise _no_dockerfile(dockerfile or DOCKERFILE) from None
    except OSError as error:
        words = os.strerror(error.errno or 0).lower()
        raise Unavailable(f"failed to read dockerfile: read {name}: {words}") from None
    return _ignoring(folder, text, name, f"{path}{_IGNORE_FILE}")


def _ignoring(folder: str, text: str, name: str, beside: str = "") -> Context:
    """Return a folder's context. What a file beside the Dockerfile, named after it, leaves out goes first."""
    ignore = _read_ignore(beside) if beside else None
    if ignore is not None:
        return Context(FolderTree(folder, _patterns(ignore)), text, name)
    ignore = _read_ignore(f"{folder}/{_IGNORE_FILE}")
    size = len((ignore or "").encode("utf-8", "surrogateescape"))
    return Context(FolderTree(folder, _patterns(ignore)), text, name, size)


def _patterns(text: str | None) -> Ignore | None:
    if text is None:
        return None
    from ligan.dockerfile.ignore import Ignore

    return Ignore(text)


def _read_ignore(path: str) -> str | None:
    """Return the text of a .dockerignore, None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        words = os.strerror(error.errno or 0).lower()
        raise Unavailable(f"error reading {path}: {words}") from None


def _read_text(stream: Readable, name: str) -> str:
    data = bytearray()
    while chunk := stream.read(1 << 16):
        data += chunk
        if len(data) > _MOST_TEXT:
            raise Invalid(f"failed to read dockerfile: {name} is larger than {_MOST_TEXT} bytes")
    return data.decode("utf-8", "surrogateescape")


class _Peeked:
    """A stream whose first bytes can be looked at before it is read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.first = b""
        while len(self.first) < BLOCK and (more := stream.read(BLOCK - len(self.first))):
            self.first += more

    def is_archive(self) -> bool:
        """Return whether it is a tar, or compressed as one may be."""
        return detect(self.first) is not None or begins_archive(self.first)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none only at the end."""
        if not self.first:
            return self._stream.read(size)
        data, self.first = self.first[:size], self.first[size:]
        return data


def open_remote(
    url: str, lease: Lease, proxies: Mapping[str, str] | None = None
) -> tuple[TarTree | None, str]:
    """Return what `remote=` of the classic builder names: a context, or None and the text of a Dockerfile.

    A git repository becomes the tar that Docker makes of it, whose sums are those of its members. Raises
    Invalid in Docker's words for what is neither, Unavailable and NotFound for what cannot be fetched.
    """
    if is_git(url):
        return _tar_of(clone(url, lease), lease), ""
    if not is_url(url):
        raise Invalid(f"remoteURL ({url}) could not be recognized as URL")
    try:
        download = _download(url, proxies)
    except (NotFound, Unavailable) as error:
        raise type(error)(f"error downloading remote context {url}: {error}") from None
    with download:
        stream = _Peeked(download)
        if _is_text(download.header("Content-Type"), stream, url):
            return None, _read_text(stream, url)
        return open_tar(stream, lease), ""


def _tar_of(folder: str, lease: Lease) -> TarTree:
    from ligan.layers.tree_tar import TreeTar, chunks, owners_here

    top = open_root(folder)
    try:
        path = lease.spool(chunks(TreeTar(owners_here).below(top), folder))
    finally:
        os.close(top)
    with open(path, "rb", buffering=0) as file:
        return open_tar(file, lease)


def _is_text(kind: str, stream: _Peeked, url: str) -> bool:
    """Return whether a URL's answer is a Dockerfile, and not a tar. Raises Invalid for anything else."""
    failure = f"error detecting content type for remote {url}"
    if not stream.first:
        raise Invalid(f"{failure}: empty response")
    if kind in ("", "application/octet-stream"):
        # What some servers say of every file whose name has no ending that they know.
        return not stream.is_archive() and not any(
            byte < 0x20 and byte not in _SPACES for byte in stream.first
        )
    if "text/plain" in kind:
        return True
    if not any(archive in kind for archive in _ARCHIVE_TYPES):
        raise Invalid(f'{failure}: unsupported Content-Type "{kind}"')
    return False
