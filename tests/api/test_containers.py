"""Containers by docker's own client: terminals, streams, waiting, files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.dockers import docker
from tests.support.serving import serving
from tests.support.terminals import terminal
from tests.support.waiting import SECONDS, receive_until, until

if TYPE_CHECKING:
    from tests.support.serving import Daemon
    from tests.support.terminals import Terminal

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]

PROMPT = "# "
DETACH = "\x10\x11"
END = b"\r\n\r\n"
"""Of a head."""

WAIT = b"POST /v1.41/containers/it/wait?condition=%b HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"


def _set_size(shell: Terminal, height: int, width: int) -> None:
    """Change the size, and wait until the shell has seen it: the client tells of it some time later."""
    shell.resize(height, width)

    def has_seen_it() -> bool:
        shell.type("stty size\n")
        shell.await_text("stty size")
        shell.await_text(PROMPT)
        return f"{height} {width}" in shell.shown.decode()

    until(has_seen_it, lambda: shell.shown)


def test_shell_under_a_terminal(isolated: Daemon) -> None:
    with terminal("docker", "-H", isolated.host, "run", "-it", "--rm", "busybox", "sh") as shell:
        shell.await_text(PROMPT)
        shell.type("echo $((6*7)); tty\n")
        shell.await_text("42\r\n/dev/pts/0\r\n")
        _set_size(shell, 50, 120)
        shell.type("exit 3\n")
        assert shell.end() == 3
    assert docker(isolated, "ps", "-aq") == ""


def test_detach_and_attach_again(isolated: Daemon) -> None:
    client = ("docker", "-H", isolated.host)
    with terminal(*client, "run", "-it", "--name", "shell", "busybox", "sh") as shell:
        shell.await_text(PROMPT)
        shell.type(DETACH)
        assert shell.end() == 0
    assert docker(isolated, "inspect", "-f", "{{.State.Status}}", "shell") == "running\n"
    with terminal(*client, "attach", "--detach-keys", "ctrl-a,x", "shell") as shell:
        shell.type("echo a''gain\n")
        shell.await_text("again")
        shell.type("\x01x")
        assert shell.end() == 1
        assert b"read escape sequence" in shell.shown
    with terminal(*client, "attach", "shell") as shell:
        shell.type("exit 4\n")
        assert shell.end() == 4


def test_exec_under_a_terminal(isolated: Daemon) -> None:
    docker(isolated, "run", "-d", "--name", "it", "busybox", "sleep", "1000")
    with terminal("docker", "-H", isolated.host, "exec", "-it", "it", "sh") as shell:
        shell.await_text(PROMPT)
        _set_size(shell, 33, 99)
        shell.type("exit 6\n")
        assert shell.end() == 6


def test_stdin_ends_and_output_goes_on(isolated: Daemon) -> None:
    script = "cat; sleep 0.1; echo after"
    assert docker(isolated, "run", "--rm", "-i", "busybox", "sh", "-c", script, stdin="in\n") == "in\nafter\n"
    large = "0123456789abcdef\n" * 100_000
    assert docker(isolated, "run", "--rm", "-i", "busybox", "cat", stdin=large) == large
    docker(isolated, "run", "-d", "--name", "it", "busybox", "sleep", "1000")
    assert docker(isolated, "exec", "-i", "it", "cat", stdin=large) == large
    assert docker(isolated, "exec", "-i", "it", "sh", "-c", script, stdin="in\n") == "in\nafter\n"


@pytest.mark.parametrize(
    ("words", "status"), [(["nosuch"], 127), (["/etc/passwd"], 126), (["sh", "-c", "exit 9"], 9)]
)
def test_exit_status_of_a_run_that_removes(isolated: Daemon, words: list[str], status: int) -> None:
    docker(isolated, "run", "--rm", "busybox", *words, status=status)
    assert docker(isolated, "ps", "-aq") == ""


def test_logs_of_limited_size_are_rotated(isolated: Daemon, store_root: str) -> None:
    script = (
        "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done;"
        "until [ -e /go ]; do usleep 10000; done; echo the last"
    )
    limits = ("--log-opt", "max-size=1k", "--log-opt", "max-file=2")
    container = docker(isolated, "run", "-d", "--name", "log", *limits, "busybox", "sh", "-c", script).strip()
    with subprocess.Popen(
        ["docker", "-H", isolated.host, "logs", "-f", "log"], stdout=subprocess.PIPE, text=True
    ) as follower:
        until(lambda: os.path.exists(f"{store_root}/containers/{container}/log.1"))
        docker(isolated, "exec", "log", "touch", "/go")
        followed = follower.communicate(timeout=SECONDS)[0]
    assert followed.splitlines() == [*[f"line {number}" for number in range(1, 31)], "the last"]
    assert docker(isolated, "logs", "log") == followed
    assert docker(isolated, "logs", "--tail", "2", "log") == "line 30\nthe last\n"


def test_logs(isolated: Daemon) -> None:
    script = "echo one; echo two >&2; until [ -e /go ]; do usleep 10000; done; echo three"
    docker(isolated, "run", "-d", "--name", "log", "busybox", "sh", "-c", script)
    until(lambda: docker(isolated, "logs", "log") == "one\n")  # what is read at once has one time
    docker(isolated, "exec", "log", "touch", "/go")
    assert docker(isolated, "logs", "-f", "log") == "one\nthree\n"
    assert docker(isolated, "logs", "--tail", "1", "log") == "three\n"
    stamped = docker(isolated, "logs", "-t", "log").splitlines()
    assert [line.split(" ", 1)[1] for line in stamped] == ["one", "three"]
    first, last = [line.split(" ", 1)[0] for line in stamped]
    assert docker(isolated, "logs", "--since", last, "log") == "three\n"
    assert docker(isolated, "logs", "--until", first, "log") == "one\n"


def test_waiting(isolated: Daemon) -> None:
    docker(isolated, "create", "--name", "it", "busybox", "sh", "-c", "sleep 0.3; exit 5")
    with isolated.connect() as waiting:
        waiting.sendall(WAIT % b"next-exit")
        assert receive_until(waiting, END).startswith(b"HTTP/1.1 200 OK")  # though nothing runs yet
        docker(isolated, "start", "it")
        receive_until(waiting, b'"StatusCode":5')
    assert docker(isolated, "wait", "it") == "5\n"
    with isolated.connect() as waiting:
        waiting.sendall(WAIT % b"removed")
        assert receive_until(waiting, END).startswith(b"HTTP/1.1 200 OK")
        docker(isolated, "rm", "it")
        receive_until(waiting, b'"StatusCode":5')


def test_files_in_and_out(isolated: Daemon, tmp_path: os.PathLike[str]) -> None:
    docker(isolated, "run", "-d", "--name", "it", "busybox", "sleep", "1000")
    folder = os.path.join(tmp_path, "folder")
    os.makedirs(f"{folder}/sub")
    with open(f"{folder}/sub/file", "w") as file:
        file.write("content")
    os.symlink("sub/file", f"{folder}/link")
    docker(isolated, "cp", folder, "it:/home/")
    assert docker(isolated, "exec", "it", "cat", "/home/folder/link") == "content"
    docker(isolated, "cp", "it:/home/folder", f"{tmp_path}/back")
    with open(f"{tmp_path}/back/link") as file:
        assert file.read() == "content"
    assert docker(isolated, "diff", "it").splitlines() == [
        "C /home",
        "A /home/folder",
        "A /home/folder/link",
        "A /home/folder/sub",
        "A /home/folder/sub/file",
    ]
    exported = f"{tmp_path}/out.tar"
    docker(isolated, "export", "-o", exported, "it")
    with tarfile.open(exported) as tar:
        assert "home/folder/sub/file" in tar.getnames()


def test_client_that_goes_takes_its_stream_along(isolated: Daemon) -> None:
    docker(
        isolated, "run", "-d", "--name", "it", "busybox", "sh", "-c", "while :; do echo x; sleep 0.1; done"
    )
    for words in (["logs", "-f", "it"], ["stats", "it"], ["attach", "--no-stdin", "it"]):
        with subprocess.Popen(
            ["docker", "-H", isolated.host, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert client.stdout is not None
            assert client.stdout.read(1)
            client.kill()
    assert docker(isolated, "inspect", "-f", "{{.State.Status}}", "it") == "running\n"


def test_containers_outlive_a_daemon_that_is_killed(isolated: Daemon, store_root: str) -> None:
    docker(
        isolated,
        "run",
        "-d",
        "--name",
        "long",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 8' TERM; echo ready; while :; do sleep 0.1; done",
    )
    until(lambda: docker(isolated, "logs", "long") == "ready\n")
    docker(isolated, "run", "-d", "--name", "brief", "busybox", "sh", "-c", "sleep 0.5; exit 7")
    docker(isolated, "run", "-d", "--name", "gone", "--rm", "busybox", "sleep", "0.5")
    docker(isolated, "run", "-d", "--name", "again", "--restart", "always", "busybox", "sleep", "0.5")
    pid = docker(isolated, "inspect", "-f", "{{.State.Pid}}", "long")
    isolated.kill()
    with serving(store_root) as daemon:
        assert docker(daemon, "inspect", "-f", "{{.State.Pid}}", "long") == pid
        assert docker(daemon, "wait", "brief") == "7\n"
        docker(daemon, "stop", "long")
        assert docker(daemon, "wait", "long") == "8\n"
        until(lambda: names(daemon) == ["again", "brief", "long"], lambda: names(daemon))
        until(lambda: docker(daemon, "inspect", "-f", "{{.RestartCount}}", "again") != "0\n")


def names(daemon: Daemon) -> list[str]:
    return sorted(docker(daemon, "ps", "-a", "--format", "{{.Names}}").split())


def test_events_of_a_run(isolated: Daemon) -> None:
    before = str(time.time())
    docker(isolated, "run", "--rm", "--name", "it", "busybox", "sh", "-c", "exit 3", status=3)
    told = docker(
        isolated, "events", "--since", before, "--until", str(time.time()), "--format", "{{json .}}"
    )
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["Action"] for event in events] == ["create", "attach", "start", "die", "destroy"]
    assert events[3]["Actor"]["Attributes"]["exitCode"] == "3"
    assert {event["Actor"]["Attributes"]["name"] for event in events} == {"it"}


def test_tar_of_a_folder_by_stdin(isolated: Daemon) -> None:
    docker(isolated, "create", "--name", "it", "busybox", "cat", "/file")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = 7
        tar.addfile(member, io.BytesIO(b"content"))
    words = ["docker", "-H", isolated.host, "cp", "-", "it:/"]
    subprocess.run(words, input=buffer.getvalue(), check=True, capture_output=True)
    assert docker(isolated, "start", "-a", "it") == "content"
