"""Which images a prune looks at."""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.images.listing import matches_labels
from ligan.images.times import until_time
from ligan.oci.digest import ImageID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ligan.store.db import ReadTransaction

_PRUNE_FILTERS = ("dangling", "until", "label", "label!")


def prune_candidates(
    tx: ReadTransaction, filters: Mapping[str, Sequence[str]], now: int
) -> tuple[list[ImageID], bool]:
    """Return the images that the filters select, newest first, and whether only dangling ones may go.

    Raises Invalid in Docker's words (golden f_prune_df).
    """
    for name in filters:
        if name not in _PRUNE_FILTERS:
            raise Invalid(f"Invalid filter '{name}'")
    dangling = _dangling(filters.get("dangling", ()))
    until = filters.get("until", ())
    if len(until) > 1:
        raise Invalid("more than one until filter specified")
    limit = until_time(until[0], now) if until else None
    rows = tx.all(
        """SELECT id, labels FROM image
           WHERE (EXISTS (SELECT 1 FROM reference WHERE reference.image = image.key)
              OR NOT EXISTS (SELECT 1 FROM image child WHERE child.parent = image.key))
             AND (?1 IS NULL OR (created_s, created_ns) <= (?1, ?2))
           ORDER BY created_s DESC, created_ns DESC, id""",
        (None, None) if limit is None else divmod(limit, 10**9),
    )
    wanted, unwanted = filters.get("label", ()), filters.get("label!", ())
    return [
        ImageID(image)
        for image, labels in rows
        if matches_labels(labels, wanted) and not (unwanted and matches_labels(labels, unwanted))
    ], dangling


def _dangling(values: Sequence[str]) -> bool:
    """Docker's CLI adds `true` or `false` to what was asked for: a `false` among them decides."""
    if not values:
        return True
    if "false" in values or "0" in values:
        return False
    if "true" in values or "1" in values:
        return True
    raise Invalid(f"Invalid filter 'dangling=[{' '.join(values)}]'")
