"""What a start does: takes back what never came, and makes sure that nobody else has been here."""

from __future__ import annotations

import json
import os

from ligan.errors import Conflict
from ligan.oci.digest import Digest, sha256
from ligan.registry.deleting import carry_out
from ligan.registry.uploads import hash_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.index.database import Index, ReadTransaction, WriteTransaction
    from ligan.registry.storage.filesystem import FilesystemStorage

_LIKE_ALL = Digest("sha256:")


def recover(index: Index, storage: FilesystemStorage) -> None:
    """On return disk and index agree. Raises Conflict where another registry has written to the folder.

    The server alone calls it, before it listens.
    """
    for name in {each.removesuffix(".for") for each in storage.all_incoming()}:
        _restore_links(index, storage, name)
        storage.forget_incoming(name)
    repositories = sorted(storage.repositories())
    with index.write() as tx:
        for repository in repositories:
            for upload in storage.uploads(repository):
                _take_back_upload(tx, storage, repository, upload)
    carry_out(index, storage)
    _verify(index.read(), storage)


def _restore_links(index: Index, storage: FilesystemStorage, name: str) -> None:
    """Put what a manifest on its way in has touched back to what the index says."""
    path = storage.incoming(name)
    try:
        with open(f"{path}.for", encoding="utf-8") as file:
            repository, tag, wanted = json.load(file)
        with open(path, "rb") as file:
            digest = sha256(file.read())
    except (FileNotFoundError, ValueError):
        return  # it had not got as far as the first link
    with index.write() as tx:
        known = tx.one(
            """SELECT blob.digest FROM manifest JOIN blob ON blob.key = manifest.blob
               JOIN repository ON repository.key = manifest.repository
               WHERE repository.name = ? AND blob.digest = ?""",
            (repository, digest),
        )
        current = tx.value(
            """SELECT blob.digest FROM tag JOIN repository ON repository.key = tag.repository
               JOIN manifest ON manifest.key = tag.manifest JOIN blob ON blob.key = manifest.blob
               WHERE repository.name = ? AND tag.name = ?""",
            (repository, tag),
        )
        if current is not None:
            storage.write_tag(repository, tag, current)
        elif tag:
            _take(tx, storage.tag_folder(repository, tag))
        if known is None:
            if tag:
                _take(tx, storage.tag_index_folder(repository, tag, digest))
            for each in (wanted, digest):
                _take(tx, storage.revision_folder(repository, each))
            _take_unknown_blob(tx, storage, digest)


def _take_back_upload(tx: WriteTransaction, storage: FilesystemStorage, repository: str, upload: str) -> None:
    if tx.value("SELECT 1 FROM upload WHERE id = ?", (upload,)) is None:
        _take(tx, f"{storage.repository_folders(repository)[2]}/{upload}")
    data = f"{storage.upload(repository, upload)}/data"
    try:
        if os.stat(data).st_nlink == 1:
            return
    except FileNotFoundError:
        return
    # It has the name of a blob too: its commit came, or was cut short.
    digest = hash_file(data, _LIKE_ALL)
    _take_unknown_blob(tx, storage, digest)
    linked = tx.one(
        """SELECT 1 FROM link JOIN blob ON blob.key = link.blob
           JOIN repository ON repository.key = link.repository WHERE name = ? AND digest = ?""",
        (repository, digest),
    )
    if linked is None:
        _take(tx, storage.layer_folder(repository, digest))


def _take_unknown_blob(tx: WriteTransaction, storage: FilesystemStorage, digest: str) -> None:
    if tx.value("SELECT 1 FROM blob WHERE digest = ?", (digest,)) is None:
        _take(tx, storage.blob_folder(digest))


def _take(tx: WriteTransaction, folder: str) -> None:
    tx.execute("INSERT OR IGNORE INTO outbox (path) VALUES (?)", (folder,))


def _verify(tx: ReadTransaction, storage: FilesystemStorage) -> None:
    """Compare tags and revisions on the disk with the index."""
    known = set(
        tx.column(
            "SELECT DISTINCT name FROM repository JOIN manifest ON manifest.repository = repository.key"
        )
    )
    for repository in known | set(storage.repositories()):
        tags = dict(
            tx.all(
                """SELECT tag.name, blob.digest FROM tag JOIN repository ON repository.key = tag.repository
                   JOIN manifest ON manifest.key = tag.manifest JOIN blob ON blob.key = manifest.blob
                   WHERE repository.name = ?""",
                (repository,),
            )
        )
        revisions = set(
            tx.column(
                """SELECT blob.digest FROM manifest JOIN repository ON repository.key = manifest.repository
                   JOIN blob ON blob.key = manifest.blob WHERE repository.name = ?""",
                (repository,),
            )
        )
        tags_found, revisions_found = storage.tags(repository), storage.revisions(repository)
        different = [
            *[
                f"{repository}:{tag}"
                for tag in sorted({each for each, _ in tags.items() ^ tags_found.items()})
            ],
            *[f"{repository}@{digest}" for digest in sorted(revisions ^ revisions_found)],
        ]
        if different:
            raise Conflict(
                f"{storage.root} holds images that are not those of its index: {different[0]}",
                "Another registry has written to it. Copy its images from there to an empty folder.",
            )
