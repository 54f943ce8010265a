"""Progress of layers on a terminal, as docker's client draws it."""

from __future__ import annotations

from ligan.cli.output import flush, write
from ligan.cli.units import human_size

_BAR = 50
_WIDTH_FOR_BAR = 110
"""On narrower terminals docker shows the numbers only."""


def bar(current: int, total: int, width: int) -> str:
    """Return the bar and its numbers, for a terminal of so many columns."""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{human_size(current):>8}"
    filled = min(current * 100 // total // 2, _BAR)
    box = f"[{'=' * filled}>{' ' * (_BAR - filled)}] " if width > _WIDTH_FOR_BAR else ""
    # A total that proved too small is not shown.
    numbers = (
        f"{human_size(current):>8}" if current > total else f"{human_size(current):>8}/{human_size(total)}"
    )
    return box + numbers


class Lines:
    """One line for each layer, redrawn in place; whatever else is printed begins below."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: dict[str, int] = {}

    def show(self, label: str, action: str, current: int, total: int) -> None:
        """Draw a layer's line anew."""
        new = label not in self._rows
        row = self._rows.setdefault(label, len(self._rows))
        up = len(self._rows) - row
        start = "\n" if new else ""
        text = f"{label}: {action} {bar(current, total, self._width)}"
        write(f"{start}\x1b[{up}A\x1b[2K\r{text}\r\x1b[{up}B")
        flush()

    def print(self, line: str) -> None:
        """Print a line below the bars, which then stay as they are."""
        self._rows.clear()
        write(f"{line}\n")
        flush()
