"""Ligan as users install it, and the programs it is measured against, each with data of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.measure import Contender
from tests.support import dockerd
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Bench:
    """A folder to work in, Ligan in a virtual environment of its own, and a real dockerd."""

    def __init__(self, work: str, runs: int, docker: Contender) -> None:
        self.work = work
        """Archives that are kept for the next time."""
        self.folder = os.path.dirname(docker.folder)
        """What is gone when the bench is over."""
        self.runs = runs
        self.docker = docker
        self.python = _install(os.path.join(work, "venv"))

    def ligan(self, root: str) -> Contender:
        """Return Ligan on the store `root`, made on first use."""
        folder = os.path.join(self.folder, root)
        os.makedirs(folder, exist_ok=True)
        program = os.path.join(os.path.dirname(self.python), "ligan")
        environment = {"LIGAN_ROOT": folder, "PYTHONDONTWRITEBYTECODE": ""}
        return Contender("ligan", (program,), environment, folder)

    @contextlib.contextmanager
    def daemon(self, root: str) -> Iterator[Contender]:
        """Serve the store `root` to docker's client; on leaving, stop the daemon."""
        store = self.ligan(root).folder
        with serving(store, python=self.python) as daemon:
            environment = {"DOCKER_HOST": daemon.host, "DOCKER_CONFIG": self.folder}
            yield Contender("ligan", ("docker",), environment, store, lambda: (daemon.process.pid,))

    def skopeo(self) -> Contender:
        folder = os.path.join(self.folder, "skopeo")
        os.makedirs(folder, exist_ok=True)
        return Contender("skopeo", ("skopeo",), {}, folder)


def is_installed(program: str) -> bool:
    return shutil.which(program) is not None


@contextlib.contextmanager
def opened(work: str, runs: int) -> Iterator[Bench]:
    """Start a dockerd and install Ligan; on leaving, stop and remove all but the archives in `work`."""
    if reason := dockerd.missing():
        raise SystemExit(f"bench: {reason}")
    folder = os.path.join(work, f"run-{os.getpid()}")
    server = os.path.join(folder, "dockerd")
    os.makedirs(folder)
    try:
        host = dockerd.start(server)
        try:
            environment = {"DOCKER_HOST": host, "DOCKER_CONFIG": folder}
            pids = (_pid(f"{server}/dockerd.pid"), _pid(f"{server}/exec/containerd/containerd.pid"))
            yield Bench(work, runs, Contender("docker", ("docker",), environment, server, lambda: pids))
        finally:
            dockerd.stop(server)
    finally:
        empty(folder)
        os.rmdir(folder)


def empty(folder: str) -> None:
    """Unmount and remove all that is below `folder`."""
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in sorted((p for p in points if p.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=True)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _pid(path: str) -> int:
    with open(path) as file:
        return int(file.read())


def _install(folder: str) -> str:
    """Install Ligan from a wheel as pipx does: byte code is compiled, and pip is not there to slow the start.

    Return the python beside it.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    python = os.path.join(folder, "bin", "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", REPOSITORY]
    subprocess.run(pip, check=True)
    return python
