"""Docker's image events, written in the transaction of the change they tell."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ligan.store.db import ReadTransaction, WriteTransaction


def record(
    tx: WriteTransaction,
    now: int,
    action: str,
    actor: str,
    attributes: Mapping[str, str] | None = None,
    *,
    name: str = "",
) -> None:
    """Write one event (golden n_events).

    The attribute `name` is the actor itself unless given; an event of no actor, a prune, has none.
    """
    document = dict(attributes or {})
    if name or actor:
        document["name"] = name or actor
    tx.execute(
        "INSERT INTO event (at, type, action, actor, attributes) VALUES (?, 'image', ?, ?, ?)",
        (now, action, actor, json.dumps(document, ensure_ascii=False)),
    )


def labels_of(tx: ReadTransaction, image: str) -> dict[str, str]:
    """Return an image's labels, which every event of it but `delete` carries as attributes."""
    text = tx.value("SELECT labels FROM image WHERE id = ?", (image,))
    labels: dict[str, str] = json.loads(text) if text else {}
    return labels
