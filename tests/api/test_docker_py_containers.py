"""Containers, volumes and networks by docker-py."""

from __future__ import annotations

import io
import socket
import tarfile
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest

from tests.support.docker_py import LEAVES_SOCKETS, docker_py
from tests.support.waiting import receive_until, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, LEAVES_SOCKETS]


@pytest.fixture
def client(isolated: Daemon) -> Iterator[Any]:
    with docker_py(isolated) as client:
        yield client


@pytest.fixture
def sleeper(client: Any) -> Any:
    """A container that runs until it is removed."""
    return client.containers.run("busybox", "sleep 1000", detach=True, name="it", labels={"of": "test"})


def test_run(client: Any) -> None:
    assert client.containers.run("busybox", ["echo", "hi"], remove=True) == b"hi\n"
    with pytest.raises(docker.errors.ContainerError) as raised:
        client.containers.run("busybox", ["sh", "-c", "echo err >&2; exit 3"], remove=True)
    assert (raised.value.exit_status, raised.value.stderr) == (3, b"err\n")
    with pytest.raises(docker.errors.ImageNotFound):
        client.containers.create("nosuch")
    assert client.containers.list(all=True) == []


def test_exec(sleeper: Any) -> None:
    result = sleeper.exec_run(["sh", "-c", "echo out; echo err >&2; exit 5"], demux=True)
    assert (result.exit_code, result.output) == (5, (b"out\n", b"err\n"))
    with closing(sleeper.exec_run("echo hi", stream=True).output) as output:
        assert b"".join(output) == b"hi\n"
    assert sleeper.exec_run("pwd", workdir="/etc", user="nobody", tty=True).output == b"/etc\r\n"
    assert sleeper.exec_run("nosuch").exit_code == 126
    sleeper.exec_run("touch /made", detach=True)
    until(lambda: sleeper.exec_run("test -e /made").exit_code == 0)


def test_exec_by_a_socket_whose_half_is_closed(sleeper: Any) -> None:
    stream = sleeper.exec_run("cat", socket=True, stdin=True).output
    with stream._sock as connection:
        connection.sendall(b"abc\n")
        assert receive_until(connection, b"abc\n") == b"\x01\0\0\0\0\0\0\x04abc\n"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    stream.close()


def test_attach(client: Any) -> None:
    container = client.containers.create("busybox", "cat", stdin_open=True)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    with stream._sock as connection, closing(container.attach(stream=True)) as output:
        container.start()
        connection.sendall(b"typed\n")
        assert receive_until(connection, b"typed\n") == b"\x01\0\0\0\0\0\0\x06typed\n"
        assert next(output) == b"typed\n"
        container.kill()
        assert list(output) == []
        assert connection.recv(100) == b""
    stream.close()


def test_logs(client: Any) -> None:
    script = "for word in one two three; do echo $word; sleep 0.1; done"
    container = client.containers.run("busybox", ["sh", "-c", script], detach=True)
    with closing(container.logs(stream=True, follow=True)) as output:
        assert b"".join(output) == b"one\ntwo\nthree\n"
    assert container.logs(tail=1) == b"three\n"
    assert container.logs(stdout=False) == b""
    assert [line.split()[1] for line in container.logs(timestamps=True).splitlines()] == [
        b"one",
        b"two",
        b"three",
    ]
    assert container.logs(since=int(time.time()) + 60) == b""


def test_life_of_a_container(client: Any, sleeper: Any) -> None:
    assert [found.name for found in client.containers.list(filters={"label": "of=test"})] == ["it"]
    sleeper.pause()
    assert [found.status for found in client.containers.list()] == ["paused"]
    sleeper.unpause()
    sleeper.rename("renamed")
    sleeper.update(mem_limit="60m", memswap_limit="60m")
    sleeper.reload()
    assert (sleeper.name, sleeper.attrs["HostConfig"]["Memory"]) == ("renamed", 60 << 20)
    until(lambda: sleeper.top()["Processes"][0][-1] == "sleep 1000")  # the runtime has just become that
    assert sleeper.stats(stream=False)["pids_stats"]["current"] == 1
    sleeper.restart(timeout=0)
    sleeper.stop(timeout=0)
    assert sleeper.wait() == {"Error": None, "StatusCode": 137}
    assert sleeper.commit("made", "1").tags == ["made:1"]
    assert client.containers.prune()["ContainersDeleted"] == [sleeper.id]


def test_files(sleeper: Any) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = 7
        tar.addfile(member, io.BytesIO(b"content"))
    assert sleeper.put_archive("/home", buffer.getvalue())
    chunks, stat = sleeper.get_archive("/home/file")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert tar.getnames() == ["file"]
    assert (stat["name"], stat["size"], stat["linkTarget"]) == ("file", 7, "")
    assert sleeper.diff() == [{"Path": "/home", "Kind": 0}, {"Path": "/home/file", "Kind": 1}]
    with tarfile.open(fileobj=io.BytesIO(b"".join(sleeper.export()))) as tar:
        assert "home/file" in tar.getnames()


def test_volumes(client: Any) -> None:
    volume = client.volumes.create("named", labels={"of": "test"})
    client.containers.run("busybox", "touch /v/file", volumes={"named": {"bind": "/v"}}, remove=True)
    assert client.containers.run("busybox", "ls /v", volumes=["named:/v"], remove=True) == b"file\n"
    user = client.containers.create("busybox", "true", volumes=["named:/v", "/anonymous"])
    with pytest.raises(docker.errors.APIError, match="volume is in use"):
        volume.remove()
    assert len(client.volumes.list()) == 2
    user.remove(v=True)
    assert [found.name for found in client.volumes.list()] == ["named"]
    assert client.df()["Volumes"][0]["UsageData"]["RefCount"] == 0
    volume.remove()
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get("named")


def test_counts_of_info(client: Any, sleeper: Any) -> None:
    client.containers.create("busybox", "true")
    sleeper.pause()
    info = client.info()
    counts = [info[f"Containers{state}"] for state in ("", "Running", "Paused", "Stopped")]
    assert counts == [2, 0, 1, 1]
    assert info["CgroupVersion"] in ("1", "2")
    assert info["DefaultRuntime"] in info["Runtimes"]


def test_networks(networked: Daemon) -> None:
    with docker_py(networked) as client:
        network = client.networks.create("net", labels={"of": "test"})
        web = client.containers.run(
            "busybox", "sleep 1000", detach=True, network="net", ports={"80/tcp": None}
        )
        network.reload()
        assert network.containers == [web]
        web.reload()
        assert [place["HostIp"] for place in web.ports["80/tcp"]] == ["0.0.0.0"]  # noqa: S104  # Docker's
        network.disconnect(web)
        network.connect(web, aliases=["other"])
        with pytest.raises(docker.errors.APIError, match="has active endpoints"):
            network.remove()
        web.remove(force=True)
        assert client.networks.prune()["NetworksDeleted"] == ["net"]
