"""One script on two engines: Docker's, through its own CLI, and Ligan, by `ligan` or by Docker's CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.differential.comparing import Answer, differences, unlikeness
from tests.differential.corpus import archives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.differential.scripts import Step


class Engine:
    """A command line in a folder of its own that holds the archives."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: str) -> None:
        self.command = command
        self.environment = {**os.environ, **environment, "TZ": "UTC"}
        self.folder = folder
        os.makedirs(folder)
        for name, content in archives().items():
            with open(self.path(name), "wb") as file:
                file.write(content)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def run(self, *argv: str) -> Answer:
        done = subprocess.run(
            [*self.command, *argv],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def answer(self, step: Step) -> Answer:
        answer = self.run(*step.argv)
        if not step.saves or answer.status:
            return answer
        with open(self.path(step.saves), "rb") as file:
            return answer._replace(saved=file.read())


def docker(host: str, folder: str, client: str = "docker") -> Engine:
    """Docker's CLI without a user's settings, on an engine emptied of its images."""
    engine = Engine([client], {"DOCKER_HOST": host, "DOCKER_CONFIG": folder}, folder)
    engine.run("image", "prune", "--all", "--force")
    left = engine.run("images", "--all", "--quiet")
    assert not left.stdout + left.stderr, f"docker still has images: {left}"
    return engine


def ligan(root: str, folder: str) -> Engine:
    return Engine([sys.executable, "-m", "ligan"], {"LIGAN_ROOT": root}, folder)


def ligan_daemon(host: str, folder: str, client: str = "docker") -> Engine:
    """Docker's CLI on a daemon of Ligan, which it asks for the API of engine 20.10."""
    settings = {"DOCKER_HOST": host, "DOCKER_API_VERSION": "1.41", "DOCKER_CONFIG": folder}
    return Engine([client], settings, folder)


def unlike(script: Sequence[Step], docker_engine: Engine, ligan_engine: Engine) -> tuple[int, str] | None:
    """Run `script` on Docker and on Ligan, step by step, until they answer differently.

    Return the index of that step and a diff of the answers, or None if all agree.
    """
    client = docker_engine.run("version", "--format", "{{.Client.Version}}").stdout
    overlooked = differences(client)
    for index, step in enumerate(script):
        first, second = docker_engine.answer(step), ligan_engine.answer(step)
        if difference := unlikeness(step, first, second, overlooked):
            return index, difference
        if step.saves and not first.status:
            source, target = docker_engine, ligan_engine
            if step.shares_ligans:
                source, target = target, source
            shutil.copy(source.path(step.saves), target.path(step.saves))
    return None
