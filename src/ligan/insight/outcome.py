"""What a delete did, or would do, to names, images and bytes."""

from __future__ import annotations

from ligan.images.removal import Row
from ligan.oci.digest import ImageID
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.errors import LiganError

KEPT = ""
NOW = "--now was given"
DISK_FULL = "the disk is fuller than undo_disk_limit"
BUDGET = "more than undo_budget would be held"
NO_WINDOW = "undo_window is 0"


class Report(Value):
    """Physical bytes of one command.

    `freed` are off the disk; `recoverable` stay on it until `until`
    (nanoseconds since 1970), held by the undo entry `deletion`. `reason` says
    why nothing was kept; it is empty where all was.
    """

    freed: int
    recoverable: int
    deletion: int | None
    until: int | None
    reason: str


class ArgumentOutcome(Value):
    """One argument of a delete: its rows, or the error that refused it."""

    argument: str
    rows: tuple[Row, ...]
    error: LiganError | None


class RemovalOutcome(Value):
    arguments: tuple[ArgumentOutcome, ...]
    report: Report


class PruneOutcome(Value):
    """`diff_size` is Docker's SpaceReclaimed: DiffSize of the layers, which is not what the disk gains."""

    rows: tuple[Row, ...]
    diff_size: int
    report: Report


class UndoOutcome(Value):
    """What came back. `merged` were there again already; `moved` names were taken from other images."""

    entry: int
    command: str
    images: tuple[ImageID, ...]
    merged: tuple[ImageID, ...]
    references: tuple[str, ...]
    moved: tuple[str, ...]
    report: Report | None
