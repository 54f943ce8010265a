"""Running programs without `subprocess`, whose import takes as long as a short-lived container's start."""

from __future__ import annotations

import os

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Python ignores these two, and whoever it starts would go on ignoring them.
_SIGPIPE, _SIGXFSZ = 13, 25

_FIRST_FREE = 32
"""Descriptors are moved up here first, so that none is overwritten before it was given on."""


_FOR_US = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""Variables by which a service manager speaks to the daemon: runtimes would take them for the container's."""


def inherited_environment() -> dict[str, str]:
    """Return the environment of what is started: this process's, without what is meant for it alone."""
    return {name: value for name, value in os.environ.items() if name not in _FOR_US}


NAMESPACE_FILE = 31
"""The descriptor by which whoever lives in a store's user namespace keeps it (`rootless`)."""


class Finished(Value):
    """A program that has ended. `status` is its exit status, 128 + the signal that ended it otherwise."""

    status: int
    output: bytes
    errors: bytes


def spawn(words: Sequence[str], files: Mapping[int, int], environment: Mapping[str, str]) -> int:
    """Start a program, the first word its path; returns its pid.

    `files` are our descriptors by the number under which it has them; what is not named among the first
    three is /dev/null. Raises OSError.
    """
    import fcntl

    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    wanted = {0: nothing, 1: nothing, 2: nothing, **files}
    moved = {number: fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for number, file in wanted.items()}
    os.close(nothing)
    actions: list[tuple[int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_CLOSE, file) for file in _inheritable()
    ]
    actions += [(os.POSIX_SPAWN_DUP2, file, number) for number, file in moved.items()]
    try:
        return os.posix_spawn(
            words[0], tuple(words), environment, file_actions=actions, setsigdef=(_SIGPIPE, _SIGXFSZ)
        )
    finally:
        for file in moved.values():
            os.close(file)


def _inheritable() -> list[int]:
    """Return descriptors that this process was itself given: who holds a lock by one must not share it."""
    found = []
    for file in map(int, os.listdir("/proc/self/fd")):
        try:
            if file != NAMESPACE_FILE and os.get_inheritable(file):
                found.append(file)
        except OSError:
            pass  # the one of the listing, or another thread's, closed by now
    return found


def wait_for(pid: int) -> int:
    """Return the exit status of a child once it has ended."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def run(words: Sequence[str], given: bytes = b"") -> Finished:
    """Run a program to its end, `given` being what it reads. Raises OSError where it cannot be started."""
    with (
        open(os.memfd_create("given"), "w+b") as source,
        open(os.memfd_create("output"), "r+b") as output,
        open(os.memfd_create("errors"), "r+b") as errors,
    ):
        source.write(given)
        source.seek(0)
        status = wait_for(
            spawn(
                words, {0: source.fileno(), 1: output.fileno(), 2: errors.fileno()}, inherited_environment()
            )
        )
        return Finished(status, _content(output.fileno()), _content(errors.fileno()))


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
