"""A hundred clients at once, twenty of them loading: all are served, and memory stays bounded."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import docker

from ligan.hosts.docker import DockerHost
from tests.support import archives

if TYPE_CHECKING:
    from tests.support.serving import Daemon

LOADERS = 20
READERS = 80
REQUESTS = 25
"""How often each reader asks."""

LAYER = 8 << 20
MEMORY = 200 << 20


def test_a_hundred_clients_are_served_in_bounded_memory(daemon: Daemon) -> None:
    with ThreadPoolExecutor(LOADERS + READERS) as clients:
        loads = [clients.submit(load, daemon, number) for number in range(LOADERS)]
        reads = [clients.submit(read, daemon) for _ in range(READERS)]
        for number, loaded in enumerate(loads):
            assert loaded.result() == [f"Loaded image: app:{number}\n"]
        for reading in reads:
            assert reading.result() == REQUESTS
    assert daemon.memory() < MEMORY
    with DockerHost(daemon.host) as host:
        tags = [tag for image in host.get_list("/images/json") for tag in image["RepoTags"]]
    assert sorted(tags) == sorted(f"app:{number}" for number in range(LOADERS))


def load(daemon: Daemon, number: int) -> list[str]:
    """Load an image of two layers, one of which all loaders bring; return the messages."""
    shared = archives.layer({"shared": bytes(LAYER)})
    own = archives.layer({"own": random.Random(number).randbytes(LAYER)})
    base = archives.image("base", "2023-01-02T03:04:05Z", add=shared)
    image = archives.image(f"app {number}", "2023-01-02T03:04:06Z", parent=base, add=own)
    content = archives.docker_archive([archives.Item(image, (f"app:{number}",))])
    client = docker.APIClient(base_url=daemon.host)
    try:
        return [message["stream"] for message in client.load_image(content, quiet=True)]
    finally:
        client.close()


def read(daemon: Daemon) -> int:
    """Ask for everything that can be asked while images come; return how often."""
    asked = 0
    with DockerHost(daemon.host) as host:
        while asked < REQUESTS:
            images = host.get_list("/images/json", [("all", "1")])
            for image in images[: REQUESTS - asked - 1]:
                assert host.get(f"/images/{image['Id']}/json")["Id"] == image["Id"]
                asked += 1
            asked += 1
    return asked
