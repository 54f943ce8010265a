"""The OCI runtime and conmon: creating containers and what is done to them while they run.

Functions take the container's folder, which is the bundle (docs/decisions/0006-containers.md).
The runtime keeps its state in that folder too, below the runtime's name: nothing is outside but the cgroup.
"""

from __future__ import annotations

import os

from ligan.containers.conmon import Conmon, common_words, exit_words, stream_words
from ligan.containers.failures import Runtime, RuntimeFailed, exec_failure, last_error, start_failure
from ligan.containers.spawning import Finished, run
from ligan.errors import Conflict, Unavailable, Unsupported
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_RUNTIMES = ("crun", "runc")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_HYBRID = "/sys/fs/cgroup/unified/cgroup.controllers"

_LOAD_SECONDS = 10.0
"""How long a start waits for the container's program to be loaded: it may come from a slow disk."""


def find_runtime() -> Runtime:
    """Return the runtime and conmon that PATH leads to. Raises Unavailable, with what to install."""
    found = {name: path for name in _RUNTIMES if (path := _which(name))}
    why = ""
    if "crun" in found and os.path.exists(_HYBRID):
        # crun refuses v1 controllers beside a v2 hierarchy.
        del found["crun"]
        why = "crun does not run on a hybrid cgroup hierarchy"
    if not found:
        hint = "Install one: apt-get install runc"
        raise Unavailable(f"no container runtime found{f': {why}' if why else ''}", hint)
    conmon = _which("conmon")
    if conmon is None:
        raise Unavailable("conmon is not installed", "Install it: apt-get install conmon")
    name, path = next(iter(found.items()))
    return Runtime(name, path, conmon, why)


def _which(name: str) -> str | None:
    for folder in (*os.get_exec_path(), *_SYSTEM_FOLDERS):
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            return path
    return None


class Launched(Value):
    """A container, or a command in one, that was created and not started. Both processes live."""

    pid: int
    conmon_pid: int


def launch(
    folder: str,
    container_id: str,
    *,
    tty: bool = False,
    stdin: bool = False,
    stdin_once: bool = False,
    exit_command: Sequence[str] = (),
    log_limit: int = 0,
    keep_log: bool = True,
    meanwhile: Callable[[], object] = lambda: None,
) -> Launched:
    """Create the container of config.json. On return its process waits for `start`, and one can attach.

    `exit_command` is run after the container has ended, the exit status being in exit/<id> by then.
    `log_limit`: bytes of the log after which conmon begins it anew; 0 is no limit. A log that is not kept
    is not written either. `meanwhile` is called
    while the runtime works. Raises StartFailed or RuntimeFailed in Docker's words.
    """
    runtime = find_runtime()
    _clear(folder)
    _unlink(f"{folder}/exit/{container_id}")
    os.makedirs(f"{folder}/exit", 0o700, exist_ok=True)
    words = [
        *common_words(runtime, folder, container_id, container_id, folder),
        "-l",
        f"k8s-file:{folder}/log" if keep_log else "none",
        *(["--log-size-max", str(log_limit)] if log_limit else ()),
        *stream_words(tty=tty, stdin=stdin, stdin_once=stdin_once),
        *exit_words(exit_command),
    ]
    with Conmon(words) as conmon:
        meanwhile()
        pid, message = conmon.report()
    if pid <= 0:
        raise start_failure(runtime, message)
    return Launched(pid, _read_number(f"{folder}/conmon.pid"))


class Executed(Value):
    """A command that runs in a container. `attached` is the descriptor of its streams' socket, or -1."""

    pid: int
    conmon_pid: int
    attached: int


def execute(
    folder: str,
    container_id: str,
    exec_folder: str,
    exec_id: str,
    process: Mapping[str, Any],
    *,
    stdin: bool = False,
    attach: bool = False,
    exit_command: Sequence[str] = (),
) -> Executed:
    """Run one more process in a running container. On return it runs.

    `exec_folder` is made; it has the process's exit/<container ID>, attach and ctl. With `attach` nothing
    that it writes is missed. Raises StartFailed or RuntimeFailed, whose words Docker sends on its stream.
    """
    from ligan.containers.attach import open_attach_socket
    from ligan.oci.gojson import go_json

    runtime = find_runtime()
    os.makedirs(f"{exec_folder}/exit", 0o700)
    with open(f"{exec_folder}/process.json", "wb") as file:
        file.write(go_json(process))
    words = [
        *common_words(runtime, folder, container_id, exec_id, exec_folder),
        *("-l", "none", "-e", "--exec-process-spec", f"{exec_folder}/process.json"),
        *(["--exec-attach"] if attach else ()),
        *stream_words(tty=bool(process.get("terminal")), stdin=stdin, stdin_once=True),
        *exit_words(exit_command),
    ]
    attached = -1
    with Conmon(words, attach=attach) as conmon:
        if attach:
            conmon.go_on()
            if conmon.await_socket():
                attached = open_attach_socket(exec_folder).detach()
            conmon.go_on()
        pid, message = conmon.report()
    if pid <= 0:
        if attached >= 0:
            os.close(attached)
        raise exec_failure(runtime, message)
    return Executed(pid, _read_number(f"{exec_folder}/conmon.pid"), attached)


def start(folder: str, container_id: str, pid: int) -> None:
    """Let a created container's process run, which has this pid. Raises RuntimeFailed.

    On return it runs its own program: by a signal before that, runc ends with its own status and crun not at
    all. Only of a program that takes more than ten seconds to be loaded it may still be the runtime's.
    """
    from ligan.containers.processes import await_program

    fifo = f"{folder}/runc/{container_id}/exec.fifo"
    if os.path.exists(fifo):
        _let_run(fifo, pid)
    else:
        _call(folder, "start", container_id)
    await_program(pid, _LOAD_SECONDS)


def _let_run(fifo: str, pid: int) -> None:
    """Do what `runc start` does (libcontainer, handleFifo), without a process of its own for it.

    The container's process waits until somebody opens the FIFO, writes a byte, and runs. To runc a container
    whose FIFO is gone has been started.
    """
    import select

    try:
        process = os.pidfd_open(pid)  # before it runs: it may have ended as soon as the FIFO is open
    except ProcessLookupError:
        raise RuntimeFailed("cannot start a container that has stopped") from None
    try:
        file = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            poll = select.poll()
            for descriptor in (file, process):
                poll.register(descriptor, select.POLLIN)
            poll.poll()
            if not _read_available(file):
                raise RuntimeFailed("cannot start a container that has stopped")
        finally:
            os.close(file)
    finally:
        os.close(process)
    try:
        os.unlink(fifo)
    except FileNotFoundError:
        pass  # it has ended, and who saw that has cleared up


def _read_available(file: int) -> bytes:
    try:
        return os.read(file, 1)
    except BlockingIOError:
        return b""


def pause(folder: str, container_id: str) -> None:
    """Freeze all processes of a container. Raises Unsupported where it has no cgroup."""
    if _state_folder(folder) is not None and not _cgroup_path(folder):
        raise Unsupported(
            "without root a container has no cgroup in which it could be frozen",
            "To commit one that runs: --pause=false",
        )
    _call(folder, "pause", container_id)


def resume(folder: str, container_id: str) -> None:
    """Let a frozen container's processes go on."""
    _call(folder, "resume", container_id)


def update(folder: str, container_id: str, resources: Mapping[str, Any]) -> None:
    """Set limits of a running container, as `limits.resources` gives them. Raises RuntimeFailed."""
    from ligan.oci.gojson import go_json

    _call(folder, "update", "--resources", "/dev/stdin", container_id, given=go_json(resources))


def state(folder: str, container_id: str) -> str:
    """Return created, running, paused or stopped; empty where the runtime knows nothing of the container."""
    from ligan.oci.compact_json import loads

    if _state_folder(folder) is None:
        return ""
    finished = _run(folder, ["state", container_id])
    return "" if finished.status else str(loads(finished.output.decode())["status"])


def _call(folder: str, verb: str, *words: str, given: bytes = b"") -> None:
    finished = _run(folder, [verb, *words], given)
    if finished.status:
        said = last_error(finished.errors.decode("utf-8", "replace"))
        raise RuntimeFailed(said)


def _run(folder: str, words: Sequence[str], given: bytes = b"") -> Finished:
    name = _state_folder(folder)
    if name is None:
        raise Conflict("the container is not running")
    path = _which(name)
    if path is None:
        raise Unavailable(f"{name} is not installed", f"Install it: apt-get install {name}")
    return run([path, "--root", f"{folder}/{name}", "--log-format", "json", *words], given)


def _state_folder(folder: str) -> str | None:
    """Return the name of the runtime that made the container, by where its state is."""
    return next((name for name in _RUNTIMES if os.path.isdir(f"{folder}/{name}")), None)


def _read_number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


_RUN_FILES = ("attach", "ctl", "winsz", "pid", "conmon.pid", "oom")


def delete(folder: str, container_id: str) -> None:
    """End whatever is left of a container's processes, and take away its cgroup and the runtime's state.

    Of nothing, do nothing: it may never have been created, be gone already, or be of an earlier boot. No
    runtime is called: what one keeps is the cgroup and its folder. It has to be asked only where it chose
    the cgroup itself, in a user namespace.
    """
    from ligan.containers.cgroups import remove_cgroups

    path = _cgroup_path(folder)
    if path:
        remove_cgroups(path)
    elif _state_folder(folder):
        _run(folder, ["delete", "--force", container_id])
    _clear(folder)


def _clear(folder: str) -> None:
    """Remove what a run left in the folder but its status: the runtime's state, sockets, pipes and pids."""
    for name in _RUNTIMES:
        if os.path.isdir(f"{folder}/{name}"):
            from ligan.store.trees import remove_tree

            remove_tree(f"{folder}/{name}")
    for name in _RUN_FILES:
        _unlink(f"{folder}/{name}")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _cgroup_path(folder: str) -> str:
    """Return the cgroup of the container's specification, or nothing where it names none, or is not there."""
    from ligan.oci.compact_json import loads

    try:
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            return str(loads(file.read())["linux"].get("cgroupsPath", ""))
    except FileNotFoundError:
        return ""


def kill_conmon(folder: str) -> None:
    """Kill every conmon that has this folder for its bundle: of a start whose process was killed."""
    wanted = os.fsencode(folder)
    for pid in [int(name) for name in os.listdir("/proc") if name.isdecimal()]:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"--full-attach" in words and _follows(words, b"-b", wanted):
            _kill(pid)


def _follows(words: list[bytes], flag: bytes, wanted: bytes) -> bool:
    return flag in words[:-1] and words[words.index(flag) + 1] == wanted


def _kill(pid: int) -> None:
    from ligan.containers.processes import Process, send

    process = Process.of(pid)
    if process is not None:
        send(process, 9)
