"""Undo, carried out: rows and links of an undo entry as they were before the delete."""

from __future__ import annotations

from ligan.errors import LiganError
from ligan.registry.adopting import resolve_absent
from ligan.registry.deleting import carry_out, names_of, sweep, take
from ligan.registry.keeping import drop
from ligan.registry.undoing import (
    blobs_of,
    current_digest,
    is_there,
    manifest_key,
    manifests_of,
    plan_restore,
    whole_manifests,
)
from ligan.store import failpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.registry.index.database import Index, WriteTransaction
    from ligan.registry.storage.role import Storage
    from ligan.registry.undoing import KeptManifest, Restored


def restore(
    index: Index, storage: Storage, entry: int, command: str, until: int, now: int, *, force: bool
) -> Restored:
    """Bring back what the entry holds, and remove the entry.

    On return every manifest of it is there with what it names, every tag means what it meant, and the links
    are on the disk. Raises as `plan_restore` does, and then nothing has changed. Tags that force moves
    make an entry of their own, kept until `until`.
    """
    with index.write() as tx:
        plan_restore(tx, storage, entry, force=force)
        tx.execute("UPDATE deletion SET restoring = 1 WHERE key = ?", (entry,))
    failpoints.hit("registry-undo.marked")
    try:
        with index.write() as tx:
            sweep(tx, storage)
            plan = plan_restore(tx, storage, entry, force=force)  # another may have been first
            if plan.moved:
                _keep_moved(tx, plan, command, until, now)
            _Restore(tx, storage, entry).bring_back(whole_manifests(tx, storage, entry, force=force), plan)
            failpoints.hit("registry-undo.rows")
            drop(tx, storage, [entry])
    except LiganError:
        _take_back(index, storage)
        raise
    carry_out(index, storage)  # what force has left out goes
    return plan


def _take_back(index: Index, storage: Storage) -> None:
    """Let the links go of an undo that has failed, if the disk is good for that; else a start does it."""
    try:
        with index.write() as tx:
            take_back_restores(tx, storage)
        carry_out(index, storage)
    except LiganError:
        pass  # the error that is told came first


def _keep_moved(tx: WriteTransaction, plan: Restored, command: str, until: int, now: int) -> None:
    row = (command, now, until)
    entry = tx.insert("INSERT INTO deletion (command, at, until) VALUES (?, ?, ?)", row)
    for name, digest in plan.moved:
        repository, _, tag = name.rpartition(":")
        tx.execute(
            """INSERT INTO deletion_tag (deletion, repository, name, manifest, moved)
               SELECT ?1, ?2, ?3, ?4, moved FROM tag JOIN repository ON repository.key = tag.repository
               WHERE repository.name = ?2 AND tag.name = ?3""",
            (entry, repository, tag, digest),
        )


class _Restore:
    """What writes an entry back: rows, and then links, durable before the transaction ends."""

    def __init__(self, tx: WriteTransaction, storage: Storage, entry: int) -> None:
        self._tx = tx
        self._storage = storage
        self._entry = entry
        self._links: dict[str, str] = {}

    def bring_back(self, coming: Sequence[KeptManifest], plan: Restored) -> None:
        names = set(plan.manifests)
        new = [each for each in coming if each.name in names]
        for each in new:
            self._restore_manifest(each)
        for each in new:
            self._restore_children(each)
        for repository, blob, digest in blobs_of(self._tx, self._storage, self._entry, force=True):
            self._restore_link(repository, blob, digest)
        for name in plan.tags:
            repository, _, tag = name.rpartition(":")
            self._restore_tag(repository, tag)
        self._restore_history()
        for repository in {each.repository for each in new}:
            resolve_absent(self._tx, self._repository(repository))
            self._storage.create_layers_folder(repository)  # an index has no layers, but needs the folder
        self._storage.write_links(self._links)

    def _repository(self, name: str) -> int:
        self._tx.execute("INSERT OR IGNORE INTO repository (name) VALUES (?)", (name,))
        return int(self._tx.value("SELECT key FROM repository WHERE name = ?", (name,)))

    def _restore_manifest(self, manifest: KeptManifest) -> None:
        repository = self._repository(manifest.repository)
        named = self._tx.all(
            """SELECT blob.key, digest FROM deletion_manifest_blob
               JOIN blob ON blob.key = deletion_manifest_blob.blob WHERE manifest = ?""",
            (manifest.row,),
        )
        for blob, digest in named:
            self._restore_link(manifest.repository, blob, digest)
        for name in names_of(self._tx, manifest.blob, manifest.digest):
            self._links[self._storage.revision_folder(manifest.repository, name)] = manifest.digest
        key = self._tx.insert(
            """INSERT INTO manifest (
                   repository, blob, media_type, artifact_type, subject, annotations, pushed)
               SELECT ?2, blob, media_type, artifact_type, subject, annotations, pushed
               FROM deletion_manifest WHERE key = ?1""",
            (manifest.row, repository),
        )
        self._tx.execute_many(
            "INSERT INTO manifest_blob (manifest, blob) VALUES (?, ?)", [(key, blob) for blob, _ in named]
        )
        self._tx.execute(
            """INSERT INTO absent (manifest, digest, child)
               SELECT ?2, digest, child FROM deletion_manifest_absent WHERE manifest = ?1""",
            (manifest.row, key),
        )

    def _restore_children(self, manifest: KeptManifest) -> None:
        parent = manifest_key(self._tx, manifest.repository, manifest.digest)
        sql = "SELECT child FROM deletion_manifest_child WHERE manifest = ?"
        children = [
            (parent, manifest_key(self._tx, manifest.repository, child))
            for child in self._tx.column(sql, (manifest.row,))
        ]
        self._tx.execute_many("INSERT INTO manifest_child (parent, child) VALUES (?, ?)", children)

    def _restore_link(self, repository: str, blob: int, digest: str) -> None:
        for name in names_of(self._tx, blob, digest):
            self._links[self._storage.layer_folder(repository, name)] = digest
        row = (self._repository(repository), blob)
        self._tx.execute("INSERT OR IGNORE INTO link (repository, blob) VALUES (?, ?)", row)

    def _restore_tag(self, repository: str, tag: str) -> None:
        digest, moved = self._tx.one(
            "SELECT manifest, moved FROM deletion_tag WHERE deletion = ? AND repository = ? AND name = ?",
            (self._entry, repository, tag),
        )
        self._links[self._storage.tag_index_folder(repository, tag, digest)] = digest
        self._links[self._storage.current_folder(repository, tag)] = digest
        row = (self._repository(repository), tag, manifest_key(self._tx, repository, digest), moved)
        self._tx.execute(
            "INSERT OR REPLACE INTO tag (repository, name, manifest, moved) VALUES (?, ?, ?, ?)", row
        )
        self._tx.execute(
            "INSERT OR IGNORE INTO tag_history (repository, name, manifest, at) VALUES (?, ?, ?, ?)", row
        )

    def _restore_history(self) -> None:
        """Write what tags have pointed to, as far as both are there."""
        for repository, tag, digest, at in self._tx.all(
            "SELECT repository, name, manifest, at FROM deletion_tag_history WHERE deletion = ?",
            (self._entry,),
        ):
            manifest = manifest_key(self._tx, repository, digest)
            if manifest is None or not current_digest(self._tx, repository, tag):
                continue
            self._links[self._storage.tag_index_folder(repository, tag, digest)] = digest
            self._tx.execute(
                "INSERT OR REPLACE INTO tag_history (repository, name, manifest, at) VALUES (?, ?, ?, ?)",
                (self._repository(repository), tag, manifest, at),
            )


def take_back_restores(tx: WriteTransaction, storage: Storage) -> None:
    """Let the links go, or put them back to what the index says, of an undo that was cut short."""
    for entry in tx.column("SELECT key FROM deletion WHERE restoring"):
        for each in manifests_of(tx, entry):
            if is_there(tx, each.repository, each.digest):
                continue
            for name in names_of(tx, each.blob, each.digest):
                take(tx, storage.revision_folder(each.repository, name))
        _take_back_layers(tx, storage, entry)
        _take_back_tags(tx, storage, entry)
        repositories = (
            "SELECT repository FROM deletion_manifest UNION SELECT repository FROM deletion_link"
            " EXCEPT SELECT name FROM repository"
        )
        for repository in tx.column(repositories):
            for folder in storage.repository_folders(repository):
                take(tx, folder)
        tx.execute("UPDATE deletion SET restoring = 0 WHERE key = ?", (entry,))


def _take_back_layers(tx: WriteTransaction, storage: Storage, entry: int) -> None:
    for repository, blob, digest in tx.all(
        """SELECT repository, blob.key, digest FROM deletion_manifest
           JOIN deletion_manifest_blob ON deletion_manifest_blob.manifest = deletion_manifest.key
           JOIN blob ON blob.key = deletion_manifest_blob.blob WHERE deletion = ?1
           UNION SELECT repository, blob.key, digest FROM deletion_link
           JOIN blob ON blob.key = deletion_link.blob WHERE deletion = ?1""",
        (entry,),
    ):
        linked = tx.value(
            """SELECT 1 FROM link JOIN repository ON repository.key = link.repository
               WHERE name = ? AND blob = ?""",
            (repository, blob),
        )
        if linked is None:
            for name in names_of(tx, blob, digest):
                take(tx, storage.layer_folder(repository, name))


def _take_back_tags(tx: WriteTransaction, storage: Storage, entry: int) -> None:
    for repository, tag, digest in tx.all(
        """SELECT repository, name, manifest FROM deletion_tag WHERE deletion = ?1
           UNION SELECT repository, name, manifest FROM deletion_tag_history WHERE deletion = ?1""",
        (entry,),
    ):
        current = current_digest(tx, repository, tag)
        if not current:
            take(tx, storage.tag_folder(repository, tag))
            continue
        storage.write_tag(repository, tag, current)
        known = tx.value(
            """SELECT 1 FROM tag_history JOIN repository ON repository.key = tag_history.repository
               JOIN manifest ON manifest.key = tag_history.manifest JOIN blob ON blob.key = manifest.blob
               WHERE repository.name = ? AND tag_history.name = ? AND blob.digest = ?""",
            (repository, tag, digest),
        )
        if known is None:
            take(tx, storage.tag_index_folder(repository, tag, digest))
