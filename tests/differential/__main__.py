"""Print the shortest script that Docker and Ligan answer differently: python -m tests.differential SEED..."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.differential import engines
from tests.differential.scripts import script
from tests.support import dockerd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.differential.scripts import Step

    Trial = Callable[[Sequence[Step]], tuple[int, str] | None]


def main(seeds: Sequence[int]) -> int:
    """Try each script; return 1 at the first that differs, having printed it."""
    with tempfile.TemporaryDirectory() as work:
        server = os.path.join(work, "dockerd")
        host = dockerd.start(server)
        folders = (os.path.join(work, str(number)) for number in itertools.count())

        def trial(steps: Sequence[Step]) -> tuple[int, str] | None:
            folder = next(folders)
            docker = engines.docker(host, os.path.join(folder, "docker"))
            ligan = engines.ligan(os.path.join(folder, "root"), os.path.join(folder, "ligan"))
            return engines.unlike(steps, docker, ligan)

        try:
            for seed in seeds:
                steps = script(seed)
                found = trial(steps)
                if found:
                    print(f"seed {seed}:")
                    print(_shortest(steps[: found[0] + 1], found[1], trial))
                    return 1
                print(f"seed {seed}: the same answers to {len(steps)} steps")
        finally:
            dockerd.stop(server)
    return 0


def _shortest(steps: Sequence[Step], difference: str, trial: Trial) -> str:
    """Leave out every step without which the last one is still answered differently."""
    for index in reversed(range(len(steps) - 1)):
        fewer = [*steps[:index], *steps[index + 1 :]]
        found = trial(fewer)
        if found and found[0] == len(fewer) - 1:
            steps, difference = fewer, found[1]
    return "\n".join([*(shlex.join(step.argv) for step in steps), difference])


if __name__ == "__main__":
    sys.exit(main([int(seed) for seed in sys.argv[1:]]))
