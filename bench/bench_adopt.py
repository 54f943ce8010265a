"""Adopting a folder of registry:2, beside one look of its garbage collector at it, and later starts on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.measure import Contender, Cost, cpu_seconds, median, peak
from bench.report import Row, compared, verdict
from tests.support import registry as real_registry

if TYPE_CHECKING:
    from bench.contenders import Bench

MANIFESTS = 80_000
PEAK_LIMIT = 300_000_000
SERVED, VERIFIED = 1.5, 5.0
"""Seconds until a later start listens, and until it unlinks."""


def run(bench: Bench) -> list[Row]:
    if reason := real_registry.missing():
        raise SystemExit(f"bench: {reason}")
    folder = os.path.join(bench.folder, "adopted")
    subprocess.run([sys.executable, "-m", "bench.registries", folder, str(MANIFESTS)], check=True)
    adoptions = [_adopt(bench.ligan("adopting"), folder) for _ in range(bench.runs)]
    costs = {"ligan": median(adoptions), "docker-registry": _collect(bench, folder)}
    work = f"adopt {MANIFESTS:,} manifests, or garbage-collect --dry-run"
    rows = compared(work, costs, {"docker-registry": 20})
    rows[0] = rows[0]._replace(goal=verdict(costs["ligan"].peak < PEAK_LIMIT, "< 300 MB"))
    starts = [_start(bench.ligan("adopting"), folder) for _ in range(bench.runs)]
    served, verified = (median([start[number] for start in starts]) for number in (0, 1))
    return [
        *rows,
        Row("a later start, until it serves", "ligan", served, "", verdict(served.wall < SERVED, "at once")),
        Row("and until it unlinks", "ligan", verified, "", verdict(verified.wall < VERIFIED, "< 5 s")),
    ]


def _adopt(ligan: Contender, folder: str) -> Cost:
    shutil.rmtree(f"{folder}/ligan", ignore_errors=True)
    return ligan.measure("registry", "adopt", "--root", folder)


def _collect(bench: Bench, folder: str) -> Cost:
    """Let docker-registry look for what it could delete: once, since it takes long."""
    settings = os.path.join(bench.folder, "collect.yml")
    with open(settings, "w") as file:
        file.write(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n"
        )
    peer = Contender("docker-registry", ("docker-registry",), {}, folder)
    return peer.measure("garbage-collect", "--dry-run", "--delete-untagged", settings)


def _start(ligan: Contender, folder: str) -> tuple[Cost, Cost]:
    """Serve the folder. Return what it took until requests were taken, and until blobs could be unlinked."""
    command = [*ligan.command, "registry", "serve", "--root", folder, "--listen", "127.0.0.1:0"]
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **ligan.environment}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    found = []
    for line in process.stderr:
        if "listening on" in line or "verified: " in line:
            seconds = time.perf_counter() - begin
            found.append(Cost(seconds, cpu_seconds([process.pid]), peak([process.pid])))
        if "verified: " in line:
            break
    process.terminate()
    process.communicate()
    served, verified = found
    return served, verified
