"""Named crash points, off by default: tests arm them to kill or fail a process there.

A point is armed by `NAME=ACTION`, ACTION being `kill` (SIGKILL, as a power cut
would), `enospc` or `eio`; `NAME=ACTION@N` acts on the N-th call and after.
"""

from __future__ import annotations

import os

POINTS = (
    "open.folders",
    "migrate.rows",
    "ingest.opened",
    "ingest.written",
    "ingest.synced",
    "commit.linked",
    "tree.written",
    "tree.renamed",
    "commit.rows",
    "commit.done",
    "removal.rows",
    "removal.done",
    "sweep.renamed",
    "sweep.committed",
    "sweep.unlinked",
    "undo.rows",
    "undo.done",
    "drop.rows",
    "tag.rows",
    "snapshot.copied",
    "snapshot.lowers",
    "snapshot.mounted",
    "snapshot.unmounted",
    "still.paused",
    "create.rows",
    "create.done",
    "rm.rows",
    "rm.done",
    "start.marked",
    "start.mounted",
    "start.connected",
    "start.created",
    "start.rows",
    "start.started",
    "finish.status",
    "finish.cleared",
    "finish.rows",
    "finish.done",
    "recover.unlinked",
    "step.rows",
    "step.ran",
    "step.committed",
    "build.rows",
    "registry.linked",
    "registry.rows",
    "registry.committed",
    "registry.removed",
    "registry.renamed",
    "registry.swept",
    "registry-undo.marked",
    "registry-undo.rows",
    "registry-undo.dropped",
)

_armed: dict[str, tuple[str, int]] = {}
_calls: dict[str, int] = {}


def arm(specification: str) -> None:
    """Arm the points of a comma-separated list. Raises ValueError for an unknown point or action."""
    for item in filter(None, specification.split(",")):
        name, _, action = item.partition("=")
        action, _, nth = action.partition("@")
        if name not in POINTS or action not in ("kill", "enospc", "eio"):
            raise ValueError(f"no such failpoint: {item}")
        _armed[name] = (action, int(nth or 1))


def disarm() -> None:
    _armed.clear()
    _calls.clear()


def hit(name: str) -> None:
    """Do nothing, unless this point is armed."""
    if _armed:
        _act(name)


def _act(name: str) -> None:
    action, nth = _armed.get(name, ("", 0))
    if not action:
        return
    _calls[name] = _calls.get(name, 0) + 1
    if _calls[name] < nth:
        return
    if action == "kill":
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
    import errno

    code = errno.ENOSPC if action == "enospc" else errno.EIO
    raise OSError(code, os.strerror(code))
