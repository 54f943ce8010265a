"""Undo entries: what each holds, and what of it can come back now."""

from __future__ import annotations

from ligan.errors import Conflict
from ligan.registry.keeping import NoSuchEntry, bytes_of
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.index.database import ReadTransaction
    from ligan.registry.storage.role import Storage


class UndoEntry(Value):
    """What one command removed. Times are nanoseconds since 1970; `bytes` is what dropping it would free."""

    key: int
    command: str
    at: int
    until: int
    tags: tuple[str, ...]
    manifests: tuple[str, ...]
    bytes: int


class TagTaken(Conflict):
    """A tag to bring back means another manifest now."""

    def __init__(self, tag: str, digest: str) -> None:
        super().__init__(
            f"conflict: {tag} now is {digest}",
            "Nothing was brought back. With --force the tag moves back, and the move can be undone too.",
        )


class NeedsLaterEntry(Conflict):
    """What is to come back needs a manifest that a later command deleted."""

    def __init__(self, what: str, digest: str, entry: int) -> None:
        super().__init__(
            f"conflict: {what} needs {digest}, which was deleted later",
            f"Undo that first: ligan registry undo {entry}",
        )


class BytesGone(Conflict):
    """What is to come back needs what no entry holds and no disk has."""

    def __init__(self, what: str, digest: str) -> None:
        super().__init__(
            f"conflict: {what} needs {digest}, whose bytes are gone",
            "The rest of the entry can be brought back with --force.",
        )


class KeptManifest(Value):
    """A manifest of an entry: its row there, and that of its blob."""

    row: int
    repository: str
    blob: int
    digest: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.repository}@{self.digest}"


class Restored(Value):
    """What an undo brings back. `merged` manifests were there again; `moved` tells whom a tag is taken from.

    Manifests are `REPOSITORY@DIGEST`, tags `REPOSITORY:TAG`, blobs deleted by themselves `REPOSITORY@DIGEST`.
    """

    entry: int
    command: str
    manifests: tuple[str, ...]
    merged: tuple[str, ...]
    tags: tuple[str, ...]
    moved: tuple[tuple[str, str], ...]
    blobs: tuple[str, ...]


def entries(tx: ReadTransaction) -> list[UndoEntry]:
    """Return every undo entry, newest first."""
    return [
        UndoEntry(
            key,
            command,
            at,
            until,
            tuple(
                tx.column(
                    """SELECT repository || ':' || name FROM deletion_tag WHERE deletion = ?
                       ORDER BY repository, name""",
                    (key,),
                )
            ),
            tuple([each.name for each in manifests_of(tx, key)]),
            bytes_of(tx, key),
        )
        for key, command, at, until in tx.all(
            "SELECT key, command, at, until FROM deletion ORDER BY key DESC"
        )
    ]


def newest(tx: ReadTransaction) -> int:
    """Return the key of the newest entry. Raises NoSuchEntry."""
    key = tx.value("SELECT MAX(key) FROM deletion")
    if key is None:
        raise NoSuchEntry(None)
    return int(key)


def plan_restore(tx: ReadTransaction, storage: Storage, entry: int, *, force: bool) -> Restored:
    """Return what `restore` would bring back now, or raise as it would."""
    command = tx.value("SELECT command FROM deletion WHERE key = ?", (entry,))
    if command is None:
        raise NoSuchEntry(entry)
    coming = whole_manifests(tx, storage, entry, force=force)
    there = {each.name: is_there(tx, each.repository, each.digest) for each in coming}
    tags, moved = [], []
    for repository, tag, digest in tx.all(
        "SELECT repository, name, manifest FROM deletion_tag WHERE deletion = ? ORDER BY repository, name",
        (entry,),
    ):
        name = f"{repository}:{tag}"
        if f"{repository}@{digest}" not in there and not is_there(tx, repository, digest):
            _refuse(tx, entry, name, (repository, digest), force=force)
            continue
        now = current_digest(tx, repository, tag)
        if now and now != digest:
            if not force:
                raise TagTaken(name, now)
            moved.append((name, now))
        tags.append(name)
    blobs = [
        f"{repository}@{digest}" for repository, _key, digest in blobs_of(tx, storage, entry, force=force)
    ]
    return Restored(
        entry,
        command,
        tuple([name for name, is_merged in there.items() if not is_merged]),
        tuple([name for name, is_merged in there.items() if is_merged]),
        tuple(tags),
        tuple(moved),
        tuple(blobs),
    )


def manifests_of(tx: ReadTransaction, entry: int) -> list[KeptManifest]:
    rows = tx.all(
        """SELECT kept.key, repository, blob.key, digest, size FROM deletion_manifest AS kept
           JOIN blob ON blob.key = kept.blob WHERE deletion = ? ORDER BY kept.key""",
        (entry,),
    )
    return [KeptManifest(*row) for row in rows]


def whole_manifests(tx: ReadTransaction, storage: Storage, entry: int, *, force: bool) -> list[KeptManifest]:
    """Return the entry's manifests of which everything is there or comes back too.

    Raises BytesGone or NeedsLaterEntry for one of which it is not; with `force` those that have lost bytes
    are left out, and the indexes that need them.
    """
    coming = []
    for each in manifests_of(tx, entry):
        lost = _lost(tx, storage, each)
        if not lost:
            coming.append(each)
        elif not force:
            raise BytesGone(each.name, lost)
    while True:
        names = {each.name for each in coming}
        broken = []
        for each in coming:
            sql = "SELECT child FROM deletion_manifest_child WHERE manifest = ? ORDER BY child"
            for child in tx.column(sql, (each.row,)):
                if f"{each.repository}@{child}" in names or is_there(tx, each.repository, child):
                    continue
                _refuse(tx, entry, each.name, (each.repository, child), force=force)
                broken.append(each)
        if not broken:
            return coming
        coming = [each for each in coming if each not in broken]


def _lost(tx: ReadTransaction, storage: Storage, manifest: KeptManifest) -> str:
    """Return the digest of the first blob of a manifest that the disk has not, or nothing."""
    needed = tx.all(
        """SELECT digest, size FROM deletion_manifest_blob
           JOIN blob ON blob.key = deletion_manifest_blob.blob WHERE manifest = ? ORDER BY digest""",
        (manifest.row,),
    )
    for digest, size in [(manifest.digest, manifest.size), *needed]:
        if not storage.has_blob(digest, size):
            return str(digest)
    return ""


def _refuse(tx: ReadTransaction, entry: int, what: str, manifest: tuple[str, str], *, force: bool) -> None:
    """Raise what says why a manifest (repository, digest) is not there: another entry has it, or none.

    With `force` what none has is passed over.
    """
    other = tx.value(
        """SELECT MAX(deletion) FROM deletion_manifest JOIN blob ON blob.key = deletion_manifest.blob
           WHERE repository = ? AND digest = ? AND deletion <> ?""",
        (*manifest, entry),
    )
    if other is not None:
        raise NeedsLaterEntry(what, manifest[1], other)
    if not force:
        raise BytesGone(what, manifest[1])


def blobs_of(tx: ReadTransaction, storage: Storage, entry: int, *, force: bool) -> list[tuple[str, int, str]]:
    """Return the blobs that were deleted by themselves: repository, key and digest."""
    found = []
    for repository, blob, digest, size in tx.all(
        """SELECT repository, blob.key, digest, size FROM deletion_link
           JOIN blob ON blob.key = deletion_link.blob WHERE deletion = ? ORDER BY repository, digest""",
        (entry,),
    ):
        if storage.has_blob(digest, size):
            found.append((repository, blob, digest))
        elif not force:
            raise BytesGone(repository, digest)
    return found


def is_there(tx: ReadTransaction, repository: str, digest: str) -> bool:
    return manifest_key(tx, repository, digest) is not None


def manifest_key(tx: ReadTransaction, repository: str, digest: str) -> int | None:
    key: int | None = tx.value(
        """SELECT manifest.key FROM repository JOIN manifest ON manifest.repository = repository.key
           JOIN blob ON blob.key = manifest.blob WHERE repository.name = ? AND blob.digest = ?""",
        (repository, digest),
    )
    return key


def current_digest(tx: ReadTransaction, repository: str, tag: str) -> str:
    """Return the digest that a tag has now, or nothing."""
    found: str | None = tx.value(
        """SELECT digest FROM repository JOIN tag ON tag.repository = repository.key
           JOIN manifest ON manifest.key = tag.manifest JOIN blob ON blob.key = manifest.blob
           WHERE repository.name = ? AND tag.name = ?""",
        (repository, tag),
    )
    return found or ""
