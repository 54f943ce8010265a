"""Giving an image one more name."""

from __future__ import annotations

from ligan.images.catalog import resolve, set_reference
from ligan.images.events import labels_of, record
from ligan.oci.reference import parse_tag_target
from ligan.store import failpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.store import Store


def tag_image(store: Store, source: str, target: str) -> None:
    """On return `target` names the image. The image that had the name keeps it in its history."""
    now = store.now()
    with store.database.write() as tx:
        image = resolve(tx, source).image  # what is missing is said before what the new name lacks
        reference = parse_tag_target(target)
        set_reference(tx, reference, image, now)
        tx.execute("UPDATE image SET last_tagged = ? WHERE key = ?", (now, image.key))
        record(tx, now, "tag", image.id, labels_of(tx, image.id), name=reference.familiar)
        failpoints.hit("tag.rows")
