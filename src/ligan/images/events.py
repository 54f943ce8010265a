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
    """Write one event. The attribute `name` is the actor itself unless given (golden n_events)."""
    document = {**(attributes or {}), "name": name or actor}
    tx.execute(
        "INSERT INTO event (at, type, action, actor, attributes) VALUES (?, 'image', ?, ?, ?)",
        (now, action, actor, json.dumps(document, ensure_ascii=False)),
    )


def labels_of(tx: ReadTransaction, image: str) -> dict[str, str]:
    """Return an image's labels, which every event of it but `delete` carries as attributes."""
    text = tx.value("SELECT labels FROM image WHERE id = ?", (image,))
    labels: dict[str, str] = json.loads(text) if text else {}
    return labels
