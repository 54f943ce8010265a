"""A project of three services by docker-compose: a network, a volume, and what it says and leaves."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.dockers import docker
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, pytest.mark.docker_cli, pytest.mark.netavark, pytest.mark.docker_compose]

PROJECT = """\
version: "3"
services:
  writer:
    image: busybox
    command: sh -c "echo shared > /data/index.html; sleep 1000"
    volumes: ["data:/data"]
    networks: [front]
  web:
    image: busybox
    command: httpd -f -p 80 -h /data
    volumes: ["data:/data"]
    networks: [front]
    depends_on: [writer]
  client:
    image: busybox
    command: sh -c "until wget -qO- http://web/; do sleep 0.2; done; sleep 1000"
    networks: [front]
    depends_on: [web]
volumes: {data: {}}
networks: {front: {}}
"""


def test_project_of_three_services(networked: Daemon, tmp_path: os.PathLike[str]) -> None:
    with open(os.path.join(tmp_path, "docker-compose.yml"), "w") as file:
        file.write(PROJECT)

    def compose(*words: str) -> str:
        done = subprocess.run(
            ["docker-compose", "-p", "three", *words],
            cwd=tmp_path,
            env={**os.environ, "DOCKER_HOST": networked.host},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    compose("up", "-d")
    assert compose("ps").count(" Up ") == 3
    until(lambda: "shared" in compose("logs", "--no-color", "client"))
    assert compose("exec", "-T", "client", "wget", "-qO-", "http://web/") == "shared\n"
    compose("stop", "-t", "0")
    compose("start")
    assert compose("exec", "-T", "client", "cat", "/etc/hostname")
    compose("down", "-v", "-t", "0")
    assert docker(networked, "ps", "-aq") == ""
    assert docker(networked, "volume", "ls", "-q") == ""
    assert docker(networked, "network", "ls", "--format", "{{.Name}}").split() == ["bridge", "host", "none"]
