"""Containers: an image ready to run, short runs, what a container changed, its commit and its end."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from bench.bench_api import get
from bench.contenders import REPOSITORY, empty, is_installed
from bench.corpus import BIG_NAME, archive, layered_images
from bench.measure import Contender, interleaved
from bench.report import compared, verdict
from tests.support.archives import docker_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.contenders import Bench
    from bench.measure import Cost
    from bench.report import Row

_BASE_IMAGES = os.path.join(REPOSITORY, "tests", "golden", "data", "base_images.tar.xz")
SHORT_RUNS = 15
NEW_FILES = 5000
PEAK_LIMIT = 64_000_000
MORE_LAYERS_SECONDS = 0.05

_MAKE_FILES = f"i=0; while [ $i -lt {NEW_FILES} ]; do echo $i > /new/$i; i=$((i+1)); done"
_PODMAN_LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000")
"""podman raises limits, for which a machine without CAP_SYS_RESOURCE has no right."""


def run(bench: Bench) -> list[Row]:
    return [*_loads(bench), *_short_runs(bench), *_changes(bench), *_ends(bench), *_many_layers(bench)]


def _loads(bench: Bench) -> list[Row]:
    """Load the image of 64,000 entries, until a container can be run on it."""
    path = archive("big", bench.work)
    ligan, docker = bench.ligan("ready"), bench.docker

    def load_ligan() -> Cost:
        empty(ligan.folder)
        return ligan.measure("load", "--quiet", "--input", path, durable=True)

    def load_docker() -> Cost:
        cost = docker.measure("load", "--quiet", "--input", path, durable=True)
        docker.run("rmi", BIG_NAME)
        return cost

    costs = interleaved(bench.runs, {"ligan": load_ligan, "docker": load_docker})
    empty(ligan.folder)
    rows = compared("load 1 GB, ready to run", costs, {"docker": 3})
    cpu = costs["docker"].cpu / costs["ligan"].cpu
    rows[0] = rows[0]._replace(goal=verdict(costs["ligan"].peak <= PEAK_LIMIT, "<= 64 MB"))
    rows[1] = rows[1]._replace(goal=f"{rows[1].goal}; {verdict(cpu >= 5, 'CPU >= 5x')}")
    return rows


def _short_runs(bench: Bench) -> list[Row]:
    base = base_images(bench)
    ligan, docker = bench.ligan("short"), bench.docker
    words = ("run", "--rm", "--network", "none", "busybox", "true")
    work: dict[str, Callable[[], Cost]] = {
        "ligan": lambda: ligan.measure(*words),
        "docker": lambda: docker.measure(*words),
    }
    for contender in (ligan, docker):
        contender.run("load", "--quiet", "--input", base)
    if is_installed("podman"):
        podman = _podman(bench)
        podman.run("load", "--quiet", "--input", base)
        podman_words = ("run", "--rm", "--pull", "never", "--network", "none", *_PODMAN_LIMITS)
        work["podman"] = lambda: podman.measure(*podman_words, "localhost/busybox", "true")
    rows = compared("run --rm, true", interleaved(SHORT_RUNS, work), {"docker": 2, "podman": 1.4})
    with bench.daemon("short") as served:
        both = {"ligan": lambda: served.measure(*words), "docker": lambda: docker.measure(*words)}
        rows += compared("run --rm, true, docker's client", interleaved(SHORT_RUNS, both), {"docker": 1})
    return rows


def base_images(bench: Bench) -> str:
    """Return the path of the archive of base images that the tests have."""
    path = os.path.join(bench.folder, "base.tar")
    if not os.path.exists(path):
        with open(path, "wb") as file:
            subprocess.run(["xz", "-dc", _BASE_IMAGES], stdout=file, check=True)
    return path


def _podman(bench: Bench) -> Contender:
    folder = os.path.join(bench.folder, "podman")
    os.makedirs(folder, exist_ok=True)
    places = ("--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "overlay")
    words = ("podman", *places, "--cgroup-manager", "cgroupfs", "--runtime", "runc")
    return Contender("podman", words, {}, folder)


def _changes(bench: Bench) -> list[Row]:
    """Show and commit the changes of a container with thousands of new files."""
    both = {"ligan": bench.ligan("short"), "docker": bench.docker}
    for contender in both.values():
        script = f"mkdir /new; {_MAKE_FILES}"
        contender.run("run", "--name", "changed", "--network", "none", "busybox", "sh", "-c", script)

    def commit(contender: Contender) -> Callable[[], Cost]:
        def measured() -> Cost:
            cost = contender.measure("commit", "changed", "bench/commit:1", durable=True)
            contender.run("rmi", "bench/commit:1")
            return cost

        return measured

    diffs = interleaved(bench.runs, {who: _call(both[who], ("diff", "changed")) for who in both})
    with bench.daemon("short") as served:
        hosts = {
            "ligan": served.environment["DOCKER_HOST"],
            "docker": bench.docker.environment["DOCKER_HOST"],
        }
        target = "/v1.41/containers/changed/changes"
        asks = {who: partial(get, host.removeprefix("unix://"), target) for who, host in hosts.items()}
        answers = interleaved(SHORT_RUNS, asks)
    commits = interleaved(bench.runs, {who: commit(both[who]) for who in both})
    for contender in both.values():
        contender.run("rm", "changed")
    return [
        *compared(f"diff, {NEW_FILES} new files", diffs, {}),
        *compared(f"GET changes, {NEW_FILES} new files", answers, {"docker": 10}),
        *compared(f"commit, {NEW_FILES} new files", commits, {"docker": 4}),
    ]


def _call(contender: Contender, words: Sequence[str]) -> Callable[[], Cost]:
    return lambda: contender.measure(*words)


def _ends(bench: Bench) -> list[Row]:
    """Remove the large image with a container that was made on it, and free its bytes."""
    path = archive("big", bench.work)
    both = {"ligan": bench.ligan("ends"), "docker": bench.docker}

    def end(contender: Contender) -> Callable[[], Cost]:
        removal = ("rmi", "--now", BIG_NAME) if contender.name == "ligan" else ("rmi", BIG_NAME)

        def measured() -> Cost:
            contender.run("load", "--quiet", "--input", path)
            contender.run("create", "--name", "ended", "--network", "none", BIG_NAME)
            first = contender.measure("rm", "ended")
            second = contender.measure(*removal)
            return first._replace(
                wall=first.wall + second.wall, cpu=first.cpu + second.cpu, peak=max(first.peak, second.peak)
            )

        return measured

    costs = interleaved(bench.runs, {who: end(both[who]) for who in both})
    return compared("rm and rmi of 1 GB", costs, {"docker": 15})


def _many_layers(bench: Bench) -> list[Row]:
    """Run on 10 layers and on 120: what the layers cost a start."""
    ligan = bench.ligan("layers")
    path = os.path.join(bench.folder, "layers.tar")
    with open(path, "wb") as file:
        file.write(docker_archive(layered_images(base_images(bench), (10, 120))))
    ligan.run("load", "--quiet", "--input", path)
    words = ("run", "--rm", "--network", "none")
    work = {
        f"ligan, {count} layers": _call(ligan, (*words, f"bench/layers:{count}", "true"))
        for count in (10, 120)
    }
    costs = interleaved(SHORT_RUNS, work)
    few, many = (costs[name] for name in work)
    rows = compared("run --rm, true", {"ligan": few}, {}) + compared("run --rm, true", {"ligan": many}, {})
    more = verdict(many.wall - few.wall <= MORE_LAYERS_SECONDS, "<= 50 ms more")
    return [
        rows[0]._replace(work="run over 10 layers"),
        rows[1]._replace(work="run over 120 layers", ratio=f"{many.wall - few.wall:+.3f} s", goal=more),
    ]
