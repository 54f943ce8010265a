"""What a registry has, for whoever pulls or lists. Each is one or two look-ups by key."""

from __future__ import annotations

from ligan.registry.faults import BlobUnknown, ManifestUnknown, NameUnknown
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

    from ligan.oci.digest import Digest
    from ligan.registry.index.database import ReadTransaction
    from ligan.registry.storage.role import Storage


class StoredManifest(Value):
    raw: bytes
    media_type: str
    digest: str


class StoredBlob(Value):
    """`path` is that of its file, which was there with all its bytes a moment ago."""

    path: str
    size: int


class Referrer(Value):
    """A manifest that names another as its subject. `annotations` are JSON, or empty."""

    media_type: str
    digest: str
    size: int
    artifact_type: str
    annotations: str


_BY_TAG = """SELECT raw, media_type, digest FROM repository
    LEFT JOIN tag ON tag.repository = repository.key AND tag.name = ?2
    LEFT JOIN manifest ON manifest.key = tag.manifest LEFT JOIN blob ON blob.key = manifest.blob
    LEFT JOIN document ON document.blob = blob.key WHERE repository.name = ?1"""
_BY_DIGEST = """SELECT raw, media_type FROM repository LEFT JOIN blob ON blob.digest = ?2
    LEFT JOIN manifest ON manifest.repository = repository.key AND manifest.blob = blob.key
    LEFT JOIN document ON document.blob = manifest.blob WHERE repository.name = ?1"""
_BLOB = """SELECT size, link.blob FROM repository LEFT JOIN blob ON blob.digest = ?2
    LEFT JOIN link ON link.repository = repository.key AND link.blob = blob.key WHERE repository.name = ?1"""


def manifest_by_tag(tx: ReadTransaction, repository: str, tag: str) -> StoredManifest:
    """Raises NameUnknown or ManifestUnknown."""
    raw, media_type, digest = tx.one(_BY_TAG, (repository, tag)) or _no_repository(repository)
    if raw is None:
        raise ManifestUnknown(f"manifest unknown: {repository} has no {tag}")
    return StoredManifest(raw, media_type, digest)


def manifest_by_digest(tx: ReadTransaction, repository: str, digest: Digest) -> StoredManifest:
    """Raises NameUnknown or ManifestUnknown. The answer has the digest that was asked for."""
    named = (repository, file_digest(tx, digest))
    raw, media_type = tx.one(_BY_DIGEST, named) or _no_repository(repository)
    if raw is None:
        raise ManifestUnknown(f"manifest unknown: {repository} has no {digest}")
    return StoredManifest(raw, media_type, digest)


def _no_repository(name: str) -> Never:
    raise NameUnknown(f"repository name not known to registry: {name}")


def find_repository(tx: ReadTransaction, name: str) -> int:
    """Return the repository's key. Raises NameUnknown."""
    key = tx.value("SELECT key FROM repository WHERE name = ?", (name,))
    return int(key) if key is not None else _no_repository(name)


def file_digest(tx: ReadTransaction, digest: str) -> str:
    """Return the SHA-256 digest of the bytes that this digest names, or the digest itself."""
    if digest.startswith("sha256:"):
        return digest
    known: str | None = tx.value(
        "SELECT blob.digest FROM alias JOIN blob ON blob.key = alias.blob WHERE alias.digest = ?", (digest,)
    )
    return known or digest


def find_blob(tx: ReadTransaction, storage: Storage, repository: str, digest: Digest) -> StoredBlob:
    """Return a blob that the repository serves and the disk has. Raises NameUnknown or BlobUnknown."""
    name = file_digest(tx, digest)
    size, linked = tx.one(_BLOB, (repository, name)) or _no_repository(repository)
    if linked is None or not storage.has_blob(name, size):
        raise BlobUnknown(f"blob unknown to registry: {repository} has no {digest}")
    return StoredBlob(storage.blob(name), size)


def catalog(tx: ReadTransaction, last: str, count: int) -> list[str]:
    """Return as many names of repositories with manifests, in order, after `last`."""
    return tx.column(
        """SELECT name FROM repository WHERE name > ?
           AND EXISTS (SELECT 1 FROM manifest WHERE manifest.repository = repository.key)
           ORDER BY name LIMIT ?""",
        (last, count),
    )


def tags(tx: ReadTransaction, repository: str, last: str, count: int) -> list[str]:
    """Return as many tags, in order, after `last`. Raises NameUnknown."""
    key = find_repository(tx, repository)
    return tx.column(
        "SELECT name FROM tag WHERE repository = ? AND name > ? ORDER BY name LIMIT ?", (key, last, count)
    )


def referrers(tx: ReadTransaction, repository: str, subject: str, artifact_type: str) -> list[Referrer]:
    """Return who names this subject, of one artifact type or of all. The subject need not exist."""
    rows = tx.all(
        """SELECT media_type, digest, size, artifact_type, annotations FROM repository
           JOIN manifest ON manifest.repository = repository.key AND manifest.subject = ?2
           JOIN blob ON blob.key = manifest.blob
           WHERE repository.name = ?1 AND (?3 = '' OR artifact_type = ?3) ORDER BY pushed, digest""",
        (repository, subject, artifact_type),
    )
    return [Referrer(*row) for row in rows]
