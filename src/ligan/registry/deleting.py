"""Deletes: rows go with their last holder, and what they named goes from the disk."""

from __future__ import annotations

from ligan.registry.faults import BlobUnknown, Held, ManifestUnknown
from ligan.registry.reading import file_digest, find_repository
from ligan.store import failpoints
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.digest import Digest
    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.role import Storage


class Deleted(Value):
    """What a delete did. `leased` bytes wait for pushes under way, the last until `until` (ns since 1970)."""

    freed: int
    leased: int
    until: int
    tags: tuple[str, ...]
    manifests: tuple[str, ...]


class Removal:
    """What goes from one repository, in one transaction. The disk is not touched before `carry_out`."""

    def __init__(self, tx: WriteTransaction, storage: Storage, repository: str, now: int) -> None:
        """Raises NameUnknown."""
        self._tx = tx
        self._storage = storage
        self._name = repository
        self._key = find_repository(tx, repository)
        self._now = now
        self._freed = self._leased = self._until = 0
        self._tags: list[str] = []
        self._manifests: list[str] = []

    def remove_tag(self, tag: str) -> None:
        """Remove a tag, and its manifest if no tag and no index holds that. Raises ManifestUnknown."""
        where = (self._key, tag)
        manifest = self._tx.value("SELECT manifest FROM tag WHERE repository = ? AND name = ?", where)
        if manifest is None:
            raise ManifestUnknown(f"manifest unknown: {self._name} has no {tag}")
        self._untag(tag)
        if not self._is_held(manifest):
            self._remove_manifest(manifest)

    def remove_digest(self, digest: Digest) -> None:
        """Remove a manifest and all its tags. Raises ManifestUnknown, or Held where an index names it."""
        manifest = self._tx.value(
            """SELECT manifest.key FROM manifest JOIN blob ON blob.key = manifest.blob
               WHERE repository = ? AND blob.digest = ?""",
            (self._key, file_digest(self._tx, digest)),
        )
        if manifest is None:
            raise ManifestUnknown(f"manifest unknown: {self._name} has no {digest}")
        parents = self._tx.column(
            """SELECT blob.digest FROM manifest_child JOIN manifest ON manifest.key = parent
               JOIN blob ON blob.key = manifest.blob WHERE child = ?""",
            (manifest,),
        )
        if parents:
            raise Held(f"{digest} is a part of {', '.join(parents)}: delete that")
        self._remove_manifest(manifest)

    def remove_blob(self, digest: Digest) -> None:
        """Remove a blob that no manifest of the repository names. Raises BlobUnknown or Held."""
        blob = self._tx.value(
            """SELECT blob.key FROM link JOIN blob ON blob.key = link.blob
               WHERE repository = ? AND blob.digest = ?""",
            (self._key, file_digest(self._tx, digest)),
        )
        if blob is None:
            raise BlobUnknown(f"blob unknown to registry: {self._name} has no {digest}")
        holders = self._holders(blob)
        if holders:
            raise Held(f"{digest} is a part of {', '.join(holders)}: delete that")
        self._tx.execute("DELETE FROM lease WHERE repository = ? AND blob = ?", (self._key, blob))
        self._release_link(blob)

    def remove_everything(self) -> None:
        """Remove all tags and manifests."""
        tops = (
            "SELECT key FROM manifest WHERE repository = ? AND key NOT IN (SELECT child FROM manifest_child)"
        )
        while keys := self._tx.column(tops, (self._key,)):
            for key in keys:
                self._remove_manifest(key)

    def release_expired(self) -> None:
        """Let go of what only leases held whose time is over."""
        blobs = self._tx.column(
            "SELECT blob FROM lease WHERE repository = ? AND until <= ?", (self._key, self._now)
        )
        for blob in blobs:
            self._tx.execute("DELETE FROM lease WHERE repository = ? AND blob = ?", (self._key, blob))
            if not self._holders(blob):
                self._release_link(blob)

    def finish(self) -> Deleted:
        """Let the repository go if nothing is left of it, and return what the delete did."""
        key = (self._key,)
        tables = ("manifest", "link", "upload")
        if not any(self._tx.value(f"SELECT 1 FROM {table} WHERE repository = ?", key) for table in tables):
            self._tx.execute("DELETE FROM repository WHERE key = ?", key)
            for folder in self._storage.repository_folders(self._name):
                self._take(folder)
        failpoints.hit("registry.removed")
        return Deleted(self._freed, self._leased, self._until, tuple(self._tags), tuple(self._manifests))

    def _take(self, folder: str) -> None:
        self._tx.execute("INSERT OR IGNORE INTO outbox (path) VALUES (?)", (folder,))

    def _is_held(self, manifest: int) -> bool:
        sql = "SELECT 1 FROM tag WHERE manifest = ?1 UNION ALL SELECT 1 FROM manifest_child WHERE child = ?1"
        return self._tx.value(sql, (manifest,)) is not None

    def _untag(self, tag: str) -> None:
        for table in ("tag", "tag_history"):
            self._tx.execute(f"DELETE FROM {table} WHERE repository = ? AND name = ?", (self._key, tag))
        self._take(self._storage.tag_folder(self._name, tag))
        self._tags.append(tag)

    def _remove_manifest(self, first: int) -> None:
        """Remove a manifest with its tags, and those below it that nothing else holds."""
        waiting = [first]
        while waiting:
            manifest = waiting.pop()
            for tag in self._tx.column("SELECT name FROM tag WHERE manifest = ?", (manifest,)):
                self._untag(tag)
            children = self._tx.column("SELECT child FROM manifest_child WHERE parent = ?", (manifest,))
            self._remove_one(manifest)
            waiting += [child for child in children if not self._is_held(child)]

    def _remove_one(self, manifest: int) -> None:
        tx, key = self._tx, (manifest,)
        blob, digest = tx.one(
            """SELECT blob.key, digest FROM manifest JOIN blob ON blob.key = manifest.blob
               WHERE manifest.key = ?""",
            key,
        )
        for tag in tx.column("SELECT name FROM tag_history WHERE manifest = ?", key):
            self._take(self._storage.tag_index_folder(self._name, tag, digest))
        for name in self._names(blob, digest):
            self._take(self._storage.revision_folder(self._name, name))
        blobs = tx.column("SELECT blob FROM manifest_blob WHERE manifest = ?", key)
        tx.execute("DELETE FROM tag_history WHERE manifest = ?", key)
        tx.execute("DELETE FROM manifest_child WHERE parent = ?", key)
        tx.execute("DELETE FROM manifest_blob WHERE manifest = ?", key)
        tx.execute("DELETE FROM manifest WHERE key = ?", key)
        self._manifests.append(digest)
        self._release_blob(blob)
        for each in blobs:
            if not self._holders(each) and not self._is_leased(each):
                self._release_link(each)

    def _holders(self, blob: int) -> list[str]:
        """Return the digests of the repository's manifests that name a blob."""
        return self._tx.column(
            """SELECT blob.digest FROM manifest_blob JOIN manifest ON manifest.key = manifest_blob.manifest
               JOIN blob ON blob.key = manifest.blob WHERE manifest_blob.blob = ? AND repository = ?""",
            (blob, self._key),
        )

    def _is_leased(self, blob: int) -> bool:
        row = self._tx.one(
            """SELECT until, size FROM lease JOIN blob ON blob.key = lease.blob
               WHERE repository = ? AND blob = ? AND until > ?""",
            (self._key, blob, self._now),
        )
        if row is None:
            return False
        self._until = max(self._until, row[0])
        self._leased += row[1]
        return True

    def _names(self, blob: int, digest: str) -> list[str]:
        return [digest, *self._tx.column("SELECT digest FROM alias WHERE blob = ?", (blob,))]

    def _release_link(self, blob: int) -> None:
        """Let the repository serve a blob no more, and the blob go if that was its last holder."""
        where = (self._key, blob)
        self._tx.execute("DELETE FROM lease WHERE repository = ? AND blob = ?", where)
        self._tx.execute("DELETE FROM link WHERE repository = ? AND blob = ?", where)
        digest = self._tx.value("SELECT digest FROM blob WHERE key = ?", (blob,))
        for name in self._names(blob, digest):
            self._take(self._storage.layer_folder(self._name, name))
        self._release_blob(blob)

    def _release_blob(self, blob: int) -> None:
        held = "SELECT 1 FROM link WHERE blob = ?1 UNION ALL SELECT 1 FROM manifest WHERE blob = ?1"
        if self._tx.value(held, (blob,)) is not None:
            return
        digest, size = self._tx.one("SELECT digest, size FROM blob WHERE key = ?", (blob,))
        for table, column in (("document", "blob"), ("alias", "blob"), ("blob", "key")):
            self._tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (blob,))
        self._take(self._storage.blob_folder(digest))
        self._freed += size


def release_expired(index: Index, storage: Storage, now: int) -> int:
    """Free what leases have kept whose time is over. Returns bytes."""
    if not _expired(index.read(), now):
        return 0
    with index.write() as tx:
        freed = 0
        for repository in _expired(tx, now):
            removal = Removal(tx, storage, repository, now)
            removal.release_expired()
            freed += removal.finish().freed
    carry_out(index, storage)
    return freed


def _expired(tx: ReadTransaction, now: int) -> list[str]:
    return tx.column(
        """SELECT DISTINCT name FROM lease JOIN repository ON repository.key = lease.repository
           WHERE until <= ?""",
        (now,),
    )


def carry_out(index: Index, storage: Storage) -> None:
    """On return the bytes of all that deletes have taken away are off the disk."""
    if index.read().value("SELECT 1 FROM outbox") is None:
        storage.empty_trash()  # another process has begun to carry it out
        return
    with index.write() as tx:
        sweep(tx, storage)
        failpoints.hit("registry.renamed")
    failpoints.hit("registry.swept")
    storage.empty_trash()


def sweep(tx: WriteTransaction, storage: Storage) -> None:
    """Take the outbox's folders away. Every addition begins with this: it may name one of them again."""
    rows = tx.all("SELECT key, path FROM outbox ORDER BY key")
    for _key, path in rows:
        storage.trash(path)
    if rows:
        tx.execute("DELETE FROM outbox")
