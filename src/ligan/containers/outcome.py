"""What verbs about containers did."""

from __future__ import annotations

from ligan.values import Value


class ContainerPruneOutcome(Value):
    """The IDs of the containers that a prune removed, and the bytes that they had written."""

    containers: tuple[str, ...]
    size: int
