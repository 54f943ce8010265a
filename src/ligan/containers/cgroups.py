"""Control groups of containers: who is in one, and how one goes. Version 1, version 2, and both mixed."""

from __future__ import annotations

import os
import time
from errno import EBUSY

from ligan.errors import Busy

_ROOT = "/sys/fs/cgroup"
_SIGKILL = 9
_SECONDS = 10.0
"""How long killed processes have to leave a cgroup."""


def folders(path: str) -> dict[str, str]:
    """Return the folders of a cgroup that are there, by hierarchy: a controller of version 1, or "unified".

    `path` is that of a specification's cgroupsPath.
    """
    if os.path.exists(f"{_ROOT}/cgroup.controllers"):
        found = {"unified": f"{_ROOT}{path}"}
    else:
        try:
            found = {name: f"{_ROOT}/{name}{path}" for name in os.listdir(_ROOT)}
        except FileNotFoundError:
            return {}
    seen: set[tuple[int, int]] = set()
    there: dict[str, str] = {}
    for name, folder in sorted(found.items()):
        try:
            about = os.stat(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if (about.st_dev, about.st_ino) not in seen:  # cpu and cpuacct may be two names of one
            seen.add((about.st_dev, about.st_ino))
            there[name] = folder
    return there


def processes(path: str) -> list[int]:
    """Return the pids in a cgroup and those below it, in order."""
    found: set[int] = set()
    for name, folder in folders(path).items():
        if name in _LISTING:
            for below in _tree(folder):
                found.update(_pids(below))
            break
    return sorted(found)


_LISTING = ("devices", "freezer", "memory", "pids", "unified")
"""Hierarchies that runtimes put every container into; the first that is there tells all."""


def out_of_memory_kills(path: str) -> int:
    """Return how many processes of a cgroup the kernel has killed for want of memory."""
    there = folders(path)
    for name, file in (("memory", "memory.oom_control"), ("unified", "memory.events")):
        try:
            with open(f"{there[name]}/{file}", encoding="ascii") as lines:
                return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        except (KeyError, FileNotFoundError, StopIteration):
            continue
    return 0


def remove_cgroups(path: str) -> None:
    """Kill what is in a cgroup or below it, and remove it from every hierarchy."""
    deadline = time.monotonic() + _SECONDS
    pause = 0.0005
    while left := [below for folder in folders(path).values() for below in reversed(_tree(folder))]:
        busy = [folder for folder in left if _is_busy(folder)]
        if not busy:
            return
        if time.monotonic() > deadline:
            raise Busy(f"processes of cgroup {path} do not end")
        for folder in busy:
            _kill(folder)
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def _is_busy(folder: str) -> bool:
    """Remove a cgroup; returns whether it could not be, for what is in it."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != EBUSY:
            raise
        return True
    return False


def _kill(folder: str) -> None:
    for pid in _pids(folder):
        try:
            os.kill(pid, _SIGKILL)
        except ProcessLookupError:
            pass
    state = f"{folder}/freezer.state"
    if os.path.exists(state):  # of version 1, where what is frozen does not die
        with open(state, "wb") as file:
            file.write(b"THAWED")


def _pids(folder: str) -> list[int]:
    try:
        with open(f"{folder}/cgroup.procs", "rb") as file:
            return [int(line) for line in file]
    except OSError:  # gone, or of a hierarchy that keeps threads apart
        return []


def _tree(folder: str) -> list[str]:
    """Return a folder and all below it, parents first."""
    found = [folder]
    for parent in found:
        try:
            with os.scandir(parent) as entries:
                found += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            pass
    return found
