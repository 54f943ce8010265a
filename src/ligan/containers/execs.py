"""Commands that run in a container beside its own: one row each, gone when the container stops.

Words, documents and events are those of engine 20.10 (daemon/exec.go; golden k_containers).
"""

from __future__ import annotations

import json
import os

from ligan.containers import rows
from ligan.containers.calling import ligan_words
from ligan.containers.ending import await_status, current
from ligan.containers.failures import RuntimeFailed, StartFailed
from ligan.containers.processes import Process, await_end, boot_id, is_alive, send, start_time
from ligan.containers.stopping import IsRestarting, NotRunning
from ligan.errors import Conflict, Invalid, LiganError, NotFound
from ligan.oci.compact_json import dumps
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.containers.attach import Attachment
    from ligan.containers.rows import Container
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store

NOT_STARTED = 126
"""Exit status of a command that could not be run, whatever the reason (golden k_containers)."""


class ExecRequest(Value):
    """A command to run. Empty fields are as the container's own; `detach_keys` are kept for who attaches."""

    command: tuple[str, ...]
    environment: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    privileged: bool = False
    detach_keys: str = ""


class NoSuchExec(NotFound):
    def __init__(self, exec_id: str) -> None:
        super().__init__(f"No such exec instance: {exec_id}")


class Exec(Value):
    """A row: `pid` and `pid_started` are 0 before the start; `state` is created, running or exited."""

    key: int
    id: str
    container: int
    request: ExecRequest
    pid: int
    pid_started: int
    conmon_pid: int
    conmon_started: int
    state: str
    exit_code: int | None


def create(store: Store, name: str, request: ExecRequest) -> str:
    """Return the ID of a new exec instance of a running container."""
    if not request.command:
        raise Invalid("No exec command specified")
    container = current(store, name)
    _check_active(container, name)
    escape_keys(request.detach_keys)
    exec_id = os.urandom(32).hex()
    with store.database.write() as tx:
        tx.execute(
            "INSERT INTO exec (id, container, config) VALUES (?, ?, ?)",
            (
                exec_id,
                container.key,
                dumps(dict(zip(ExecRequest._fields, request._astuple(), strict=True))),
            ),
        )
        _record(tx, store, container, f"exec_create: {_shown(request)}", exec_id)
    return exec_id


def _check_active(container: Container, name: str) -> None:
    if not container.is_running:
        raise NotRunning(container.id)
    if container.state == "paused":
        raise Conflict(f"Container {name} is paused, unpause the container before exec")
    if container.state == "restarting":
        raise IsRestarting(container.id)


def _shown(request: ExecRequest) -> str:
    """Return the command as events have it: without arguments it ends in a blank."""
    return f"{request.command[0]} {' '.join(request.command[1:])}"


def _record(
    tx: WriteTransaction, store: Store, container: Container, action: str, exec_id: str, **more: str
) -> None:
    rows.record(tx, store.now(), action, container, {"execID": exec_id, **more})


def find(tx: ReadTransaction, exec_id: str) -> Exec:
    """Return the exec instance with this whole ID. Raises NoSuchExec."""
    row = tx.one(f"SELECT {', '.join(_COLUMNS)} FROM exec WHERE id = ?", (exec_id,))
    if row is None:
        raise NoSuchExec(exec_id)
    values = list(row)
    asked: dict[str, Any] = json.loads(row[3])
    for field in ("command", "environment"):
        asked[field] = tuple(asked[field])
    values[3] = ExecRequest(**asked)
    return Exec(*values)


_COLUMNS = ["config" if name == "request" else name for name in Exec._fields]


def start(store: Store, exec_id: str, *, detach: bool = False, tty: bool | None = None) -> Attachment | None:
    """Run it. Returns its streams, unless detached.

    Raises Conflict for one that was started before, StartFailed or RuntimeFailed where it cannot be run: to
    who attached, the message is what the command printed. `tty` is what a client says again, and changes
    nothing.
    """
    from ligan.containers import attach, runtime

    with store.database.read() as tx:
        instance = find(tx, exec_id)
        container = rows.by_key(tx, instance.container)
    assert container is not None
    _check_active(current(store, container.id), container.id)
    if instance.state == "exited":
        raise Conflict(f"Error: Exec command {exec_id} has already run")
    folder = store.layout.container(container.id)
    place = f"{folder}/exec/{exec_id}"
    try:
        os.makedirs(place, 0o700)  # of several who start it, one makes the folder
    except FileExistsError:
        raise Conflict(f"Error: Exec command {exec_id} is already running") from None
    try:
        process = _process(store, container, instance.request)
        launched = runtime.execute(
            folder,
            container.id,
            place,
            exec_id,
            process,
            stdin=instance.request.stdin and not detach,
            attach=not detach,
            exit_command=_exit_command(store, exec_id) if detach else (),
        )
    except LiganError as error:
        _write_failure(store, container, instance)
        raise error if isinstance(error, StartFailed) else RuntimeFailed(error.message) from None
    with store.database.write() as tx:
        tx.execute(
            """UPDATE exec SET state = 'running', pid = ?, pid_started = ?, conmon_pid = ?, conmon_started = ?
               WHERE key = ?""",
            (
                launched.pid,
                start_time(launched.pid) or 0,
                launched.conmon_pid,
                start_time(launched.conmon_pid) or 0,
                instance.key,
            ),
        )
        _record(tx, store, container, f"exec_start: {_shown(instance.request)}", exec_id)
    if detach:
        ended(store, exec_id)  # if it ended before the row said that it runs: who was to write that has gone
        return None
    return attach.Attachment(
        attach.adopt(launched.attached), stdout=instance.request.stdout, stderr=instance.request.stderr
    )


def _write_failure(store: Store, container: Container, instance: Exec) -> None:
    with store.database.write() as tx:
        tx.execute(
            "UPDATE exec SET state = 'exited', exit_code = ? WHERE key = ?", (NOT_STARTED, instance.key)
        )
        _record(tx, store, container, f"exec_start: {_shown(instance.request)}", instance.id)


def _exit_command(store: Store, exec_id: str) -> tuple[str, ...]:
    """Return what writes down the end of a command that nobody waits for."""
    return tuple(ligan_words(store.layout, "container", "exec-ended", exec_id))


def _process(store: Store, container: Container, request: ExecRequest) -> Mapping[str, Any]:
    """Return the OCI process of a command, from the specification that the container runs by."""
    from ligan.containers.bundling import user_files
    from ligan.containers.host import Host
    from ligan.containers.spec import exec_process
    from ligan.containers.users import resolve_user

    with open(f"{store.layout.container(container.id)}/config.json", "rb") as file:
        document = json.load(file)
    root = document["root"]["path"]
    user = resolve_user(request.user, *user_files(root, request.user)) if request.user else None
    asked = {
        "Cmd": list(request.command),
        "Env": list(request.environment),
        "Tty": request.tty,
        "WorkingDir": request.working_dir,
        "Privileged": request.privileged,
    }
    return exec_process(document["process"], container.config, asked, user, Host.read())


def wait(store: Store, exec_id: str) -> int:
    """Return the exit status of a started exec instance once it has ended."""
    with store.database.read() as tx:
        instance = find(tx, exec_id)
    if instance.state == "running":
        await_end(_process_of(instance))
    return _settled(store, exec_id).exit_code or 0


def kill(store: Store, exec_id: str, number: int) -> None:
    """Send a signal to a command that runs. Of one that has ended, do nothing."""
    with store.database.read() as tx:
        instance = find(tx, exec_id)
    if instance.state == "running":
        send(_process_of(instance), number)


def _process_of(instance: Exec) -> Process:
    return Process(instance.pid, instance.pid_started, boot_id())


def _settled(store: Store, exec_id: str) -> Exec:
    """Return an exec instance as it is now: its end is written down first, if it has come."""
    with store.database.read() as tx:
        instance = find(tx, exec_id)
        container = rows.by_key(tx, instance.container)
    assert container is not None
    if instance.state != "running" or is_alive(_process_of(instance)):
        return instance
    place = f"{store.layout.container(container.id)}/exec/{exec_id}"
    conmon = Process(instance.conmon_pid, instance.conmon_started, boot_id())
    found = await_status(f"{place}/exit/{container.id}", conmon)
    status = found[0] if found else KILLED
    with store.database.write() as tx:
        # Of several who see it end, one writes it down.
        if tx.execute(
            "UPDATE exec SET state = 'exited', exit_code = ? WHERE key = ? AND state = 'running'",
            (status, instance.key),
        ):
            _record(tx, store, container, "exec_die", exec_id, exitCode=str(status))
    return instance.replace(state="exited", exit_code=status)


KILLED = 137
"""Exit status of a command whose end nobody saw: it went with its container."""


def ended(store: Store, exec_id: str) -> None:
    """Write down the end of a command that nobody waits for. Of what is gone, do nothing."""
    try:
        _settled(store, exec_id)
    except NoSuchExec:
        pass


def end_all(tx: WriteTransaction, store: Store, container: Container) -> None:
    """Forget the commands of a container that has stopped; they went with it."""
    running = tx.column("SELECT id FROM exec WHERE container = ? AND state = 'running'", (container.key,))
    for exec_id in running:
        _record(tx, store, container, "exec_die", exec_id, exitCode=str(KILLED))
    tx.execute("DELETE FROM exec WHERE container = ?", (container.key,))


def inspect(store: Store, exec_id: str) -> dict[str, Any]:
    """Return Docker's document of an exec instance, in the order of engine 20.10."""
    from base64 import b64encode

    instance = _settled(store, exec_id)
    with store.database.read() as tx:
        container = rows.by_key(tx, instance.container)
    assert container is not None
    request = instance.request
    process: dict[str, Any] = {
        "tty": request.tty,
        "entrypoint": request.command[0],
        "arguments": list(request.command[1:]),
        "privileged": request.privileged,
    }
    if request.user:
        process["user"] = request.user
    return {
        "ID": instance.id,
        "Running": instance.state == "running",
        "ExitCode": instance.exit_code,
        "ProcessConfig": process,
        "OpenStdin": request.stdin,
        "OpenStderr": request.stderr,
        "OpenStdout": request.stdout,
        "CanRemove": False,
        "ContainerID": container.id,
        "DetachKeys": b64encode(escape_keys(request.detach_keys)).decode(),
        "Pid": instance.pid,
    }


def resize(store: Store, exec_id: str, height: int, width: int) -> None:
    """Tell the terminal of a command its size, in characters."""
    from ligan.containers import attach

    with store.database.read() as tx:
        instance = find(tx, exec_id)
        container = rows.by_key(tx, instance.container)
    assert container is not None
    if instance.state != "running":
        raise NotRunning(container.id)
    attach.resize(f"{store.layout.container(container.id)}/exec/{exec_id}", height, width)


def escape_keys(text: str) -> bytes:
    """Return the bytes of keys such as `ctrl-p,ctrl-q` or `a`. Raises Invalid in Docker's words.

    Source: moby/term, ascii.go.
    """
    codes = bytearray()
    for key in text.split(",") if text else ():
        if len(key) == 1 and key.isascii():
            codes.append(ord(key))
        elif key.startswith("ctrl-") and len(key) == 6 and key[5] in _CONTROL_KEYS:
            codes.append(_CONTROL_KEYS.index(key[5]))
        else:
            raise Invalid(f"Invalid escape keys ({text}) provided")
    return bytes(codes)


_CONTROL_KEYS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"
