"""The API around images: ping, versions, info, and everything that Ligan has none of."""

from __future__ import annotations

import json
import lzma
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan import __version__
from tests.support.asking import ask
from tests.support.serving import serving
from tests.support.stores import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden", "data", "j_tag_errors.json.xz")
NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
HEADERS = {
    "api-version": "1.51",
    "docker-experimental": "false",
    "ostype": "linux",
    "server": f"Ligan/{__version__} (linux)",
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon of an empty store, in which nothing is done."""
    root = str(tmp_path_factory.mktemp("idle") / "root")
    with serving(root) as daemon:
        yield daemon
    check_store(root)


def golden(path: str) -> Any:
    """Return what engine 20.10 answered."""
    with lzma.open(GOLDEN) as file:
        steps = json.load(file)["steps"]
    return next(json.loads(step["response_body"]) for step in steps if step.get("path") == path)


@pytest.mark.parametrize("path", ["/_ping", "/v1.41/_ping"])
def test_ping(path: str, idle: Daemon) -> None:
    got, head = ask(idle, "GET", path), ask(idle, "HEAD", path)
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"OK", "2")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "0")
    wanted = HEADERS | {
        "builder-version": "1",  # the classic builder
        "cache-control": "no-cache, no-store, must-revalidate",
        "content-type": "text/plain; charset=utf-8",
        "pragma": "no-cache",
        "swarm": "inactive",
    }
    for answer in (got, head):
        assert {key: answer.headers[key] for key in wanted} == wanted


@pytest.mark.parametrize("path", ["/images/json", "/nothing", "/v1.99/info", "/v1.10/info", "/images//json"])
def test_every_answer_says_who_answers(path: str, idle: Daemon) -> None:
    headers = ask(idle, "GET", path).headers
    assert {key: headers[key] for key in HEADERS} == HEADERS


def test_version_has_the_fields_of_dockers(idle: Daemon) -> None:
    ours, theirs = ask(idle, "GET", "/version").document, golden("/version")
    assert list(ours) == list(theirs)
    assert (ours["Version"], ours["ApiVersion"], ours["MinAPIVersion"]) == (__version__, "1.51", "1.24")
    assert ours["Components"][0]["Name"] == "Engine"
    assert ours["Components"][0]["Details"]["ApiVersion"] == "1.51"


def test_info_has_the_fields_of_dockers(idle: Daemon) -> None:
    ours, theirs = ask(idle, "GET", "/v1.41/info").document, golden("/v1.41/info")
    assert list(ours) == [*theirs, "Ligan"]
    for key in ("OSType", "Architecture", "Swarm", "ContainersRunning", "RegistryConfig", "Warnings"):
        assert ours[key] == theirs[key], key
    assert (ours["Images"], ours["ServerVersion"]) == (0, __version__)
    assert ours["MemTotal"] > 1 << 28


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/containers/json", []),
        ("GET", "/volumes", {"Volumes": [], "Warnings": None}),
        ("GET", "/plugins", []),
        ("POST", "/containers/prune", {"ContainersDeleted": None, "SpaceReclaimed": 0}),
        ("POST", "/networks/prune", {"NetworksDeleted": None}),
        ("POST", "/volumes/prune", {"VolumesDeleted": [], "SpaceReclaimed": 0}),
        ("POST", "/build/prune", {"CachesDeleted": None, "SpaceReclaimed": 0}),
        (
            "GET",
            "/v1.41/system/df",
            {
                "LayersSize": 0,
                "Images": [],
                "Containers": [],
                "Volumes": [],
                "BuildCache": None,
                "BuilderSize": 0,
            },
        ),
        (
            "GET",
            "/v1.51/system/df?type=image&type=volume",
            {"LayersSize": 0, "Images": [], "Containers": None, "Volumes": [], "BuildCache": None},
        ),
    ],
)
def test_what_there_is_none_of_is_listed_as_none(
    method: str, path: str, answer: object, idle: Daemon
) -> None:
    """Asked of engine 20.10 without containers, volumes and swarm; of networks it has always some."""
    assert ask(idle, method, path).document == answer


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/containers/x/json", 404, "No such container: x"),
        ("POST", "/containers/x/start", 404, "No such container: x"),
        ("DELETE", "/containers/x", 404, "No such container: x"),
        ("GET", "/containers/a/archive?path=/", 404, "No such container: a"),
        ("POST", "/commit?container=x", 404, "No such container: x"),
        ("GET", "/exec/x/json", 404, "No such exec instance: x"),
        ("GET", "/networks/x", 404, "network x not found"),
        ("DELETE", "/volumes/x", 404, "get x: no such volume"),
        ("GET", "/plugins/x/json", 404, 'plugin "x" not found'),
        ("GET", "/swarm", 503, NO_SWARM),
        ("GET", "/services", 503, NO_SWARM),
        ("POST", "/services/create", 503, NO_SWARM),
        ("GET", "/nodes/x", 503, NO_SWARM),
        ("POST", "/swarm/leave", 503, "This node is not part of a swarm"),
        ("GET", "/nothing", 404, "page not found"),
        ("PUT", "/images/json", 404, "page not found"),
        ("GET", "/v1.99/info", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
    ],
)
def test_what_is_not_there_is_refused_in_dockers_words(
    method: str, path: str, status: int, message: str, idle: Daemon
) -> None:
    answer = ask(idle, method, path)
    assert (answer.status, answer.message) == (status, message)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/swarm/init", "swarm"),
        ("/grpc", "DOCKER_BUILDKIT=0"),
        ("/session", "DOCKER_BUILDKIT=0"),
    ],
)
def test_what_is_yet_to_come_is_refused_in_words(path: str, word: str, idle: Daemon) -> None:
    answer = ask(idle, "POST", path)
    assert answer.status == 501
    assert word in answer.message


def test_a_client_that_is_too_old_for_json_gets_plain_text(idle: Daemon) -> None:
    """Source: golden j_tag_errors, step 81."""
    answer = ask(idle, "GET", "/v1.11/images/json")
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.body == (
        b"client version 1.11 is too old. Minimum supported API version is 1.24, "
        b"please upgrade your client to a newer version\n"
    )


def test_a_path_with_detours_is_sent_to_the_short_one(idle: Daemon) -> None:
    answer = ask(idle, "GET", "/v1.41//images/json?all=1")
    assert (answer.status, answer.headers["location"]) == (301, "/v1.41/images/json?all=1")


def test_options_are_asked_in_vain(idle: Daemon) -> None:
    answer = ask(idle, "OPTIONS", "/v1.41/images/json")
    assert (answer.status, answer.body) == (200, b"")


def test_a_client_that_waits_is_told_to_send_its_body(idle: Daemon) -> None:
    with idle.connect() as connection:
        connection.sendall(
            b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"junk\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
