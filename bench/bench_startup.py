"""What every call pays before it does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.measure import Contender, interleaved
from bench.report import compared, verdict

if TYPE_CHECKING:
    from bench.contenders import Bench
    from bench.report import Row

REPEATS = 10
SECONDS = 0.025
AGAINST_PYTHON = 2.2


def run(bench: Bench) -> list[Row]:
    ligan = bench.ligan("startup")
    python = Contender("python -c pass", (bench.python, "-c", "pass"), {}, bench.folder)
    ligan.run("images")
    version = interleaved(
        bench.runs * REPEATS,
        {
            "ligan": lambda: ligan.measure("--version"),
            "python -c pass": lambda: python.measure(),
            "docker": lambda: bench.docker.measure("--version"),
        },
    )
    listing = interleaved(
        bench.runs * REPEATS,
        {"ligan": lambda: ligan.measure("images"), "docker": lambda: bench.docker.measure("images")},
    )
    empty(ligan.folder)
    rows = compared("--version", version, {})
    wall, least = version["ligan"].wall, version["python -c pass"].wall
    goals = (
        verdict(wall <= SECONDS, "<= 25 ms"),
        verdict(wall <= AGAINST_PYTHON * least, f"<= {AGAINST_PYTHON}x of python"),
    )
    rows[0] = rows[0]._replace(goal=", ".join(goals))
    return rows + compared("images of an empty store", listing, {})
