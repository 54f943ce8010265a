"""Deletes that are done and taken back: what they say, and the bytes that they would free."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ligan.store.store import Store


class Rehearsal:
    """A transaction around verbs that is rolled back at its end; nothing leaves the disk meanwhile."""

    def __init__(self, store: Store) -> None:
        from ligan.containers.ending import reconcile

        # Inside, nothing can be: ends of runs are written down, and what is due or was left goes uncounted.
        store.recover()
        reconcile(store)
        self._store = store
        self._scope = store.database.rehearse()

    def __enter__(self) -> Rehearsal:
        self._tx = self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scope.__exit__(kind, exception, trace)

    def freed(self) -> int:
        """Return the bytes that what was removed so far would free, to be asked before the end."""
        from ligan.store.reclaim import outbox_bytes

        return outbox_bytes(self._tx, self._store.layout)
