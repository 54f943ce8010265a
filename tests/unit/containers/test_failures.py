from __future__ import annotations

import pytest

from ligan.containers import runtime
from ligan.containers.failures import (
    Runtime,
    RuntimeFailed,
    StartFailed,
    exec_failure,
    last_error,
    start_failure,
)
from ligan.errors import Unavailable

RUNC = Runtime("runc", "/usr/sbin/runc", "/usr/bin/conmon")
CRUN = RUNC.replace(name="crun")


def logged(message: str) -> str:
    return '{"level":"info","msg":"other"}\n' + f'{{"level":"error","msg":"{message}"}}\n'


def test_network_below_a_path_with_a_comma_is_explained() -> None:
    said = "runc create failed: unable to create new parent process: invalid namespace path /a,b/c/netns"
    assert "comma" in start_failure(RUNC, logged(said)).hint
    assert start_failure(RUNC, logged("runc create failed: something else")).hint == ""


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("runc create failed: exec: nope: executable file not found in $PATH", StartFailed, 127),
        ("runc create failed: stat /nope: no such file or directory", StartFailed, 127),
        ("runc create failed: open /proc/sys/x: no such file or directory", StartFailed, 127),
        ("runc create failed: exec: /etc: permission denied", StartFailed, 126),
        ("runc create failed: open /proc/sys/x: permission denied", StartFailed, 126),
        ("runc create failed: mount a to b: not a directory", StartFailed, 127),
        ("runc create failed: something else", RuntimeFailed, 128),
    ],
)
def test_words_decide_the_status(message: str, kind: type[Exception], code: int) -> None:
    failure = start_failure(RUNC, logged(message))
    assert type(failure) is kind
    assert isinstance(failure, StartFailed | RuntimeFailed)
    assert failure.exit_code == code
    assert failure.message.startswith(
        f"failed to create shim task: OCI runtime create failed: {message}: unknown"
    )


def test_other_runtimes_are_named() -> None:
    failure = start_failure(CRUN, "executable file `nope` not found in $PATH: No such file or directory\n")
    assert failure.message == (
        "failed to create shim task: OCI runtime create failed: crun: "
        "executable file `nope` not found in $PATH: no such file or directory: unknown"
    )
    assert isinstance(failure, StartFailed)


@pytest.mark.parametrize(
    ("message", "kind"), [("exec: nope: permission denied", StartFailed), ("exec failed", RuntimeFailed)]
)
def test_every_failure_of_an_exec_is_126(message: str, kind: type[Exception]) -> None:
    failure = exec_failure(RUNC, logged(message))
    assert type(failure) is kind
    assert isinstance(failure, StartFailed | RuntimeFailed)
    assert failure.exit_code == 126
    assert failure.message == f"OCI runtime exec failed: {message}: unknown"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "the runtime said nothing"),
        ("plain words\n", "plain words"),
        (logged("a") + logged("b"), "b"),
        ("[1]\n", "the runtime said nothing"),
        ('{"level":"error"}', "the runtime said nothing"),
    ],
)
def test_the_last_error_counts(message: str, said: str) -> None:
    assert last_error(message) == said


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What PATH leads to, on a machine without a hybrid hierarchy of cgroups."""
    programs: dict[str, str] = {}
    monkeypatch.setattr(runtime, "_which", programs.get)
    monkeypatch.setattr(runtime, "_HYBRID", "/nowhere")
    return programs


def test_crun_comes_first(installed: dict[str, str]) -> None:
    installed.update(crun="/crun", runc="/runc", conmon="/conmon")
    assert runtime.find_runtime() == Runtime("crun", "/crun", "/conmon")


def test_crun_is_passed_over_where_it_cannot_run(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_HYBRID", __file__)
    installed.update(crun="/crun", runc="/runc", conmon="/conmon")
    found = runtime.find_runtime()
    assert (found.name, found.why) == ("runc", "crun does not run on a hybrid cgroup hierarchy")
    del installed["runc"]
    with pytest.raises(Unavailable, match="crun does not run on a hybrid cgroup hierarchy"):
        runtime.find_runtime()


@pytest.mark.parametrize(
    ("programs", "package"), [({}, "runc"), ({"runc": "/runc"}, "conmon"), ({"conmon": "/conmon"}, "runc")]
)
def test_what_is_missing_names_its_package(
    installed: dict[str, str], programs: dict[str, str], package: str
) -> None:
    installed.update(programs)
    with pytest.raises(Unavailable) as raised:
        runtime.find_runtime()
    assert raised.value.hint.endswith(f"apt-get install {package}")
