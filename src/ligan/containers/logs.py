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
    from collections.abc import Callable, Iterator
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
    with _Reader(f"{folder}/log", request.tail) as reader:
        yield from _chosen(reader.lines(), request)
        if request.follow:
            yield from _chosen(_following(reader, request, is_running), request)


def _chosen(lines: Iterator[LogLine], request: LogRequest) -> Iterator[LogLine]:
    for line in lines:
        if request.until and line.time > request.until:
            return
        if line.time >= request.since and (request.stdout if line.stream == "stdout" else request.stderr):
            yield line


def _following(reader: _Reader, request: LogRequest, is_running: Callable[[], bool]) -> Iterator[LogLine]:
    from time import time_ns

    with _Watch(reader.folder) as watch:
        while True:
            runs = is_running()  # before the file is read: what was written until its end is read then
            yield from reader.lines()
            if not runs or (request.until and time_ns() > request.until):
                return
            watch.wait(_PATIENCE)


_PATIENCE = 0.1
"""Seconds until it is looked whether the container still runs, where nothing is written."""


class _Reader:
    """Reads a log with its rotated files, then what is added, also after it was begun anew."""

    def __init__(self, path: str, tail: int) -> None:
        self._path = path
        self.folder = os.path.dirname(path)
        self._rest = b""
        files = _files(path)
        self._waiting: list[tuple[BinaryIO, int]] = (
            _last_lines(files, tail) if tail >= 0 else [(file, 0) for file in files]
        )
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in [self._file, *[file for file, _ in self._waiting]]:
            if file is not None:
                file.close()

    def lines(self) -> Iterator[LogLine]:
        """Yield what is there and was not read yet."""
        while True:
            yield from self._entries()
            if not self._next():
                return

    def _entries(self) -> Iterator[LogLine]:
        while self._file is not None:
            block = self._file.read(_BLOCK)
            if not block:
                return
            *whole, self._rest = (self._rest + block).split(b"\n")
            for raw in whole:
                line = _parse(raw)
                if line is not None:
                    yield line

    def _next(self) -> bool:
        """Go on in the next file; False where what is open is the newest."""
        if self._waiting:
            file, start = self._waiting.pop(0)
            file.seek(start)
        elif self._file is None or self._was_replaced():
            # Of a slow reader the log may have been begun anew more than once.
            newer = self._newer()
            if not newer:
                return False
            file, *later = newer
            self._waiting = [(other, 0) for other in later]
        else:
            return False
        if self._file is not None:
            self._file.close()
        self._file, self._rest = file, b""
        return True

    def _was_replaced(self) -> bool:
        assert self._file is not None
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            # What was written between our last read and the rename is read first.
            return ours.st_size == self._file.tell()
        return False

    def _newer(self) -> list[BinaryIO]:
        """Return the files that were begun after the one that is being read, open, the oldest first."""
        files = _files(self._path)
        if self._file is not None:
            own = _identity(self._file)
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
    """Return the files that the last lines are in, with where to begin in each. Others are closed.

    Read in blocks from the end: the tail of a long log costs what the tail is long.
    """
    wanted = tail
    chosen: list[tuple[BinaryIO, int]] = []
    for file in reversed(files):
        if wanted > 0 or not chosen:
            start, found = _tail_start(file, wanted)
            wanted -= found
            chosen.insert(0, (file, start))
        else:
            file.close()
    return chosen


def _tail_start(file: BinaryIO, wanted: int) -> tuple[int, int]:
    """Return where the last `wanted` whole lines begin, and how many there are from there."""
    at = file.seek(0, os.SEEK_END)
    found = 0
    while at > 0:
        size = min(_BLOCK, at)
        at -= size
        file.seek(at)
        block = file.read(size)
        position = len(block)
        while (position := block.rfind(b"\n", 0, position)) >= 0:
            if found == wanted:  # it ends the line before them
                return at + position + 1, found
            found += 1
    return 0, found


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
        import ctypes
        import select

        libc = ctypes.CDLL(None)
        self._poll = select.poll()
        self._file: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._file >= 0:
            libc.inotify_add_watch(self._file, os.fsencode(folder), _MODIFY | _CREATE | _MOVED_TO)
            self._poll.register(self._file, select.POLLIN)

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file >= 0:
            os.close(self._file)

    def wait(self, seconds: float) -> None:
        """Return when something was written there, or after so many seconds."""
        if self._poll.poll(seconds * 1000):
            os.read(self._file, _BLOCK)


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
