"""Saving: images of the store to an archive, in the layout of Docker 20.10, of 25 or of OCI.

Equal stores give equal bytes: images come in the order in which they are named,
and where Docker writes the present time, a fixed one stands.
"""

from __future__ import annotations

import os

from ligan.errors import Corrupt, Invalid, NotFound, Unavailable, Unsupported
from ligan.images import catalog
from ligan.images.archive_layouts import LAYOUTS, SavedImage
from ligan.images.archive_write import write_members
from ligan.images.events import record
from ligan.images.inspect import read_config
from ligan.images.removal import NoSuchImage
from ligan.oci.digest import Digest, whole_id
from ligan.oci.reference import parse
from ligan.store.blobs import MissingBlob
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO, Self

    from ligan.images.catalog import ImageRow
    from ligan.oci.reference import Reference
    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store


class SavePlan(Value):
    """What an archive will hold: images in its order, and the size in bytes of each layer's tar."""

    images: tuple[SavedImage, ...]
    blobs: dict[Digest, int]


def save(store: Store, names: Sequence[str], target: BinaryIO, *, layout: str = "docker") -> None:
    """Write an archive of the named images to `target`.

    Raises what plan_save does, before anything is written; NoSpace or
    Unavailable where the target takes no more.
    """
    if layout not in LAYOUTS:
        raise Invalid(f'no such layout of an archive: "{layout}"', f"There are {', '.join(LAYOUTS)}.")

    def opened(tx: ReadTransaction) -> tuple[SavePlan, OpenBlobs]:
        plan = plan_save(tx, store.layout, names)
        return plan, OpenBlobs(store.layout, plan.blobs)

    plan, blobs = store.read_files(opened)
    # From here on the bytes stay, whatever is deleted: an open file outlives its name.
    with blobs:
        write_members(LAYOUTS[layout](plan.images, plan.blobs), blobs.files, target)
    try:
        with store.database.write() as write:
            for image in plan.images:
                record(write, store.now(), "save", image.config.id, image.config.labels)
    except Unavailable:
        pass  # a store that may only be read keeps no events


def plan_save(tx: ReadTransaction, layout: Layout, names: Sequence[str]) -> SavePlan:
    """Find the named images. Raises NotFound, Invalid or Unsupported in Docker's words.

    A whole ID, or a prefix of one, saves the image without names; a repository
    with all of its references; a reference with that one.
    """
    found: dict[int, tuple[ImageRow, list[Reference]]] = {}
    for name in names:
        for row, reference in _find(tx, name):
            tags = found.setdefault(row.key, (row, []))[1]
            if reference is not None and not reference.digest and reference not in tags:
                tags.append(reference)
    rows = [row for row, _tags in found.values()]
    ids = {row.key: row.id for row in rows}
    images = []
    blobs: dict[Digest, int] = {}
    for row, tags in found.values():
        config = read_config(layout, row.id)
        if not config.diff_ids:
            raise Unsupported("empty export - not implemented")
        blobs.update(_layer_sizes(tx, row))
        parent = ids.get(row.parent) if row.parent is not None else None
        images.append(SavedImage(config, tuple(tags), parent or ""))
    return SavePlan(tuple(images), blobs)


def _find(tx: ReadTransaction, name: str) -> list[tuple[ImageRow, Reference | None]]:
    """Return what one argument means (engine 20.10, image/tarexport, parseNames)."""
    whole = whole_id(name)
    if whole:
        row = catalog.find_by_id(tx, whole)
        if row is None:
            raise NoSuchImage(whole)
        return [(row, None)]
    reference = parse(name)
    if reference.familiar_repository == "sha256":
        return [(_search(tx, name), None)]
    if not reference.is_name_only:
        row = catalog.find_by_reference(tx, reference.canonical)
        if row is None:
            raise NotFound("reference does not exist")
        return [(row, reference)]
    found: list[tuple[ImageRow, Reference | None]] = []
    for canonical in tx.column(
        "SELECT name FROM reference WHERE repository = ? ORDER BY name", (reference.repository,)
    ):
        row = catalog.find_by_reference(tx, canonical)
        assert row is not None, "a reference names an image: the schema sees to it"
        found.append((row, parse(canonical)))
    return found or [(_search(tx, name), None)]


def _search(tx: ReadTransaction, name: str) -> ImageRow:
    matches = catalog.find_by_prefix(tx, name)
    if not matches:
        raise NoSuchImage(name)
    if len(matches) > 1:
        raise Invalid("ambiguous digest string", f"Several images have an ID that starts with {name}.")
    return matches[0]


def _layer_sizes(tx: ReadTransaction, row: ImageRow) -> Iterator[tuple[Digest, int]]:
    for _key, _chain, diff_id, _diff_size, blob in catalog.chain(tx, row.layer):
        yield diff_id, tx.value("SELECT size FROM blob WHERE digest = ?", (blob,))


class OpenBlobs:
    """Blobs held open: `files` has the descriptor of each."""

    def __init__(self, layout: Layout, sizes: dict[Digest, int]) -> None:
        """Open blobs of these sizes in bytes.

        Raises MissingBlob or Corrupt for a file not to be read or of another size, Unavailable where too
        many are open.
        """
        _allow_open_files(len(sizes))
        self.files: dict[Digest, int] = {}
        try:
            for digest, size in sizes.items():
                self._open(layout, digest, size)
        except Corrupt:
            self.__exit__()
            raise

    def _open(self, layout: Layout, digest: Digest, size: int) -> None:
        try:
            file = os.open(layout.blob(digest), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            kind = MissingBlob if isinstance(error, FileNotFoundError) else Corrupt
            raise kind(f"the layer {digest} cannot be read: {error.strerror}", _SEE_FSCK) from error
        self.files[digest] = file
        found = os.fstat(file).st_size
        if found != size:
            raise Corrupt(f"the layer {digest} is damaged: {found} bytes instead of {size}", _SEE_FSCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in self.files.values():
            os.close(file)


_SEE_FSCK = "See what is damaged with `ligan fsck`."


def _allow_open_files(count: int) -> None:
    """Raise this process's own limit where a large archive needs it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 64
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise Unavailable(
            f"an archive of {count} layers needs {needed} open files, and this process may have {hard}",
            "Raise the limit with `ulimit -Hn`, or save fewer images at a time.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
