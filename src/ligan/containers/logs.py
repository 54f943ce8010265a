"""A container's log: conmon's k8s-file, and reading it as `docker logs` does.

A line of the file is `2026-11-20T21:41:14.831569203+00:00 stdout F text`; P instead of F marks a part of a
line that goes on in the next entry of that stream. Rotated files are log.1 (the newest) and so on.
"""

from __future__ import annotations

import os

from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from select import poll
    from typing import BinaryIO

SECOND = 10**9

_BLOCK = 1 << 16


class LogRequest(Value):
    """What of a log is wanted. Times are nanoseconds since 1970, 0 is no bound; `tail` counts entries."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1  # all
    follow: bool = False


class LogLine(Value):
    """One entry, a line at most. `text` ends with a newline, unless it is a part of a line."""

    time: int
    stream: str
    text: bytes

    @property
    def stamp(self) -> str:
        """The time as `--timestamps` shows it: UTC, with all nine digits."""
        return stamp(self.time)


def stamp(time: int) -> str:
    """Return a time as RFC 3339 with nine digits of a second, in UTC."""
    from time import gmtime

    utc = gmtime(time // SECOND)
    return (
        f"{utc.tm_year:04d}-{utc.tm_mon:02d}-{utc.tm_mday:02d}"
        f"T{utc.tm_hour:02d}:{utc.tm_min:02d}:{utc.tm_sec:02d}.{time % SECOND:09d}Z"
    )


def read_logs(
    folder: str, request: LogRequest, is_running: Callable[[], bool] = lambda: False
) -> Iterator[LogLine]:
    """Yield the entries of a container's log, oldest first.

    With `follow` go on until `until` has passed, or the container does not run and all was read. `is_running`
    must not say no before the end of the run is written down: conmon has written all by then.
    """
    from itertools import islice

    with _Reader(f"{folder}/log") as reader:
        runs = is_running()  # before the file is read: what was written until its end is read then
        before = reader.begin_at(request.tail, is_over=not runs) if request.tail >= 0 else 0
        yield from _chosen(islice(_entries(reader, request, runs, is_running), before, None), request)


def _chosen(lines: Iterator[LogLine], request: LogRequest) -> Iterator[LogLine]:
    for line in lines:
        if request.until and line.time > request.until:
            return
        if line.time >= request.since and (request.stdout if line.stream == "stdout" else request.stderr):
            yield line


def _entries(
    reader: _Reader, request: LogRequest, runs: bool, is_running: Callable[[], bool]
) -> Iterator[LogLine]:
    from time import time_ns

    lines = _Lines()
    with _Watch(reader.folder) as watch:
        while True:
            yield from lines.of(reader.parts())
            if not runs:
                yield from lines.rest()
                return
            if not request.follow or (request.until and time_ns() > request.until):
                return
            watch.wait(_PATIENCE)
            runs = is_running()


class _Lines:
    """Makes Docker's entries of what conmon wrote as it came: lines, or 16 kB of one that is longer.

    An entry has the time at which it was whole, the later ones of one line that of the first. The end of a
    run ends a line, too. Source: engine 20.10, daemon/logger/copier.go.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[bytes, int, int]] = {}
        """By stream: the text, the time of its last part, and that of the line's first entry, or 0."""

    def of(self, parts: Iterable[LogLine]) -> Iterator[LogLine]:
        for part in parts:
            if part.stream in self._open or len(part.text) > _MOST or not part.text.endswith(b"\n"):
                yield from self._joined(part)
            else:
                yield part

    def _joined(self, part: LogLine) -> Iterator[LogLine]:
        text, _, first = self._open.pop(part.stream, (b"", 0, 0))
        text += part.text
        while len(text.removesuffix(b"\n")) >= _MOST:
            first = first or part.time
            yield LogLine(first, part.stream, text[:_MOST])
            text = text[_MOST:]
        if text.endswith(b"\n"):
            yield LogLine(first or part.time, part.stream, text)
        elif text or first:
            self._open[part.stream] = text, part.time, first

    def rest(self) -> Iterator[LogLine]:
        """Yield what no newline has ended."""
        for stream, (text, time, first) in sorted(self._open.items(), key=lambda item: item[1][1]):
            if text:
                yield LogLine(first or time, stream, text)
        self._open.clear()


_MOST = 1 << 14


_PATIENCE = 0.1
"""Seconds until it is looked whether the container still runs, where nothing is written."""


class _File:
    """One file of a log, read from a place on."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self.file = file
        self._rest = b""
        file.seek(start)

    def parts(self) -> Iterator[LogLine]:
        """Yield what is there and was not read yet, as conmon wrote it."""
        while block := self.file.read(_BLOCK):
            *whole, self._rest = (self._rest + block).split(b"\n")
            for raw in whole:
                part = _parse(raw)
                if part is not None:
                    yield part


class _Reader:
    """Reads a log with its rotated files, then what is added, also after it was begun anew."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.folder = os.path.dirname(path)
        self._waiting = [(file, 0) for file in _files(path)]
        self._current: _File | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file, _ in self._waiting:
            file.close()
        if self._current is not None:
            self._current.file.close()

    def begin_at(self, tail: int, *, is_over: bool) -> int:
        """Begin not long before the last entries; returns how many come before them.

        What is long before them is not read: the tail of a long log costs what the tail is long. Of a line
        whose parts others came between the beginning may be there.
        """
        self._waiting = _last_lines([file for file, _ in self._waiting], tail)
        lines = _Lines()
        count = sum(1 for file, start in self._waiting for _ in lines.of(_File(file, start).parts()))
        if is_over:
            count += len(list(lines.rest()))
        return max(0, count - tail)

    def parts(self) -> Iterator[LogLine]:
        """Yield what is there and was not read yet, as conmon wrote it."""
        while True:
            if self._current is not None:
                yield from self._current.parts()
            if not self._next():
                return

    def _next(self) -> bool:
        """Go on in the next file; False where what is open is the newest."""
        if not self._waiting and (self._current is None or self._was_replaced(self._current.file)):
            # Of a slow reader the log may have been begun anew more than once.
            self._waiting = [(file, 0) for file in self._newer()]
        if not self._waiting:
            return False
        if self._current is not None:
            self._current.file.close()
        self._current = _File(*self._waiting.pop(0))
        return True

    def _was_replaced(self, file: BinaryIO) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        ours = os.fstat(file.fileno())
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            # What was written between our last read and the rename is read first.
            return ours.st_size == file.tell()
        return False

    def _newer(self) -> list[BinaryIO]:
        """Return the files that were begun after the one that is being read, open, the oldest first."""
        files = _files(self._path)
        if self._current is not None:
            own = _identity(self._current.file)
            place = next((at for at, file in enumerate(files) if _identity(file) == own), -1)
            for file in files[: place + 1]:
                file.close()
            del files[: place + 1]
        return files


def _identity(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _open(path: str) -> BinaryIO:
    return open(path, "rb", buffering=0)


def _files(path: str) -> list[BinaryIO]:
    """Return the log's files, oldest first, each once, open: a rotation afterwards changes nothing."""
    while True:
        found: dict[tuple[int, int], BinaryIO] = {}
        names = [path, *_rotated(path)]
        for name in names:
            try:
                file = _open(name)
            except FileNotFoundError:
                continue
            if found.setdefault(_identity(file), file) is not file:
                file.close()
        if len(found) == len(names) or not os.path.exists(path):
            return list(found.values())[::-1]
        for file in found.values():
            file.close()  # it was rotated meanwhile, so that one may have been missed


def _rotated(path: str) -> list[str]:
    """Return the paths of rotated files, newest first."""
    paths: list[str] = []
    while os.path.exists(name := f"{path}.{len(paths) + 1}"):
        paths.append(name)
    return paths


def _last_lines(files: list[BinaryIO], tail: int) -> list[tuple[BinaryIO, int]]:
    """Return the files that the last lines are in, with where to begin in each. Others are closed."""
    wanted = tail
    chosen: list[tuple[BinaryIO, int]] = []
    for file in reversed(files):
        if wanted >= 0:
            start, found = _tail_start(file, wanted)
            wanted -= found
            chosen.insert(0, (file, start))
        else:
            file.close()
    return chosen


def _tail_start(file: BinaryIO, wanted: int) -> tuple[int, int]:
    """Return where more whole lines begin than are wanted, or 0, and how many there are from there."""
    end = file.seek(0, os.SEEK_END)
    size = _BLOCK
    while True:
        start = _next_line(file, end - size) if size < end else 0
        found = sum(part.text.endswith(b"\n") for part in _File(file, start).parts())
        if found > wanted or not start:
            return start, found
        size *= 4


def _next_line(file: BinaryIO, place: int) -> int:
    """Return where the first line after a place begins, or 0 where none does for long."""
    file.seek(place)
    newline = file.read(_BLOCK).find(b"\n")
    return place + newline + 1 if newline >= 0 else 0


def _parse(raw: bytes) -> LogLine | None:
    """Return an entry, or None for a line that conmon did not write whole, as on a full disk."""
    fields = raw.split(b" ", 3)
    if len(fields) < 4 or fields[1] not in (b"stdout", b"stderr"):
        return None
    time = _time(fields[0])
    if time is None:
        return None
    # Docker has carriage returns of a terminal as they were written; conmon splits at newlines only.
    text = fields[3] if fields[2].startswith(b"P") else fields[3] + b"\n"
    return LogLine(time, fields[1].decode(), text)


_hours: dict[bytes, int] = {}
"""Seconds from 1970 to the hours that were met: there are few in a log, and lines many."""


def _time(text: bytes) -> int | None:
    """Return nanoseconds since 1970 of `2026-11-20T21:41:14.831569203+00:00`."""
    hour = text[:13] + text[-6:]
    start = _hours.get(hour)
    try:
        if start is None:
            from ligan.oci.times import parse_time

            start = parse_time(f"{hour[:13].decode()}:00:00{hour[13:].decode()}")[0]
            _hours[hour] = start
        seconds = start + 60 * int(text[14:16]) + int(text[17:19])
        digits = text[20:-6]
        return seconds * SECOND + int(digits.ljust(9, b"0")[:9])
    except (ValueError, Invalid):
        return None


class _Watch:
    """Waits until something happens in a folder, by inotify; for a while where there is none left."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file = -1
        self._poll: poll | None = None

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file >= 0:
            os.close(self._file)

    def wait(self, seconds: float) -> None:
        """Return when something was written there, or after so many seconds; the first time at once."""
        if self._poll is None:
            self._poll = self._begin()
        elif self._poll.poll(seconds * 1000):
            os.read(self._file, _BLOCK)

    def _begin(self) -> poll:
        import ctypes
        import select

        found = select.poll()
        libc = ctypes.CDLL(None)
        self._file = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._file >= 0:
            libc.inotify_add_watch(self._file, os.fsencode(self._folder), _MODIFY | _CREATE | _MOVED_TO)
            found.register(self._file, select.POLLIN)
        return found


_MODIFY, _CREATE, _MOVED_TO = 0x2, 0x100, 0x80


def rotate(folder: str, most_bytes: int, most_files: int) -> bool:
    """Begin a new log where it is longer than this, and keep so many files in all. Returns whether it was.

    Source: engine 20.10, daemon/logger/loggerutils (`max-size` and `max-file` of json-file).
    """
    from ligan.containers.attach import reopen_log

    path = f"{folder}/log"
    try:
        if os.path.getsize(path) < most_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(most_files - 1, 1, -1):
        if os.path.exists(f"{path}.{number - 1}"):
            os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    if most_files > 1:
        os.replace(path, f"{path}.1")
    else:
        os.unlink(path)
    reopen_log(folder)
    return True
