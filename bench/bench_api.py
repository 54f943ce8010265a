"""Docker's own client on both engines: `ligan serve` beside dockerd."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from bench.corpus import BIG_NAME, archive
from bench.measure import Contender, Cost, interleaved, median, peak
from bench.recorded import UnixConnection, recorded
from bench.report import Row, compared, verdict

if TYPE_CHECKING:
    from bench.contenders import Bench

REPEATS = 5
"""A question takes milliseconds: ask it this many times as often as the long work."""

PEAK_LIMIT = 100_000_000

ROOT = "api"


def run(bench: Bench) -> list[Row]:
    with bench.daemon(ROOT) as ligan:
        both = {"ligan": ligan, "docker": bench.docker}
        rows = []
        for count, goal in ((100, 1.0), (2000, 3.0)):
            rows += _listing(bench, both, count, goal)
        for contender in both.values():
            contender.run("image", "prune", "--all", "--force")
        rows += _moving(bench, both)
        memory = {who: Cost(0, 0, peak(contender.daemons())) for who, contender in both.items()}
    held = [Row("daemon, all of the above", who, cost) for who, cost in memory.items()]
    held[0] = held[0]._replace(goal=verdict(memory["ligan"].peak <= PEAK_LIMIT, "<= 100 MB"))
    return rows + held


def _listing(bench: Bench, both: dict[str, Contender], count: int, goal: float) -> list[Row]:
    """Ask both for their images; then without an engine's work, and without a client's."""
    for contender in both.values():
        contender.run("load", "--quiet", "--input", archive(str(count), bench.work))
    sockets = {
        who: contender.environment["DOCKER_HOST"].removeprefix("unix://") for who, contender in both.items()
    }
    asking = {who: partial(contender.measure, "images") for who, contender in both.items()}
    with recorded(sockets["ligan"], bench.folder) as path:
        environment = {**both["ligan"].environment, "DOCKER_HOST": f"unix://{path}"}
        client = Contender("client", ("docker",), environment, bench.folder)
        asking["the client alone, ligan's answer being recorded"] = partial(client.measure, "images")
        costs = interleaved(bench.runs * REPEATS, asking)
    asks = {who: partial(get, path, "/v1.41/images/json") for who, path in sockets.items()}
    answers = interleaved(bench.runs * REPEATS, asks)
    return [
        *compared(f"docker images at {count:,}", costs, {"docker": goal}),
        *compared(f"GET /images/json at {count:,}", answers, {}),
    ]


def get(path: str, target: str) -> Cost:
    """Ask the engine at this socket, as docker's client does, for all that it answers."""
    start = time.perf_counter()
    with contextlib.closing(UnixConnection(path)) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {target}: {answer.status}")
    return Cost(time.perf_counter() - start, 0, 0)


def _moving(bench: Bench, both: dict[str, Contender]) -> list[Row]:
    """Load, save and remove the 1 GB image, again and again."""
    path = archive("big", bench.work)
    saved = os.path.join(bench.folder, "saved.tar")
    command = bench.ligan(ROOT)
    saves: dict[str, list[Cost]] = {who: [] for who in both}
    removals: dict[str, list[Cost]] = {who: [] for who in both}

    def load(who: str) -> Cost:
        contender = both[who]
        cost = contender.measure("load", "--quiet", "--input", path, durable=True)
        saves[who].append(contender.measure("save", "--output", saved, BIG_NAME))
        os.unlink(saved)
        removals[who].append(contender.measure("rmi", BIG_NAME))
        command.run("reclaim", "--all")  # what undo keeps would make the next load a short one
        return cost

    loads = interleaved(bench.runs, {who: partial(load, who) for who in both})
    return [
        *compared("docker load of 1 GB", loads, {"docker": 3}),
        *compared("docker save of 1 GB", {who: median(costs) for who, costs in saves.items()}, {"docker": 3}),
        *compared(
            "docker rmi of 1 GB", {who: median(costs) for who, costs in removals.items()}, {"docker": 10}
        ),
    ]
