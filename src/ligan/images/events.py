"""Docker's event log: written in the transaction of the change it tells, followed by key.

Keys grow in the order of the commits, without a gap: whoever reads by key
misses nothing and reads nothing twice (docs/decisions/0004-events.md).
"""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ligan.store.db import ReadTransaction, WriteTransaction

KEPT = 10_000
"""The newest events stay, however old they are."""

KEPT_FOR = 3600 * 10**9
"""Younger events stay, however many they are: one prune can write more than KEPT. Nanoseconds."""

_TRIMMED_AT_ONCE = 8
"""More than one, so that the log shrinks again after a burst; few, so that no event pays for others."""


class Event(Value):
    """One event. `at` is in nanoseconds since 1970; a prune has no actor."""

    key: int
    at: int
    type: str
    action: str
    actor: str
    attributes: Mapping[str, str]


def record(
    tx: WriteTransaction,
    now: int,
    action: str,
    actor: str,
    attributes: Mapping[str, str] | None = None,
    *,
    name: str = "",
    kind: str = "image",
) -> None:
    """Write one event (golden n_events), and forget a few that are old.

    The attribute `name` of an image's event is the actor itself unless given; an event of no actor, a
    prune, has none.
    """
    document = dict(attributes or {})
    if name or (actor and kind == "image"):
        document["name"] = name or actor
    key = tx.insert(
        "INSERT INTO event (at, type, action, actor, attributes) VALUES (?, ?, ?, ?, ?)",
        (now, kind, action, actor, _json(tx, document)),
    )
    # A time in the future is one of a clock that was set back since: such an event counts as old.
    tx.execute(
        """DELETE FROM event
           WHERE key IN (SELECT key FROM event WHERE key <= ? ORDER BY key LIMIT ?)
           AND at NOT BETWEEN ? AND ?""",
        (key - KEPT, _TRIMMED_AT_ONCE, now - KEPT_FOR, now),
    )


def _json(tx: WriteTransaction, attributes: Mapping[str, str]) -> str:
    """Return a JSON object. SQLite writes it: the module json would cost a pull that is up to date 8 ms."""
    quoted = [tx.one("SELECT json_quote(?), json_quote(?)", pair) for pair in attributes.items()]
    return "{" + ", ".join([f"{key}: {value}" for key, value in quoted]) + "}"


def labels_of(tx: ReadTransaction, image: str) -> dict[str, str]:
    """Return an image's labels, which every event of it but `delete` carries as attributes."""
    text = tx.value("SELECT labels FROM image WHERE id = ?", (image,))
    if not text:
        return {}
    from ligan.oci.compact_json import loads

    labels: dict[str, str] = loads(text)
    return labels


def last_key(tx: ReadTransaction) -> int:
    """Return the key of the newest event, 0 where there is none. One step in an index."""
    return int(tx.value("SELECT MAX(key) FROM event") or 0)


def key_before(tx: ReadTransaction, at: int) -> int:
    """Return the key after which every event of `at` or later comes; there may be older ones between them.

    Two processes read their clocks before they take turns at writing.
    """
    first = tx.value("SELECT MIN(key) FROM event WHERE at >= ?", (at,))
    return last_key(tx) if first is None else int(first) - 1


def after(tx: ReadTransaction, key: int, limit: int) -> list[Event]:
    """Return the events after `key`, oldest first, `limit` at most."""
    from ligan.oci.compact_json import loads

    rows = tx.all(
        "SELECT key, at, type, action, actor, attributes FROM event WHERE key > ? ORDER BY key LIMIT ?",
        (key, limit),
    )
    return [
        Event(number, at, kind, action, actor, loads(attributes))
        for number, at, kind, action, actor, attributes in rows
    ]
