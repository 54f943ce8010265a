"""Pins: names and images that nothing may delete."""

from __future__ import annotations

from ligan.errors import Invalid, NotFound
from ligan.images.catalog import resolve
from ligan.images.removal import NoSuchImage
from ligan.oci.reference import InvalidReference, familiar
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.db import ReadTransaction, WriteTransaction


class Pin(Value):
    """`pattern` is a glob over familiar names, or an image ID. `since` is in nanoseconds since 1970."""

    pattern: str
    since: int
    reason: str


def add(tx: WriteTransaction, target: str, reason: str, now: int) -> str:
    """Pin an image by ID, or every name that a glob covers, now and later. Returns the pin's pattern.

    A target that is a name or a glob pins names; anything else must be the ID
    of an image, whole or short.
    """
    if not target:
        raise Invalid("a pin needs a name, a glob over names, or an image ID")
    image = None
    if not any(char in target for char in "*?["):
        try:
            found = resolve(tx, target)
        except (NoSuchImage, InvalidReference):
            raise NoSuchImage(
                target, "To pin names that do not exist yet, use a glob: ligan pin 'app:*'"
            ) from None
        image = None if found.reference else found.image.key
        target = familiar(found.reference) or found.image.id
    tx.execute(
        """INSERT INTO pin (pattern, image, since, reason) VALUES (?, ?, ?, ?)
           ON CONFLICT (pattern) DO UPDATE SET reason = excluded.reason""",
        (target, image, now, reason),
    )
    return target


def remove(tx: WriteTransaction, pattern: str) -> None:
    """Raises NotFound where there is no such pin."""
    if tx.execute("DELETE FROM pin WHERE pattern = ?", (pattern,)):
        return
    try:
        found = resolve(tx, pattern)
    except (NoSuchImage, InvalidReference):
        found = None
    names = (familiar(found.reference), found.image.id) if found else ("", "")
    if not tx.execute("DELETE FROM pin WHERE pattern IN (?, ?)", names):
        raise NotFound(f"No such pin: {pattern}", "List the pins with `ligan pins`.")


def all_pins(tx: ReadTransaction) -> list[Pin]:
    return [Pin(*row) for row in tx.all("SELECT pattern, since, reason FROM pin ORDER BY pattern")]
