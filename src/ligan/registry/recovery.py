"""What a start does: finds out who else is here, ends what a crash has cut short, and has all compared.

Nothing is taken back that another registry may have acknowledged since. What the disk has of a push is kept,
what it lacks is not: its client was told nothing, and will push again.
"""

from __future__ import annotations

import fcntl
import json
import os
import time

from ligan.errors import Busy
from ligan.oci.digest import Digest, sha256
from ligan.registry.adopting import find_blob_row, take_in
from ligan.registry.deleting import carry_out, sweep, take
from ligan.registry.index.database import create_index, explain
from ligan.registry.pushing import LEASE_SECONDS
from ligan.registry.restoring import take_back_restores
from ligan.registry.rivals import refuse_rivals
from ligan.registry.storage.filesystem import FilesystemStorage
from ligan.registry.undoing import current_digest, manifest_key
from ligan.registry.uploads import hash_file
from ligan.registry.verifying import Verification, adopt, is_unknown, is_verifying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.adopting import Taken
    from ligan.registry.index.database import Index, WriteTransaction
    from ligan.registry.verifying import Report

_LIKE_ALL = Digest("sha256:")
_LOOK_SECONDS = 0.05
_MILLISECOND = 10**6
_SLACK = 10 * _MILLISECOND
"""How far a file's time and the index's may be apart. No other registry starts as soon after a crash."""


def open_registry(root: str) -> FilesystemStorage:
    """On return the folder has an index of this schema. Raises Unavailable, or Busy for another registry."""
    refuse_rivals(root)
    storage = FilesystemStorage(root)
    try:
        storage.create()
        create_index(storage.index)
    except OSError as error:
        raise explain(error, root) from error
    return storage


def lock_registry(storage: FilesystemStorage) -> int:
    """Return a descriptor that keeps servers from this folder until it is closed. Raises Busy."""
    lock = os.open(storage.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Busy(
            f"a registry already serves {storage.root}, or a command writes to it",
            "Stop it or wait for it, or name another folder with --root.",
        ) from None
    return lock


def settle(index: Index, storage: FilesystemStorage, now: int, report: Report) -> int:
    """On return the index says what the disk does, and commands may delete by it, beside a server or not.

    Returns the descriptor of the registry's lock; a negative number where a server has that. Raises Busy for
    another registry.
    """
    while True:
        try:
            lock = lock_registry(storage)
        except Busy:
            if not is_verifying(index.read()):
                return -1
            time.sleep(_LOOK_SECONDS)  # the server has begun to make sure of it
            continue
        try:
            refuse_rivals(storage.root)
            recover(index, storage, now, report)
        except BaseException:
            os.close(lock)
            raise
        return lock


def recover(index: Index, storage: FilesystemStorage, now: int, report: Report) -> Taken:
    """On return disk and index agree, and nothing waits to be unlinked.

    Whoever calls it holds the registry's lock. `now` is in nanoseconds since 1970.
    """
    verification = begin(index, storage, now, report)
    while not verification.go_on(index):
        pass
    carry_out(index, storage)
    return verification.taken


def begin(index: Index, storage: FilesystemStorage, now: int, report: Report) -> Verification:
    """On return requests can be served, while what is returned goes on."""
    verification = Verification(index, storage)
    if is_unknown(index.read()):
        verification.taken = adopt(index, storage, report)
    _make_durable(index, storage)
    with index.write() as tx:
        _forget_deletes(tx, storage)
        take_back_restores(tx, storage)
        sweep(tx, storage)
    for name in {each.removesuffix(".for") for each in storage.all_incoming()}:
        _end_manifest(index, storage, name)
        storage.forget_incoming(name)
    with index.write() as tx:
        for upload, repository in tx.all(
            "SELECT id, name FROM upload JOIN repository ON repository.key = upload.repository"
        ):
            _end_upload(tx, storage, repository, upload, now)
    return verification


def _make_durable(index: Index, storage: FilesystemStorage) -> None:
    """Sync what a push that was killed has written: who pushes the same again is told that it is there."""
    if storage.all_incoming() or index.read().value("SELECT 1 FROM upload"):
        try:
            storage.sync()
        except OSError as error:
            raise explain(error, storage.root) from error


def _end_manifest(index: Index, storage: FilesystemStorage, name: str) -> None:
    """Keep a manifest that was on its way in where its own link was written, and tags that point to it."""
    path = storage.incoming(name)
    try:
        with open(f"{path}.for", encoding="utf-8") as file:
            repository, tag, wanted = json.load(file)
        with open(path, "rb") as file:
            digest = sha256(file.read())
    except (FileNotFoundError, ValueError):
        return  # it had not got as far as the first link
    with index.write() as tx:
        take_in(tx, storage, repository, lambda each: find_blob_row(tx, storage, each))
        if manifest_key(tx, repository, digest) is None:
            for each in (wanted, digest):
                take(tx, storage.revision_folder(repository, each))
        _take_unknown_blob(tx, storage, digest)
        if tag and not current_digest(tx, repository, tag):
            take(tx, storage.tag_folder(repository, tag))
        elif tag and not _has_history(tx, repository, tag, digest):
            take(tx, storage.tag_index_folder(repository, tag, digest))


def _has_history(tx: WriteTransaction, repository: str, tag: str, digest: str) -> bool:
    sql = """SELECT 1 FROM tag_history JOIN repository ON repository.key = tag_history.repository
             JOIN manifest ON manifest.key = tag_history.manifest JOIN blob ON blob.key = manifest.blob
             WHERE repository.name = ? AND tag_history.name = ? AND blob.digest = ?"""
    return tx.value(sql, (repository, tag, digest)) is not None


def _end_upload(
    tx: WriteTransaction, storage: FilesystemStorage, repository: str, upload: str, now: int
) -> None:
    """Keep what has become of an upload for as long as any push is given, and the upload too."""
    data = f"{storage.upload(repository, upload)}/data"
    if storage.link_count(data) < 2:
        return
    # It has the name of a blob too: its commit was cut short.
    digest = hash_file(data, _LIKE_ALL)
    take_in(tx, storage, repository, lambda each: find_blob_row(tx, storage, each))
    linked = """SELECT 1 FROM link JOIN blob ON blob.key = link.blob
                JOIN repository ON repository.key = link.repository WHERE name = ? AND digest = ?"""
    if tx.value(linked, (repository, digest)) is None:
        take(tx, storage.layer_folder(repository, digest))
    _take_unknown_blob(tx, storage, digest)
    _lease_unnamed(tx, repository, digest, now)


def _take_unknown_blob(tx: WriteTransaction, storage: FilesystemStorage, digest: str) -> None:
    if tx.value("SELECT 1 FROM blob WHERE digest = ?", (digest,)) is None:
        take(tx, storage.blob_folder(digest))


def _lease_unnamed(tx: WriteTransaction, repository: str, digest: str, now: int) -> None:
    """Keep a repository's blob that no manifest names as long as any that is pushed, and no longer."""
    tx.execute(
        """INSERT OR IGNORE INTO lease (repository, blob, until)
           SELECT link.repository, link.blob, ?3 FROM link JOIN blob ON blob.key = link.blob
           JOIN repository ON repository.key = link.repository
           WHERE repository.name = ?1 AND digest = ?2 AND NOT EXISTS (
               SELECT 1 FROM manifest_blob AS named JOIN manifest ON manifest.key = named.manifest
               WHERE named.blob = link.blob AND manifest.repository = link.repository)""",
        (repository, digest, now + LEASE_SECONDS * 10**9),
    )


def _forget_deletes(tx: WriteTransaction, storage: FilesystemStorage) -> None:
    """Forget the removal of links that another registry has written anew since it was decided."""
    for path, at in tx.all("SELECT path, at FROM outbox WHERE path NOT GLOB 'blobs/*'"):
        if storage.newest_change(path) > (at + 1) * _MILLISECOND + _SLACK:
            tx.execute("DELETE FROM outbox WHERE path = ?", (path,))
