"""The statuses of what a runtime cannot do, as dockerd 20.10.24 answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest

from tests.support.docker_py import LEAVES_SOCKETS, docker_py

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, LEAVES_SOCKETS]


@pytest.fixture
def client(isolated: Daemon) -> Iterator[Any]:
    with docker_py(isolated) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"command": "nosuch"}, 400, 127),
        ({"command": "/etc"}, 400, 126),
        ({"command": "true", "sysctls": {"net.ipv4.nosuch": "1"}}, 400, 127),
        ({"command": "true", "volumes": ["/etc/hostname:/bin"]}, 400, 127),
        ({"command": "true", "user": "nosuch"}, 500, 128),
        ({"command": "true", "devices": ["/dev/nosuch"]}, 500, 128),
        ({"command": "true", "tmpfs": {"/x": "size=huge"}}, 500, 128),
    ],
)
def test_start(client: Any, asked: dict[str, Any], status: int, code: int) -> None:
    container = client.containers.create("busybox", **asked)
    with pytest.raises(docker.errors.APIError) as raised:
        container.start()
    container.reload()
    assert raised.value.status_code == status
    assert container.attrs["State"]["ExitCode"] == code
    assert container.attrs["State"]["Error"] == raised.value.explanation


@pytest.mark.parametrize("network", ["none", "host"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"aliases": ["x"]},
            "network-scoped alias is supported only for containers in user defined networks",
        ),
        (
            {"ipv4_address": "10.0.0.9"},
            "user specified IP address is supported on user defined networks only",
        ),
    ],
)
def test_start_with_what_only_networks_of_the_users_have(
    client: Any, network: str, settings: dict[str, Any], words: str
) -> None:
    api = client.api
    container = api.create_container(
        "busybox",
        "true",
        host_config=api.create_host_config(network_mode=network),
        networking_config=api.create_networking_config({network: api.create_endpoint_config(**settings)}),
    )
    with pytest.raises(docker.errors.APIError) as raised:
        api.start(container)
    assert (raised.value.status_code, raised.value.explanation) == (400, words)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"cmd": "nosuch"}, 400),
        ({"cmd": "true", "workdir": "/nosuch"}, 400),
        ({"cmd": "true", "user": "nosuch"}, 500),
    ],
)
def test_exec(client: Any, asked: dict[str, Any], status: int) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    made = client.api.exec_create(container.id, **asked)["Id"]
    with pytest.raises(docker.errors.APIError) as raised:
        client.api.exec_start(made, detach=True)
    assert raised.value.status_code == status
    assert client.api.exec_inspect(made)["ExitCode"] == 126


@pytest.mark.parametrize("field", ["pid_mode", "ipc_mode"])
def test_namespace_of_a_container_that_there_is_not(client: Any, field: str) -> None:
    with pytest.raises(docker.errors.APIError, match="No such container: nosuch") as raised:
        client.containers.create("busybox", "true", **{field: "container:nosuch"})
    assert raised.value.status_code == 400


def test_signal_that_the_kernel_has_not(client: Any) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    with pytest.raises(docker.errors.APIError) as raised:
        container.kill(99)
    assert raised.value.status_code == 400
    words = "The linux daemon does not support signal 99"
    assert raised.value.explanation == f"Cannot kill container: {container.id}: {words}"


def test_working_directory_that_is_a_file(client: Any) -> None:
    container = client.containers.create("busybox", "true", working_dir="/etc/passwd")
    with pytest.raises(docker.errors.APIError, match="not a directory"):
        container.start()
