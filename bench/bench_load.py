"""Load of a docker-archive of 1 GB, until its bytes are on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contenders import empty, is_installed
from bench.corpus import BIG_NAME, archive
from bench.measure import interleaved
from bench.report import compared, verdict

if TYPE_CHECKING:
    from bench.contenders import Bench
    from bench.measure import Cost
    from bench.report import Row

PEAK_LIMIT = 64_000_000


def run(bench: Bench) -> list[Row]:
    path = archive("big", bench.work)
    ligan, docker, skopeo = bench.ligan("load"), bench.docker, bench.skopeo()

    def load_ligan() -> Cost:
        empty(ligan.folder)
        return ligan.measure("load", "--quiet", "--input", path, durable=True)

    def load_docker() -> Cost:
        cost = docker.measure("load", "--quiet", "--input", path, durable=True)
        docker.run("rmi", BIG_NAME)
        return cost

    def copy_skopeo() -> Cost:
        empty(skopeo.folder)
        target = f"dir:{skopeo.folder}/image"
        return skopeo.measure("copy", "--quiet", f"docker-archive:{path}", target, durable=True)

    work = {"ligan": load_ligan, "docker": load_docker}
    if is_installed("skopeo"):
        work["skopeo"] = copy_skopeo
    costs = interleaved(bench.runs, work)
    empty(ligan.folder)
    empty(skopeo.folder)
    rows = compared("load 1 GB", costs, {"docker": 4, "skopeo": 1.5})
    rows[0] = rows[0]._replace(goal=verdict(costs["ligan"].peak <= PEAK_LIMIT, "<= 64 MB"))
    return rows
