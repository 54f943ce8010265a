"""Undo: bringing back what an undo entry holds."""

from __future__ import annotations

from ligan.errors import Conflict, NotFound
from ligan.images.catalog import find_by_id, find_by_reference, link_parent, relink_containers, revive_layer
from ligan.images.events import labels_of, record
from ligan.images.facts import IMAGE_COLUMNS
from ligan.insight.bytes import freed_bytes
from ligan.oci.digest import ImageID
from ligan.oci.reference import familiar, is_digest_reference, repository_of
from ligan.store import failpoints
from ligan.store.reclaim import drop_deletion
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout


class UndoEntry(Value):
    """What one command removed. Times are nanoseconds since 1970; names are familiar.

    `bytes` is what dropping this entry alone would free.
    """

    key: int
    command: str
    at: int
    until: int
    references: tuple[str, ...]
    images: tuple[ImageID, ...]
    bytes: int


class NoSuchEntry(NotFound):
    def __init__(self, key: int | None) -> None:
        super().__init__(
            "there is nothing to undo" if key is None else f"No such undo entry: {key}",
            "" if key is None else "List the entries with `ligan undo --list`.",
        )


class NameTaken(Conflict):
    """A name to bring back means another image now."""

    def __init__(self, name: str, image: ImageID) -> None:
        super().__init__(
            f"conflict: {familiar(name)} now names {image.short}",
            "Nothing was brought back. With --force the name moves back, and the move can be undone too.",
        )


class NeedsLaterEntry(Conflict):
    """A name to bring back belongs to an image that a later command deleted."""

    def __init__(self, name: str, image: str, entry: int) -> None:
        super().__init__(
            f"conflict: {familiar(name)} named {ImageID(image).short}, which was deleted later",
            f"Undo that first: ligan undo {entry}",
        )


class ImageGone(Conflict):
    """A name to bring back belongs to an image that no entry holds any more."""

    def __init__(self, name: str, image: str) -> None:
        super().__init__(
            f"conflict: {familiar(name)} named {ImageID(image).short}, whose bytes are gone",
            "The rest of the entry can be brought back with --force.",
        )


class Restored(Value):
    """What a restore changes. `names` and `moved` are canonical; `moved` tells whom each was taken from."""

    images: tuple[ImageID, ...]
    merged: tuple[ImageID, ...]
    names: tuple[str, ...]
    moved: tuple[tuple[str, ImageID], ...]


def entries(tx: ReadTransaction) -> list[UndoEntry]:
    """Return every undo entry, newest first."""
    return [
        UndoEntry(
            key,
            command,
            at,
            until,
            tuple(
                map(
                    familiar,
                    tx.column("SELECT name FROM deletion_reference WHERE deletion = ? ORDER BY name", (key,)),
                )
            ),
            tuple(map(ImageID, tx.column("SELECT id FROM deletion_image WHERE deletion = ?", (key,)))),
            freed_bytes(tx, entries=[key]),
        )
        for key, command, at, until in tx.all(
            "SELECT key, command, at, until FROM deletion ORDER BY key DESC"
        )
    ]


def newest(tx: ReadTransaction) -> int | None:
    key: int | None = tx.value("SELECT max(key) FROM deletion")
    return key


def plan_restore(tx: ReadTransaction, key: int, *, force: bool) -> Restored:
    """Return what `restore` would change now, or raise as it would."""
    if tx.value("SELECT 1 FROM deletion WHERE key = ?", (key,)) is None:
        raise NoSuchEntry(key)
    here = {
        ImageID(image): find_by_id(tx, image) is not None
        for image in tx.column("SELECT id FROM deletion_image WHERE deletion = ? ORDER BY id", (key,))
    }
    names, moved = [], []
    for name, image in tx.all(
        "SELECT name, image FROM deletion_reference WHERE deletion = ? ORDER BY name", (key,)
    ):
        if image not in here and find_by_id(tx, image) is None:
            later = tx.value("SELECT max(deletion) FROM deletion_image WHERE id = ?", (image,))
            if later is not None:
                raise NeedsLaterEntry(name, image, later)
            if not force:
                raise ImageGone(name, image)
            continue
        owner = find_by_reference(tx, name)
        if owner is not None and owner.id != image:
            if not force:
                raise NameTaken(name, owner.id)
            moved.append((name, owner.id))
        names.append(name)
    return Restored(
        tuple([image for image, is_here in here.items() if not is_here]),
        tuple([image for image, is_here in here.items() if is_here]),
        tuple(names),
        tuple(moved),
    )


def restore(tx: WriteTransaction, layout: Layout, key: int, now: int, *, force: bool) -> Restored:
    """Bring back what the entry holds, and remove the entry.

    Afterwards every image of the entry exists, with the parent it had if that
    exists, or as soon as another entry brings that back, and every name of the
    entry means what it meant.
    Without `force` a name that means another image now, or whose image is
    gone, raises and nothing changes.
    """
    plan = plan_restore(tx, key, force=force)
    for image in plan.images:
        _bring_back(tx, key, image, now)
    _link_parents(tx, key)
    for name in plan.names:
        _point(tx, key, name, now)
    failpoints.hit("undo.rows")
    drop_deletion(tx, layout, key)
    return plan


def _bring_back(tx: WriteTransaction, key: int, image: ImageID, now: int) -> None:
    tx.execute(
        f"""INSERT INTO image ({IMAGE_COLUMNS})
            SELECT {IMAGE_COLUMNS} FROM deletion_image WHERE deletion = ? AND id = ?""",
        (key, image),
    )
    revive_layer(tx, tx.value("SELECT layer FROM image WHERE id = ?", (image,)))
    relink_containers(tx, image)
    record(tx, now, "undo", image)


def _link_parents(tx: WriteTransaction, key: int) -> None:
    """Give images their parents: those of the entry, and those here whose parents are in the entry."""
    tx.execute(
        """UPDATE image SET lost_parent = entry.parent FROM deletion_image AS entry
           WHERE entry.deletion = ? AND entry.id = image.id AND image.parent IS NULL
             AND entry.parent IS NOT NULL""",
        (key,),
    )
    for image, parent in tx.all(
        """SELECT id, lost_parent FROM image
           WHERE lost_parent IS NOT NULL AND lost_parent IN (SELECT id FROM image) ORDER BY id"""
    ):
        link_parent(tx, parent, image)
        tx.execute("UPDATE image SET lost_parent = NULL WHERE id = ?", (image,))


def _point(tx: WriteTransaction, key: int, name: str, now: int) -> None:
    """Make the name mean the entry's image again."""
    image, since = tx.one(
        "SELECT image, since FROM deletion_reference WHERE deletion = ? AND name = ?", (key, name)
    )
    owner = find_by_reference(tx, name)
    if owner is not None and owner.id == image:
        return
    tx.execute(
        """INSERT INTO reference (name, repository, is_digest, image, since)
           VALUES (?1, ?2, ?3, (SELECT key FROM image WHERE id = ?4), ?5)
           ON CONFLICT (name) DO UPDATE SET image = excluded.image, since = excluded.since""",
        (name, repository_of(name), int(is_digest_reference(name)), image, since),
    )
    tx.execute(
        """DELETE FROM name_history WHERE key = (
               SELECT max(key) FROM name_history WHERE name = ? AND image = ?)""",
        (name, image),
    )
    record(tx, now, "tag", ImageID(image), labels_of(tx, ImageID(image)), name=familiar(name))
