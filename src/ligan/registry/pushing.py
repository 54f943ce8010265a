"""Blobs and manifests on their way in: bytes and links durable first, then the rows."""

from __future__ import annotations

import json
import os
import uuid

from ligan.errors import Invalid, NotFound
from ligan.oci.digest import Digest, sha256
from ligan.registry.adopting import add_blob, resolve_absent
from ligan.registry.deleting import sweep
from ligan.registry.faults import (
    BlobOfManifestUnknown,
    BlobUnknown,
    DigestInvalid,
    SizeInvalid,
    UploadUnknown,
)
from ligan.registry.index.database import explain
from ligan.registry.reading import file_digest, find_blob
from ligan.store import failpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.errors import LiganError
    from ligan.registry.documents import Named, Pushed
    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.role import Storage

LEASE_SECONDS = 900
"""How long a blob stays for a push that has not named it in a manifest yet."""

_LEASE = LEASE_SECONDS * 10**9


def begin_upload(index: Index, storage: Storage, repository: str, now: int, started_at: str) -> str:
    """Return the ID of a new upload, which outlives this process."""
    upload = str(uuid.uuid4())
    with index.write() as tx:
        sweep(tx, storage)
        key = _ensure_repository(tx, repository)
        tx.execute("INSERT INTO upload (id, repository, started) VALUES (?, ?, ?)", (upload, key, now))
        storage.create_upload(repository, upload, started_at)
    return upload


def commit_blob(
    index: Index, storage: Storage, repository: str, upload: str, stored: Digest, wanted: Digest, now: int
) -> None:
    """Make a blob of an upload whose bytes are durable, and hash to both digests. The upload ends.

    On return the repository serves the blob, and a lease keeps it. Raises UploadUnknown.
    """
    folder = storage.upload(repository, upload)
    with index.write() as tx:
        sweep(tx, storage)
        if not tx.execute("DELETE FROM upload WHERE id = ?", (upload,)):
            raise UploadUnknown(f"blob upload unknown to registry: {upload}")  # somebody has cancelled it
        size = os.path.getsize(f"{folder}/data")
        if not storage.has_blob(stored, size):
            storage.keep(f"{folder}/data", stored)
            failpoints.hit("registry.linked")
        blob = _ensure_blob(tx, storage, stored, size)
        _link(tx, storage, repository, blob, stored, wanted, now)
        failpoints.hit("registry.rows")
    failpoints.hit("registry.committed")
    storage.drop_upload(repository, upload)


def mount_blob(
    index: Index, storage: Storage, repository: str, digest: Digest, source: str, now: int
) -> bool:
    """Let a repository serve what another has; any other where `source` is empty. Returns whether one has."""
    with index.write() as tx:
        sweep(tx, storage)
        try:
            blob, name = _mountable(tx, storage, digest, source)
        except BlobUnknown:
            return False
        _link(tx, storage, repository, blob, name, digest, now)
    return True


def _mountable(tx: ReadTransaction, storage: Storage, digest: Digest, source: str) -> tuple[int, str]:
    name = file_digest(tx, digest)
    row = tx.one(
        """SELECT blob.key, repository.name FROM blob JOIN link ON link.blob = blob.key
           JOIN repository ON repository.key = link.repository
           WHERE blob.digest = ?1 AND (?2 = '' OR repository.name = ?2)""",
        (name, source),
    )
    if row is None:
        raise BlobUnknown(f"blob unknown to registry: {digest}")
    find_blob(tx, storage, row[1], digest)
    return int(row[0]), name


def lease_blobs(
    index: Index, storage: Storage, blobs: list[tuple[str, Digest]], now: int
) -> list[LiganError | None]:
    """Keep blobs of repositories that somebody who pushes was told of; return errors for those now gone."""
    outcomes: list[LiganError | None] = []
    with index.write() as tx:
        for repository, digest in blobs:
            try:
                find_blob(tx, storage, repository, digest)
            except NotFound as error:
                outcomes.append(error)
                continue
            blob = tx.value("SELECT key FROM blob WHERE digest = ?", (file_digest(tx, digest),))
            _lease(tx, _ensure_repository(tx, repository), blob, now)
            outcomes.append(None)
    return outcomes


def is_leased(tx: ReadTransaction, repository: str, digest: Digest, now: int) -> bool:
    """Return whether a repository's blob is kept for a push."""
    sql = """SELECT 1 FROM lease JOIN repository ON repository.key = lease.repository
             JOIN blob ON blob.key = lease.blob WHERE name = ? AND digest = ? AND until > ?"""
    return tx.value(sql, (repository, file_digest(tx, digest), now)) is not None


def _lease(tx: WriteTransaction, repository: int, blob: int, now: int) -> None:
    """Keep a repository's blob for one push more."""
    tx.execute(
        """INSERT INTO lease (repository, blob, until, pushes) VALUES (?, ?, ?, 1)
           ON CONFLICT DO UPDATE SET until = excluded.until, pushes = pushes + 1""",
        (repository, blob, now + _LEASE),
    )


def _end_lease(tx: WriteTransaction, repository: int, blob: int) -> None:
    """Keep a repository's blob for one push less. What others were told holds on."""
    tx.execute("UPDATE lease SET pushes = pushes - 1 WHERE repository = ? AND blob = ?", (repository, blob))
    tx.execute("DELETE FROM lease WHERE repository = ? AND blob = ? AND pushes = 0", (repository, blob))


def put_manifest(
    index: Index, storage: Storage, repository: str, tag: str, wanted: Digest | None, pushed: Pushed, now: int
) -> Digest:
    """Store a manifest under a tag, or, where that is empty, under the digest `wanted`. Returns its digest.

    On return it is durable, everything that it needs is there, and stays with it. Raises DigestInvalid,
    SizeInvalid or BlobOfManifestUnknown.
    """
    stored = sha256(pushed.raw)
    if wanted is not None and hash_of(pushed.raw, wanted) != wanted:
        raise DigestInvalid(f"provided digest did not match uploaded content: expected {wanted}")
    name = str(uuid.uuid4())
    try:
        storage.announce(name, (repository, tag, wanted or stored), pushed.raw)
    except OSError as error:
        storage.forget_incoming(name)
        raise explain(error, storage.incoming(name)) from error
    try:
        with index.write() as tx:
            sweep(tx, storage)
            _store_manifest(tx, storage, repository, tag, wanted or stored, stored, pushed, name, now)
            failpoints.hit("registry.rows")
        failpoints.hit("registry.committed")
    except (Invalid, NotFound):  # a refusal, before anything was written; else a start puts things right
        storage.forget_incoming(name)
        raise
    storage.forget_incoming(name)
    return wanted or stored


def hash_of(raw: bytes, like: Digest) -> str:
    """Return the digest of the bytes, by the algorithm of another."""
    hashing = like.new_hash()
    hashing.update(raw)
    return f"{like.algorithm}:{hashing.hexdigest()}"


def _store_manifest(
    tx: WriteTransaction,
    storage: Storage,
    repository: str,
    tag: str,
    name: Digest,
    stored: Digest,
    pushed: Pushed,
    incoming: str,
    now: int,
) -> None:
    key = _ensure_repository(tx, repository)
    blobs = {blob for item in pushed.blobs if (blob := _blob_of(tx, storage, key, item)) is not None}
    children = {_child_of(tx, key, item) for item in pushed.children}
    if not storage.has_blob(stored, len(pushed.raw)):
        storage.keep(storage.incoming(incoming), stored)
        failpoints.hit("registry.linked")
    blob = _ensure_blob(tx, storage, stored, len(pushed.raw))
    for alias in {stored, name}:
        storage.write_manifest_links(repository, alias, stored)
        _ensure_alias(tx, alias, blob)
    manifest = _ensure_manifest(tx, key, blob, pushed, now)
    tx.execute_many("INSERT OR IGNORE INTO manifest_blob VALUES (?, ?)", [(manifest, blob) for blob in blobs])
    tx.execute_many(
        "INSERT OR IGNORE INTO manifest_child VALUES (?, ?)", [(manifest, one) for one in children]
    )
    for alias in {stored, name}:
        resolve_absent(tx, key, alias)
    for each in blobs:
        _end_lease(tx, key, each)
    if tag:
        storage.write_tag(repository, tag, stored)
        row = (key, tag, manifest, now)
        tx.execute("INSERT OR REPLACE INTO tag (repository, name, manifest, moved) VALUES (?, ?, ?, ?)", row)
        tx.execute(
            "INSERT OR REPLACE INTO tag_history (repository, name, manifest, at) VALUES (?, ?, ?, ?)", row
        )


def _blob_of(tx: ReadTransaction, storage: Storage, repository: int, item: Named) -> int | None:
    """Return the key of a blob that a manifest names, or None for one that may be elsewhere."""
    name = file_digest(tx, item.digest)
    row = tx.one(
        """SELECT blob.key, blob.size FROM blob JOIN link ON link.blob = blob.key
           WHERE link.repository = ? AND blob.digest = ?""",
        (repository, name),
    )
    if row is None or not storage.has_blob(name, row[1]):
        if item.elsewhere:
            return None
        raise BlobOfManifestUnknown(f"manifest blob unknown to repository: {item.digest}")
    if row[1] != item.size:
        raise SizeInvalid(f"{item.digest} has {row[1]} bytes, and the manifest says {item.size}")
    return int(row[0])


def _child_of(tx: ReadTransaction, repository: int, item: Named) -> int:
    row = tx.one(
        """SELECT manifest.key, blob.size FROM blob JOIN manifest ON manifest.blob = blob.key
           WHERE manifest.repository = ? AND blob.digest = ?""",
        (repository, file_digest(tx, item.digest)),
    )
    if row is None:
        raise BlobOfManifestUnknown(f"manifest unknown to repository: {item.digest}")
    if row[1] != item.size:
        raise SizeInvalid(f"{item.digest} has {row[1]} bytes, and the index says {item.size}")
    return int(row[0])


def _ensure_repository(tx: WriteTransaction, name: str) -> int:
    key = tx.value("SELECT key FROM repository WHERE name = ?", (name,))
    return int(key) if key is not None else tx.insert("INSERT INTO repository (name) VALUES (?)", (name,))


def _ensure_blob(tx: WriteTransaction, storage: Storage, digest: str, size: int) -> int:
    key = tx.value("SELECT key FROM blob WHERE digest = ?", (digest,))
    return int(key) if key is not None else add_blob(tx, storage, digest, size)


def _ensure_alias(tx: WriteTransaction, digest: str, blob: int) -> None:
    if not digest.startswith("sha256:"):
        tx.execute("INSERT OR IGNORE INTO alias (digest, blob) VALUES (?, ?)", (digest, blob))


def _ensure_manifest(tx: WriteTransaction, repository: int, blob: int, pushed: Pushed, now: int) -> int:
    tx.execute("INSERT OR IGNORE INTO document (blob, raw) VALUES (?, ?)", (blob, pushed.raw))
    annotations = json.dumps(pushed.annotations) if pushed.annotations else ""
    tx.execute(
        """INSERT INTO manifest (repository, blob, media_type, artifact_type, subject, annotations, pushed)
           VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (repository, blob) DO UPDATE SET media_type = excluded.media_type""",
        (repository, blob, pushed.media_type, pushed.artifact_type, pushed.subject, annotations, now),
    )
    return int(tx.value("SELECT key FROM manifest WHERE repository = ? AND blob = ?", (repository, blob)))


def _link(
    tx: WriteTransaction, storage: Storage, repository: str, blob: int, stored: str, wanted: str, now: int
) -> None:
    """Let the repository serve a blob, whose file is there, and lease it."""
    key = _ensure_repository(tx, repository)
    for name in {stored, wanted}:
        storage.write_layer_link(repository, name, stored)
        _ensure_alias(tx, name, blob)
    tx.execute("INSERT OR IGNORE INTO link (repository, blob) VALUES (?, ?)", (key, blob))
    for name in {stored, wanted}:
        resolve_absent(tx, key, name)
    _lease(tx, key, blob, now)
