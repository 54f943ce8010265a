from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ligan.containers.processes import (
    Process,
    await_end,
    await_program,
    is_alive,
    open_pidfd,
    send,
    start_time,
)
from ligan.containers.spawning import run, spawn, wait_for
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        yield process
        process.kill()


def test_a_process_is_known_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert is_alive(process)
    assert not await_end(process, 0)
    assert not await_end(process, 0.01)
    assert send(process, 15)
    assert await_end(process)
    assert not is_alive(process)  # though nobody has waited for it: it is a zombie
    assert Process.of(child.pid) is None
    child.wait()
    assert start_time(child.pid) is None
    assert not send(process, 15)


@pytest.mark.parametrize("change", [{"started": 1}, {"boot_id": "another"}, {"pid": 0}])
def test_another_process_with_the_pid_is_not_mistaken(
    child: subprocess.Popen[bytes], change: dict[str, int | str]
) -> None:
    process = Process.of(child.pid)
    assert process is not None
    other = process.replace(**change)
    assert not is_alive(other)
    assert not send(other, 9)
    assert open_pidfd(other) == -1
    assert await_end(other)
    assert is_alive(process)


FORKING = """
import os, sys
if pid := os.fork():
    print(pid, flush=True)
    os.waitpid(pid, 0)
else:
    sys.stdin.readline()
    os.execv("/bin/sleep", ["sleep", "1000"])
"""


def test_a_program_is_awaited_until_what_was_forked_runs_it() -> None:
    words = [sys.executable, "-c", FORKING]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        before = os.readlink(f"/proc/{pid}/exe")
        assert not await_program(pid, 0.05)
        parent.stdin.close()
        assert await_program(pid, SECONDS)
        assert os.readlink(f"/proc/{pid}/exe") != before
        os.kill(pid, 9)
    assert await_program(pid, 0)  # it has ended


def test_a_name_with_parentheses_does_not_mislead(tmp_path: Path) -> None:
    path = tmp_path / "a) Z (1 2"
    path.symlink_to("/bin/sleep")
    with subprocess.Popen([path, "1000"]) as child:
        assert Process.of(child.pid) is not None
        child.kill()


def test_run_gives_what_is_read_and_returns_what_is_written() -> None:
    finished = run(["/bin/sh", "-c", "cat; echo err >&2; exit 3"], b"x" * 100_000)
    assert (finished.status, finished.output, finished.errors) == (3, b"x" * 100_000, b"err\n")
    assert run(["/bin/sh", "-c", "kill -9 $$"]).status == 137


def test_what_is_spawned_has_the_files_it_was_given_and_no_others() -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)  # as a shell does for `10>file`
    try:
        assert wait_for(spawn(["/bin/ls", "/proc/self/fd"], {1: write, 7: read}, os.environ)) == 0
        assert os.read(read, 1000).split() == [b"0", b"1", b"2", b"3", b"7"]  # 3 is ls's own
    finally:
        os.close(read)
        os.close(write)


def test_what_is_spawned_does_not_ignore_sigpipe() -> None:
    ignored = run(["/bin/grep", "SigIgn", "/proc/self/status"]).output.split()[1]
    assert not int(ignored, 16) & 1 << 12


def test_a_program_that_is_not_there_is_an_error_and_leaves_no_file_open() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/program"])
    assert os.listdir("/proc/self/fd") == before
