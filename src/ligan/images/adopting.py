"""Adopting: giving images the names and parents that another engine knows them by."""

from __future__ import annotations

from ligan.images.catalog import find_by_id, find_by_reference, link_parent, set_reference
from ligan.images.inspect import read_config
from ligan.oci.digest import ImageID
from ligan.oci.reference import parse
from ligan.store import failpoints
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.images.catalog import ImageRow
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store


class Provenance(Value):
    """What another engine knows of an image apart from its bytes.

    `parent` is an image ID or empty, `names` are tags and digest references,
    `last_tagged` is in nanoseconds since 1970. `is_new` says that the image is
    here by way of that engine alone, so that its word on the parent counts.
    """

    id: ImageID
    parent: str
    names: tuple[str, ...]
    last_tagged: int | None
    is_new: bool


def adopt(store: Store, images: Sequence[Provenance]) -> list[str]:
    """Give images of this store their names and parents. Returns in words what could not be made so.

    What was here before stays: a name that means another image, a parent, a
    time of tagging. Images that are not here any more are skipped. No event
    tells of it, as none tells of the names that a load gives.
    """
    with store.database.read() as tx:
        links, differences = _links(tx, store, images)
    with store.database.write() as tx:
        for parent, child in links:
            tx.execute("UPDATE image SET parent = NULL WHERE id = ?", (child,))
            link_parent(tx, parent, child)
        for image in images:
            row = find_by_id(tx, image.id)
            if row is not None:
                differences += _name(tx, row, image.names, store.now())
                tx.execute(
                    "UPDATE image SET last_tagged = ? WHERE key = ? AND last_tagged IS NULL",
                    (image.last_tagged, row.key),
                )
        failpoints.hit("tag.rows")
    return differences


def _name(tx: WriteTransaction, row: ImageRow, names: Sequence[str], now: int) -> list[str]:
    differences = []
    for name in names:
        reference = parse(name)
        holder = find_by_reference(tx, reference.canonical)
        if holder is None:
            set_reference(tx, reference, row, now)
        elif holder.key != row.key:
            differences.append(
                f"{name} means {row.id.short} there, and {holder.id.short} here: left as it is"
            )
    return differences


def _links(
    tx: ReadTransaction, store: Store, images: Sequence[Provenance]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the (parent, child) links to set, and in words those that cannot be."""
    links: list[tuple[str, str]] = []
    differences = []
    for image in images:
        row = find_by_id(tx, image.id)
        if row is None:
            continue
        parent = find_by_id(tx, image.parent)
        if parent is None and image.parent:
            differences.append(
                f"{image.id.short} has no parent here: {ImageID(image.parent).short} is not here"
            )
        elif row.parent == (parent and parent.key):
            continue
        elif row.parent is not None and not image.is_new:
            differences.append(f"{image.id.short} has another parent here than there: left as it is")
        elif parent is not None and not _is_child(store, row, parent):
            differences.append(f"{image.id.short} was not built on {parent.id.short}, its parent there")
        else:
            links.append((image.parent, image.id))
    return links, differences


def _is_child(store: Store, child: ImageRow, parent: ImageRow) -> bool:
    return read_config(store.layout, child.id).is_child_of(read_config(store.layout, parent.id))
