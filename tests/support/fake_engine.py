"""An engine that answers what a test told it to, and remembers what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ligan.errors import NotFound
from ligan.images.inspect import HistoryEntry
from ligan.images.listing import ImageSummary
from ligan.images.removal import Row
from ligan.insight.outcome import Report
from ligan.insight.plan import Plan, Refused
from ligan.oci.digest import ImageID

if TYPE_CHECKING:
    from collections.abc import Callable

ID = ImageID("sha256:" + "0123456789ab" + "c" * 52)
OTHER_ID = ImageID("sha256:" + "ba9876543210" + "d" * 52)
KEPT = Report(0, 1986042, 3, 1_800_000_000_000_000_000, "")
NOTHING = Report(0, 0, None, None, "")


NOTHING_ELSE = {
    "inspect_container": NotFound("No such container: x"),
    "inspect_network": NotFound("network x not found"),
    "inspect_volume": NotFound("get x: no such volume"),
}
"""Where a test does not say otherwise, there are images alone."""


class FakeEngine:
    """Any method may be called: it answers `answers[name]`, raises it, or calls it with the arguments."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {**NOTHING_ELSE, **answers}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.closed = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*args: Any, **options: Any) -> Any:
            self.calls.append((name, args, options))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer(*args, **options) if callable(answer) else answer

        return method

    def close(self) -> None:
        self.closed = True


def summary(
    image_id: str = ID,
    tags: tuple[str, ...] = (),
    digests: tuple[str, ...] = (),
    created_s: int = 0,
    size: int = 1986042,
) -> ImageSummary:
    return ImageSummary(ImageID(image_id), "", tags, digests, created_s, size, None)


def step(created_by: str, created_s: int = 0, image_id: str = ID, size: int = 0) -> HistoryEntry:
    return HistoryEntry(image_id, created_s, created_by, size, "", ())


def plan(*rows: Row, refused: tuple[Refused, ...] = (), **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "verb": "rmi",
        "arguments": ("app:1",),
        "filters": {},
        "force": False,
        "prune_parents": True,
        "now": False,
        "rows": rows,
        "refused": refused,
        "stays": (),
        "diff_size": 4,
        "freed": 0,
        "recoverable": 2048,
        "reason": "",
    }
    return Plan(**fields | changes)
