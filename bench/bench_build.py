"""Building: a rebuild that finds everything done, ten steps that touch a file each, a large context."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

from bench.bench_containers import base_images
from bench.contenders import is_installed
from bench.measure import Contender, interleaved
from bench.report import compared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.contenders import Bench
    from bench.measure import Cost
    from bench.report import Row

    Build = Callable[[str], Cost]
    """Build a context, and say what it cost."""

STEPS = 20
TOUCHES = 10
FILES = 20_000

_REBUILDS = 15


def run(bench: Bench) -> list[Row]:
    builds = _builders(bench)
    return [*_rebuild(bench, builds), *_touches(bench, builds), *_large_context(bench, builds)]


def _builders(bench: Bench) -> dict[str, Build]:
    """Return what builds an image `built` of a folder; docker by its classic builder."""
    base = base_images(bench)
    ligan = bench.ligan("build")
    docker = bench.docker._replace(environment={**bench.docker.environment, "DOCKER_BUILDKIT": "0"})
    for contender in (ligan, docker):
        contender.run("load", "--quiet", "--input", base)
    words = ("--network", "none", "--tag", "built")
    found: dict[str, Build] = {
        "ligan": lambda folder: ligan.measure("build", "--progress", "plain", *words, folder, durable=True),
        "docker": lambda folder: docker.measure("build", *words, folder, durable=True),
    }
    if is_installed("buildah"):
        buildah = _buildah(bench)
        buildah.run("pull", "--quiet", f"docker-archive:{base}:busybox:latest")
        layered = ("bud", "--layers", "--pull-never", "--isolation", "oci", "--runtime", "runc", *words)
        found["buildah"] = lambda folder: buildah.measure(*layered, folder, durable=True)
    return found


def _buildah(bench: Bench) -> Contender:
    folder = os.path.join(bench.folder, "buildah")
    os.makedirs(folder, exist_ok=True)
    places = ("--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "overlay")
    return Contender("buildah", ("buildah", *places), {}, folder)


def _context(bench: Bench, name: str, dockerfile: str, files: Mapping[str, str]) -> str:
    folder = os.path.join(bench.folder, "contexts", name)
    for path, content in {"Dockerfile": dockerfile, **files}.items():
        whole = os.path.join(folder, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w") as file:
            file.write(content)
    return folder


def _rebuild(bench: Bench, builds: Mapping[str, Build]) -> list[Row]:
    steps = [f"RUN touch /file{number}" for number in range(STEPS // 2)]
    steps += [f"COPY file{number} /copied/" for number in range(STEPS // 2)]
    files = {f"file{number}": f"{number}\n" for number in range(STEPS // 2)}
    folder = _context(bench, "rebuild", "\n".join(["FROM busybox", *steps, ""]), files)
    for build in builds.values():
        build(folder)
    costs = interleaved(_REBUILDS, {who: _of(build, folder) for who, build in builds.items()})
    return compared(f"rebuild of {STEPS} steps, all cached", costs, {"docker": 1, "buildah": 3})


def _touches(bench: Bench, builds: Mapping[str, Build]) -> list[Row]:
    """Each build has a first step of its own, so that none finds what another made."""
    numbers = count()
    steps = [f"RUN touch /file{number}" for number in range(TOUCHES - 1)]

    def fresh(build: Build) -> Callable[[], Cost]:
        def measured() -> Cost:
            first = f"RUN touch /first{next(numbers)}"
            return build(_context(bench, "touches", "\n".join(["FROM busybox", first, *steps, ""]), {}))

        return measured

    costs = interleaved(bench.runs, {who: fresh(build) for who, build in builds.items()})
    return compared(f"{TOUCHES} RUN that touch a file each", costs, {"docker": 1})


def _large_context(bench: Bench, builds: Mapping[str, Build]) -> list[Row]:
    numbers = count()
    files = {f"{number // 100}/file{number}": f"{number}\n" * 100 for number in range(FILES)}
    folder = _context(bench, "large", "FROM busybox\nCOPY . /context/\n", files)

    def changed(build: Build) -> Callable[[], Cost]:
        def measured() -> Cost:
            with open(os.path.join(folder, "0", "file0"), "w") as file:
                file.write(f"changed {next(numbers)}\n")
            return build(folder)

        return measured

    costs = interleaved(bench.runs, {who: changed(build) for who, build in builds.items()})
    return compared(f"COPY of {FILES:,} files", costs, {"docker": 1})


def _of(build: Build, folder: str) -> Callable[[], Cost]:
    return lambda: build(folder)
