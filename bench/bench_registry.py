"""Push and pull of the 1 GB image, to and from Debian's docker-registry on loopback."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.corpus import BIG_NAME, archive
from bench.measure import interleaved
from bench.report import compared, verdict
from tests.support import registry as real_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.contenders import Bench
    from bench.measure import Contender, Cost
    from bench.report import Row

PEAK_LIMIT = 80_000_000
UP_TO_DATE_RUNS = 10


def run(bench: Bench) -> list[Row]:
    if reason := real_registry.missing():
        raise SystemExit(f"bench: {reason}")
    path = archive("big", bench.work)
    both = {"ligan": bench.ligan("registry"), "docker": bench.docker}
    for contender in both.values():
        contender.run("load", "--quiet", "--input", path)
    folders = (os.path.join(bench.folder, f"registry-{number}") for number in itertools.count())
    pushes = interleaved(bench.runs, {who: _push(contender, folders) for who, contender in both.items()})
    with real_registry.running(next(folders)) as address:
        name = f"{address}/bench/big:1"
        _run(bench.docker, ("tag", BIG_NAME, name), ("push", "--quiet", name), ("rmi", name, BIG_NAME))
        pulls = interleaved(bench.runs, {who: _pull(contender, name) for who, contender in both.items()})
        for contender in both.values():
            contender.run("pull", "--quiet", name)
        again = interleaved(UP_TO_DATE_RUNS, {who: _again(both[who], name) for who in both})
        bench.docker.run("rmi", name)
    empty(both["ligan"].folder)
    rows = [
        *compared("push 1 GB", pushes, {"docker": 8}),
        *compared("pull 1 GB", pulls, {"docker": 3}),
        *compared("pull when up to date", again, {"docker": 1 / 1.2}),
    ]
    return [
        row._replace(goal=verdict(row.cost.peak <= PEAK_LIMIT, "<= 80 MB")) if row.who == "ligan" else row
        for row in rows
    ]


def _run(contender: Contender, *commands: tuple[str, ...]) -> None:
    for command in commands:
        contender.run(*command)


def _push(contender: Contender, folders: Iterator[str]) -> Callable[[], Cost]:
    """Push to a registry that is empty each time, on a port of its own: nothing can be mounted."""

    def push() -> Cost:
        with real_registry.running(next(folders)) as address:
            name = f"{address}/bench/big:1"
            contender.run("tag", BIG_NAME, name)
            cost = contender.measure("push", "--quiet", name)
            contender.run("rmi", name)
        return cost

    return push


def _pull(contender: Contender, name: str) -> Callable[[], Cost]:
    """Pull into a store without the image, until its bytes are on the disk."""

    def pull() -> Cost:
        if contender.name == "ligan":
            empty(contender.folder)
        else:
            with contextlib.suppress(RuntimeError):  # the first time there is nothing to remove
                contender.run("rmi", name)
        return contender.measure("pull", "--quiet", name, durable=True)

    return pull


def _again(contender: Contender, name: str) -> Callable[[], Cost]:
    return lambda: contender.measure("pull", "--quiet", name)
