"""Delete: the 1 GB image, and 500 dangling images of 2,500; at once, and so that it can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.corpus import BIG_NAME, DANGLING, archive
from bench.measure import interleaved
from bench.report import compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.contenders import Bench
    from bench.measure import Contender, Cost
    from bench.report import Row


def run(bench: Bench) -> list[Row]:
    ligan, docker = bench.ligan("delete"), bench.docker

    def deleting(contender: Contender, path: str, *argv: str) -> Callable[[], Cost]:
        def load_and_delete() -> Cost:
            contender.run("load", "--quiet", "--input", path)
            cost = contender.measure(*argv)
            if contender is ligan:
                ligan.run("reclaim", "--all")
            return cost

        return load_and_delete

    def both(path: str, *argv: str) -> dict[str, Callable[[], Cost]]:
        return {
            "ligan": deleting(ligan, path, *argv, "--now"),
            "ligan, with undo": deleting(ligan, path, *argv),
            "docker": deleting(docker, path, *argv),
        }

    removal = interleaved(bench.runs, both(archive("big", bench.work), "rmi", BIG_NAME))

    named = archive("2000", bench.work)
    for contender in (ligan, docker):
        contender.run("load", "--quiet", "--input", named)
    dangling = archive(DANGLING, bench.work)
    pruning = interleaved(bench.runs, both(dangling, "image", "prune", "--force"))
    docker.run("image", "prune", "--all", "--force")
    empty(ligan.folder)
    return [
        *compared("rmi 1 GB", removal, {"docker": 15}),
        *compared("prune 500 of 2,500", pruning, {"docker": 5}),
    ]
