"""One script on two engines: Docker's, through its own CLI, and Ligan, by `ligan` or by Docker's CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.differential.comparing import Answer, Numbering, differences, unlikeness
from tests.differential.corpus import archives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.differential.scripts import Step


SECONDS = 60
"""More than any command of a script needs."""

UNKNOWN = "0" * 64


class Engine:
    """A command line in a folder of its own that holds the archives."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: str) -> None:
        self.command = command
        self.environment = {**os.environ, **environment, "TZ": "UTC"}
        self.folder = folder
        self.ids: dict[str, str] = {}
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
            timeout=SECONDS,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def answer(self, step: Step) -> Answer:
        answer = self.run(*(self._meant(word) for word in step.argv))
        if step.names and not answer.status:
            self.ids[step.names] = answer.stdout.strip().removeprefix("sha256:")
        if not step.saves or answer.status:
            return answer
        with open(self.path(step.saves), "rb") as file:
            return answer._replace(saved=file.read())

    def _meant(self, word: str) -> str:
        """Put in the place of `@name` the ID that got this name, of `@name/12` as many digits of it."""
        if not word.startswith("@"):
            return word
        name, _, length = word[1:].partition("/")
        return self.ids.get(name, UNKNOWN)[: int(length or 64)]


def docker(host: str, folder: str, client: str = "docker") -> Engine:
    """Docker's CLI without a user's settings, on an engine emptied of its containers and images."""
    engine = Engine([client], {"DOCKER_HOST": host, "DOCKER_CONFIG": folder}, folder)
    if containers := engine.run("ps", "--all", "--quiet").stdout.split():
        engine.run("rm", "--force", "--volumes", *containers)
    engine.run("volume", "prune", "--force")
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


def unlike(
    script: Sequence[Step], docker_engine: Engine, ligan_engine: Engine, *, makes_ids: bool = False
) -> tuple[int, str] | None:
    """Run `script` on Docker and on Ligan, step by step, until they answer differently.

    Where it makes IDs, which depend on chance and time, one of Docker's must
    always stand where one and the same of Ligan's stands. Return the index of
    the step and a diff of the answers, or None if all agree.
    """
    client = docker_engine.run("version", "--format", "{{.Client.Version}}").stdout
    overlooked = differences(client)
    theirs, ours = Numbering(), Numbering()
    for index, step in enumerate(script):
        first, second = docker_engine.answer(step), ligan_engine.answer(step)
        if makes_ids:
            first, second = theirs.read(first), ours.read(second)
        if difference := unlikeness(step, first, second, overlooked):
            return index, difference
        if step.saves and not first.status:
            source, target = docker_engine, ligan_engine
            if step.shares_ligans:
                source, target = target, source
            shutil.copy(source.path(step.saves), target.path(step.saves))
    return None
