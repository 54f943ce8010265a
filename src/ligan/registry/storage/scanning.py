"""What a folder of `registry:2` holds, read fast: one stat or short read a link, by descriptors of folders.

A link that a crash has cut short does not count, nor what is beside it (registry 3 leaves `link.<uuid>.tmp`):
`registry:2` serves nothing by them either.
"""

from __future__ import annotations

import os

from ligan.errors import Invalid
from ligan.oci.digest import Digest, is_hex
from ligan.oci.reference import is_path, is_tag
from ligan.oci.times import parse_time
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

OF_A_REPOSITORY = ("_layers", "_manifests", "_uploads")
"""The folders that are a repository's own: beside them lie those of the repositories nested in it."""

_HEX_LENGTH = 64
_LINK_SIZE = len("sha256:") + _HEX_LENGTH
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINKS_OF_ONE = 3
_GONE = (FileNotFoundError, NotADirectoryError)


class FoundRepository(Value):
    """What the links of a repository say; whether the blobs are there, they do not.

    Times are in nanoseconds since 1970. `aliases` are digests by other algorithms than SHA-256, and the
    digests that their links hold. `tags` are digests, and when they became the tag's.
    """

    revisions: dict[str, int]
    layers: frozenset[str]
    aliases: dict[str, str]
    tags: dict[str, tuple[str, int]]
    uploads: dict[str, int]
    has_manifests: bool
    has_layers: bool


def repositories(base: str) -> Iterator[str]:
    """Yield the names of all repositories below a folder. Other folders, and `_*` of others, are ignored."""
    waiting = [""]
    while waiting:
        name = waiting.pop()
        own = False
        try:
            entries = os.scandir(f"{base}/{name}")
        except _GONE:
            continue
        with entries:
            for entry in entries:
                if entry.name in OF_A_REPOSITORY:
                    own = True
                elif is_path(nested := f"{name}/{entry.name}" if name else entry.name) and entry.is_dir():
                    waiting.append(nested)
        if own and name:
            yield name


def scan_repository(folder: str, known: Container[str], tags: Mapping[str, str]) -> FoundRepository:
    """Read all links of a repository. Those of blobs in `known` (digests) are taken as they were.

    Of `tags` that still have their digests the times are 0.
    """
    names = _list(folder)
    revisions, aliases = _links(f"{folder}/_manifests/revisions", ())
    layers, more = _links(f"{folder}/_layers", known)
    return FoundRepository(
        revisions=revisions,
        layers=frozenset(layers),
        aliases=aliases | more,
        tags=_tags(f"{folder}/_manifests/tags", tags),
        uploads=_uploads(f"{folder}/_uploads"),
        has_manifests="_manifests" in names,
        has_layers="_layers" in names,
    )


def _links(folder: str, known: Container[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Return the digests that are linked and when, and other algorithms' names for them.

    The link of a digest by SHA-256 holds that digest. That of another holds the digest by SHA-256.
    """
    linked: dict[str, int] = {}
    aliases = {}
    for algorithm in _list(folder):
        base = f"{folder}/{algorithm}"
        if algorithm == "sha256":
            _stat_links(base, known, linked)
            continue
        for name in _list(base):
            alias = f"{algorithm}:{name}"
            digest, moved = _read_link(f"{base}/{name}/link")
            if digest and _is_digest(alias):
                aliases[alias] = digest
                linked.setdefault(digest, moved)
    return linked, aliases


def _stat_links(folder: str, known: Container[str], linked: dict[str, int]) -> None:
    try:
        descriptor = os.open(folder, _FOLDER)
    except _GONE:
        return
    try:
        for name in os.listdir(descriptor):
            digest = f"sha256:{name}"
            if digest in known:
                linked[digest] = 0
                continue
            try:
                # registry:2 takes a link away, and leaves its folder.
                status = os.stat(f"{name}/link", dir_fd=descriptor)
            except _GONE:
                continue
            if status.st_size == _LINK_SIZE and len(name) == _HEX_LENGTH and is_hex(name):
                linked[digest] = status.st_mtime_ns
    finally:
        os.close(descriptor)


def _tags(folder: str, known: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    try:
        descriptor = os.open(folder, _FOLDER)
    except _GONE:
        return {}
    tags = {}
    try:
        for name in os.listdir(descriptor):
            found = _read_link(f"{name}/current/link", descriptor, known.get(name, ""))
            if found[0] and (name in known or is_tag(name)):
                tags[name] = found
    finally:
        os.close(descriptor)
    return tags


def tag_history(folder: str, current: str) -> dict[str, int]:
    """Return the digests that a tag has ever had, by the links in its folder, and when it last got them.

    0 for the one that it has now.
    """
    try:
        # Most file systems count a folder's folders in its links: of two, itself apart, one is what is in it.
        if os.stat(f"{folder}/index/sha256").st_nlink == _LINKS_OF_ONE:
            return {current: 0}
    except _GONE:
        return {}
    linked, _aliases = _links(f"{folder}/index", (current,))
    return linked


def _uploads(folder: str) -> dict[str, int]:
    # Their names are UUIDs, or what another registry makes: a word.
    return {name: _started(f"{folder}/{name}") for name in _list(folder) if is_tag(name)}


def _started(folder: str) -> int:
    """Return when an upload was begun: what registry:2 has written down, or else how old its folder is."""
    try:
        with open(f"{folder}/startedat", encoding="latin-1") as file:
            seconds, nanoseconds = parse_time(file.read(64).strip() or "-")
        return seconds * 10**9 + nanoseconds
    except (*_GONE, Invalid):
        try:
            return os.stat(folder).st_mtime_ns
        except _GONE:
            return 0


def empty_folders(base: str) -> list[str]:
    """Return the folders below a folder of repositories that have no file in them, deepest first.

    `_layers` of a repository with manifests is none of them: `registry:2` looks for it.
    """
    empty: list[str] = []
    seen: set[str] = set()
    for folder, names, files in os.walk(base, topdown=False):
        needed = folder.endswith("/_layers") and os.path.isdir(f"{os.path.dirname(folder)}/_manifests")
        if folder != base and not files and not needed and all(f"{folder}/{name}" in seen for name in names):
            seen.add(folder)
            empty.append(folder)
    return empty


def shards(base: str) -> list[str]:
    """Return the names of the folders that a folder of blobs is divided into: two hexadecimal digits."""
    return sorted(name for name in _list(base) if len(name) == 2 and is_hex(name))


def scan_shard(folder: str, known: Container[str]) -> dict[str, int]:
    """Return the digests of the blobs in a shard, and their bytes; -1 for those in `known`: not looked at."""
    blobs = {}
    try:
        descriptor = os.open(folder, _FOLDER)
    except _GONE:
        return {}
    try:
        for name in os.listdir(descriptor):
            digest = f"sha256:{name}"
            if digest in known:
                blobs[digest] = -1
                continue
            try:
                size = os.stat(f"{name}/data", dir_fd=descriptor).st_size
            except _GONE:
                continue
            if len(name) == _HEX_LENGTH and is_hex(name):
                blobs[digest] = size
    finally:
        os.close(descriptor)
    return blobs


def newest_change(path: str) -> int:
    """Return when any file in a folder was last written, in nanoseconds since 1970; 0 where there is none."""
    newest = 0
    for folder, _names, files in os.walk(path):
        for name in files:
            try:
                newest = max(newest, os.stat(f"{folder}/{name}").st_ctime_ns)
            except _GONE:
                pass
    return newest


def _read_link(path: str, folder: int | None = None, known: str = "") -> tuple[str, int]:
    """Return the digest that a link holds and when it was written: no digest where it holds none.

    The time is 0 where that is the `known` one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except _GONE:
        return "", 0
    try:
        data = os.read(descriptor, _LINK_SIZE + 1)
        if known and data == known.encode():
            return known, 0
        moved = os.fstat(descriptor).st_mtime_ns
    finally:
        os.close(descriptor)
    digest = data.decode("latin-1")
    if len(data) != _LINK_SIZE or not digest.startswith("sha256:") or not is_hex(digest[7:]):
        return "", 0
    return digest, moved


def _is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except Invalid:
        return False
    return True


def _list(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except _GONE:
        return []
