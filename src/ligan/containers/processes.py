"""Processes that are nobody's children: known by pid, start time and boot, so that none is mistaken."""

from __future__ import annotations

import os
import select
import time

from ligan.values import Value

_BOOT_ID = "/proc/sys/kernel/random/boot_id"

_FORKED = 0x40
"""PF_FORKNOEXEC (include/linux/sched.h): what the process runs is still its parent's program."""


class Process(Value):
    """One process of one boot. `started` is in clock ticks since boot (field 22 of /proc/PID/stat)."""

    pid: int
    started: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this pid now, or None."""
        started = start_time(pid)
        return None if started is None else cls(pid, started, boot_id())


def boot_id() -> str:
    """Return what the kernel calls this boot."""
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where it has ended, a zombie too."""
    fields = _fields(pid)
    return int(fields[19]) if fields else None


def await_program(pid: int, seconds: float) -> bool:
    """Return True once a forked process runs a program of its own, or has ended; False after so many seconds.

    Until then a signal meets the program that forked it, and that program's handlers.
    """
    deadline, pause = time.monotonic() + seconds, 0.0001
    while (fields := _fields(pid)) and int(fields[6]) & _FORKED:
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.01)
    return True


def _fields(pid: int) -> list[bytes]:
    """Return what /proc/PID/stat tells of a process after its name; nothing where it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name may hold anything, parentheses too; it ends at the last one.
    fields = text[text.rindex(b")") + 2 :].split()
    return [] if fields[0] in (b"Z", b"X") else fields


def is_alive(process: Process) -> bool:
    """Return whether the process runs. One that has ended but was not waited for does not."""
    return process.pid > 0 and process.boot_id == boot_id() and start_time(process.pid) == process.started


def open_pidfd(process: Process) -> int:
    """Return a descriptor that can be read once the process has ended, or -1 where it has."""
    try:
        pidfd = os.pidfd_open(process.pid) if process.pid > 0 else -1
    except ProcessLookupError:
        return -1
    if pidfd >= 0 and not is_alive(process):  # the number had been given to another one
        os.close(pidfd)
        return -1
    return pidfd


def send(process: Process, number: int) -> bool:
    """Send a signal; returns False where the process has ended."""
    pidfd = open_pidfd(process)
    if pidfd < 0:
        return False
    try:
        _pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def _pidfd_send_signal(pidfd: int, number: int) -> None:
    from signal import pidfd_send_signal

    pidfd_send_signal(pidfd, number)


def await_end(process: Process, seconds: float | None = None) -> bool:
    """Return True once the process has ended, or False after so many seconds."""
    pidfd = open_pidfd(process)
    if pidfd < 0:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if seconds is None:
            return bool(poll.poll())
        deadline = time.monotonic() + seconds
        while not poll.poll(max(0.0, min(deadline - time.monotonic(), _LONGEST)) * 1000):
            if time.monotonic() >= deadline:
                return False
        return True
    finally:
        os.close(pidfd)


_LONGEST = 1_000_000.0
"""Seconds of one poll, which counts milliseconds in 32 bits."""
