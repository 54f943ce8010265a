"""A store with real containers of busybox, and the proof that they leave nothing behind.

`python -m tests.support.homes ROOT POINT VERB NAME` runs a verb that is killed at a failpoint.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from ligan.containers import rows
from ligan.containers.committing import CommitRequest
from ligan.containers.creating import CreateRequest
from ligan.containers.ending import current
from ligan.engine.embedded import EmbeddedEngine
from ligan.store import failpoints
from ligan.store.layout import Layout
from ligan.store.store import Store
from tests.support.faults import REPOSITORY
from tests.support.leaks import left_by
from tests.support.stores import KEEP
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from ligan.containers.rows import Container

PARENT = "/ligan-test"
"""The cgroup that those of a test's containers are in."""


class Home:
    """A root with images, and an engine on it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.store = Store(Layout(root), KEEP)
        self.engine = EmbeddedEngine(self.store, "test")

    def load(self, archive: str) -> None:
        with open(archive, "rb") as file:
            self.engine.load(file, lambda _progress: None)

    def create(
        self, *command: str, name: str = "", config: dict[str, Any] | None = None, **asked: Any
    ) -> str:
        """Make a container of busybox without a network; `asked` are fields of its HostConfig."""
        request = CreateRequest(
            name=name,
            config={"Image": "busybox", "Cmd": list(command), **(config or {})},
            host_config={"NetworkMode": "none", "CgroupParent": PARENT, **asked},
        )
        return self.engine.create_container(request).id

    def start(self, *command: str, **more: Any) -> str:
        """Make a container and start it."""
        container = self.create(*command, **more)
        self.engine.start_container(container)
        return container

    def run(self, *command: str, **more: Any) -> tuple[int, bytes, bytes]:
        """Run a container to its end, as a foreground `run` does; returns status, stdout and stderr."""
        return self.run_attached(self.create(*command, **more))

    def run_attached(self, container: str) -> tuple[int, bytes, bytes]:
        attachment = self.engine.attach_container(container)
        written: list[tuple[int, bytes]] = []
        reading = threading.Thread(target=lambda: written.extend(attachment))
        reading.start()
        try:
            status = self.engine.run_to_end(container, lambda: None)
            reading.join(SECONDS)
        finally:
            attachment.close()
            reading.join()
        out, err = [b"".join([data for stream, data in written if stream == wanted]) for wanted in (2, 3)]
        return status, out, err

    def start_until_it_speaks(self, container: str) -> None:
        """Start a container; on return it has written something."""
        attachment = self.engine.attach_container(container)
        reading = threading.Thread(target=lambda: next(iter(attachment)))
        reading.start()
        try:
            self.engine.start_container(container)
            reading.join(SECONDS)
        finally:
            attachment.close()
            reading.join()

    def row(self, name: str) -> Container:
        return current(self.store, name)

    def events(self, container: str) -> list[str]:
        """Return the actions of a container's events, in order."""
        with self.store.database.read() as tx:
            return tx.column("SELECT action FROM event WHERE actor = ? ORDER BY key", (container,))

    def killed(self, point: str, verb: str, name: str) -> None:
        """Run a verb in a process of its own that is killed at a failpoint."""
        words = [sys.executable, "-m", "tests.support.homes", self.root, point, verb, name]
        done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=False)
        assert done.returncode == -9, done.stderr.decode()

    def await_state(self, name: str, state: str) -> Container:
        """Return the row once its state is this, whoever sees to that: nothing is reconciled."""

        def found() -> Container | None:
            with self.store.database.read() as tx:
                row = rows.resolve(tx, name)
            return row if row.state == state else None

        return until(found, lambda: f"{name} is {self.row(name).state}, not {state}")

    def close(self) -> None:
        """Remove every container, and assert that nothing is left of them."""
        for container in self.engine.list_containers({}, show_all=True):
            self.engine.remove_container(container.id, force=True, volumes=True)
        self.engine.close()
        assert self.leaks() == []

    def leaks(self) -> list[str]:
        """Return what of this root is mounted or runs, and what its containers left in folders."""
        left = left_by(self.root)  # first of all, as what still runs takes its own files away
        files = [
            f"{folder}/{name}"
            for folder in ("containers", "running", "volumes", "mounts", "netns")
            if os.path.isdir(f"{self.root}/{folder}")
            for name in os.listdir(f"{self.root}/{folder}")
        ]
        return left + files


def cgroups_of(container: str) -> list[str]:
    from ligan.containers.cgroups import folders

    return list(folders(f"{PARENT}/{container}").values())


def _die(root: str, point: str, verb: str, name: str) -> None:
    home = Home(root)
    failpoints.arm(f"{point}=kill")
    if verb == "start":
        home.engine.start_container(name)
    elif verb == "run":
        home.engine.run_to_end(name, lambda: None)
    elif verb == "commit":
        home.engine.commit_container(name, CommitRequest())
    else:
        home.engine.kill_container(name)


if __name__ == "__main__":
    _die(*sys.argv[1:])
