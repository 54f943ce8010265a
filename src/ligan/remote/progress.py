"""What a pull or push tells while it runs: Docker's messages (golden m_registry), before they are JSON."""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.oci.digest import Digest

    Report = Callable[["Message"], None]


class Message(Value):
    """One message. `id` is what it is about: nothing, a tag, or with `is_layer` a layer's short digest.

    `current` and `total` are bytes, both 0 where the message tells of none.
    """

    status: str
    id: str = ""
    is_layer: bool = False
    current: int = 0
    total: int = 0


class Pushed(Message):
    """A tag is in the registry. `size` is the manifest's, in bytes."""

    tag: str = ""
    digest: Digest | str = ""
    size: int = 0


class Meter:
    """Tells how far a layer is: in steps of a hundredth, so that a slow reader stops nobody."""

    def __init__(self, report: Report, layer: str, status: str, total: int) -> None:
        self._report = report
        self._layer = layer
        self._status = status
        self._total = total
        self._told = 0
        self.current = 0

    def add(self, count: int) -> None:
        """Count bytes more."""
        if not count:
            return
        self.current += count
        if self.current - self._told >= max(self._total // 100, _LEAST_STEP) or self.current == self._total:
            self._told = self.current
            self._report(Message(self._status, self._layer, True, self.current, self._total))


_LEAST_STEP = 512 << 10
"""Bytes: Docker's progress readers tell no more often."""
