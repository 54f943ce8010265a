"""POST /build: errors, limits and ends. Whole builds are compared in tests/differential and tests/golden."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import docker
import docker.errors
import pytest

from tests.differential.builds import MTIME, File, Files, context
from tests.support import registry
from tests.support.asking import ask
from tests.support.docker_py import LEAVES_SOCKETS, docker_py
from tests.support.dockers import containing
from tests.support.homes import Home
from tests.support.waiting import receive_until, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.asking import Answer
    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, LEAVES_SOCKETS]

BEGUN = rb'{"stream":"begun\n"}'


@pytest.fixture
def client(isolated: Daemon) -> Iterator[Any]:
    with docker_py(isolated) as client:
        yield client


@pytest.fixture(scope="module")
def answering(stocked_root: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for requests that change nothing."""
    root = str(tmp_path_factory.mktemp("answering") / "root")
    shutil.copytree(stocked_root, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGAN_BRIDGE", "false")
        with containing(root) as daemon:
            yield daemon


def build(daemon: Daemon, dockerfile: str, files: Files | None = None, **parameters: Any) -> Answer:
    """Build a context; `headers` among the parameters are the request's."""
    headers = {"Content-Type": "application/x-tar", **parameters.pop("headers", {})}
    query = urlencode(parameters, doseq=True)
    return ask(daemon, "POST", f"/v1.41/build?{query}", context(dockerfile, files or {}), headers)


def said(answer: Answer) -> str:
    return "".join(line.get("stream", "") for line in answer.lines)


def test_buildkit_is_refused_with_what_to_do_instead(answering: Daemon) -> None:
    for path in ("/v1.41/build?version=2", "/v1.41/session", "/v1.41/grpc"):
        answer = ask(answering, "POST", path)
        assert answer.status == 501
        assert "DOCKER_BUILDKIT=0" in answer.message
        assert "ligan build" in answer.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"version": "3"}, 'invalid version "3"'),
        (
            {"securityopt": "x"},
            "The daemon on this platform does not support setting security options on build",
        ),
        ({"isolation": "x"}, 'Unsupported isolation: "x"'),
        ({"squash": "1"}, "squash is only supported with experimental mode"),
        ({"shmsize": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"t": "a@sha256:" + "0" * 64}, "build tag cannot contain a digest"),
        ({"remote": "what"}, "remoteURL (what) could not be recognized as URL"),
    ],
)
def test_bad_parameters_are_told_before_anything_is_done(
    answering: Daemon, parameters: dict[str, str], message: str
) -> None:
    answer = build(answering, "FROM busybox\nENV A=1\n", {}, **parameters)
    assert (answer.status, answer.message) == (400, message)


@pytest.mark.parametrize("name", ["buildargs", "labels", "cachefrom", "ulimits"])
@pytest.mark.parametrize("text", ["{", "1", '[{"a":1}]', '{"a":1}'])
def test_parameters_that_are_no_such_json_are_the_clients_fault(
    answering: Daemon, name: str, text: str
) -> None:
    answer = build(answering, "FROM busybox\nRUN true\n", {}, **{name: text})
    assert answer.status == 400 or '"error":' in answer.body.decode()


def test_a_body_that_is_no_tar_is_refused(answering: Daemon) -> None:
    answer = ask(answering, "POST", "/v1.41/build", b"x" * 2000, {"Content-Type": "application/x-tar"})
    assert answer.status in (400, 500)
    assert answer.message


def test_what_a_url_names_is_fetched_by_the_proxy_of_the_daemon(isolated: Daemon) -> None:
    """Of which nobody knows here where it is: only the proxy's own address can refuse."""
    refused = 'Get "http://r.example/x": connection refused'
    failed = build(isolated, "FROM scratch\nADD http://r.example/x /")
    assert failed.lines[-1]["error"].endswith(refused)
    answer = ask(isolated, "POST", "/v1.41/build?remote=http://r.example/x")
    assert answer.message.endswith(refused)


def test_quiet_tells_the_id_alone_and_everything_after_an_error(isolated: Daemon) -> None:
    answer = build(isolated, "FROM busybox\nENV A=1\n", q="1")
    assert [list(line) for line in answer.lines] == [["stream"]]
    assert said(answer).startswith("sha256:")
    answer = build(isolated, "FROM busybox\nRUN echo why; exit 2\n", q="1")
    assert "why\n" in said(answer)
    assert answer.lines[-1] == {
        "errorDetail": {
            "code": 2,
            "message": "The command '/bin/sh -c echo why; exit 2' returned a non-zero code: 2",
        },
        "error": "The command '/bin/sh -c echo why; exit 2' returned a non-zero code: 2",
    }


def test_old_api_versions_have_no_aux(isolated: Daemon) -> None:
    body = context("FROM busybox\nENV A=1\n", {})
    answer = ask(isolated, "POST", "/v1.29/build", body, {"Content-Type": "application/x-tar"})
    assert all("aux" not in line for line in answer.lines)


def test_a_failed_build_leaves_the_last_good_image_and_the_container(isolated: Daemon, client: Any) -> None:
    answer = build(isolated, "FROM busybox\nRUN touch /a\nRUN exit 3\n", t="never:1")
    good = said(answer).split(" ---> ")[-2].split("\n")[0]
    [container] = client.containers.list(all=True)
    assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 3)
    assert client.images.get(good).id in [
        image.id for image in client.images.list(filters={"dangling": True})
    ]
    container.remove(v=True)
    build(isolated, "FROM busybox\nRUN touch /a\nRUN exit 4\n", forcerm="1")
    assert client.containers.list(all=True) == []


def test_a_name_moves_and_comes_back_out_of_the_cache(isolated: Daemon, client: Any) -> None:
    for content in ("one", "two"):
        build(isolated, "FROM busybox\nCOPY f /f\nCMD cat /f\n", {"f": content}, t="app")
    [old] = client.images.list(filters={"dangling": True})
    answer = build(isolated, "FROM busybox\nCOPY f /f\nCMD cat /f\n", {"f": "one"}, t="app")
    assert said(answer).count("Using cache") == 2
    assert client.images.get("app").id == old.id
    assert client.containers.run("app", remove=True) == b"one"


def test_events_are_dockers(isolated: Daemon) -> None:
    started = time.time()
    build(isolated, "FROM busybox\nENV A=1\nRUN true\n", t="ev:1")
    told = ask(isolated, "GET", f"/v1.41/events?since={started:.9f}&until={time.time():.9f}").body
    actions = [json.loads(line)["Action"] for line in told.splitlines()]
    assert actions == ["create", "destroy", "create", "attach", "start", "die", "destroy", "tag"]


def test_a_client_that_leaves_ends_its_build(isolated: Daemon, client: Any) -> None:
    body = context("FROM busybox\nENV A=1\nRUN echo begun; sleep 1000\nENV B=1\n", {})
    with isolated.connect() as connection:
        head = f"POST /v1.41/build HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        receive_until(connection, BEGUN)
        assert len(client.containers.list()) == 1
    until(lambda: not client.containers.list(all=True, sparse=True))
    # The step before stays, as an image without a name.
    assert len(client.images.list(filters={"dangling": True})) == 1


def test_a_daemon_that_is_killed_leaves_a_sound_store(isolated: Daemon, store_root: str) -> None:
    body = context("FROM busybox\nRUN echo 1 > /a\nRUN echo begun; sleep 1000\n", {})
    with isolated.connect() as connection:
        head = f"POST /v1.41/build HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        receive_until(connection, BEGUN)
        isolated.kill()
    home = Home(store_root)
    try:
        home.store.recover()
        assert home.engine.fsck() == []
        [container] = home.engine.list_containers({}, show_all=True)
        assert container.state == "running"  # as under a dockerd that was killed
    finally:
        home.close()


def test_hosts_and_networks_reach_commands(isolated: Daemon) -> None:
    answer = build(
        isolated, "FROM busybox\nRUN grep other /etc/hosts\n", extrahosts="other:10.1.2.3", networkmode="none"
    )
    assert "10.1.2.3\tother" in said(answer)


@pytest.mark.docker_registry
def test_a_base_is_pulled_with_the_credentials_of_the_request(
    isolated: Daemon, client: Any, tmp_path: os.PathLike[str]
) -> None:
    folder = os.fspath(tmp_path)
    os.mkdir(f"{folder}/registry")
    with registry.running(f"{folder}/registry", registry.with_password(folder)) as address:
        name, credentials = f"{address}/base", {"username": registry.USER, "password": registry.PASSWORD}
        client.images.get("busybox").tag(name)
        client.images.push(name, auth_config=credentials)
        client.images.remove(name)
        config = json.dumps({f"https://{address}/v1/": credentials}).encode()
        known = {"X-Registry-Config": base64.urlsafe_b64encode(config).decode()}
        for dockerfile in (f"FROM {name}\n", f"FROM busybox\nCOPY --from={name} /bin/sh /sh\n"):
            refused = build(isolated, dockerfile)
            assert (
                "unauthorized" in refused.lines[-1]["error"] or "no basic auth" in refused.lines[-1]["error"]
            )
            answer = build(isolated, dockerfile, headers=known)
            assert {"status": f"Status: Downloaded newer image for {name}:latest"} in answer.lines
            assert "Successfully built" in said(answer)
            client.images.remove(name)


def test_docker_py(client: Any) -> None:
    archive = io.BytesIO(context("FROM busybox\nARG A\nRUN echo $A > /a\nCMD cat /a\n", {}))
    image, log = client.images.build(
        fileobj=archive, custom_context=True, tag="py:1", buildargs={"A": "x"}, labels={"l": "1"}, rm=True
    )
    assert image.tags == ["py:1"]
    assert image.labels == {"l": "1"}
    assert any("Successfully tagged py:1" in line.get("stream", "") for line in log)
    assert client.containers.run("py:1", remove=True) == b"x\n"
    with pytest.raises(docker.errors.BuildError, match="returned a non-zero code: 5") as failed:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 5\n"), rm=True, forcerm=True)
    assert any("Step 2/2" in line.get("stream", "") for line in failed.value.build_log)
    with pytest.raises(docker.errors.APIError, match="unknown instruction: NOPE"):
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nNOPE\n"))


@pytest.mark.parametrize(
    ("files", "dockerfile", "message"),
    [
        ({"l": File(target="/etc")}, "FROM busybox\nCOPY l/../../../x /x\n", "COPY failed: "),
        ({"../out": "x"}, "FROM busybox\nCOPY . /x\n", ""),
        ({"l": File(target=".."), "l/x": "x"}, "FROM busybox\nCOPY . /x/\n", ""),
        ({"d": File(kind=b"3", mtime=MTIME)}, "FROM busybox\nCOPY d /x\n", ""),
    ],
)
def test_hostile_contexts_reach_nothing_outside(
    isolated: Daemon, files: Files, dockerfile: str, message: str
) -> None:
    answer = build(isolated, dockerfile, files)
    if answer.status == 200:
        end = answer.lines[-1]
        assert message in end.get("error", end.get("stream", ""))
    else:
        assert answer.message


def test_a_request_that_breaks_off_is_no_build(isolated: Daemon, client: Any) -> None:
    body = context("FROM busybox\nENV A=broken\n", {})
    with isolated.connect() as connection:
        head = f"POST /v1.41/build HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body) + 5}\r\n\r\n"
        connection.sendall(head.encode() + body[:1024])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert client.images.list(filters={"dangling": True}) == []
