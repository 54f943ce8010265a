from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers.logs import LogLine, LogRequest, read_logs, rotate, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BASE = 1795210874  # 2026-11-20T21:41:14Z
SECOND = 10**9


def entry(second: int, text: str, stream: str = "stdout", mark: str = "F") -> str:
    """Return a line as conmon writes it, so many seconds after BASE."""
    minutes, seconds = divmod(14 + second, 60)
    return f"2026-11-20T21:{41 + minutes}:{seconds:02d}.000000001+00:00 {stream} {mark} {text}\n"


def write(folder: Path, lines: Iterable[str], name: str = "log") -> None:
    (folder / name).write_text("".join(lines))


def texts(folder: Path, **request: Any) -> list[str]:
    return [line.text.decode() for line in read_logs(str(folder), LogRequest(**request))]


def test_entries_have_time_stream_and_text(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "out"), entry(1, "", "stderr"), entry(2, "par", mark="P"), entry(3, "t \r")])
    assert list(read_logs(str(tmp_path), LogRequest())) == [
        LogLine(BASE * SECOND + 1, "stdout", b"out\n"),
        LogLine((BASE + 1) * SECOND + 1, "stderr", b"\n"),
        LogLine((BASE + 3) * SECOND + 1, "stdout", b"part \r\n"),
    ]


def test_stamps_have_nine_digits_in_utc(tmp_path: Path) -> None:
    write(tmp_path, ["2026-11-21T01:11:14.5+03:30 stdout F x\n"])
    assert [line.stamp for line in read_logs(str(tmp_path), LogRequest())] == [
        "2026-11-20T21:41:14.500000000Z"
    ]
    assert stamp(0) == "1970-01-01T00:00:00.000000000Z"


def test_streams_and_times_choose(tmp_path: Path) -> None:
    write(tmp_path, [entry(second, str(second), "stderr" if second % 2 else "stdout") for second in range(6)])
    assert texts(tmp_path, stderr=False) == ["0\n", "2\n", "4\n"]
    assert texts(tmp_path, stdout=False) == ["1\n", "3\n", "5\n"]
    assert texts(tmp_path, since=(BASE + 3) * SECOND) == ["3\n", "4\n", "5\n"]
    assert texts(tmp_path, until=(BASE + 2) * SECOND + 1) == ["0\n", "1\n", "2\n"]


@pytest.mark.parametrize("tail", [0, 1, 2, 1999, 2000, 5000])
def test_tail_is_of_entries_from_the_end_of_all_files(tmp_path: Path, tail: int) -> None:
    lines = [entry(second % 60, f"{second} {'x' * 100}") for second in range(2000)]
    write(tmp_path, lines[:500], "log.2")
    write(tmp_path, lines[500:1200], "log.1")
    write(tmp_path, lines[1200:])
    expected = [line.split(" ", 3)[3] for line in lines][2000 - min(tail, 2000) :]
    assert texts(tmp_path, tail=tail) == expected


def test_a_line_that_nothing_has_ended_is_told_at_the_end_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a"), entry(1, "b", mark="P"), entry(2, "c", "stderr", "P"), entry(3, "d")])
    with open(tmp_path / "log", "a") as log:
        log.write(entry(4, "x", mark="P") + entry(5, "y", mark="P"))
    folder, stdout = str(tmp_path), LogRequest(stderr=False)
    assert [line.text for line in read_logs(folder, stdout, lambda: True)] == [b"a\n", b"bd\n"]
    assert list(read_logs(folder, stdout))[2:] == [LogLine((BASE + 5) * SECOND + 1, "stdout", b"xy")]
    assert texts(tmp_path) == ["a\n", "bd\n", "c", "xy"]
    assert texts(tmp_path, tail=3) == ["bd\n", "c", "xy"]


def test_of_a_line_each_16_kilobytes_are_an_entry(tmp_path: Path) -> None:
    text = "x" * 8192
    write(
        tmp_path,
        [entry(second, text, mark="P") for second in range(4)] + [entry(4, ""), entry(5, text[:-1] + "yz")],
    )
    found = list(read_logs(str(tmp_path), LogRequest()))
    assert [len(line.text) for line in found] == [16384, 16384, 1, 8194]
    assert {line.time for line in found[:3]} == {(BASE + 1) * SECOND + 1}
    assert texts(tmp_path, tail=2) == ["\n", text[:-1] + "yz\n"]
    assert len(texts(tmp_path, tail=3)) == 3


def test_tail_counts_lines_not_their_parts(tmp_path: Path) -> None:
    dots = [entry(2, ".", mark="P") for _ in range(50)]
    write(
        tmp_path,
        [entry(0, "a"), entry(1, "b", "stderr", "P"), *dots, entry(3, " done"), entry(4, "c", "stderr")],
    )
    assert texts(tmp_path, tail=1) == ["bc\n"]
    assert texts(tmp_path, tail=2) == ["." * 50 + " done\n", "bc\n"]
    assert texts(tmp_path, tail=0) == []


def test_tail_is_taken_before_streams_and_times_choose(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a"), entry(1, "b", "stderr")])
    assert texts(tmp_path, tail=1, stderr=False) == []


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert texts(tmp_path) == []
    assert texts(tmp_path, tail=3) == []


@pytest.mark.parametrize(
    "line", ["", "x", "x stdout F y", "2026-11-20T21:41:14.1+00:00 stdin F y", "2026 stdout F y", "\0" * 50]
)
def test_what_conmon_did_not_write_whole_is_left_out(tmp_path: Path, line: str) -> None:
    write(tmp_path, [entry(0, "a"), f"{line}\n", entry(1, "b"), "2026-11-20T21:41:14.1+00:00 stdout F cut"])
    assert texts(tmp_path) == ["a\n", "b\n"]


class Running:
    """A container that runs until it is told to end; each question is one turn of its follower."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self) -> bool:
        self.asked.release()
        return not self.ended.is_set()


def test_follow_yields_what_is_added_until_the_end(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a"), entry(1, "b")])
    running = Running()
    lines = read_logs(str(tmp_path), LogRequest(follow=True, tail=1), running)
    assert next(lines).text == b"b\n"
    with open(tmp_path / "log", "a") as log:
        log.write(entry(2, "c")[:30])
        log.flush()
        log.write(entry(2, "c")[30:])
    assert next(lines).text == b"c\n"
    os.rename(tmp_path / "log", tmp_path / "log.1")
    write(tmp_path, [entry(3, "d")])
    assert next(lines).text == b"d\n"
    running.ended.set()
    write(tmp_path, [entry(3, "d"), entry(4, "last")])
    assert [line.text for line in lines] == [b"last\n"]


def test_follow_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a"), entry(1, "b", mark="P")])
    running = Running()
    lines = read_logs(str(tmp_path), LogRequest(follow=True, tail=0), running)
    rest: list[LogLine] = []
    reader = threading.Thread(target=lambda: rest.extend(lines))
    reader.start()
    for _turn in range(2):
        running.asked.acquire()
    with open(tmp_path / "log", "a") as log:
        log.write(entry(2, "c") + entry(3, "d", mark="P"))
    running.ended.set()
    reader.join()
    assert [(line.time, line.text) for line in rest] == [
        ((BASE + 2) * SECOND + 1, b"bc\n"),
        ((BASE + 3) * SECOND + 1, b"d"),
    ]


def test_a_slow_follower_misses_nothing_of_several_rotations(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "0")])
    running = Running()
    lines = read_logs(str(tmp_path), LogRequest(follow=True), running)
    assert next(lines).text == b"0\n"
    for number in range(1, 4):
        assert rotate(str(tmp_path), 1, 5)
        write(tmp_path, [entry(number, str(number))])
    running.ended.set()
    assert [line.text for line in lines] == [b"1\n", b"2\n", b"3\n"]


def test_a_follower_goes_on_after_what_was_dropped(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "0")])
    running = Running()
    lines = read_logs(str(tmp_path), LogRequest(follow=True), running)
    assert next(lines).text == b"0\n"
    for number in range(1, 4):
        assert rotate(str(tmp_path), 1, 2)
        write(tmp_path, [entry(number, str(number))])
    running.ended.set()
    assert [line.text for line in lines] == [b"2\n", b"3\n"]


def test_follow_waits_for_a_log_that_is_yet_to_be(tmp_path: Path) -> None:
    running = Running()
    found: list[bytes] = []

    def read() -> None:
        found.extend(line.text for line in read_logs(str(tmp_path), LogRequest(follow=True), running))

    reader = threading.Thread(target=read)
    reader.start()
    running.asked.acquire()
    write(tmp_path, [entry(0, "a")], "new")
    os.rename(tmp_path / "new", tmp_path / "log")
    running.asked.acquire()
    running.ended.set()
    reader.join()
    assert found == [b"a\n"]


def test_follow_ends_at_its_time(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a"), entry(9, "b")])
    request = LogRequest(follow=True, until=(BASE + 1) * SECOND)
    assert [line.text for line in read_logs(str(tmp_path), request, lambda: True)] == [b"a\n"]


def test_rotation_keeps_the_newest_files(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for number in range(4):
        write(tmp_path, [entry(number, str(number))])
        assert not rotate(folder, 1000, 3)
        assert rotate(folder, 10, 3)
    assert sorted(os.listdir(folder)) == ["log.1", "log.2"]
    assert texts(tmp_path) == ["2\n", "3\n"]
    assert not rotate(folder, 10, 3)


def test_rotation_with_one_file_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a")])
    assert rotate(str(tmp_path), 1, 1)
    assert os.listdir(tmp_path) == []
