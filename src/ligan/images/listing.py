"""What exists, as people ask for it: listing, filters, history and inspect."""

from __future__ import annotations

from ligan.oci.digest import ImageID
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


class ImageSummary(Value):
    """One image of a listing. Names are familiar, in canonical order.

    `shared_size` and `containers` are -1 where they were not computed.
    `labels` is a JSON object as text, or None. `former_names` are what an image
    without names was called last, newest first.
    """

    id: ImageID
    parent: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    created_s: int
    size: int
    labels: str | None
    shared_size: int = -1
    containers: int = -1
    former_names: tuple[str, ...] = ()


class HistoryEntry(Value):
    """One step. `id` is `<missing>` where no image of the step is here; `size` is DiffSize in bytes."""

    id: str
    created_s: int
    created_by: str
    size: int
    comment: str
    tags: tuple[str, ...]
