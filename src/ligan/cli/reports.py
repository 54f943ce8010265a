"""What becomes of deleted bytes, in words; plans, as people read them."""

from __future__ import annotations

import time

from ligan.cli.output import Failure, note, write
from ligan.cli.units import SECOND, human_size
from ligan.insight.outcome import NOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.cli.flags import Options
    from ligan.insight.outcome import Report
    from ligan.insight.plan import Plan


def local_minute(nanoseconds: int) -> str:
    """Return a time as `2006-01-02 15:04`, in the local zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(nanoseconds // SECOND))


def tell(report: Report) -> None:
    """Say what is kept for undo, until when, and how to have it otherwise."""
    if report.deletion is not None and report.until is not None:
        size = f"{human_size(report.recoverable)} " if report.recoverable else ""
        free = f"; free it now: ligan reclaim {report.deletion}" if report.recoverable else ""
        until = local_minute(report.until)
        note(f"{size}kept for undo until {until}; bring it back: ligan undo {report.deletion}{free}")
    elif report.reason == NOW:
        note(f"{human_size(report.freed)} freed")
    elif report.reason:
        note(f"{human_size(report.freed)} freed, nothing kept for undo: {report.reason}")


def show_plan(plan: Plan) -> int:
    """Print the rows a delete would print, what would stay and by what, what it would refuse, and its bytes.

    Returns the exit status that the delete would have.
    """
    lines = [str(row) for row in plan.rows]
    lines += [f"Stays: {item.image}, by {_some(item.holders)}" for item in plan.stays]
    lines += [f"Refused: {item.argument}: {item.message}" for item in plan.refused]
    if not lines:
        lines.append("Nothing would be deleted.")
    write("".join([f"{line}\n" for line in lines]))
    show_bytes(plan.freed, plan.recoverable)
    if plan.reason and plan.reason != NOW:
        note(f"nothing would be kept for undo: {plan.reason}")
    return 1 if plan.refused else 0


_MOST_HOLDERS = 5


def _some(holders: Sequence[str]) -> str:
    """Return the first few; `ligan why` tells all."""
    more = len(holders) - _MOST_HOLDERS
    return ", ".join(holders[:_MOST_HOLDERS]) + (f" and {more} more" if more > 0 else "")


def show_bytes(freed: int, recoverable: int) -> None:
    """End a dry run: nothing was removed, and this is what would become of the bytes."""
    write(
        f"\nFreed at once:  {freed} bytes ({human_size(freed)})\n"
        f"Kept for undo:  {recoverable} bytes ({human_size(recoverable)})\n"
    )


def wants_json(options: Options) -> bool:
    """Return whether `--format json` was given. Raises Failure for any other format."""
    chosen = options.text("format")
    if chosen not in ("", "json"):
        raise Failure(f'unknown format "{chosen}": the only one is json')
    return chosen == "json"
