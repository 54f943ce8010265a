"""Questions to stores of 100, 2,000 and 10,000 images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.corpus import archive, name
from bench.measure import interleaved
from bench.report import Row, compared, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.contenders import Bench
    from bench.measure import Cost

REPEATS = 5
"""A question takes milliseconds: ask it this many times as often as the long work."""


def run(bench: Bench) -> list[Row]:
    rows = []
    for count, goal in ((100, 1.0), (2000, 5.0)):
        rows += _listing(bench, count, goal)
    bench.docker.run("image", "prune", "--all", "--force")
    return rows + _questions(bench, 10_000)


def _listing(bench: Bench, count: int, goal: float) -> list[Row]:
    path = archive(str(count), bench.work)
    ligan = bench.ligan(f"list-{count}")
    for contender in (ligan, bench.docker):
        contender.run("load", "--quiet", "--input", path)
    work = {"ligan": lambda: ligan.measure("images"), "docker": lambda: bench.docker.measure("images")}
    costs = interleaved(bench.runs * REPEATS, work)
    empty(ligan.folder)
    return compared(f"images at {count:,}", costs, {"docker": goal})


def _questions(bench: Bench, count: int) -> list[Row]:
    ligan = bench.ligan(f"list-{count}")
    ligan.run("load", "--quiet", "--input", archive(str(count), bench.work))
    questions = {
        "system df": ("system", "df"),
        "why": ("why", name(count // 2)),
        "plan rmi": ("plan", "rmi", name(count // 2)),
        "plan prune -a": ("plan", "prune", "--all"),
        "start-up": ("--version",),
    }

    def asking(argv: Sequence[str]) -> Callable[[], Cost]:
        return lambda: ligan.measure(*argv)

    costs = interleaved(bench.runs * REPEATS, {what: asking(argv) for what, argv in questions.items()})
    empty(ligan.folder)
    startup = costs.pop("start-up").cpu
    limits = {"system df": 0.05, "why": 0.05, "plan rmi": 0.05, "plan prune -a": 0.5}
    rows = []
    for what, cost in costs.items():
        beyond = cost.cpu - startup
        goal = verdict(beyond < limits[what], f"< {limits[what] * 1000:.0f} ms of CPU beyond start-up")
        rows.append(Row(f"{what} at {count:,}", "ligan", cost, f"{beyond * 1000:.1f} ms beyond", goal))
    return rows
