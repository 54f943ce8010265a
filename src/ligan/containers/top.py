"""`docker top`: the host's ps, and of its lines those of one container.

Source: engine 20.10, daemon/top_unix.go.
"""

from __future__ import annotations

from ligan.containers.failures import RuntimeFailed
from ligan.errors import Invalid, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any


class PsFailed(RuntimeFailed):
    """ps does not know the arguments, or shows no PIDs."""


def top(pids: Sequence[int], arguments: str) -> dict[str, list[Any]]:
    """Return titles and rows of ps for these processes. Raises Invalid, or PsFailed in ps's words."""
    from shutil import which

    from ligan.containers.spawning import run

    words = (arguments or "-ef").split(" ")
    _check(arguments)
    ps = which("ps")
    if ps is None:
        raise Unavailable("ps is not installed", "Install it: apt-get install procps")
    finished = run([ps, *words, "-q" + ",".join(str(pid) for pid in pids)])
    if finished.status:  # some options cannot be used together with it
        finished = run([ps, *words])
    if finished.status:
        said = finished.errors.decode("utf-8", "replace")
        raise PsFailed(f"ps: {said.partition(chr(10))[0]}")
    return parse_ps(finished.output.decode("utf-8", "replace"), pids)


def _check(arguments: str) -> None:
    """Refuse what is no argument, and to let another column be called PID: rows are chosen by it."""
    import re

    if "\0" in arguments:
        raise Invalid("ps arguments have a zero byte")
    for column, title in re.findall(r"\s+(\S*)=\s*(PID\S*)", arguments):
        if column != "pid":
            raise Invalid(f'specifying "{column}={title}" is not allowed')


def parse_ps(output: str, pids: Collection[int]) -> dict[str, list[Any]]:
    """Return the rows of ps for these PIDs, and of their threads. The last column is all that is left."""
    lines = output.split("\n")
    titles = lines[0].split()
    if "PID" not in titles:
        raise PsFailed("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows: list[list[str]] = []
    threads = False  # whether lines without a PID belong to the process before them, and that is ours
    for fields in [line.split() for line in lines[1:] if line.strip()]:
        pid = fields[column] if column < len(fields) else ""
        if pid != "-":
            if not pid.isdecimal():
                raise PsFailed(f"Unexpected pid '{pid}'")
            threads = int(pid) in pids
        if threads:
            rows.append([*fields[: len(titles) - 1], " ".join(fields[len(titles) - 1 :])])
    return {"Processes": rows, "Titles": titles}
