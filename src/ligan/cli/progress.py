"""Progress of layers on a terminal, as docker's client draws it."""

from __future__ import annotations

from ligan.cli.output import flush, write
from ligan.oci.gosize import bar


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
