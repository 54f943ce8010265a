"""Save of the 1 GB image, to a file and to a pipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.corpus import BIG_NAME, archive
from bench.measure import interleaved
from bench.report import compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.contenders import Bench
    from bench.measure import Contender, Cost
    from bench.report import Row


def run(bench: Bench) -> list[Row]:
    path = archive("big", bench.work)
    ligan, docker = bench.ligan("save"), bench.docker
    target = os.path.join(bench.folder, "saved.tar")

    def to_file(contender: Contender) -> Callable[[], Cost]:
        def save() -> Cost:
            cost = contender.measure("save", "--output", target, BIG_NAME)
            os.unlink(target)
            return cost

        return save

    def to_pipe(contender: Contender) -> Callable[[], Cost]:
        return lambda: contender.measure("save", BIG_NAME, piped=True)

    both = {"ligan": ligan, "docker": docker}
    for contender in both.values():
        contender.run("load", "--quiet", "--input", path)
    files = interleaved(bench.runs, {who: to_file(contender) for who, contender in both.items()})
    pipes = interleaved(bench.runs, {who: to_pipe(contender) for who, contender in both.items()})
    docker.run("rmi", BIG_NAME)
    empty(ligan.folder)
    return [
        *compared("save 1 GB to a file", files, {"docker": 8}),
        *compared("save 1 GB to a pipe", pipes, {"docker": 5}),
    ]
