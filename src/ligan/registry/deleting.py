"""Deletes: rows go with their last holder, and what they named goes from the disk, or into an undo entry."""

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

FREED, LEASED, HELD, SHARED = "freed", "leased", "held", "shared"
_A_FEW = 32


class Fate(Value):
    """What a delete does to a blob that loses a holder.

    `state`: FREED from the disk, LEASED for pushes alone, HELD by undo alone, both until `until` (nanoseconds
    since 1970), or SHARED with images that stay.
    """

    digest: str
    size: int
    state: str
    until: int


class Deleted(Value):
    """What a delete did. Bytes are `freed`, or `leased` until `until` (nanoseconds since 1970) at the latest,
    or only `held` by undo, `held_until` at the latest. Tags are `REPOSITORY:TAG`, manifests
    `REPOSITORY@DIGEST`.
    """

    freed: int
    leased: int
    until: int
    tags: tuple[str, ...]
    manifests: tuple[str, ...]
    held: int
    held_until: int
    blobs: tuple[Fate, ...]


class Removal:
    """What goes from one repository, in one transaction. The disk is not touched before `carry_out`."""

    def __init__(
        self, tx: WriteTransaction, storage: Storage, repository: str, now: int, entry: int | None = None
    ) -> None:
        """`entry` is the undo entry that what goes is written to. Raises NameUnknown."""
        self._tx = tx
        self._storage = storage
        self._name = repository
        self._key = find_repository(tx, repository)
        self._now = now
        self._entry = entry
        # Digest and size of the blobs that lose a holder, by key.
        self.touched: dict[int, tuple[str, int]] = {}
        self.tags: list[str] = []
        self.manifests: list[str] = []

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
        if self._is_named(blob):
            names = ", ".join(self._naming(blob, _A_FEW))
            raise Held(f"{digest} is a part of {names}: delete that")
        if self._entry is not None:
            row = (self._entry, self._name, blob)
            self._tx.execute("INSERT INTO deletion_link (deletion, repository, blob) VALUES (?, ?, ?)", row)
        self._release_link(blob)

    def remove_everything(self) -> None:
        """Remove all tags and manifests."""
        tops = """SELECT key FROM manifest WHERE repository = ?
                  AND NOT EXISTS (SELECT 1 FROM manifest_child WHERE child = manifest.key)"""
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
            if not self._is_named(blob):
                self._release_link(blob)

    def finish(self) -> Deleted:
        """Let the repository go if nothing is left of it, and return what the delete did."""
        self.close()
        return deleted(self._tx, self.touched, tuple(self.tags), tuple(self.manifests))

    def close(self) -> None:
        """Let the repository go if nothing is left of it."""
        key = (self._key,)
        tables = ("manifest", "link", "upload")
        if not any(self._tx.value(f"SELECT 1 FROM {table} WHERE repository = ?", key) for table in tables):
            self._tx.execute("DELETE FROM repository WHERE key = ?", key)
            for folder in self._storage.repository_folders(self._name):
                # What is below goes with it: "0" is what follows "/".
                below = (f"{folder}/", f"{folder}0")
                self._tx.execute("DELETE FROM outbox WHERE path > ? AND path < ?", below)
                take(self._tx, folder)
        failpoints.hit("registry.removed")

    def _is_held(self, manifest: int) -> bool:
        sql = "SELECT 1 FROM tag WHERE manifest = ?1 UNION ALL SELECT 1 FROM manifest_child WHERE child = ?1"
        return self._tx.value(sql, (manifest,)) is not None

    def _untag(self, tag: str) -> None:
        where = (self._key, tag)
        if self._entry is not None:
            for table, when in (("tag", "moved"), ("tag_history", "at")):
                self._tx.execute(
                    f"""INSERT INTO deletion_{table} (deletion, repository, name, manifest, {when})
                        SELECT ?3, ?4, name, digest, {when} FROM {table}
                        JOIN manifest ON manifest.key = {table}.manifest
                        JOIN blob ON blob.key = manifest.blob
                        WHERE {table}.repository = ?1 AND name = ?2""",
                    (*where, self._entry, self._name),
                )
        for table in ("tag", "tag_history"):
            self._tx.execute(f"DELETE FROM {table} WHERE repository = ? AND name = ?", where)
        take(self._tx, self._storage.tag_folder(self._name, tag))
        self.tags.append(f"{self._name}:{tag}")

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
        self._touch(blob)
        if self._entry is not None:
            self._write_down(manifest, digest, self._entry)
        for tag in tx.column("SELECT name FROM tag_history WHERE manifest = ?", key):
            take(tx, self._storage.tag_index_folder(self._name, tag, digest))
        for name in names_of(tx, blob, digest):
            take(tx, self._storage.revision_folder(self._name, name))
        blobs = tx.column("SELECT blob FROM manifest_blob WHERE manifest = ?", key)
        tx.execute("DELETE FROM tag_history WHERE manifest = ?", key)
        tx.execute("DELETE FROM manifest_child WHERE parent = ?", key)
        tx.execute("DELETE FROM manifest_blob WHERE manifest = ?", key)
        tx.execute("DELETE FROM manifest WHERE key = ?", key)
        self.manifests.append(f"{self._name}@{digest}")
        release_blob(tx, self._storage, blob)
        for each in blobs:
            self._touch(each)
            if not self._is_named(each) and not self._is_leased(each):
                self._release_link(each)

    def _write_down(self, manifest: int, digest: str, entry: int) -> None:
        """Write what goes with a manifest to the undo entry, which thereby holds its blobs."""
        kept = self._tx.insert(
            """INSERT INTO deletion_manifest (
                   deletion, repository, blob, media_type, artifact_type, subject, annotations, pushed)
               SELECT ?2, ?3, blob, media_type, artifact_type, subject, annotations, pushed
               FROM manifest WHERE key = ?1""",
            (manifest, entry, self._name),
        )
        self._tx.execute(
            """INSERT INTO deletion_manifest_blob (manifest, blob)
               SELECT ?2, blob FROM manifest_blob WHERE manifest = ?1""",
            (manifest, kept),
        )
        self._tx.execute(
            """INSERT INTO deletion_manifest_child (manifest, child)
               SELECT ?2, digest FROM manifest_child JOIN manifest ON manifest.key = child
               JOIN blob ON blob.key = manifest.blob WHERE parent = ?1""",
            (manifest, kept),
        )
        self._tx.execute(
            """INSERT INTO deletion_manifest_absent (manifest, digest, child)
               SELECT ?2, digest, child FROM absent WHERE manifest = ?1""",
            (manifest, kept),
        )
        self._tx.execute(
            """INSERT INTO deletion_tag_history (deletion, repository, name, manifest, at)
               SELECT ?2, ?3, name, ?4, at FROM tag_history WHERE manifest = ?1""",
            (manifest, entry, self._name, digest),
        )

    def _is_named(self, blob: int) -> bool:
        """Return whether a manifest of the repository names a blob.

        A blob may be a part of all images there are, or the repository hold them all: it is looked for on
        both sides, on that of the repository where the other has more than a few.
        """
        some = self._tx.column(
            """SELECT repository FROM manifest_blob JOIN manifest ON manifest.key = manifest_blob.manifest
               WHERE manifest_blob.blob = ? LIMIT ?""",
            (blob, _A_FEW),
        )
        return self._key in some or (len(some) == _A_FEW and bool(self._naming(blob, 1)))

    def _naming(self, blob: int, most: int) -> list[str]:
        """Return the digests of manifests of the repository that name a blob."""
        return self._tx.column(
            """SELECT blob.digest FROM manifest
               CROSS JOIN manifest_blob ON manifest_blob.manifest = manifest.key
               JOIN blob ON blob.key = manifest.blob
               WHERE manifest.repository = ? AND manifest_blob.blob = ? LIMIT ?""",
            (self._key, blob, most),
        )

    def _is_leased(self, blob: int) -> bool:
        sql = "SELECT 1 FROM lease WHERE repository = ? AND blob = ? AND until > ?"
        return self._tx.value(sql, (self._key, blob, self._now)) is not None

    def _release_link(self, blob: int) -> None:
        """Let the repository serve a blob no more, and the blob go if that was its last holder."""
        where = (self._key, blob)
        self._tx.execute("DELETE FROM lease WHERE repository = ? AND blob = ?", where)
        self._tx.execute("DELETE FROM link WHERE repository = ? AND blob = ?", where)
        for name in names_of(self._tx, blob, self._touch(blob)):
            take(self._tx, self._storage.layer_folder(self._name, name))
        release_blob(self._tx, self._storage, blob)

    def _touch(self, blob: int) -> str:
        """Remember a blob that loses a holder. Returns its digest."""
        if blob not in self.touched:
            self.touched[blob] = self._tx.one("SELECT digest, size FROM blob WHERE key = ?", (blob,))
        return self.touched[blob][0]


def deleted(
    tx: ReadTransaction,
    touched: dict[int, tuple[str, int]],
    tags: tuple[str, ...],
    manifests: tuple[str, ...],
) -> Deleted:
    """Return what has become of the blobs that lost a holder, and the bytes of each kind."""
    blobs = tuple([Fate(digest, size, *_state_of(tx, key)) for key, (digest, size) in touched.items()])

    def bytes_in(state: str) -> int:
        return sum(each.size for each in blobs if each.state == state)

    def last_in(state: str) -> int:
        return max((each.until for each in blobs if each.state == state), default=0)

    return Deleted(
        bytes_in(FREED),
        bytes_in(LEASED),
        last_in(LEASED),
        tags,
        manifests,
        bytes_in(HELD),
        last_in(HELD),
        blobs,
    )


def _state_of(tx: ReadTransaction, blob: int) -> tuple[str, int]:
    if tx.value("SELECT 1 FROM blob WHERE key = ?", (blob,)) is None:
        return FREED, 0
    named = "SELECT 1 FROM manifest_blob WHERE blob = ?1 UNION ALL SELECT 1 FROM manifest WHERE blob = ?1"
    if tx.value(named, (blob,)) is not None:
        return SHARED, 0
    if is_live(tx, blob):
        return LEASED, tx.value("SELECT COALESCE(MAX(until), 0) FROM lease WHERE blob = ?", (blob,))
    return HELD, tx.value(
        """SELECT MAX(until) FROM deletion_blob JOIN deletion ON deletion.key = deletion_blob.deletion
           WHERE blob = ?""",
        (blob,),
    )


def names_of(tx: ReadTransaction, blob: int, digest: str) -> list[str]:
    """Return every digest of a blob's bytes that the registry knows."""
    return [digest, *tx.column("SELECT digest FROM alias WHERE blob = ?", (blob,))]


def take(tx: WriteTransaction, folder: str) -> None:
    """Have the next sweep take a folder away."""
    tx.execute("INSERT OR IGNORE INTO outbox (path) VALUES (?)", (folder,))


def is_live(tx: ReadTransaction, blob: int) -> bool:
    """Return whether a repository has the blob: what only undo holds is as gone."""
    held = "SELECT 1 FROM link WHERE blob = ?1 UNION ALL SELECT 1 FROM manifest WHERE blob = ?1"
    return tx.value(held, (blob,)) is not None


def release_blob(tx: WriteTransaction, storage: Storage, blob: int) -> bool:
    """Let a blob go unless a repository or an undo entry holds it. Returns whether it goes."""
    if is_live(tx, blob) or tx.value("SELECT 1 FROM deletion_blob WHERE blob = ?", (blob,)) is not None:
        return False
    digest = tx.value("SELECT digest FROM blob WHERE key = ?", (blob,))
    for table, column in (("document", "blob"), ("alias", "blob"), ("blob", "key")):
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (blob,))
    take(tx, storage.blob_folder(digest))
    return True


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
    take_away(index, storage)
    storage.empty_trash()


def take_away(index: Index, storage: Storage) -> bool:
    """On return what deletes have taken away is in the trash. Returns whether blobs wait, as in `sweep`."""
    if index.read().value("SELECT 1 FROM outbox") is None:
        return False  # another process has begun to carry it out
    with index.write() as tx:
        sweep(tx, storage)
        waits = tx.value("SELECT 1 FROM outbox") is not None
        failpoints.hit("registry.renamed")
    failpoints.hit("registry.swept")
    return waits


def sweep(tx: WriteTransaction, storage: Storage) -> None:
    """Take the outbox's folders away. Every addition begins with this: it may name one of them again.

    Blobs wait until every repository was verified: one may name them that the index knows nothing of.
    """
    verifying = tx.value("SELECT 1 FROM verifying") is not None
    rows = tx.all(
        "SELECT key, path FROM outbox WHERE NOT (?1 AND path GLOB 'blobs/*') ORDER BY key", (verifying,)
    )
    paths = [path for _key, path in rows]
    storage.trash([path for path in paths if not path.startswith("blobs/")])  # links go before data
    storage.trash([path for path in paths if path.startswith("blobs/")])
    tx.execute_many("DELETE FROM outbox WHERE key = ?", [(key,) for key, _path in rows])
