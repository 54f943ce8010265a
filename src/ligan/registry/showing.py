"""What a repository, or an image in it, is made of, and what of it others have too."""

from __future__ import annotations

from ligan.registry.faults import ManifestUnknown
from ligan.registry.keeping import UNDO_ALONE
from ligan.registry.reading import file_digest, find_repository
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.index.database import ReadTransaction


class Row(Value):
    """A manifest of a repository. `bytes` are those of all that it names, once each; `pushed` as usual."""

    digest: str
    tags: tuple[str, ...]
    media_type: str
    bytes: int
    pushed: int


class Repository(Value):
    """A repository, its manifests from the newest on. Numbers of `leases`, `uploads` and undo `entries`.

    `held` bytes are on the disk for the undo of what was deleted from it, and for nothing else.
    """

    name: str
    manifests: tuple[Row, ...]
    leases: int
    uploads: int
    entries: int
    held: int


class Part(Value):
    """A blob that an image names, or its own manifest, and the other repositories that have it."""

    digest: str
    size: int
    elsewhere: tuple[str, ...]


class Image(Value):
    """A manifest or an index. `alone` are bytes that no other needs. Times are nanoseconds since 1970.

    `children` are the manifests of an index, `parents` the indexes that name it, `referrers` those that have
    it as their subject; `history` is what the tag that was asked for has pointed to, the newest first.
    """

    repository: str
    digest: str
    media_type: str
    artifact_type: str
    subject: str
    pushed: int
    tags: tuple[str, ...]
    parts: tuple[Part, ...]
    children: tuple[Row, ...]
    parents: tuple[str, ...]
    referrers: tuple[str, ...]
    history: tuple[tuple[str, int], ...]
    bytes: int
    alone: int


def show_repository(tx: ReadTransaction, name: str) -> Repository:
    """Raises NameUnknown."""
    key = find_repository(tx, name)
    keys = tx.column("SELECT key FROM manifest WHERE repository = ? ORDER BY pushed DESC, key DESC", (key,))
    entries = "SELECT deletion FROM deletion_{} WHERE repository = ?1"
    of_it = " UNION ".join([entries.format(table) for table in ("manifest", "link", "tag")])
    held = tx.value(
        f"""SELECT COALESCE(SUM(size), 0) FROM blob WHERE {UNDO_ALONE}
            AND key IN (SELECT blob FROM deletion_blob WHERE deletion IN ({of_it}))""",
        (name,),
    )
    return Repository(
        name,
        tuple([_row(tx, each) for each in keys]),
        tx.value("SELECT COUNT(*) FROM lease WHERE repository = ?", (key,)),
        tx.value("SELECT COUNT(*) FROM upload WHERE repository = ?", (key,)),
        tx.value(f"SELECT COUNT(*) FROM ({of_it})", (name,)),
        held,
    )


def show_image(tx: ReadTransaction, repository: str, reference: str) -> Image:
    """Show what a tag or a digest is. Raises NameUnknown or ManifestUnknown."""
    key = find_repository(tx, repository)
    manifest = _find(tx, key, reference)
    if manifest is None:
        raise ManifestUnknown(f"manifest unknown: {repository} has no {reference}")
    row = _row(tx, manifest)
    artifact_type, subject = tx.one("SELECT artifact_type, subject FROM manifest WHERE key = ?", (manifest,))
    children = tx.column("SELECT child FROM manifest_child WHERE parent = ? ORDER BY child", (manifest,))
    return Image(
        repository,
        row.digest,
        row.media_type,
        artifact_type,
        subject,
        row.pushed,
        row.tags,
        _parts(tx, key, manifest),
        tuple([_row(tx, child) for child in children]),
        _digests(
            tx,
            "SELECT manifest.blob FROM manifest_child JOIN manifest ON manifest.key = parent WHERE child = ?",
            (manifest,),
        ),
        _digests(tx, "SELECT blob FROM manifest WHERE repository = ? AND subject = ?", (key, row.digest)),
        _history(tx, key, reference),
        row.bytes,
        _bytes_alone(tx, manifest),
    )


def _find(tx: ReadTransaction, repository: int, reference: str) -> int | None:
    key: int | None
    if ":" in reference:
        key = tx.value(
            """SELECT manifest.key FROM manifest JOIN blob ON blob.key = manifest.blob
               WHERE repository = ? AND digest = ?""",
            (repository, file_digest(tx, reference)),
        )
    else:
        sql = "SELECT manifest FROM tag WHERE repository = ? AND name = ?"
        key = tx.value(sql, (repository, reference))
    return key


_BELOW = """
    WITH RECURSIVE below (key) AS (
        SELECT ?1 UNION SELECT child FROM manifest_child JOIN below ON below.key = parent),
    named (blob) AS (
        SELECT manifest.blob FROM below JOIN manifest ON manifest.key = below.key
        UNION SELECT manifest_blob.blob FROM below JOIN manifest_blob ON manifest = below.key)
    SELECT COALESCE(SUM(size), 0) FROM named JOIN blob ON blob.key = named.blob
"""


def _row(tx: ReadTransaction, manifest: int) -> Row:
    digest, media_type, pushed = tx.one(
        """SELECT digest, media_type, pushed FROM manifest JOIN blob ON blob.key = manifest.blob
           WHERE manifest.key = ?""",
        (manifest,),
    )
    tags = tx.column("SELECT name FROM tag WHERE manifest = ? ORDER BY name", (manifest,))
    return Row(digest, tuple(tags), media_type, tx.value(_BELOW, (manifest,)), pushed)


def _bytes_alone(tx: ReadTransaction, manifest: int) -> int:
    """Return the bytes that nothing but this manifest, and what is below it, needs."""
    return int(
        tx.value(
            f"""{_BELOW}
                WHERE NOT EXISTS (SELECT 1 FROM manifest
                                  WHERE manifest.blob = named.blob AND manifest.key NOT IN below)
                AND NOT EXISTS (SELECT 1 FROM manifest_blob
                                WHERE manifest_blob.blob = named.blob AND manifest NOT IN below)""",
            (manifest,),
        )
    )


def _parts(tx: ReadTransaction, repository: int, manifest: int) -> tuple[Part, ...]:
    rows = tx.all(
        """SELECT key, digest, size FROM blob WHERE key IN (
               SELECT blob FROM manifest WHERE key = ?1
               UNION SELECT blob FROM manifest_blob WHERE manifest = ?1) ORDER BY key""",
        (manifest,),
    )
    parts = []
    for blob, digest, size in rows:
        others = tx.column(
            """SELECT name FROM repository WHERE key <> ?2 AND key IN (
                   SELECT repository FROM link WHERE blob = ?1
                   UNION SELECT repository FROM manifest WHERE blob = ?1) ORDER BY name""",
            (blob, repository),
        )
        parts.append(Part(digest, size, tuple(others)))
    return tuple(parts)


def _digests(tx: ReadTransaction, blobs: str, parameters: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(tx.column(f"SELECT digest FROM blob WHERE key IN ({blobs}) ORDER BY digest", parameters))


def _history(tx: ReadTransaction, repository: int, tag: str) -> tuple[tuple[str, int], ...]:
    return tuple(
        tx.all(
            """SELECT digest, at FROM tag_history JOIN manifest ON manifest.key = tag_history.manifest
               JOIN blob ON blob.key = manifest.blob
               WHERE tag_history.repository = ? AND tag_history.name = ? ORDER BY at DESC, digest""",
            (repository, tag),
        )
    )
