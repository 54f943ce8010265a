"""Sums of what is copied: the strings of Docker's classic cache, and the keys of the modern one.

The strings are part of an image's history, so that they are Docker's to the bit: `file:`, `dir:` or `multi:`
and a SHA-256 of tarsums, which are sums of a file's tar header, its time left out, and its content. Source:
engine 20.10, pkg/tarsum, builder/dockerfile/copy.go and builder/remotecontext.
"""

from __future__ import annotations

import sys

from ligan.build.trees import TYPES, ForbiddenPath, without
from ligan.layers.tar import REGULAR, SYMLINK
from ligan.oci.digest import new_sha256, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ligan.build.trees import Entry, Ignore, Tree
    from ligan.oci.digest import Hash


def tarsum(
    name: str,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    kind: str,
    linkname: str,
    uname: str,
    gname: str,
    devmajor: int,
    devminor: int,
    xattrs: Mapping[str, bytes],
) -> Hash:
    """Return the sum of a tar header, to which the content is yet to be added."""
    text = (
        f"name{name}mode{mode}uid{uid}gid{gid}size{size}typeflag{kind}linkname{linkname}"
        f"uname{uname}gname{gname}devmajor{devmajor}devminor{devminor}"
    )
    hasher = new_sha256(size)
    hasher.update(text.encode("utf-8", "surrogateescape"))
    for key in sorted(xattrs):
        hasher.update(key.encode("utf-8", "surrogateescape") + xattrs[key])
    return hasher


def entry_sum(tree: Tree, entry: Entry) -> str:
    """Return the tarsum of a file that never was in a tar: the header is the one that Docker would make."""
    hasher = tarsum(
        f"{entry.path}/" if entry.is_folder else entry.path,
        TYPES[entry.kind] | entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.kind,
        entry.target,
        entry.uname,
        entry.gname,
        entry.devmajor,
        entry.devminor,
        entry.xattrs,
    )
    if entry.kind == REGULAR:
        for chunk in tree.read(entry):
            hasher.update(chunk)
    return hasher.hexdigest()


def path_sum(tree: Tree, path: str) -> str:
    """Return Docker's string for one source, a path that leads to something.

    Of a folder it is that of all below it, itself among them unless it is the root. Links in it count as what
    they lead to.
    """
    found = tree.find(path)
    assert found is not None
    if not found.is_folder:
        return f"file:{tree.tarsum(found) or path}"
    sums = [
        one for entry in tree.walk(found.path) if entry.path and (one := _sum_below(tree, entry)) is not None
    ]
    return _joined("dir", sorted(sums))


def _sum_below(tree: Tree, entry: Entry) -> str | None:
    """Return the sum of something in a folder, None for a link that leads nowhere Docker could look."""
    meant = entry
    if entry.kind == SYMLINK:
        try:
            target = tree.resolve(entry.path)
        except ForbiddenPath:
            return None
        found = tree.entry(target)
        if found is None:
            return tree.missing_sum(entry.path, target)
        meant = found
    return tree.tarsum(meant) or entry.path


def sources_sum(sums: Sequence[str]) -> str:
    """Return Docker's string for the sources of one instruction, of which there is one at least."""
    return sums[0] if len(sums) == 1 else _joined("multi", sums)


def _joined(prefix: str, sums: Iterable[str]) -> str:
    return f"{prefix}:{sha256(','.join(sums).encode('utf-8', 'surrogateescape')).hex}"


def content_digest(tree: Tree, path: str, *, owners: bool, exclude: Ignore | None = None) -> str:
    """Return a digest, in hexadecimal, of what a path leads to and all below it that is not left out.

    It changes with names, kinds, modes, contents, links and attributes; with owners if they count; and never
    with times. Of a folder that a path leads to it is what is in it: of itself nothing is copied. Names of
    one file count as files of the same content.
    """
    found = tree.find(path)
    assert found is not None
    stem = len(found.path) + 1 if found.path else 0
    # A folder may hold anything.
    hasher = new_sha256(found.size if found.kind == REGULAR else sys.maxsize)
    entries = tree.walk(found.path)
    for entry in entries if exclude is None else without(exclude, entries, stem):
        if entry.is_folder and entry.path == found.path:
            hasher.update(b"folder")
            continue
        # Where the tree is from, and what the source itself is called, are the caller's to add.
        name = entry.path[stem:].encode("utf-8", "surrogateescape")
        target = entry.target.encode("utf-8", "surrogateescape")
        owner = (entry.uid, entry.gid) if owners else (0, 0)
        device = (entry.devmajor, entry.devminor)
        facts = (name, entry.kind, entry.mode, owner, entry.size, target, device)
        hasher.update(repr((*facts, sorted(entry.xattrs.items()))).encode())
        if entry.kind == REGULAR:
            for chunk in tree.read(entry):
                hasher.update(chunk)
    return hasher.hexdigest()
