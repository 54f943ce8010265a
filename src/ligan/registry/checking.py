"""fsck: every file of a registry hashed, every link compared with the index, both ways.

The index is the authority. Repairing writes links, and the files of manifests, from it; and removes what is
mere waste. It takes nothing in: images that another registry has left here are what a start takes in. What is
damaged and cannot be repaired is put aside, so that a pull fails with a clear answer and a push heals.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from ligan.errors import Busy
from ligan.oci.digest import sha256
from ligan.registry.deleting import carry_out, is_live, take
from ligan.registry.verifying import is_verifying
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.filesystem import FilesystemStorage

    Told = Callable[[int, int], None]
    """Is told how many bytes of how many are hashed."""

REPAIR, QUARANTINE, NOTHING = "repair", "quarantine", ""

_PIECE = 1 << 20
_BATCH = 1000
"""Files that wait for a thread to hash them."""


class Fault(Value):
    """One thing that is not as the index says, and what mends it: REPAIR, QUARANTINE or NOTHING here.

    `path` is the folder of a link, `digest` what the link is to hold, or the blob that is damaged; a path
    without a digest is to go.
    """

    subject: str
    problem: str
    mend: str
    path: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


def check(
    index: Index,
    storage: FilesystemStorage,
    told: Told,
    *,
    repair: bool = False,
    quarantine: bool = False,
) -> list[Fault]:
    """Return every fault, none for a sound registry; mend those that `repair` and `quarantine` are for.

    The registry may be serving. What looks like a fault is looked at again under the write lock, where it
    is mended too. Raises Busy for mending before a start has taken in what another registry has left.
    """
    tx = index.read()
    if (repair or quarantine) and is_verifying(tx):
        raise Busy("the registry still compares its folder with the index", "Try again once it has.")
    suspects = _links_at_fault(tx, storage, _repositories(tx, storage))
    damaged = _damaged(tx, storage, told)
    books = _in_the_books(tx)
    if not (books or suspects or damaged or _orphans(tx, storage)):
        return []
    mends = {REPAIR: repair, QUARANTINE: quarantine, NOTHING: False}
    with index.write() as writing:
        links = _links_at_fault(writing, storage, sorted(suspects))
        blobs = [fault for each in damaged if (fault := _blob_at_fault(writing, storage, *each))]
        faults = books + blobs + [fault for each in links.values() for fault in each]
        # Where another registry's images are, files that nothing names may be theirs.
        foreign = any(fault.mend == NOTHING for each in links.values() for fault in each)
        faults += _orphans(writing, storage, NOTHING if foreign else REPAIR)
        for fault in faults:
            if mends[fault.mend]:
                _mend(writing, storage, fault)
    carry_out(index, storage)
    return faults


def _repositories(tx: ReadTransaction, storage: FilesystemStorage) -> list[str]:
    return sorted({*tx.column("SELECT name FROM repository"), *storage.repositories()})


def _in_the_books(tx: ReadTransaction) -> list[Fault]:
    faults = [Fault("index", row, NOTHING) for row in tx.column("PRAGMA integrity_check") if row != "ok"]
    return faults + [
        Fault(f"table {row[0]}", f"row {row[1]} names a missing {row[2]}", NOTHING)
        for row in tx.all("PRAGMA foreign_key_check")
    ]


def _links_at_fault(
    tx: ReadTransaction, storage: FilesystemStorage, repositories: Iterable[str]
) -> dict[str, list[Fault]]:
    """Return the faults of the repositories that have some."""
    going = tx.column("SELECT path FROM outbox")
    faults = {name: _compare_links(tx, storage, name, going) for name in repositories}
    return {name: found for name, found in faults.items() if found}


def _compare_links(
    tx: ReadTransaction, storage: FilesystemStorage, repository: str, going: list[str]
) -> list[Fault]:
    wanted, allowed = _links_of(tx, storage, repository)
    found = storage.link_files(repository)
    faults = []
    for path, digest in wanted.items():
        if path not in found:
            faults.append(Fault(f"link {path}", "missing", REPAIR, path, digest))
        elif found[path] != digest:
            problem = f"holds {found[path]!r:.100}, not {digest}"
            faults.append(Fault(f"link {path}", problem, REPAIR, path, digest))
    for path, digest in found.items():
        if path in wanted or allowed.get(path) == digest or _is_below(path, going):
            continue
        if path in allowed:
            problem = f"holds {digest!r:.100}, not {allowed[path]}"
            faults.append(Fault(f"link {path}", problem, REPAIR, path, allowed[path]))
        elif "/_manifests/revisions/" in path or path.endswith("/current"):
            problem = "of an image that the index has not; a start of the registry takes it in"
            faults.append(Fault(f"link {path}", problem, NOTHING, path))
        else:
            faults.append(Fault(f"link {path}", "names nothing that is here", REPAIR, path))
    return faults


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _links_of(
    tx: ReadTransaction, storage: FilesystemStorage, repository: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the links that a repository has to have, and those that it may have: of other algorithms."""
    key = tx.value("SELECT key FROM repository WHERE name = ?", (repository,))
    wanted: dict[str, str] = {}
    allowed: dict[str, str] = {}
    aliases = "SELECT alias.digest FROM alias JOIN blob ON blob.key = alias.blob WHERE blob.digest = ?"
    for table, folder in (("link", storage.layer_folder), ("manifest", storage.revision_folder)):
        sql = f"SELECT digest FROM {table} JOIN blob ON blob.key = {table}.blob WHERE repository = ?"
        for digest in tx.column(sql, (key,)):
            wanted[folder(repository, digest)] = digest
            allowed |= {folder(repository, alias): digest for alias in tx.column(aliases, (digest,))}
    for table in ("tag", "tag_history"):
        for tag, digest in tx.all(
            f"""SELECT name, digest FROM {table} JOIN manifest ON manifest.key = {table}.manifest
                JOIN blob ON blob.key = manifest.blob WHERE {table}.repository = ?""",
            (key,),
        ):
            wanted[storage.tag_index_folder(repository, tag, digest)] = digest
            if table == "tag":
                wanted[storage.current_folder(repository, tag)] = digest
    return wanted, allowed


def _damaged(tx: ReadTransaction, storage: FilesystemStorage, told: Told) -> list[tuple[str, str]]:
    """Hash every file. Returns the digests of those that are not what they should be, and the problems."""
    rows = tx.all("SELECT digest, size FROM blob ORDER BY digest")
    documents = set(tx.column("SELECT digest FROM document JOIN blob ON blob.key = document.blob"))
    total = sum(size for _digest, size in rows)
    done, lock = 0, Lock()

    def hashed(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            told(done, total)

    def look_at(row: tuple[str, int]) -> str:
        return _problem(storage, *row, hashed)

    damaged = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing releases Python's lock
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            for (digest, _size), problem in zip(batch, threads.map(look_at, batch), strict=True):
                if not problem and digest in documents and not _document_is_sound(tx, digest):
                    problem = "the index has other bytes for it"
                if problem:
                    damaged.append((digest, problem))
    return damaged


def _problem(storage: FilesystemStorage, digest: str, size: int, told: Callable[[int], None]) -> str:
    """Say what is wrong with a blob's file, or nothing. `told` is how many bytes more are hashed."""
    hashing, read = hashlib.sha256(), 0
    buffer = bytearray(_PIECE)
    try:
        with open(storage.blob(digest), "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hashing.update(memoryview(buffer)[:count])
                read += count
                told(count)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if read != size:
        return f"{read} bytes on disk, {size} in the books"
    actual = f"sha256:{hashing.hexdigest()}"
    return "" if actual == digest else f"its bytes hash to {actual}"


def _document(tx: ReadTransaction, digest: str) -> bytes | None:
    """Return the bytes that the index has for a manifest, if they are those of its digest."""
    sql = "SELECT raw FROM document JOIN blob ON blob.key = document.blob WHERE digest = ?"
    raw: bytes | None = tx.value(sql, (digest,))
    return raw if raw is not None and sha256(raw) == digest else None


def _document_is_sound(tx: ReadTransaction, digest: str) -> bool:
    if _document(tx, digest) is not None:
        return True
    sql = "SELECT 1 FROM document JOIN blob ON blob.key = document.blob WHERE digest = ?"
    return tx.value(sql, (digest,)) is None  # deleted meanwhile


def _blob_at_fault(
    tx: ReadTransaction, storage: FilesystemStorage, digest: str, problem: str
) -> Fault | None:
    """Return the fault of a blob that looked damaged, unless it has gone, or been pushed again, since."""
    row = tx.one("SELECT key, size FROM blob WHERE digest = ?", (digest,))
    if row is None:
        return None
    key, size = row
    now = _problem(storage, digest, size, lambda _bytes: None)
    if not now and _document_is_sound(tx, digest):
        return None
    subject = f"manifest {digest}" if _is_manifest(tx, key) else f"blob {digest}"
    if not is_live(tx, key):
        subject += ", kept for undo"
    if not now or _document(tx, digest) is not None:
        mend = REPAIR
    else:
        mend = NOTHING if now == "missing" else QUARANTINE
    return Fault(subject, now or problem, mend, "", digest)


def _is_manifest(tx: ReadTransaction, blob: int) -> bool:
    return tx.value("SELECT 1 FROM document WHERE blob = ?", (blob,)) is not None


def _orphans(tx: ReadTransaction, storage: FilesystemStorage, mend: str = REPAIR) -> list[Fault]:
    """Return the files of blobs that the index has not."""
    known, going = set(tx.column("SELECT digest FROM blob")), set(tx.column("SELECT path FROM outbox"))
    return [
        Fault(f"file {path}", "no row names it", mend, path)
        for digest, _size in storage.blobs()
        if digest not in known and (path := storage.blob_folder(digest)) not in going
    ]


def _mend(tx: WriteTransaction, storage: FilesystemStorage, fault: Fault) -> None:
    if fault.mend == QUARANTINE:
        storage.quarantine(fault.digest)
    elif fault.path and fault.digest:
        storage.write_link(fault.path, fault.digest)
    elif fault.path:
        take(tx, fault.path)
    else:
        _mend_blob(tx, storage, fault.digest)


def _mend_blob(tx: WriteTransaction, storage: FilesystemStorage, digest: str) -> None:
    """Have the same bytes in the file and in the index."""
    raw = _document(tx, digest)
    if raw is not None:
        storage.rewrite_blob(digest, raw)
        return
    with open(storage.blob(digest), "rb") as file:
        tx.execute(
            "UPDATE document SET raw = ? WHERE blob = (SELECT key FROM blob WHERE digest = ?)",
            (file.read(), digest),
        )
