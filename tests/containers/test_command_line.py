"""`ligan` with containers: its streams, its terminal, its signals, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.homes import PARENT
from tests.support.terminals import terminal
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

RUN = ("run", "--network", "none", "--cgroup-parent", PARENT)


def words(home: Home, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ligan", "--root", home.root, *arguments]


def ligan(home: Home, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    done = subprocess.run(words(home, *arguments), input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_streams_and_status(home: Home) -> None:
    script = "echo out; echo err >&2; exit 7"
    assert ligan(home, *RUN, "--rm", "busybox", "sh", "-c", script) == (7, b"out\n", b"err\n")


def test_stdin_ends_and_output_goes_on(home: Home) -> None:
    script = "wc -c; sleep 0.1; echo end"
    content = b"x" * 300_000
    answer = ligan(home, *RUN, "--rm", "-i", "busybox", "sh", "-c", script, stdin=content)
    assert answer == (0, b"300000\nend\n", b"")


def test_much_output_arrives_whole(home: Home) -> None:
    status, out, _ = ligan(home, *RUN, "--rm", "busybox", "seq", "100000")
    assert (status, out) == (0, "".join([f"{number}\n" for number in range(1, 100_001)]).encode())


def test_only_the_streams_that_were_asked_for(home: Home) -> None:
    script = "echo out; echo err >&2"
    assert ligan(home, *RUN, "--rm", "-a", "stderr", "busybox", "sh", "-c", script) == (0, b"", b"err\n")


def test_commit_that_is_told_to_end_lets_the_container_go_on(home: Home) -> None:
    container = home.start("sleep", "1000")
    program = (
        "import os, signal, sys; from ligan.containers import committing; from ligan.cli.main import main; "
        "committing.layer_of = lambda *_: os.kill(os.getpid(), signal.SIGTERM); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "--root", home.root, "commit", container]
    assert subprocess.run(command, check=False).returncode == 128 + signal.SIGTERM
    assert home.events(container)[-2:] == ["pause", "unpause"]


def test_what_is_slow_to_import_is_not_imported(home: Home) -> None:
    """Each of these takes a short run milliseconds (docs/decisions/0002-start-up.md)."""
    program = (
        "import sys; before = set(sys.modules); from ligan.cli.main import main; main(sys.argv[1:]); "
        "print(*set(sys.modules) - before, file=sys.stderr)"
    )
    arguments = ("--root", home.root, *RUN, "--rm", "busybox", "true")
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"re", "json", "enum", "functools", "collections", "signal", "threading", "hashlib", "contextlib"}
    assert not slow & set(ended.stderr.split())


@pytest.mark.parametrize(("command", "status"), [("nosuch", 127), ("/etc/passwd", 126)])
def test_status_of_what_cannot_run(home: Home, command: str, status: int) -> None:
    code, out, err = ligan(home, *RUN, "busybox", command)
    assert (code, out) == (status, b"")
    assert err.startswith(b"ligan: Error response from daemon: failed to create")
    assert err.endswith(b"\n\nRun 'ligan run --help' for more information\n")


def test_detached_container_outlives_the_command(home: Home) -> None:
    status, out, _ = ligan(home, *RUN, "-d", "busybox", "sleep", "1000")
    container = out.decode().strip()
    assert status == 0
    assert home.row(container).state == "running"
    assert ligan(home, "stop", "-t", "0", container[:12]) == (0, container[:12].encode() + b"\n", b"")
    assert home.row(container).exit_code == 137


def test_id_is_written_to_the_file(home: Home, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "cid")
    _, out, _ = ligan(home, "create", "--cidfile", path, "busybox", "true")
    with open(path, encoding="ascii") as file:
        assert file.read() == out.decode().strip()
    status, _, err = ligan(home, "create", "--cidfile", path, "busybox", "true")
    assert status == 1
    assert err.startswith(b"container ID file found, make sure the other container isn't running")
    status, _, err = ligan(home, "run", "--cidfile", path, "busybox", "true")
    assert status == 125
    assert err.startswith(b"ligan: container ID file found")
    status, _, err = ligan(home, "run", "--cidfile", f"{tmp_path}/no/cid", "busybox", "true")
    assert status == 127
    assert err.startswith(b"ligan: failed to create the container ID file: open ")
    path = os.path.join(tmp_path, "other")
    assert ligan(home, "create", "--cidfile", path, "--pull", "never", "nosuch")[0] == 1
    assert not os.path.exists(path)


def test_signals_are_passed_on(home: Home) -> None:
    script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    running = subprocess.Popen(
        words(home, *RUN, "--rm", "busybox", "sh", "-c", script), stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    with running.stdout as shown:
        assert shown.readline() == b"ready\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 5


def test_nobody_reads_the_output(home: Home) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = words(home, *RUN, "--name", "piped", "busybox", "seq", "10000")
    subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=SECONDS)
    os.close(writing)
    assert home.await_state("piped", "exited").exit_code == 0


def test_image_that_cannot_be_pulled_is_told(home: Home) -> None:
    status, out, err = ligan(home, *RUN, "127.0.0.1:1/none/such", "true")
    assert (status, out) == (125, b"")
    assert err.startswith(b"Unable to find image '127.0.0.1:1/none/such:latest' locally\n")
    assert b"ligan: Error response from daemon: " in err
    assert b"Traceback" not in err


def _shell(home: Home, *flags: str) -> tuple[str, ...]:
    return tuple(words(home, *RUN, "-it", *flags, "busybox", "sh"))


def test_terminal_is_the_containers_and_then_as_before(home: Home) -> None:
    with terminal(*_shell(home, "--rm")) as program:
        program.await_text("# ")
        assert program.settings() != program.settings_at_first
        program.type("echo $((40 + 2)); tty\r")
        program.await_text("42\r\n/dev/")
        program.type("exit 3\r")
        assert program.end() == 3
        assert program.settings() == program.settings_at_first


def test_size_of_the_terminal_is_followed(home: Home) -> None:
    with terminal(*_shell(home, "--rm")) as program:
        program.await_text("# ")
        for height, width in ((41, 132), (17, 60)):
            program.resize(height, width)
            deadline = time.monotonic() + SECONDS
            while True:
                program.type("stty size; echo do''ne\r")
                program.await_text("done\r\n")
                if f"\r\n{height} {width}\r\n".encode() in program.shown:
                    break
                assert time.monotonic() < deadline, program.shown
        program.type("exit\r")
        assert program.end() == 0


def test_interrupt_reaches_the_process_alone(home: Home) -> None:
    with terminal(*_shell(home, "--rm")) as program:
        program.await_text("# ")
        program.type("sh -c 'echo up$((1)); exec sleep 1000'\r")
        program.await_text("up1\r\n")
        program.type("\x03")
        program.await_text("# ")
        program.type("exit\r")
        assert program.end() == 130


@pytest.mark.parametrize(("flags", "keys"), [((), "\x10\x11"), (("--detach-keys", "ctrl-x,x"), "\x18x")])
def test_detach_keys_leave_the_container_running(home: Home, flags: tuple[str, ...], keys: str) -> None:
    with terminal(*_shell(home, "--name", "left", *flags)) as program:
        program.await_text("# ")
        program.type(keys)
        assert program.end() == 0
    assert home.row("left").state == "running"
    with terminal(*words(home, "attach", "left")) as program:
        program.type("echo $((40 + 2)); exit 4\r")
        program.await_text("42")
        assert program.end() == 4


def test_exec_under_a_terminal(home: Home) -> None:
    home.start("sleep", "1000", name="up")
    with terminal(*words(home, "exec", "-it", "up", "sh")) as program:
        program.await_text("# ")
        program.type("echo $((40 + 2)); exit 9\r")
        program.await_text("42")
        assert program.end() == 9
    assert ligan(home, "exec", "-i", "up", "cat", stdin=b"in") == (0, b"in", b"")
    assert ligan(home, "exec", "-t", "up", "sh", "-c", "echo hi >&2") == (0, b"hi\r\n", b"")


def test_stdin_that_is_no_terminal_is_refused(home: Home) -> None:
    assert ligan(home, *RUN, "-it", "busybox", "true") == (1, b"", b"the input device is not a TTY\n")


def test_terminal_is_as_before_where_nothing_could_run(home: Home) -> None:
    with terminal(*words(home, *RUN, "-it", "busybox", "nosuch")) as program:
        program.await_text("executable file not found")
        assert program.end() == 127
        assert program.settings() == program.settings_at_first


def test_start_attached_gives_status_and_output(home: Home) -> None:
    container = home.create("sh", "-c", "echo hi; exit 6")
    assert ligan(home, "start", "-a", container) == (6, b"hi\n", b"")
