"""Testcontainers for Python: a container to test against, and the reaper that takes away what a client left.

The image of the real reaper (testcontainers/ryuk) cannot be had without a network. What runs here is a
stand-in that speaks its protocol (tests/support/reaper.py): it asks of Ligan what the real one does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support import reaper
from tests.support.docker_py import LEAVES_SOCKETS, docker_py
from tests.support.dockers import fetched
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, pytest.mark.netavark, LEAVES_SOCKETS]

SERVER = ["sh", "-c", "echo served > /index.html; echo ready; exec httpd -f -p 80 -h /"]


@pytest.fixture
def client(networked: Daemon) -> Iterator[Any]:
    with docker_py(networked) as client:
        yield client


def test_container_with_a_port_logs_and_exec(networked: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", networked.host)
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    monkeypatch.setattr(testcontainers_config, "tc_host_override", "127.0.0.1")
    asked = DockerContainer("busybox").with_command(SERVER).with_env("A", "b").with_exposed_ports(80)
    asked.with_copy_into_container(b"copied", "/copied")
    with asked.waiting_for(LogMessageWaitStrategy("ready").with_poll_interval(0.05)) as container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(80)}"
        assert fetched(f"http://{address}/") == b"served\n"
        assert container.exec("sh -c 'cat /copied; echo $A; exit 3'") == (3, b"copiedb\n")
        assert container.get_logs() == (b"ready\n", b"")


LEAVES_ALL_BEHIND = """
import os, signal, sys
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

network = Network().create()
container = DockerContainer("busybox", network=network).with_command("sleep 1000").start()
print(container.get_container_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_reaper_removes_what_a_client_that_died_has_left(networked: Daemon, client: Any) -> None:
    tar, command = reaper.image()
    client.api.import_image_from_data(tar, "reaper", changes=[f"CMD {json.dumps(command)}"])
    bystander = client.containers.run("busybox", "sleep 1000", detach=True)
    environment = {
        **os.environ,
        "DOCKER_HOST": networked.host,
        "RYUK_CONTAINER_IMAGE": "reaper",
        "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": networked.path,
        "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
    }
    died = subprocess.run(
        [sys.executable, "-c", LEAVES_ALL_BEHIND],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert died.returncode == -9, died.stderr
    assert len(died.stdout.strip()) == 64
    # The reaper, too, is gone in the end: it was started to be removed when it has done its work.
    until(lambda: len(client.api.containers(all=True)) == 1, lambda: client.api.containers(all=True))
    assert bystander.id == client.api.containers()[0]["Id"]
    assert {network.name for network in client.networks.list()} == {"bridge", "host", "none"}
