"""Taking over what is on the disk: every blob, and each repository's links and manifests, become rows.

The same work serves a folder that `registry:2` has filled, of which the index knows nothing, and one that it
has changed since Ligan served it last: a manifest whose row is there is not read again.

What is found is taken as `registry:2` would serve it: a link says what a repository may serve, and a blob is
there if its file is. Nothing found is removed from the disk, and blobs that nobody names get rows too.
"""

from __future__ import annotations

from ligan.oci.digest import sha256
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.registry.keeping import drop
from ligan.registry.reading import file_digest
from ligan.registry.stored import is_digest, read_stored
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.registry.index.database import WriteTransaction
    from ligan.registry.storage.filesystem import FilesystemStorage
    from ligan.registry.storage.role import Storage
    from ligan.registry.storage.scanning import FoundRepository
    from ligan.registry.stored import Stored

    FindBlob = Callable[[str], int | None]

_CHUNK = 1000
"""Manifests that are read before their rows are written: what they say is in memory meanwhile."""


class Taken(Value):
    """How many manifests are new or gone, and how many tags are new, `moved` or gone.

    `mended` repositories lacked the folder _layers, and have one now.
    """

    new: int = 0
    gone: int = 0
    moved: int = 0
    mended: int = 0

    def plus(self, other: Taken) -> Taken:
        return Taken(
            self.new + other.new,
            self.gone + other.gone,
            self.moved + other.moved,
            self.mended + other.mended,
        )


def find_blob_row(tx: WriteTransaction, storage: FilesystemStorage, digest: str) -> int | None:
    """Return the key of a blob. One that is there, if only to be unlinked, gets its row."""
    key = tx.value("SELECT key FROM blob WHERE digest = ?", (digest,))
    if key is not None:
        return int(key)
    size = storage.blob_size(digest)
    return None if size is None else add_blob(tx, storage, digest, size)


def add_blob(tx: WriteTransaction, storage: Storage, digest: str, size: int) -> int:
    """Write the row of a blob whose file is there, and shall stay. Returns its key."""
    tx.execute("DELETE FROM outbox WHERE path = ?", (storage.blob_folder(digest),))
    return tx.insert("INSERT INTO blob (digest, size) VALUES (?, ?)", (digest, size))


def take_in(tx: WriteTransaction, storage: FilesystemStorage, repository: str, find: FindBlob) -> Taken:
    """On return the rows of a repository are what its folder says. `find` gives the key of a blob."""
    key = tx.value("SELECT key FROM repository WHERE name = ?", (repository,))
    is_new = key is None
    if is_new:
        key = tx.insert("INSERT INTO repository (name) VALUES (?)", (repository,))
    taking = _Taking(tx, storage, repository, int(key), find, is_new=is_new)
    return taking.take()


class _Taking:
    """One repository. Manifests and links are known by digest."""

    def __init__(
        self,
        tx: WriteTransaction,
        storage: FilesystemStorage,
        name: str,
        key: int,
        find: FindBlob,
        *,
        is_new: bool,
    ) -> None:
        self._tx = tx
        self._storage = storage
        self._name = name
        self._key = key
        self._find = find
        self._links = set() if is_new else self._digests("link")
        self._manifests = {} if is_new else self._known_manifests()
        self._tags: dict[str, int] = {} if is_new else self._known_tags()
        digests = {manifest: digest for digest, manifest in self._manifests.items()}
        tags = {tag: digests[manifest] for tag, manifest in self._tags.items() if manifest in digests}
        self._found: FoundRepository = storage.scan_repository(name, self._links, tags)

    def take(self) -> Taken:
        found = self._found
        mended = found.has_manifests and not found.has_layers
        if mended:
            # Its garbage collector looks for repositories by this folder, and takes what others have.
            self._storage.create_layers_folder(self._name)
        self._take_aliases()
        self._take_links()
        gone = self._forget_manifests()
        if gone:  # so that the time of each tag is known that leads to one which is taken in again
            self._found = self._storage.scan_repository(self._name, self._links, {})
        new = self._take_manifests(sorted(found.revisions.keys() - self._manifests.keys()), found.revisions)
        new += self._take_manifests_among_layers()
        resolve_absent(self._tx, self._key)
        self._drop_links()
        moved = self._take_tags()
        self._take_uploads()
        if not self._is_something_left():
            self._tx.execute("DELETE FROM repository WHERE key = ?", (self._key,))
        return Taken(new, gone, moved, int(mended))

    def _digests(self, table: str) -> set[str]:
        return set(
            self._tx.column(
                f"SELECT digest FROM {table} JOIN blob ON blob.key = {table}.blob WHERE repository = ?",
                (self._key,),
            )
        )

    def _known_manifests(self) -> dict[str, int]:
        return dict(
            self._tx.all(
                """SELECT digest, manifest.key FROM manifest JOIN blob ON blob.key = manifest.blob
                   WHERE repository = ?""",
                (self._key,),
            )
        )

    def _known_tags(self) -> dict[str, int]:
        return dict(self._tx.all("SELECT name, manifest FROM tag WHERE repository = ?", (self._key,)))

    def _take_aliases(self) -> None:
        rows = [(alias, key) for alias, digest in self._found.aliases.items() if (key := self._find(digest))]
        self._tx.execute_many("INSERT OR IGNORE INTO alias (digest, blob) VALUES (?, ?)", rows)

    def _take_links(self) -> None:
        """A link is neither a reference nor a proof that the blob exists."""
        new = [(self._key, key) for digest in self._found.layers - self._links if (key := self._find(digest))]
        new.sort()
        self._tx.execute_many("INSERT INTO link (repository, blob) VALUES (?, ?)", new)

    def _drop_links(self) -> None:
        """Forget links that are gone. One that a manifest needs stays: the blob is there, and held."""
        for digest in self._links - self._found.layers:
            where = (self._key, self._tx.value("SELECT key FROM blob WHERE digest = ?", (digest,)))
            named = """SELECT 1 FROM manifest_blob JOIN manifest ON manifest.key = manifest_blob.manifest
                       WHERE repository = ? AND manifest_blob.blob = ?"""
            if self._tx.value(named, where) is None:
                for table in ("lease", "link"):
                    self._tx.execute(f"DELETE FROM {table} WHERE repository = ? AND blob = ?", where)

    def _forget_manifests(self) -> int:
        gone = self._manifests.keys() - self._found.revisions.keys()
        gone -= {digest for digest in gone & self._found.layers if self._is_among_layers(digest)}
        for digest in gone:
            forget_manifest(self._tx, self._manifests.pop(digest))
        return len(gone)

    def _is_among_layers(self, digest: str) -> bool:
        key = self._manifests[digest]
        sql = """SELECT 1 FROM manifest JOIN manifest_blob ON manifest_blob.manifest = manifest.key
                 WHERE manifest.key = ? AND manifest_blob.blob = manifest.blob"""
        return self._tx.value(sql, (key,)) is not None

    def _take_manifests_among_layers(self) -> int:
        """Registry 2.1 linked manifests as if they were layers; what tags point to can be told from those.

        Such a manifest needs that link as it needs those of its layers: it names itself.
        """
        moved = dict(self._found.tags.values())
        linked = (moved.keys() - self._manifests.keys()) & self._found.layers
        return self._take_manifests(sorted(linked), moved, names_itself=True)

    def _take_manifests(
        self, digests: list[str], times: dict[str, int], *, names_itself: bool = False
    ) -> int:
        """Read manifests and write their rows. What is none, or not what its digest says, is passed over."""
        children: list[tuple[int, tuple[str, ...]]] = []
        before = len(self._manifests)
        for start in range(0, len(digests), _CHUNK):
            chunk = []
            for digest in digests[start : start + _CHUNK]:
                raw = self._storage.read_blob(digest, MAX_DOCUMENT_SIZE)
                blob = self._find(digest)
                if raw is None or blob is None or sha256(raw) != digest:
                    continue
                stored = read_stored(raw)
                if stored is not None:
                    chunk.append((digest, blob, raw, stored))
            children += self._write_manifests(chunk, times, names_itself=names_itself)
        self._write_children(children)
        return len(self._manifests) - before

    def _write_manifests(
        self, chunk: list[tuple[str, int, bytes, Stored]], times: dict[str, int], *, names_itself: bool
    ) -> list[tuple[int, tuple[str, ...]]]:
        """Write the rows of manifests, and of the blobs they name. Returns those that name manifests."""
        tx = self._tx
        next_key = 1 + (tx.value("SELECT MAX(key) FROM manifest") or 0)
        rows, edges, absent, children = [], set(), [], []
        for number, (digest, blob, _raw, stored) in enumerate(chunk, next_key):
            rows.append(
                (
                    number,
                    self._key,
                    blob,
                    stored.media_type,
                    stored.artifact_type,
                    stored.subject,
                    stored.annotations,
                    times[digest],
                )
            )
            self._manifests[digest] = number
            if names_itself:
                edges.add((number, blob))
            if stored.children:
                children.append((number, stored.children))
            for named, elsewhere in stored.blobs:
                key = self._blob_of(named, elsewhere=elsewhere)
                if key is not None:
                    edges.add((number, key))
                elif is_digest(named):
                    absent.append((number, named))
        tx.execute_many(
            "INSERT OR IGNORE INTO document (blob, raw) VALUES (?, ?)",
            [(blob, raw) for _digest, blob, raw, _stored in chunk],
        )
        tx.execute_many(
            """INSERT INTO manifest (key, repository, blob, media_type, artifact_type, subject, annotations,
                                     pushed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            rows,
        )
        # A blob that a manifest names is served: its link may have been lost when the power went.
        links = sorted({(self._key, blob) for _manifest, blob in edges})
        tx.execute_many("INSERT OR IGNORE INTO link (repository, blob) VALUES (?, ?)", links)
        tx.execute_many("INSERT INTO manifest_blob (manifest, blob) VALUES (?, ?)", sorted(edges))
        tx.execute_many("INSERT OR IGNORE INTO absent (manifest, digest, child) VALUES (?, ?, 0)", absent)
        return children

    def _blob_of(self, digest: str, *, elsewhere: bool) -> int | None:
        """Return the key of a blob that a manifest names and the disk has.

        Nobody has ever asked whether a repository may serve what is elsewhere: that takes a link.
        """
        digest = self._found.aliases.get(digest, digest)
        if elsewhere and digest not in self._found.layers:
            return None
        return self._find(digest) if digest.startswith("sha256:") else None

    def _write_children(self, parents: list[tuple[int, tuple[str, ...]]]) -> None:
        edges, absent = set(), set()
        for parent, digests in parents:
            for digest in digests:
                child = self._manifests.get(self._found.aliases.get(digest, digest))
                if child is not None:
                    edges.add((parent, child))
                elif is_digest(digest):
                    absent.add((parent, digest))
        self._tx.execute_many("INSERT INTO manifest_child (parent, child) VALUES (?, ?)", sorted(edges))
        self._tx.execute_many("INSERT INTO absent (manifest, digest, child) VALUES (?, ?, 1)", sorted(absent))

    def _take_tags(self) -> int:
        """Write the tags that point to a manifest. Returns how many are new, moved or gone."""
        tags = {
            name: (key, moved)
            for name, (digest, moved) in sorted(self._found.tags.items())
            if (key := self._manifests.get(digest)) is not None
        }
        gone = [(self._key, name) for name in self._tags.keys() - tags.keys()]
        for table in ("tag", "tag_history"):
            self._tx.execute_many(f"DELETE FROM {table} WHERE repository = ? AND name = ?", gone)
        changed = {name: row for name, row in tags.items() if self._tags.get(name) != row[0]}
        self._tx.execute_many(
            "INSERT OR REPLACE INTO tag (repository, name, manifest, moved) VALUES (?, ?, ?, ?)",
            [(self._key, name, manifest, moved) for name, (manifest, moved) in changed.items()],
        )
        history = []
        for name, (manifest, moved) in changed.items():
            times = self._storage.tag_history(self._name, name, self._found.tags[name][0])
            past = {key: at for digest, at in times.items() if (key := self._manifests.get(digest))}
            past[manifest] = moved
            history += [(self._key, name, key, past[key]) for key in sorted(past)]
        self._tx.execute_many(
            "INSERT OR REPLACE INTO tag_history (repository, name, manifest, at) VALUES (?, ?, ?, ?)", history
        )
        return len(changed) + len(gone)

    def _take_uploads(self) -> None:
        """An upload that is under way may go on here."""
        known = set(self._tx.column("SELECT id FROM upload WHERE repository = ?", (self._key,)))
        new = self._found.uploads.keys() - known
        self._tx.execute_many(
            "INSERT OR IGNORE INTO upload (id, repository, started) VALUES (?, ?, ?)",
            [(name, self._key, self._found.uploads[name]) for name in sorted(new)],
        )
        gone = [(name,) for name in known - self._found.uploads.keys()]
        self._tx.execute_many("DELETE FROM upload WHERE id = ?", gone)

    def _is_something_left(self) -> bool:
        return any(
            self._tx.value(f"SELECT 1 FROM {table} WHERE repository = ?", (self._key,))
            for table in ("manifest", "link", "upload")
        )


def forget_manifest(tx: WriteTransaction, manifest: int) -> None:
    """Remove the rows of a manifest that another registry has deleted. Its blobs and links stay."""
    for table in ("tag", "tag_history"):
        tx.execute(f"DELETE FROM {table} WHERE manifest = ?", (manifest,))
    tx.execute(
        """INSERT OR IGNORE INTO absent (manifest, digest, child)
           SELECT parent, digest, 1 FROM manifest_child JOIN manifest ON manifest.key = child
           JOIN blob ON blob.key = manifest.blob WHERE child = ?""",
        (manifest,),
    )
    tx.execute("DELETE FROM manifest_child WHERE child = ?1 OR parent = ?1", (manifest,))
    tx.execute("DELETE FROM manifest_blob WHERE manifest = ?", (manifest,))
    tx.execute("DELETE FROM manifest WHERE key = ?", (manifest,))


def forget_blob(tx: WriteTransaction, storage: FilesystemStorage, digest: str) -> None:
    """Remove the rows of a blob whose file is gone, and those of the manifests that it is the bytes of.

    Manifests that name it remember that. An undo entry that needs it is of no use any more.
    """
    blob = tx.value("SELECT key FROM blob WHERE digest = ?", (digest,))
    for manifest in tx.column("SELECT key FROM manifest WHERE blob = ?", (blob,)):
        forget_manifest(tx, manifest)
    tx.execute(
        """INSERT OR IGNORE INTO absent (manifest, digest, child)
           SELECT manifest, ?2, 0 FROM manifest_blob WHERE blob = ?1""",
        (blob, digest),
    )
    drop(tx, storage, tx.column("SELECT DISTINCT deletion FROM deletion_blob WHERE blob = ?", (blob,)))
    for table in ("manifest_blob", "lease", "link", "document", "alias"):
        tx.execute(f"DELETE FROM {table} WHERE blob = ?", (blob,))
    tx.execute("DELETE FROM blob WHERE key = ?", (blob,))


def resolve_absent(tx: WriteTransaction, repository: int, digest: str = "") -> None:
    """Let manifests hold what they name and their repository has by now: this digest, or all."""
    rows = "SELECT manifest, digest, child FROM {0} ON manifest.key = absent.manifest WHERE repository = ?"
    waiting = (
        # CROSS keeps the order: few rows wait for a digest, and a repository may have many manifests.
        tx.all(f"{rows.format('absent CROSS JOIN manifest')} AND digest = ?", (repository, digest))
        if digest
        else tx.all(rows.format("manifest CROSS JOIN absent"), (repository,))
    )
    for manifest, named, is_child in waiting:
        source = "manifest" if is_child else "link"
        found = tx.one(
            f"""SELECT {source}.{"key" if is_child else "blob"} FROM {source}
                JOIN blob ON blob.key = {source}.blob WHERE repository = ? AND digest = ?""",
            (repository, file_digest(tx, named)),
        )
        if found is None:
            continue
        edge = "manifest_child (parent, child)" if is_child else "manifest_blob (manifest, blob)"
        tx.execute(f"INSERT OR IGNORE INTO {edge} VALUES (?, ?)", (manifest, found[0]))
        tx.execute(
            "DELETE FROM absent WHERE manifest = ? AND digest = ? AND child = ?", (manifest, named, is_child)
        )
