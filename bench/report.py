"""The rows of the report, and the table they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.measure import Cost


class Row(NamedTuple):
    work: str
    who: str
    cost: Cost
    ratio: str = ""
    """How many times the wall and CPU time that Ligan takes."""
    goal: str = ""


def compared(work: str, costs: Mapping[str, Cost], goals: Mapping[str, float]) -> list[Row]:
    """Return a row for each contender. A goal says how many times Ligan's wall time a peer must take."""
    ligan = costs["ligan"]
    rows = [Row(work, "ligan", ligan)]
    for who, cost in costs.items():
        if who == "ligan":
            continue
        ratio = cost.wall / ligan.wall
        cpu = f", CPU {cost.cpu / ligan.cpu:.1f}x" if ligan.cpu and cost.cpu else ""
        goal = verdict(ratio >= goals[who], f">= {goals[who]:g}x") if who in goals else ""
        rows.append(Row(work, who, cost, f"{ratio:.1f}x{cpu}", goal))
    return rows


def verdict(met: bool, goal: str) -> str:
    return f"{goal}: {'met' if met else 'MISSED'}"


def markdown(rows: Iterable[Row]) -> str:
    lines = [
        "| work | program | wall | CPU | peak memory | against ligan | goal |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {row.work} | {row.who} | {_seconds(row.cost.wall)} | {_seconds(row.cost.cpu)} "
        f"| {_megabytes(row.cost.peak)} | {row.ratio} | {row.goal} |"
        for row in rows
    ]
    return "\n".join(lines)


def _seconds(value: float) -> str:
    if not value:
        return ""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _megabytes(value: int) -> str:
    return f"{value / 1e6:.0f} MB" if value else ""
