"""Networks of containers by docker's client: names, published ports, and what is left of them: nothing.

Every test's daemon is stopped and its containers are removed; then no device, rule or resolver may be there.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bundles import processes_of
from tests.support.dockers import docker, fetched
from tests.support.ports import free_port
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, pytest.mark.docker_cli, pytest.mark.netavark]

SERVE = "mkdir /w; echo hello > /w/index.html; httpd -f -p 80 -h /w"
UNTIL = "for i in $(seq 300); do wget -qO- http://{}/ 2>/dev/null && exit; sleep 0.1; done; exit 1"


def test_names_in_a_network(networked: Daemon) -> None:
    docker(networked, "network", "create", "net")
    docker(networked, "run", "-d", "--network", "net", "--name", "web", "busybox", "sh", "-c", SERVE)
    for name in ("web", docker(networked, "ps", "-q").strip()):
        asked = docker(
            networked, "run", "--rm", "--network", "net", "busybox", "sh", "-c", UNTIL.format(name)
        )
        assert asked == "hello\n"
    docker(networked, "run", "--rm", "busybox", "nslookup", "web", status=1)


def test_several_networks_at_once(networked: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """From API 1.44 on, by which compose makes containers too."""
    for name in ("one", "two"):
        docker(networked, "network", "create", name)
        words = ("--network", name, "--name", f"in-{name}", "busybox", "sh", "-c", SERVE)
        docker(networked, "run", "-d", *words)
    both = ("run", "--rm", "--network", "one", "--network", "name=two,alias=both", "busybox", "sh", "-c")
    script = f"({UNTIL.format('in-one')}); ({UNTIL.format('in-two')})"
    assert docker(networked, *both, script) == "hello\nhello\n"
    monkeypatch.setenv("DOCKER_API_VERSION", "1.43")
    docker(networked, *both, script, status=125)


def test_links(networked: Daemon) -> None:
    """On the default network they give names and variables, on others a name."""
    docker(networked, "run", "-d", "--name", "web", "--expose", "80", "busybox", "sh", "-c", SERVE)
    script = f"echo $W_NAME $W_PORT_80_TCP_PORT; {UNTIL.format('w')}"
    words = ("run", "--rm", "--name", "it", "--link", "web:w", "busybox", "sh", "-c", script)
    assert docker(networked, *words) == "/it/w 80\nhello\n"
    docker(networked, "stop", "-t", "0", "web")
    docker(networked, *words, status=125)
    docker(networked, "network", "create", "net")
    docker(networked, "run", "-d", "--network", "net", "--name", "other", "busybox", "sh", "-c", SERVE)
    linked = ("run", "--rm", "--network", "net", "--link", "other:o", "busybox", "sh", "-c")
    assert docker(networked, *linked, UNTIL.format("o")) == "hello\n"


def test_published_port(networked: Daemon) -> None:
    docker(networked, "run", "-d", "-p", "127.0.0.1::80", "--name", "web", "busybox", "sh", "-c", SERVE)
    place = docker(networked, "port", "web", "80").strip()
    assert docker(networked, "ps", "--format", "{{.Ports}}") == f"{place}->80/tcp\n"
    assert fetched(f"http://{place}/") == b"hello\n"
    docker(networked, "run", "-d", "-p", f"{place}:80", "--name", "second", "busybox", "true", status=125)
    docker(networked, "restart", "-t", "0", "web")
    assert fetched(f"http://{docker(networked, 'port', 'web', '80').strip()}/") == b"hello\n"


def test_port_that_somebody_has(networked: Daemon) -> None:
    port = free_port()
    docker(networked, "run", "-d", "-p", f"127.0.0.1:{port}:80", "busybox", "sleep", "1000")
    words = [
        "docker",
        "-H",
        networked.host,
        "run",
        "--name",
        "it",
        "-p",
        f"127.0.0.1:{port}:80",
        "busybox",
        "true",
    ]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 125
    assert f"Bind for 127.0.0.1:{port} failed: port is already allocated" in refused.stderr
    assert (
        docker(networked, "inspect", "-f", "{{.State.Status}} {{.NetworkSettings.IPAddress}}", "it")
        == "created \n"
    )


def test_connected_and_disconnected_while_it_runs(networked: Daemon) -> None:
    docker(networked, "network", "create", "--subnet", "10.123.45.0/24", "net")
    docker(networked, "run", "-d", "--network", "net", "--name", "web", "busybox", "sh", "-c", SERVE)
    docker(networked, "run", "-d", "--name", "it", "busybox", "sleep", "1000")
    docker(networked, "network", "connect", "--alias", "other", "--ip", "10.123.45.67", "net", "it")
    assert docker(networked, "exec", "it", "sh", "-c", UNTIL.format("web")) == "hello\n"
    known = "until nslookup other | grep 10.123.45.67; do sleep 0.1; done"  # its server reads names anew
    assert "10.123.45.67" in docker(networked, "exec", "web", "sh", "-c", known)
    assert "10.123.45.67/24" in docker(networked, "exec", "it", "ip", "-4", "addr")
    docker(networked, "network", "rm", "net", status=1)
    docker(networked, "network", "disconnect", "net", "it")
    assert "10.123.45.67" not in docker(networked, "exec", "it", "ip", "-4", "addr")
    docker(networked, "exec", "it", "nslookup", "web", status=1)
    docker(networked, "network", "connect", "net", "it")
    docker(networked, "restart", "-t", "0", "it")
    assert docker(networked, "exec", "it", "sh", "-c", UNTIL.format("web")) == "hello\n"


def test_network_of_another_container_and_of_the_host(networked: Daemon) -> None:
    docker(networked, "run", "-d", "--name", "it", "busybox", "sleep", "1000")
    look = ("busybox", "readlink", "/proc/self/ns/net")
    own = docker(networked, "exec", "it", *look[1:])
    assert docker(networked, "run", "--rm", "--network", "container:it", *look) == own
    seen = docker(networked, "run", "--rm", "--network", "host", *look).strip()
    assert seen == os.readlink("/proc/self/ns/net")
    assert docker(networked, "run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net") == "lo\n"


def test_prune_keeps_what_is_used(networked: Daemon) -> None:
    docker(networked, "network", "create", "used")
    docker(networked, "network", "create", "unused")
    docker(networked, "run", "-d", "--network", "used", "busybox", "sleep", "1000")
    assert docker(networked, "network", "prune", "-f") == "Deleted Networks:\nunused\n\n"
    names = docker(networked, "network", "ls", "--format", "{{.Name}}").split()
    assert names == ["bridge", "host", "none", "used"]


def test_killed_container_leaves_nothing_behind(networked: Daemon, store_root: str) -> None:
    docker(networked, "network", "create", "net")
    docker(networked, "run", "-d", "--network", "net", "--name", "it", "-p", "80", "busybox", "sleep", "1000")
    assert processes_of(f"{store_root}/networks")
    os.kill(int(docker(networked, "inspect", "-f", "{{.State.Pid}}", "it")), 9)
    assert docker(networked, "wait", "it") == "137\n"
    assert docker(networked, "port", "it") == ""
    until(lambda: not processes_of(f"{store_root}/networks"))
