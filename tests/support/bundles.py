"""Bundles of busybox, run by the real runtime and conmon, and a check that they leave nothing behind."""

from __future__ import annotations

import json
import os
import tarfile
from typing import Any

from ligan.containers import cgroups, runtime
from ligan.containers.attach import Attachment, open_attach_socket
from ligan.containers.checks import fill_in
from ligan.containers.host import Host, devices
from ligan.containers.processes import Process, await_end
from ligan.containers.spec import Container, runtime_spec
from ligan.containers.users import User
from tests.support.waiting import SECONDS, until

CGROUP = f"/ligan-test-{os.getpid()}"
"""Of this process alone: all of the machine shares the names."""


def unpack_busybox(archive: str, target: str) -> None:
    """Unpack the layers of busybox:latest in a docker-archive."""
    with tarfile.open(archive) as images:
        manifest = json.load(read_member(images, "manifest.json"))
        layers = next(image["Layers"] for image in manifest if "busybox:latest" in image["RepoTags"])
        for layer in layers:
            with tarfile.open(fileobj=read_member(images, layer)) as files:
                files.extractall(target, filter="tar")


def read_member(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.extractfile(name)
    assert member is not None
    return member


class Bundle:
    """One container of a test. Its cgroup is CGROUP/<id>."""

    def __init__(self, folder: str, rootfs: str) -> None:
        self.folder = folder
        self.id = os.path.basename(folder)
        self.rootfs = rootfs
        self.process: dict[str, Any] = {}
        self.pid = -1
        os.makedirs(folder)

    def write(self, *command: str, host_config: dict[str, Any] | None = None, **config: Any) -> None:
        host = Host.read()
        asked = {"NetworkMode": "none", "CgroupParent": CGROUP, **(host_config or {})}
        spec = runtime_spec(
            Container(
                id=self.id,
                config={"Cmd": command, "Hostname": self.id, **config},
                host_config=fill_in(asked, host)[0],
                rootfs=self.rootfs,
                user=User(0, 0, (0,)),
            ),
            host,
            devices,
        )
        self.process = spec["process"]
        with open(f"{self.folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(spec, file)

    def launch(self, *command: str, tty: bool = False, stdin: bool = False, **more: Any) -> Process:
        """Create a container that runs a command of busybox."""
        host_config = more.pop("host_config", None)
        self.write(*command, host_config=host_config, Tty=tty)
        launched = runtime.launch(
            self.folder, self.id, tty=tty, stdin=stdin, stdin_once=more.pop("stdin_once", stdin), **more
        )
        self.pid = launched.pid
        process = Process.of(self.pid)
        assert process is not None
        return process

    def attach(self) -> Attachment:
        return Attachment(open_attach_socket(self.folder))

    def run(self, *command: str, **more: Any) -> tuple[int, list[tuple[int, bytes]]]:
        """Run a command to its end; returns its status and what it wrote."""
        process = self.launch(*command, **more)
        attachment = self.attach()
        self.start()
        written = list(attachment)
        attachment.close()
        return self.end(process), written

    def start(self) -> None:
        runtime.start(self.folder, self.id, self.pid)

    def end(self, process: Process) -> int:
        """Wait for the end, and take the run away; returns the exit status."""
        assert await_end(process, SECONDS)
        status = self.status()
        self.delete()
        return status

    def status(self) -> int:
        return await_number(f"{self.folder}/exit/{self.id}")

    def delete(self) -> None:
        runtime.delete(self.folder, self.id)
        await_no_conmon(self.folder)


def await_number(path: str) -> int:
    """Return the number that appears in a file."""

    def text() -> str:
        try:
            with open(path, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    return int(until(text, f"{path} does not appear"))


def await_no_conmon(folder: str) -> None:
    until(lambda: not processes_of(folder), lambda: processes_of(folder))


def processes_of(text: str) -> list[str]:
    """Return the command lines, of all processes but this one, that hold a text."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in line and int(pid) != os.getpid():
            found.append(line)
    return found


def leaks(folder: str, ids: list[str]) -> list[str]:
    """Return the mounts, processes and cgroups that bundles below a folder have left."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line.split()[4] for line in file if folder in line]
    groups = [path for name in ids for path in cgroups.folders(f"{CGROUP}/{name}").values()]
    return mounts + processes_of(folder) + groups
