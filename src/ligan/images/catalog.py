"""Image, reference and layer rows <-> values; resolving a name or ID.

Every function takes the transaction it works in. Writing functions leave the
rows as they must be at commit; nothing here touches files.
"""

from __future__ import annotations

from ligan.errors import Conflict, Invalid
from ligan.images.removal import NoSuchImage
from ligan.oci.digest import ChainID, DiffID, ImageID, is_hex, whole_id
from ligan.oci.reference import Reference, familiar, parse
from ligan.oci.times import parse_time
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.documents import ImageConfig
    from ligan.store.db import ReadTransaction, WriteTransaction


class ImageRow(Value):
    """An image as the database knows it; `layer`, `parent` and `config` are keys."""

    key: int
    id: ImageID
    config: int
    parent: int | None
    layer: int | None


_IMAGE = "SELECT key, id, config, parent, layer FROM image"


def _image(row: tuple[int, str, int, int | None, int | None]) -> ImageRow:
    key, image_id, config, parent, layer = row
    return ImageRow(key, ImageID(image_id), config, parent, layer)


def find_by_id(tx: ReadTransaction, image_id: str) -> ImageRow | None:
    row = tx.one(f"{_IMAGE} WHERE id = ?", (image_id,))
    return row and _image(row)


def find_by_key(tx: ReadTransaction, key: int | None) -> ImageRow | None:
    row = tx.one(f"{_IMAGE} WHERE key = ?", (key,))
    return row and _image(row)


def find_by_reference(tx: ReadTransaction, canonical: str) -> ImageRow | None:
    row = tx.one(f"{_IMAGE} WHERE key = (SELECT image FROM reference WHERE name = ?)", (canonical,))
    return row and _image(row)


def find_by_prefix(tx: ReadTransaction, text: str) -> list[ImageRow]:
    """Return the images whose ID starts with the text, given with or without `sha256:`; two at most."""
    prefix = text.removeprefix("sha256:")
    if not is_hex(prefix) or len(prefix) > 64:
        return []
    low = f"sha256:{prefix}"
    return [_image(row) for row in tx.all(f"{_IMAGE} WHERE id >= ? AND id < ? LIMIT 2", (low, low + "g"))]


class Resolved(Value):
    """An image, and the canonical reference by which it was found; empty if by ID."""

    image: ImageRow
    reference: str


def resolve(tx: ReadTransaction, name: str) -> Resolved:
    """Find an image by name or ID: a whole ID, else a name, else the prefix of one ID.

    Raises NoSuchImage with Docker's words, InvalidReference for what cannot be
    a name. Docker reports an ambiguous prefix as absence; the hint tells.
    """
    whole = whole_id(name)
    if whole:
        image = find_by_id(tx, whole)
        if image is None:
            raise NoSuchImage(whole)
        return Resolved(image, "")
    reference = parse(name).with_default_tag()
    image = find_by_reference(tx, reference.canonical)
    if image is not None:
        return Resolved(image, reference.canonical)
    matches = find_by_prefix(tx, name)
    if len(matches) == 1:
        return Resolved(matches[0], "")
    raise NoSuchImage(reference.familiar_text, _absence_hint(tx, name, reference, len(matches)))


def _absence_hint(tx: ReadTransaction, name: str, reference: Reference, matches: int) -> str:
    if matches:
        return f"Several images have an ID that starts with {name}: give more digits."
    entry = tx.value("SELECT max(deletion) FROM deletion_reference WHERE name = ?", (reference.canonical,))
    return f"It was deleted, and can be brought back: ligan undo {entry}" if entry else ""


def is_id_argument(name: str, image_id: ImageID) -> bool:
    """Return whether Docker takes the argument of a delete for an ID: a prefix of it, in either form."""
    return image_id.startswith(name) or image_id.hex.startswith(name)


def references_of(tx: ReadTransaction, image: int) -> list[str]:
    """Return the canonical names of an image, in canonical order."""
    return tx.column("SELECT name FROM reference WHERE image = ? ORDER BY name", (image,))


def familiar_names(tx: ReadTransaction, image: int) -> tuple[list[str], list[str]]:
    """Return the tags and the digest references of an image, familiar."""
    names = references_of(tx, image)
    return [familiar(name) for name in names if "@" not in name], [
        familiar(name) for name in names if "@" in name
    ]


def live_layer(tx: ReadTransaction, chain_id: ChainID) -> int | None:
    """Return the key of a layer that exists in Docker's sense."""
    key: int | None = tx.value("SELECT key FROM live_layer WHERE chain_id = ?", (chain_id,))
    return key


def chain(tx: ReadTransaction, layer: int | None) -> list[tuple[int, ChainID, DiffID, int, str]]:
    """Return key, chain ID, diff ID, DiffSize and blob digest of the layer and all below, bottom first."""
    rows = tx.all(
        """WITH RECURSIVE up (key, parent) AS (
               SELECT key, parent FROM layer WHERE key = ?
               UNION ALL SELECT layer.key, layer.parent FROM layer JOIN up ON layer.key = up.parent)
           SELECT layer.key, chain_id, diff_id, layer.size, blob.digest
           FROM up JOIN layer USING (key) JOIN blob ON blob.key = layer.blob ORDER BY depth""",
        (layer,),
    )
    return [(key, ChainID(chain_id), DiffID(diff), size, blob) for key, chain_id, diff, size, blob in rows]


def ensure_layer(
    tx: WriteTransaction, chain_id: ChainID, parent: int | None, diff_id: DiffID, size: int, blob: int
) -> int:
    """Return the key of the layer, new or known; whoever called must make something hold it."""
    key: int | None = tx.value("SELECT key FROM layer WHERE chain_id = ?", (chain_id,))
    if key is not None:
        return key
    below, depth = (
        (0, 0) if parent is None else tx.one("SELECT chain_size, depth FROM layer WHERE key = ?", (parent,))
    )
    if depth >= MAX_DEPTH:
        raise Invalid("max depth exceeded")
    return tx.insert(
        """INSERT INTO layer (chain_id, parent, diff_id, size, chain_size, depth, blob, live)
           VALUES (?, ?, ?, ?, ?, ?, ?, 0)""",
        (chain_id, parent, diff_id, size, below + size, depth + 1, blob),
    )


MAX_DEPTH = 125
"""Layers in one stack: Docker's limit (engine 20.10, layer/layer_store.go)."""


def revive_layer(tx: WriteTransaction, key: int | None) -> None:
    """Make the layer and all below live, as a holder of it must."""
    while key is not None and tx.execute("UPDATE layer SET live = 1 WHERE key = ? AND NOT live", (key,)):
        key = tx.value("SELECT parent FROM layer WHERE key = ?", (key,))


def retire_layer(tx: WriteTransaction, key: int | None) -> None:
    """Make the layer and all below dead, as far as no image, container, cache or live layer stands on them.

    For a holder that has gone; what undo does not hold either is for `release_layer`.
    """
    while key is not None and tx.execute(
        """UPDATE layer SET live = 0 WHERE key = ?1 AND live
           AND NOT EXISTS (SELECT 1 FROM image WHERE image.layer = ?1)
           AND NOT EXISTS (SELECT 1 FROM container WHERE container.layer = ?1)
           AND NOT EXISTS (SELECT 1 FROM build_cache WHERE build_cache.layer = ?1)
           AND NOT EXISTS (SELECT 1 FROM layer child WHERE child.parent = ?1 AND child.live)""",
        (key,),
    ):
        key = tx.value("SELECT parent FROM layer WHERE key = ?", (key,))


def create_image(
    tx: WriteTransaction,
    config: ImageConfig,
    config_blob: int,
    layer: int | None,
    *,
    parent: ImageRow | None = None,
    built_locally: bool = False,
) -> ImageRow:
    """Return the image of this config, new or the one that is there. Its layers are live on return.

    Containers whose image this was before it was removed by force use it again.
    """
    known = find_by_id(tx, config.id)
    if known is not None:
        return known
    import json

    seconds, nanoseconds = parse_time(config.created)
    labels = config.labels
    key = tx.insert(
        """INSERT INTO image (id, config, parent, layer, created_s, created_ns, os, architecture, variant,
                              labels, built_locally) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            config.id,
            config_blob,
            parent.key if parent else None,
            layer,
            seconds,
            nanoseconds,
            config.platform.os,
            config.platform.architecture,
            config.platform.variant,
            None if labels is None else json.dumps(labels, ensure_ascii=False, separators=(",", ":")),
            int(built_locally),
        ),
    )
    revive_layer(tx, layer)
    relink_containers(tx, config.id)
    return ImageRow(key, config.id, config_blob, parent.key if parent else None, layer)


def relink_containers(tx: WriteTransaction, image: ImageID) -> None:
    """Let an image that is back be used by the containers that lost it to a forced removal."""
    tx.execute(
        """UPDATE container SET image = (SELECT key FROM image WHERE id = ?1)
           WHERE image_id = ?1 AND image IS NULL""",
        (image,),
    )


def link_parent(tx: WriteTransaction, parent: str, child: str) -> None:
    """Give an image that has no parent this one, by their IDs; nothing where one of them is not here.

    Images without a history can be told to be each other's parents, at different
    times and by different verbs: what would close a circle is left out.
    """
    tx.execute(
        """UPDATE image SET parent = (SELECT key FROM image WHERE id = ?1)
           WHERE id = ?2 AND parent IS NULL AND key NOT IN (
               WITH RECURSIVE up (key) AS (
                   SELECT key FROM image WHERE id = ?1
                   UNION SELECT parent FROM image JOIN up USING (key) WHERE parent IS NOT NULL)
               SELECT key FROM up)""",
        (parent, child),
    )


def set_reference(tx: WriteTransaction, reference: Reference, image: ImageRow, now: int) -> ImageID | None:
    """Point a name at an image. Returns the image it pointed at before, if that was another.

    The move is kept in name_history. Raises Conflict where a digest reference
    would be repointed: it can only ever mean one image.
    """
    name = reference.canonical
    old = find_by_reference(tx, name)
    if old is not None and old.key == image.key:
        return None
    if old is None:
        tx.execute(
            "INSERT INTO reference (name, repository, is_digest, image, since) VALUES (?, ?, ?, ?, ?)",
            (name, reference.repository, int(bool(reference.digest)), image.key, now),
        )
        return None
    if reference.digest:
        raise Conflict(f"Cannot overwrite digest {reference.digest}")
    tx.execute("UPDATE reference SET image = ?, since = ? WHERE name = ?", (image.key, now, name))
    remember_name(tx, name, old.id, now)
    return old.id


def remember_name(tx: WriteTransaction, name: str, image: ImageID, now: int) -> None:
    """Keep that a canonical name meant this image until now."""
    tx.execute("INSERT INTO name_history (name, image, until) VALUES (?, ?, ?)", (name, image, now))


def former_names(tx: ReadTransaction, image_id: str) -> list[tuple[str, int]]:
    """Return the canonical names an image had and has no more, and until when, newest first, each once."""
    return tx.all(
        """SELECT name, max(until) FROM name_history WHERE image = ?1
           AND name NOT IN (SELECT reference.name FROM reference JOIN image ON image.key = reference.image
                            WHERE image.id = ?1)
           GROUP BY name ORDER BY 2 DESC, name""",
        (image_id,),
    )
