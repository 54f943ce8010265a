"""What a registry's repositories take on the disk, shared and alone."""

from __future__ import annotations

from ligan.registry.faults import UploadUnknown
from ligan.registry.uploads import Upload
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.index.database import ReadTransaction
    from ligan.registry.storage.role import Storage


UNUSED = "Unused blobs"


class Total(Value):
    """A kind of things that takes room, how many there are, and their bytes on the disk."""

    name: str
    number: int
    bytes: int


class RepositoryUsage(Value):
    """`bytes` are of all blobs that the repository has, `alone` of those that no other has."""

    name: str
    tags: int
    manifests: int
    bytes: int
    alone: int


class TagUsage(Value):
    """`moved` is when the tag was last pushed, in nanoseconds since 1970."""

    name: str
    digest: str
    media_type: str
    moved: int


_HELD = "SELECT repository, blob FROM link UNION SELECT repository, blob FROM manifest"


def repositories(tx: ReadTransaction) -> list[RepositoryUsage]:
    """Return every repository that has something, uploads apart, by name."""
    rows = tx.all(
        f"""WITH held AS ({_HELD}), holders AS (SELECT blob, COUNT(*) AS number FROM held GROUP BY blob),
            taken AS (SELECT repository, SUM(size) AS bytes, SUM(IIF(number = 1, size, 0)) AS alone
                      FROM held JOIN blob ON blob.key = held.blob JOIN holders ON holders.blob = held.blob
                      GROUP BY repository)
            SELECT name, (SELECT COUNT(*) FROM tag WHERE tag.repository = repository.key),
                   (SELECT COUNT(*) FROM manifest WHERE manifest.repository = repository.key), bytes, alone
            FROM taken JOIN repository ON repository.key = taken.repository ORDER BY name"""
    )
    return [RepositoryUsage(*row) for row in rows]


def totals(tx: ReadTransaction, storage: Storage) -> list[Total]:
    """Return what takes room: images, blobs that only leases, only undo or nothing holds, and uploads.

    What nothing holds another registry has left: `registry:2` deletes no blob with its image.

    The bytes of all together are those of all blobs and uploads on the disk.
    """
    named = """EXISTS (SELECT 1 FROM manifest_blob WHERE manifest_blob.blob = it.key
                       UNION ALL SELECT 1 FROM manifest WHERE manifest.blob = it.key)"""
    leased = "EXISTS (SELECT 1 FROM lease WHERE lease.blob = it.key)"
    kept = "EXISTS (SELECT 1 FROM deletion_blob WHERE deletion_blob.blob = it.key)"
    count = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM blob AS it WHERE"
    uploads = tx.all(
        "SELECT name, id FROM upload JOIN repository ON repository.key = upload.repository ORDER BY id"
    )
    sizes = [_bytes_on_disk(Upload(name, key, storage.upload(name, key))) for name, key in uploads]
    return [
        Total("Manifests", tx.value("SELECT COUNT(*) FROM manifest"), tx.one(f"{count} {named}")[1]),
        Total("Leased blobs", *tx.one(f"{count} NOT {named} AND {leased}")),
        Total("Uploads", len(uploads), sum(sizes)),
        Total("Kept for undo", *tx.one(f"{count} NOT {named} AND NOT {leased} AND {kept}")),
        Total(UNUSED, *tx.one(f"{count} NOT {named} AND NOT {leased} AND NOT {kept}")),
    ]


def _bytes_on_disk(upload: Upload) -> int:
    try:
        return upload.size
    except UploadUnknown:
        return 0  # it has just ended


def blob_bytes(tx: ReadTransaction) -> int:
    """Return the bytes of all blobs."""
    return int(tx.value("SELECT COALESCE(SUM(size), 0) FROM blob"))


def tags(tx: ReadTransaction, repository: int) -> list[TagUsage]:
    rows = tx.all(
        """SELECT tag.name, digest, media_type, moved FROM tag JOIN manifest ON manifest.key = tag.manifest
           JOIN blob ON blob.key = manifest.blob WHERE tag.repository = ? ORDER BY tag.name""",
        (repository,),
    )
    return [TagUsage(*row) for row in rows]
