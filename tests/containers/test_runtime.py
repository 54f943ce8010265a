"""Running busybox by the real runtime and conmon."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers import attach, cgroups, limits, runtime, spec
from ligan.containers.attach import STDERR, STDOUT, Attachment, open_attach_socket
from ligan.containers.failures import RuntimeFailed, StartFailed
from ligan.containers.host import Host
from ligan.containers.processes import Process, await_end, is_alive, open_pidfd, send
from ligan.containers.stats import measure
from ligan.containers.top import top
from ligan.errors import Conflict
from tests.support.bundles import CGROUP, Bundle, await_number
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root


def joined(written: list[tuple[int, bytes]], stream: int) -> bytes:
    return b"".join(data for number, data in written if number == stream)


def test_streams_are_told_apart_and_the_status_is_kept(bundle: Bundle) -> None:
    status, written = bundle.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert status == 7
    assert joined(written, STDOUT) == b"out\n"
    assert joined(written, STDERR) == b"err\n"


def test_a_signal_gives_the_status_128_and_its_number(bundle: Bundle) -> None:
    process = bundle.launch("sleep", "1000")
    bundle.start()
    assert send(process, 9)
    assert bundle.end(process) == 137
    assert not is_alive(process)
    assert not send(process, 9)
    assert open_pidfd(process) == -1


def test_on_return_of_a_start_the_container_runs_its_own_program(bundle: Bundle) -> None:
    process = bundle.launch("sleep", "1000")
    bundle.start()
    program = os.readlink(f"/proc/{process.pid}/exe")
    assert send(process, 15)  # by which runc would end, with its own status
    assert not await_end(process, 0.05)
    assert send(process, 9)
    assert (bundle.end(process), program) == (137, "/bin/busybox")


def test_end_of_stdin_comes_through_and_output_goes_on(bundle: Bundle) -> None:
    process = bundle.launch("cat", stdin=True)
    attachment = bundle.attach()
    bundle.start()
    data = os.urandom(100_000)

    def write() -> None:
        attachment.write(data)
        attachment.close_stdin()

    writer = threading.Thread(target=write)
    writer.start()
    assert joined(list(attachment), STDOUT) == data
    writer.join()
    attachment.close()
    assert bundle.end(process) == 0


def test_stdin_stays_open_for_the_next_client_unless_it_is_for_one(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "read a; echo $a; read b; echo $b", stdin=True, stdin_once=False)
    first = bundle.attach()
    bundle.start()
    first.write(b"one\n")
    assert next(iter(first)) == (STDOUT, b"one\n")
    first.close()
    second = bundle.attach()
    second.write(b"two\n")
    assert joined(list(second), STDOUT) == b"two\n"
    second.close()
    assert bundle.end(process) == 0


def test_a_slow_reader_misses_nothing(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "seq 1 100000")
    attachment = bundle.attach()
    bundle.start()
    packets = iter(attachment)
    first = next(packets)
    time.sleep(0.2)  # so that conmon cannot write on: what is tested needs this
    written = first[1] + joined(list(packets), STDOUT)
    attachment.close()
    assert written == b"".join(b"%d\n" % number for number in range(1, 100001))
    assert bundle.end(process) == 0


def test_a_terminal_has_one_stream_and_a_size(bundle: Bundle) -> None:
    script = "read x; until stty size | grep '33 111'; do :; done; echo $TERM; tty >&2"
    process = bundle.launch("sh", "-c", script, tty=True, stdin=True)
    attachment = bundle.attach()
    bundle.start()
    attach.resize(bundle.folder, 33, 111)
    attachment.write(b"\n")
    written = list(attachment)
    attachment.close()
    assert joined(written, STDERR) == b""
    assert joined(written, STDOUT).split() == [b"33", b"111", b"xterm", b"/dev/pts/0"]
    assert bundle.end(process) == 0


def test_resize_of_what_has_ended_does_nothing(bundle: Bundle) -> None:
    attach.resize(bundle.folder, 1, 1)


def test_nobody_attaches_to_what_does_not_run(bundle: Bundle) -> None:
    with pytest.raises(Conflict):
        open_attach_socket(bundle.folder)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("nope", 127, 'exec: "nope": executable file not found in $PATH'),
        ("/nope", 127, 'exec: "/nope": stat /nope: no such file or directory'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_a_program_that_cannot_be_run_fails_in_dockers_words(
    bundle: Bundle, command: str, code: int, said: str
) -> None:
    with pytest.raises(StartFailed) as raised:
        bundle.launch(command)
    assert raised.value.exit_code == code
    # golden k_containers
    assert raised.value.message == (
        "failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: {said}: unknown"
    )


def test_what_the_runtime_refuses_is_told(bundle: Bundle) -> None:
    with pytest.raises(RuntimeFailed) as raised:
        bundle.launch("true", host_config={"Sysctls": {"foo": "1"}})
    assert raised.value.exit_code == 128
    assert 'sysctl "foo" is not in a separate kernel namespace' in raised.value.message


def test_the_same_container_can_be_run_again(bundle: Bundle) -> None:
    assert bundle.run("sh", "-c", "exit 3")[0] == 3
    assert bundle.run("sh", "-c", "exit 4")[0] == 4


def test_the_exit_command_runs_once_the_status_is_written(bundle: Bundle) -> None:
    copy = f"{bundle.folder}/copied"
    command = ("/bin/sh", "-c", 'cp "$0" "$1.new"; mv "$1.new" "$1"')
    exit_command = (*command, f"{bundle.folder}/exit/{bundle.id}", copy)
    process = bundle.launch("sh", "-c", "exit 5", exit_command=exit_command)
    bundle.start()
    assert await_number(copy) == 5
    assert bundle.end(process) == 5


def test_what_waits_for_its_start_is_taken_back(bundle: Bundle) -> None:
    process = bundle.launch("true")
    assert runtime.state(bundle.folder, bundle.id) == "created"
    runtime.kill_conmon(bundle.folder)
    bundle.delete()
    assert not is_alive(process)
    assert runtime.state(bundle.folder, bundle.id) == ""


def test_what_has_ended_before_its_start_is_told(bundle: Bundle) -> None:
    process = bundle.launch("true")
    assert send(process, signal.SIGKILL)
    assert await_end(process, SECONDS)
    with pytest.raises(RuntimeFailed, match="cannot start a container that has stopped"):
        bundle.start()
    bundle.delete()


def test_what_was_started_runs_also_to_the_runtime(bundle: Bundle) -> None:
    process = bundle.launch("sleep", "1000")
    assert runtime.state(bundle.folder, bundle.id) == "created"
    bundle.start()
    assert runtime.state(bundle.folder, bundle.id) == "running"
    assert send(process, signal.SIGKILL)
    assert bundle.end(process) == 137


def test_delete_ends_what_runs_also_when_it_is_frozen_or_the_runtime_forgot_it(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "sleep 1000 & sleep 1000")
    bundle.start()
    assert runtime.state(bundle.folder, bundle.id) == "running"
    runtime.pause(bundle.folder, bundle.id)
    assert runtime.state(bundle.folder, bundle.id) == "paused"
    bundle.delete()
    assert not is_alive(process)
    assert cgroups.folders(f"{CGROUP}/{bundle.id}") == {}
    bundle.delete()  # of nothing


def test_a_frozen_container_goes_on(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "read x; echo went on", stdin=True)
    attachment = bundle.attach()
    bundle.start()
    runtime.pause(bundle.folder, bundle.id)
    attachment.write(b"\n")
    assert not await_end(process, 0.05)
    runtime.resume(bundle.folder, bundle.id)
    assert joined(list(attachment), STDOUT) == b"went on\n"
    attachment.close()
    assert bundle.end(process) == 0


def test_what_is_not_there_cannot_be_frozen(bundle: Bundle) -> None:
    with pytest.raises(Conflict, match="not running"):
        runtime.pause(bundle.folder, bundle.id)


def test_limits_are_set_and_changed(bundle: Bundle) -> None:
    process = bundle.launch("sleep", "1000", host_config={"Memory": 64 << 20, "PidsLimit": 20})
    bundle.start()
    assert measured(bundle, process)["memory_stats"]["limit"] == 64 << 20
    assert measured(bundle, process)["pids_stats"]["limit"] == 20
    runtime.update(
        bundle.folder,
        bundle.id,
        limits.resources({"Memory": 32 << 20, "MemorySwap": 48 << 20}, lambda _: (0, 0)),
    )
    assert measured(bundle, process)["memory_stats"]["limit"] == 32 << 20
    with pytest.raises(RuntimeFailed):
        runtime.update(bundle.folder, bundle.id, {"cpu": {"cpus": "999"}})


def measured(bundle: Bundle, process: Process, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    return measure(
        spec.cgroup_path(bundle.id, {"CgroupParent": CGROUP}),
        process.pid,
        Host.read().memory,
        read="2026-01-01T00:00:00Z",
        name="/n",
        container_id=bundle.id,
        networked=True,
        previous=previous,
    )


def test_stats_and_top_know_the_processes(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "sleep 1000 & sleep 1000; true")
    bundle.start()
    until(lambda: commands(bundle).count("sleep 1000") == 2, lambda: commands(bundle))
    first = measured(bundle, process)
    second = measured(bundle, process, first)
    assert first["pids_stats"] == {"current": 3}
    assert second["precpu_stats"] == first["cpu_stats"]
    assert second["networks"] == {}
    assert commands(bundle) == ["sh -c sleep 1000 & sleep 1000; true", "sleep 1000", "sleep 1000"]


def commands(bundle: Bundle) -> list[str]:
    shown = top(cgroups.processes(f"{CGROUP}/{bundle.id}"), "-o pid,args")
    assert shown["Titles"] == ["PID", "COMMAND"]
    return sorted(row[1] for row in shown["Processes"])


class Exec:
    """Commands beside a container's own."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.count = 0

    def run(self, *command: str, **request: object) -> tuple[int, list[tuple[int, bytes]]]:
        given = request.pop("given", None)
        self.count += 1
        folder = f"{self.bundle.folder}/exec/{self.count}"
        process = spec.exec_process(
            self.bundle.process, {"Hostname": "h"}, {"Cmd": command, **request}, None, Host.read()
        )
        executed = runtime.execute(
            self.bundle.folder,
            self.bundle.id,
            folder,
            str(self.count),
            process,
            attach=True,
            stdin=given is not None,
        )
        attachment = Attachment(attach.adopt(executed.attached))
        if isinstance(given, bytes):
            attachment.write(given)
            attachment.close_stdin()
        written = list(attachment)
        attachment.close()
        return await_number(f"{folder}/exit/{self.bundle.id}"), written


@pytest.fixture
def execute(bundle: Bundle) -> Iterator[Callable[..., tuple[int, list[tuple[int, bytes]]]]]:
    process = bundle.launch("sleep", "1000")
    bundle.start()
    yield Exec(bundle).run
    send(process, 9)
    bundle.end(process)


def test_exec_has_streams_and_a_status(execute: Callable[..., tuple[int, list[tuple[int, bytes]]]]) -> None:
    status, written = execute("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (status, joined(written, STDOUT), joined(written, STDERR)) == (3, b"out\n", b"err\n")
    assert execute("cat", given=b"in")[1] == [(STDOUT, b"in")]
    written = execute("sh", "-c", "pwd; echo $A", WorkingDir="/etc", Env=["A=1"])[1]
    assert joined(written, STDOUT) == b"/etc\n1\n"
    assert joined(execute("tty", Tty=True)[1], STDOUT) == b"/dev/pts/0\r\n"
    assert execute("sh", "-c", "kill -9 $$")[0] == 137


def test_exec_of_what_cannot_be_run_fails_in_dockers_words(
    execute: Callable[..., tuple[int, list[tuple[int, bytes]]]],
) -> None:
    with pytest.raises(StartFailed) as raised:
        execute("nope")
    assert raised.value.exit_code == 126
    # golden k_containers
    assert raised.value.message == (
        "OCI runtime exec failed: exec failed: unable to start container process: "
        'exec: "nope": executable file not found in $PATH: unknown'
    )
    with pytest.raises(StartFailed) as raised:
        execute("pwd", WorkingDir="/nope")
    assert raised.value.exit_code == 126
    assert 'chdir to cwd ("/nope") set in config.json failed' in raised.value.message


def test_a_detached_exec_runs_on(bundle: Bundle) -> None:
    process = bundle.launch("sleep", "1000")
    bundle.start()
    folder = f"{bundle.folder}/exec/1"
    command = spec.exec_process(bundle.process, {}, {"Cmd": ["sh", "-c", "exit 9"]}, None, Host.read())
    executed = runtime.execute(bundle.folder, bundle.id, folder, "1", command)
    assert executed.attached == -1
    assert await_number(f"{folder}/exit/{bundle.id}") == 9
    send(process, 9)
    assert bundle.end(process) == 137


def test_a_shared_pid_namespace_leaves_nothing_behind(bundle: Bundle) -> None:
    process = bundle.launch("sh", "-c", "sleep 1000 & exit 0", host_config={"PidMode": "host"})
    bundle.start()
    assert bundle.end(process) == 0
    assert cgroups.folders(f"{CGROUP}/{bundle.id}") == {}
