"""Commands beside a container's own, and healthchecks, which are such commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers import runtime
from ligan.containers.execs import ExecRequest
from ligan.containers.failures import StartFailed
from ligan.errors import Conflict, Invalid, NotFound
from tests.support.bundles import await_no_conmon
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root

SECOND = 10**9


def run(
    home: Home, container: str, *command: str, given: bytes = b"", **asked: object
) -> tuple[int, bytes, bytes]:
    """Run a command; returns its status and what it wrote to stdout and stderr."""
    request = ExecRequest(command, stdin=True, stdout=True, stderr=True, **asked)  # type: ignore[arg-type]
    exec_id = home.engine.create_exec(container, request)
    streams = home.engine.start_exec(exec_id)
    assert streams is not None
    streams.write(given)
    streams.close_stdin()
    written = list(streams)
    streams.close()
    status = home.engine.wait_exec(exec_id)
    out, err = [b"".join([data for stream, data in written if stream == wanted]) for wanted in (2, 3)]
    return status, out, err


def test_streams_and_status(home: Home) -> None:
    container = home.start("sleep", "1000")
    assert run(home, container, "sh", "-c", "cat; echo err >&2; exit 4", given=b"in") == (4, b"in", b"err\n")


def test_variables_user_and_folder(home: Home) -> None:
    container = home.start("sleep", "1000", config={"Env": ["A=1"], "WorkingDir": "/home"})
    assert run(home, container, "sh", "-c", "id -u; pwd; echo $A$B") == (0, b"0\n/home\n1\n", b"")
    script = "id -u; pwd; echo $A$B"
    found = run(home, container, "sh", "-c", script, user="nobody", working_dir="/", environment=("B=2",))
    assert found == (0, b"65534\n/\n12\n", b"")


def test_command_that_is_not_there(home: Home) -> None:
    """Golden k_containers: the message is what was printed, and the status is 126."""
    container = home.start("sleep", "1000")
    exec_id = home.engine.create_exec(container, ExecRequest(("nosuchcmd",), stdout=True))
    with pytest.raises(StartFailed) as error:
        home.engine.start_exec(exec_id)
    assert error.value.message == (
        "OCI runtime exec failed: exec failed: unable to start container process: "
        'exec: "nosuchcmd": executable file not found in $PATH: unknown'
    )
    assert home.engine.inspect_exec(exec_id)["ExitCode"] == 126


def test_document(home: Home) -> None:
    container = home.start("sleep", "1000")
    request = ExecRequest(("sleep", "1000"), stdout=True, user="0", detach_keys="ctrl-a")
    exec_id = home.engine.create_exec(container, request)
    assert home.engine.inspect_exec(exec_id) == {
        "ID": exec_id,
        "Running": False,
        "ExitCode": None,
        "ProcessConfig": {
            "tty": False,
            "entrypoint": "sleep",
            "arguments": ["1000"],
            "privileged": False,
            "user": "0",
        },
        "OpenStdin": False,
        "OpenStderr": False,
        "OpenStdout": True,
        "CanRemove": False,
        "ContainerID": container,
        "DetachKeys": "AQ==",
        "Pid": 0,
    }
    assert home.engine.start_exec(exec_id, detach=True) is None
    document = home.engine.inspect_exec(exec_id)
    assert document["Running"]
    assert document["Pid"] > 0
    with pytest.raises(Conflict, match=f"^Error: Exec command {exec_id} is already running$"):
        home.engine.start_exec(exec_id)


def test_detached_command_ends_by_itself(home: Home) -> None:
    container = home.start("sleep", "1000")
    exec_id = home.engine.create_exec(container, ExecRequest(("sh", "-c", "exit 9")))
    home.engine.start_exec(exec_id, detach=True)
    until(lambda: "exec_die" in home.events(container))
    assert home.engine.inspect_exec(exec_id)["ExitCode"] == 9
    with pytest.raises(Conflict, match=f"^Error: Exec command {exec_id} has already run$"):
        home.engine.start_exec(exec_id)
    assert home.events(container)[2:] == ["exec_create: sh -c exit 9", "exec_start: sh -c exit 9", "exec_die"]


def test_detached_command_that_ends_before_it_is_written_down(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its conmon calls at its end finds nothing to end yet."""
    container = home.start("sleep", "1000")
    exec_id = home.engine.create_exec(container, ExecRequest(("sh", "-c", "exit 9")))
    execute = runtime.execute

    def slowly(*arguments: Any, **named: Any) -> runtime.Executed:
        launched = execute(*arguments, **named)
        await_no_conmon(exec_id)
        return launched

    monkeypatch.setattr(runtime, "execute", slowly)
    home.engine.start_exec(exec_id, detach=True)
    assert home.events(container)[2:] == ["exec_create: sh -c exit 9", "exec_start: sh -c exit 9", "exec_die"]


def test_goes_with_its_container(home: Home) -> None:
    container = home.start("sleep", "1000")
    exec_id = home.engine.create_exec(container, ExecRequest(("sleep", "1000")))
    home.engine.start_exec(exec_id, detach=True)
    home.engine.kill_container(container)
    with pytest.raises(NotFound, match=f"^No such exec instance: {exec_id}$"):
        home.engine.inspect_exec(exec_id)
    assert home.events(container)[-3:] == ["kill", "exec_die", "die"]


def test_refused(home: Home) -> None:
    container = home.start("sleep", "1000", name="here")
    with pytest.raises(Invalid, match=r"^No exec command specified$"):
        home.engine.create_exec("here", ExecRequest(()))
    with pytest.raises(Invalid, match=r"^Invalid escape keys \(ctrl-aa\) provided$"):
        home.engine.create_exec("here", ExecRequest(("true",), detach_keys="ctrl-aa"))
    home.engine.pause_container("here")
    with pytest.raises(Conflict, match=r"^Container here is paused, unpause the container before exec$"):
        home.engine.create_exec("here", ExecRequest(("true",)))
    home.engine.kill_container("here")
    with pytest.raises(Conflict, match=f"^Container {container} is not running$"):
        home.engine.create_exec("here", ExecRequest(("true",)))


def await_health(home: Home, container: str, status: str) -> dict[str, object]:
    def found() -> dict[str, object] | None:
        health = home.row(container).health
        return health if health is not None and health["Status"] == status else None

    return until(found, lambda: home.row(container).health)


def check(test: list[str], **more: int) -> dict[str, object]:
    return {"Healthcheck": {"Test": test, "Interval": SECOND // 20, "Timeout": 10 * SECOND, **more}}


def test_health_before_the_first_check(home: Home) -> None:
    container = home.start("sleep", "1000", config=check(["CMD", "true"], Interval=1000 * SECOND))
    assert home.row(container).health == {"Status": "starting", "FailingStreak": 0, "Log": []}


def test_healthcheck(home: Home) -> None:
    script = "test -e /well && echo fine"
    container = home.start("sleep", "1000", config=check(["CMD-SHELL", script], Retries=2))
    await_health(home, container, "unhealthy")
    run(home, container, "touch", "/well")
    health = await_health(home, container, "healthy")
    assert health["FailingStreak"] == 0
    assert health["Log"][-1]["Output"] == "fine\n"  # type: ignore[index]
    statuses = [action for action in home.events(container) if action.startswith("health_status")]
    assert statuses == ["health_status: unhealthy", "health_status: healthy"]
    home.engine.kill_container(container)
    assert home.row(container).health["Status"] == "unhealthy"  # type: ignore[index]


def test_healthcheck_that_takes_too_long(home: Home) -> None:
    container = home.start(
        "sleep", "1000", config=check(["CMD", "sleep", "100"], Timeout=SECOND // 5, Retries=1)
    )
    health = await_health(home, container, "unhealthy")
    assert health["Log"][0]["ExitCode"] == -1  # type: ignore[index]
    assert health["Log"][0]["Output"] == "Health check exceeded timeout (200ms)"  # type: ignore[index]
