"""What a repository has that no tag leads to, and blobs that nothing names at all."""

from __future__ import annotations

from ligan.errors import NotFound
from ligan.oci.digest import Digest
from ligan.registry.deleting import release_blob
from ligan.registry.faults import Held
from ligan.registry.pushing import LEASE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ligan.registry.deleting import Removal
    from ligan.registry.index.database import ReadTransaction, WriteTransaction
    from ligan.registry.storage.role import Storage

    K = TypeVar("K", int, str)


def untagged(tx: ReadTransaction, repository: int, after: int | None) -> list[str]:
    """Return the digests of the manifests that no tag leads to.

    A tag leads to its manifest, an index to those it names, and a manifest to those that name it as their
    subject: signatures stay with what they sign, and with them the indexes that hold them. What was pushed
    `after` that time (nanoseconds since 1970) and has never had a tag may wait for the index that names it.
    """
    manifests = tx.all(
        """SELECT manifest.key, digest, subject FROM manifest JOIN blob ON blob.key = manifest.blob
           WHERE repository = ? ORDER BY manifest.key""",
        (repository,),
    )
    edges = tx.all(
        """SELECT parent, child FROM manifest_child JOIN manifest ON manifest.key = parent
           WHERE repository = ?""",
        (repository,),
    )
    children, parents = _grouped(edges), _grouped([(child, parent) for parent, child in edges])
    referrers = _grouped([(subject, key) for key, _digest, subject in manifests if subject])
    digests = {key: digest for key, digest, _subject in manifests}
    kept: set[int] = set()
    waiting = tx.column(
        """SELECT manifest FROM tag WHERE repository = ?1
           UNION SELECT key FROM manifest WHERE repository = ?1 AND pushed > ?2
                 AND NOT EXISTS (SELECT 1 FROM tag_history WHERE tag_history.manifest = manifest.key)""",
        (repository, after),
    )
    while waiting:
        key = waiting.pop()
        if key in kept:
            continue
        kept.add(key)
        waiting += children.get(key, [])
        for referrer in referrers.get(digests[key], []):
            waiting += [referrer, *parents.get(referrer, [])]
    return [digest for key, digest, _subject in manifests if key not in kept]


def _grouped(pairs: list[tuple[K, int]]) -> dict[K, list[int]]:
    groups: dict[K, list[int]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def remove_untagged(tx: ReadTransaction, removal: Removal, repository: int, now: int, *, served: bool) -> int:
    """Remove the manifests that no tag leads to, and with them what only they hold.

    Of a registry that is `served` those stay that a push under way may need; returns how many.
    """
    after = now - LEASE_SECONDS * 10**9 if served else None
    everything, going = len(untagged(tx, repository, None)), untagged(tx, repository, after)
    waiting = [Digest(digest) for digest in going]
    while waiting:
        held = []
        for digest in waiting:
            try:
                removal.remove_digest(digest)
            except Held:
                held.append(digest)  # by an index that goes too
            except NotFound:
                pass  # it has gone with its index
        waiting = held
    return everything - len(going)


def remove_unnamed(tx: ReadTransaction, removal: Removal, repository: int, now: int) -> None:
    """Let a repository serve no more what none of its manifests names, and no push under way needs."""
    links = tx.column(
        """SELECT digest FROM link JOIN blob ON blob.key = link.blob
           WHERE link.repository = ?1
             AND NOT EXISTS (SELECT 1 FROM manifest_blob AS named
                             JOIN manifest ON manifest.key = named.manifest
                             WHERE named.blob = link.blob AND manifest.repository = ?1)
             AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.repository = ?1
                             AND lease.blob = link.blob AND until > ?2)
           ORDER BY digest""",
        (repository, now),
    )
    for digest in links:
        removal.remove_blob(Digest(digest))


def remove_unheld(tx: WriteTransaction, storage: Storage) -> int:
    """Let blobs go that no repository and no undo entry has: `registry:2` leaves them. Returns bytes."""
    blobs = tx.all(
        """SELECT key, size FROM blob WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.blob = blob.key)
             AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.blob = blob.key) ORDER BY key"""
    )
    return sum(size for key, size in blobs if release_blob(tx, storage, key))
