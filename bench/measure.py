"""What one command costs: wall time, CPU time of it and of its daemons, and its peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from resource import struct_rusage


class Cost(NamedTuple):
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system; daemons included."""
    peak: int
    """Bytes: the largest resident set of the command, daemons not included.

    Linux counts a child's peak from the moment of the fork, so nothing below this process's own
    size shows: it stays small by leaving the making of archives to processes of their own.
    """


class Contender(NamedTuple):
    """A program under test, and how to call it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    """Where it keeps its data."""
    daemons: Callable[[], Iterable[int]] = tuple
    """The process IDs of its daemons."""

    def run(self, *argv: str) -> None:
        """Run a step that is not measured."""
        self.measure(*argv)

    def measure(self, *argv: str, durable: bool = False, piped: bool = False) -> Cost:
        """Run `argv` and return its cost.

        With `durable`, the time until all it wrote is on the disk counts too, so that a program
        that syncs is compared fairly with one that does not. With `piped`, `cat` reads the output.
        """
        daemons = tuple(self.daemons())
        before = cpu_seconds(daemons)
        start = time.perf_counter()
        usage = _call((*self.command, *argv), {**os.environ, **self.environment}, piped=piped)
        if durable:
            subprocess.run(["sync", "--file-system", self.folder], check=True)
        wall = time.perf_counter() - start
        cpu = usage.ru_utime + usage.ru_stime + cpu_seconds(daemons) - before
        return Cost(wall, cpu, usage.ru_maxrss * 1024)


def median(costs: Sequence[Cost]) -> Cost:
    walls, cpus, peaks = zip(*costs, strict=True)
    return Cost(statistics.median(walls), statistics.median(cpus), max(peaks))


def interleaved(runs: int, work: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Run every entry of `work` `runs` times in turn, a different one first each time; return the medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in work}
    names = list(work)
    for turn in range(runs):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            costs[name].append(work[name]())
    return {name: median(taken) for name, taken in costs.items()}


def peak(processes: Iterable[int]) -> int:
    """Return the sum of the largest resident sets (bytes) that these processes have had."""
    total = 0
    for process in processes:
        with open(f"/proc/{process}/status") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    return total * 1024


def _call(command: Sequence[str], environment: Mapping[str, str], *, piped: bool) -> struct_rusage:
    with tempfile.TemporaryFile() as errors:
        reader = (
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) if piped else None
        )
        output = reader.stdin if reader else subprocess.DEVNULL
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if reader:
            reader.communicate()
        if process.returncode:
            errors.seek(0)
            told = errors.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)[:300]}: exit status {process.returncode}\n{told}")
    return usage


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return what `processes` and their dead children have used."""
    ticks = 0
    for process in processes:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")
