"""Progress of a build in BuildKit's forms: plain lines, or a table that is redrawn on a terminal.

Source of the forms: BuildKit, util/progress/progressui (printer.go, display.go).
"""

from __future__ import annotations

import os
import sys

from ligan.build.progress import Began, Finished, Status, Wrote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ligan.build.progress import Message

    class Printer(Protocol):
        """Shows messages, and keeps what they tell; `finish` is called once, after the last."""

        vertices: Vertices

        @property
        def kept(self) -> int | None:
            """How many of the last lines of a step are shown when it has failed; None for all."""

        def say(self, message: Message) -> None: ...

        def finish(self) -> None: ...


_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def printer(form: str, now: Callable[[], int], *, is_terminal: bool, colors: bool = True) -> Printer:
    """Return what prints to standard error: `form` is auto, none, plain, tty or quiet."""
    if form in ("quiet", "none"):
        return Quiet()
    if form == "tty" or (form == "auto" and is_terminal):
        return Table(now, _write, _size, colors=colors)
    return Plain(_write)


def _write(text: str) -> None:
    try:
        sys.stderr.buffer.write(text.encode("utf-8", "replace"))
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # nobody reads it; the build goes on


def _size() -> tuple[int, int]:
    try:
        found = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24


class Quiet:
    """Keeps what failed, and shows nothing else."""

    kept = 10

    def __init__(self) -> None:
        self.vertices = Vertices()

    def say(self, message: Message) -> None:
        self.vertices.take(message)

    def finish(self) -> None:
        """Nothing is left to show."""


class Vertex:
    """What is known of one vertex."""

    def __init__(self, number: int, name: str, began: int) -> None:
        self.number = number
        self.name = name
        self.began = began
        self.ended: int | None = None
        self.cached = False
        self.error = ""
        self.cancelled = False
        self.statuses: dict[str, Status] = {}
        self.lines: list[tuple[int, str]] = []
        self._rest: dict[int, tuple[int, bytes]] = {}

    def write(self, stream: int, data: bytes, at: int) -> list[tuple[int, str]]:
        """Take output; return the lines that it completes, each with the time of its beginning."""
        began, before = self._rest.pop(stream, (at, b""))
        *whole, rest = (before + data).split(b"\n")
        lines = []
        for line in whole:
            lines.append((began, line.decode("utf-8", "replace").rstrip("\r")))
            began = at
        if rest:
            self._rest[stream] = began, rest
        self.lines += lines
        return lines

    def flush(self) -> list[tuple[int, str]]:
        """Return what was written without a newline at its end."""
        lines = [(began, rest.decode("utf-8", "replace")) for began, rest in self._rest.values()]
        self._rest.clear()
        self.lines += lines
        return lines

    def seconds(self, now: int) -> float:
        return ((now if self.ended is None else self.ended) - self.began) / 10**9


class Vertices:
    """All vertices of a build, by number, in the order of their beginnings."""

    def __init__(self) -> None:
        self.all: dict[int, Vertex] = {}

    def take(self, message: Message) -> tuple[Vertex, list[tuple[int, str]]]:
        """Note a message. Returns its vertex, and the lines of output that it completes."""
        if isinstance(message, Began):
            self.all[message.vertex] = Vertex(message.vertex, message.name, message.at)
        vertex = self.all[message.vertex]
        lines: list[tuple[int, str]] = []
        if isinstance(message, Wrote):
            lines = vertex.write(message.stream, message.data, message.at)
        elif isinstance(message, Status):
            vertex.statuses[message.text] = message
        elif isinstance(message, Finished):
            lines = vertex.flush()
            vertex.ended, vertex.cached = message.at, message.cached
            vertex.error, vertex.cancelled = message.error, message.cancelled
        return vertex, lines

    @property
    def failed(self) -> list[Vertex]:
        return [vertex for vertex in self.all.values() if vertex.error and not vertex.cancelled]


def failure(shown: Printer) -> str:
    """Return the block that shows what the step that failed wrote, empty where none did."""
    return "".join(
        f"------\n > {vertex.name}:\n"
        + "".join(
            [f"{_elapsed(at - vertex.began)} {line}\n" for at, line in vertex.lines[-(shown.kept or 0) :]]
        )
        + "------\n"
        for vertex in shown.vertices.failed
    )


_IN_VIEW = 5 * 10**9
"""Nanoseconds that a vertex stays in view although others write, and until what goes on is told again."""

_SHARE = 0.05
"""How much further something has to be before that is told."""


class Plain:
    """One line after the other. A vertex is in view until it ends, or another one has to be shown.

    Each has a number in the order in which they come into view.
    """

    kept = 10

    def __init__(self, write: Callable[[str], None]) -> None:
        self.vertices = Vertices()
        self._write = write
        self._current: Vertex | None = None
        self._since = 0
        self._waiting: dict[int, list[str]] = {}
        self._numbers: dict[int, int] = {}
        self._told: dict[tuple[int, str], Status] = {}

    def say(self, message: Message) -> None:
        vertex, lines = self.vertices.take(message)
        shown = [f"{_elapsed(at - vertex.began)} {line}" for at, line in lines]
        if isinstance(message, Status) and self._is_news(message):
            shown.append(_status(message))
        elif isinstance(message, Finished):
            shown.append(_ending(vertex))
        self._waiting.setdefault(vertex.number, []).extend(shown)
        current = self._current
        is_due = vertex.ended is not None or (bool(shown) and message.at - self._since > _IN_VIEW)
        if current in (None, vertex) or is_due:
            self._show(vertex, message.at)
        if self._current is None and self._waiting:
            self._show(self.vertices.all[min(self._waiting)], message.at)

    def finish(self) -> None:
        """Everything has been printed as it came."""

    def _is_news(self, status: Status) -> bool:
        """Return whether something has gone on so far since it was told that it is worth a line."""
        key = status.vertex, status.text
        before = self._told.get(key)
        if before is not None and not status.done:
            share = (status.current - before.current) / status.total if status.total else 0
            if share < _SHARE and status.at - before.at < _IN_VIEW:
                return False
        self._told[key] = status
        return True

    def _show(self, vertex: Vertex, at: int) -> None:
        """Bring a vertex into view, and print what there is of it."""
        text = ""
        if vertex is not self._current:
            if self._current is not None:
                text += f"#{self._numbers[self._current.number]} ...\n"
            text += "\n" if self._numbers else ""
            self._numbers.setdefault(vertex.number, len(self._numbers) + 1)
            text += f"#{self._numbers[vertex.number]} {_one_line(vertex.name)}\n"
            self._current, self._since = vertex, at
        number = self._numbers[vertex.number]
        text += "".join([f"#{number} {line}\n" for line in self._waiting.pop(vertex.number, ())])
        if text:
            self._write(text)
        if vertex.ended is not None:
            self._current = None


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")


def _elapsed(nanoseconds: int) -> str:
    """Return seconds in five characters."""
    return f"{max(nanoseconds, 0) / 10**9:.3f}"[:5]


def _ending(vertex: Vertex) -> str:
    if vertex.cancelled:
        return "CANCELED"
    if vertex.error:
        return f"ERROR: {vertex.error}"
    return "CACHED" if vertex.cached else f"DONE {vertex.seconds(0):.1f}s"


def _status(status: Status) -> str:
    seconds = (status.at - status.began) / 10**9
    took = f" {seconds:.1f}s" if seconds > 0.01 else ""
    return f"{status.text}{_bytes(status)}{took}{' done' if status.done else ''}"


def _bytes(status: Status) -> str:
    if status.total:
        return f" {_amount(status.current)} / {_amount(status.total)}"
    return f" {_amount(status.current)}" if status.current else ""


def _amount(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.2f}{_UNITS[unit]}" if unit else f"{int(size)}B"


_BLUE, _RED, _YELLOW, _FAINT, _RESET = "\x1b[34m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_LOG_LINES = 6
_REDRAW_SECONDS = 0.1


class Table:
    """A table of all vertices, drawn again where it stands ten times a second."""

    kept = None

    def __init__(
        self,
        now: Callable[[], int],
        write: Callable[[str], None],
        size: Callable[[], tuple[int, int]],
        *,
        colors: bool = True,
    ) -> None:
        from threading import Event, Lock, Thread

        self.vertices = Vertices()
        self._now = now
        self._write = write
        self._size = size
        self._colors = colors
        self._began = now()
        self._drawn = 0
        self._lock = Lock()
        self._over = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def say(self, message: Message) -> None:
        with self._lock:
            self.vertices.take(message)

    def finish(self) -> None:
        self._over.set()
        self._thread.join()
        self._draw(at_end=True)

    def _work(self) -> None:
        while not self._over.wait(_REDRAW_SECONDS):
            self._draw(at_end=False)

    def _draw(self, *, at_end: bool) -> None:
        width, height = self._size()
        with self._lock:
            rows = self._rows(width, at_end=at_end)
        if not at_end and len(rows) > height - 2:
            rows = [rows[0], *rows[-max(height - 3, 1) :]]
        up = f"\x1b[{self._drawn}A\x1b[0J" if self._drawn else ""
        self._write(f"\x1b[?25l{up}{''.join(rows)}\x1b[?25h")
        self._drawn = len(rows)

    def _rows(self, width: int, *, at_end: bool) -> list[str]:
        now = self._now()
        vertices = list(self.vertices.all.values())
        ended = sum(vertex.ended is not None for vertex in vertices)
        is_over = at_end and ended == len(vertices) > 0
        head = f"[+] Building {(now - self._began) / 10**9:.1f}s ({ended}/{len(vertices)})"
        rows = [f"{head}{' FINISHED' if is_over else ''}"[:width] + "\n"]
        for vertex in vertices:
            rows += self._vertex(vertex, now, width)
        return rows

    def _vertex(self, vertex: Vertex, now: int, width: int) -> list[str]:
        state = "CACHED " if vertex.cached else ""
        color = _BLUE
        if vertex.cancelled:
            state, color = "CANCELED ", _YELLOW
        elif vertex.error:
            state, color = "ERROR ", _RED
        color = color if self._colors else ""
        name = f"{state}{_one_line(vertex.name)}"
        is_over = vertex.ended is not None
        rows = [_row(name, "", vertex.seconds(now), width, color if is_over else "")]
        for status in vertex.statuses.values():
            seconds = ((status.at if status.done else now) - status.began) / 10**9
            color = _BLUE if status.done and self._colors else ""
            rows.append(_row(f"=> {status.text}", _bytes(status), seconds, width, color))
        if not is_over:
            for _at, line in vertex.lines[-_LOG_LINES:]:
                rows.append(f"{_FAINT}{f' => => # {_shown(line)}'[: width - 1]}{_RESET}\n")
        return rows


def _shown(line: str) -> str:
    """Return a line of output as a row can hold it: without what moves the cursor."""
    return "".join([char if char.isprintable() else " " for char in line.rpartition("\r")[2]])


def _row(name: str, amount: str, seconds: float, width: int, color: str) -> str:
    """Return a row: a name, cut short to fit, an amount behind it, and a time at the right."""
    timer = f" {seconds if seconds >= _MOMENT else 0:.1f}s"
    left = width - len(timer) - 6
    if left - len(amount) <= _NARROW:
        amount = ""
    text = f" => {name[: max(left - len(amount), 0)]}{amount}"
    text = f"{text:{max(width - len(timer) - 1, 0)}}{timer}"
    return f"{color}{text}{_RESET}\n" if color else f"{text}\n"


_MOMENT = 0.05
"""Seconds that count for none."""

_NARROW = 12
"""Columns that a name has to have before an amount is shown."""
