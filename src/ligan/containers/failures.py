"""What a runtime says when it cannot do something -> Docker's words and exit statuses. Pure.

Source: engine 20.10, daemon/start_unix.go, daemon/errors.go (translateContainerdStartErr) and daemon/exec.go.
"""

from __future__ import annotations

from ligan.errors import Invalid, LiganError, Unavailable
from ligan.values import Value


class Runtime(Value):
    """The programs that run containers. `why` tells why a runtime that is here is not used, or is empty."""

    name: str
    path: str
    conmon: str
    why: str = ""


class StartFailed(Invalid):
    """The image's program cannot be started. `exit_code` is the container's, as Docker says: 126 or 127."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RuntimeFailed(Unavailable):
    """The runtime could not do it. `exit_code` is that of what did not start."""

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def start_failure(runtime: Runtime, message: str) -> LiganError:
    """Return Docker's error for a container that could not be created."""
    said = _by(runtime, message)
    failure = _failure(f"failed to create shim task: OCI runtime create failed: {said}: unknown")
    if "invalid namespace path" in said:
        failure.hint = _COMMA
    return failure


_COMMA = """\
runc joins no network by a path with a comma, and the path of the store has one. Move the store elsewhere,
install crun, or use --network none or host."""


def exec_failure(runtime: Runtime, message: str) -> LiganError:
    """Return Docker's error for a command that could not be started in a running container."""
    failure = _failure(f"OCI runtime exec failed: {_by(runtime, message)}: unknown")
    failure.exit_code = _EXEC_FAILED
    return failure


_EXEC_FAILED = 126
"""Docker's exit status of a command that could not be started beside others, for whatever reason."""


def _failure(text: str) -> StartFailed | RuntimeFailed:
    """Tell by the words whose fault it is; dockerd 20.10.24 minds no more of them, whatever is missing."""
    lower = text.lower()
    if "executable file not found" in lower or "no such file or directory" in lower:
        return StartFailed(text, 127)
    if "permission denied" in lower:
        return StartFailed(text, 126)
    if "not a directory" in lower:
        return StartFailed(
            f"{text}: Are you trying to mount a directory onto a file (or vice-versa)? "
            "Check if the specified host path exists and is the expected type",
            127,
        )
    return RuntimeFailed(text)


def _by(runtime: Runtime, message: str) -> str:
    """runc names itself in its errors; of others Docker's containerd puts the name before.

    Clients go by Go's words of the kernel's errors, which begin with a small letter; crun's are those of C.
    """
    said = last_error(message)
    if runtime.name == "runc":
        return said
    what, colon, why = said.rpartition(": ")
    return f"{runtime.name}: {what}{colon}{why[:1].lower()}{why[1:]}"


def last_error(message: str) -> str:
    """Return the runtime's last error: lines of JSON, or plain ones."""
    from ligan.oci.compact_json import loads

    said = ""
    for line in message.splitlines():
        try:
            entry = loads(line)
        except ValueError:
            said = line.strip() or said
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
            said = str(entry.get("msg", ""))
    return said or "the runtime said nothing"
