"""Plans: exactly what a delete would do, found by doing it in a transaction that is rolled back."""

from __future__ import annotations

from ligan.registry.deleting import LEASED, SHARED
from ligan.registry.keeping import Deletion, drop, due_entries
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from ligan.registry.index.database import Index, ReadTransaction
    from ligan.registry.keeping import Report, UndoPolicy
    from ligan.registry.storage.role import Storage

    T = TypeVar("T")


class Plan(Value):
    """`holders` are the repositories that go on to have a blob, by its digest."""

    report: Report
    holders: dict[str, tuple[str, ...]]


def plan_deletion(
    index: Index, storage: Storage, policy: UndoPolicy, now: int, remove: Callable[[Deletion], T]
) -> tuple[Plan, T]:
    """Return what `remove` would do, and what it returns. Nothing changes; writers wait meanwhile.

    As a command that deletes, it lets undo entries go first whose time is over.
    """
    with index.rehearse() as tx:
        drop(tx, storage, due_entries(tx, now))
        deletion = Deletion(tx, storage, policy, "", now)
        result = remove(deletion)
        report = deletion.finish()
        staying = [each.digest for each in report.deleted.blobs if each.state in (LEASED, SHARED)]
        return Plan(report, {digest: _repositories(tx, digest) for digest in staying}), result


def plan_reclaim(index: Index, storage: Storage, entries: Iterable[int]) -> int:
    """Return the bytes that dropping these undo entries would free."""
    with index.rehearse() as tx:
        return drop(tx, storage, entries)


def _repositories(tx: ReadTransaction, digest: str) -> tuple[str, ...]:
    return tuple(
        tx.column(
            """WITH these (key) AS (SELECT key FROM blob WHERE digest = ?)
               SELECT name FROM repository WHERE key IN (
                   SELECT repository FROM link WHERE blob IN these
                   UNION SELECT repository FROM manifest WHERE blob IN these) ORDER BY name""",
            (digest,),
        )
    )
