"""What asks a registry: credentials out of headers and bodies, streams, and errors before and in them."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support import archives
from tests.support.asking import ask
from tests.support.honest_registry import HonestRegistry
from tests.support.lying_registry import reply
from tests.support.serving import serving
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.lying_registry import Reply, Request
    from tests.support.serving import Daemon

TARS = [archives.layer({"file": b"content"})]
NOBODY = {"X-Registry-Auth": "e30="}


@pytest.fixture
def daemon(store_root: str) -> Iterator[Daemon]:
    with serving(store_root) as daemon:
        yield daemon


@pytest.fixture
def registry() -> Iterator[HonestRegistry]:
    with HonestRegistry() as registry:
        yield registry


def test_pull_streams_dockers_messages(daemon: Daemon, registry: HonestRegistry) -> None:
    digest = registry.add_image("app", "1", TARS)
    answer = ask(daemon, "POST", f"/v1.41/images/create?fromImage={registry.host}/app&tag=1", headers=NOBODY)
    layer = sorted(registry.fetched())
    size = {key[1]: len(data) for key, data in registry.blobs.items()}
    first, *middle, second_last, last = answer.lines
    assert first == {"status": "Pulling from app", "id": "1"}
    assert middle[0]["status"] == "Pulling fs layer"
    short = middle[0]["id"]
    (name,) = [item for item in layer if item[7:19] == short]
    bar = f"[{'=' * 50}>] {f'{size[name]}B':>8}/{size[name]}B"
    assert middle[1] == {
        "status": "Downloading",
        "progressDetail": {"current": size[name], "total": size[name]},
        "progress": bar,
        "id": short,
    }
    assert middle[-1] == {"status": "Pull complete", "progressDetail": {}, "id": short}
    assert second_last == {"status": f"Digest: {digest}"}
    assert last == {"status": f"Status: Downloaded newer image for {registry.host}/app:1"}


def test_tag_of_a_pull_may_be_a_digest(daemon: Daemon, registry: HonestRegistry) -> None:
    digest = registry.add_image("app", "1", TARS)
    answer = ask(daemon, "POST", f"/images/create?fromImage={registry.host}/app&tag={digest}")
    assert answer.lines[0]["id"] == f"{registry.host}/app@{digest}"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (
            "fromImage={}/app&tag=no",
            404,
            "manifest for {}/app:no not found: manifest unknown: manifest unknown",
        ),
        ("fromImage=scratch", 403, "'scratch' is a reserved name"),
        (
            "fromImage=127.0.0.1:1/x&tag=1",
            500,
            'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect:',
        ),
        ("fromImage={}/app&tag=!", 400, "invalid tag format"),
    ],
)
def test_error_before_the_first_message_has_a_status(
    daemon: Daemon, registry: HonestRegistry, query: str, status: int, words: str
) -> None:
    answer = ask(daemon, "POST", "/images/create?" + query.replace("{}", registry.host))
    assert answer.status == status
    assert answer.message.startswith(words.replace("{}", registry.host))


def test_error_after_the_first_message_is_one_of_them(daemon: Daemon, registry: HonestRegistry) -> None:
    other = registry.add_image("app", "", TARS)
    registry.add_index("app", "1", [(other, {"os": "linux", "architecture": "s390x"})])
    answer = ask(daemon, "POST", f"/images/create?fromImage={registry.host}/app&tag=1&platform=linux/386")
    words = "no matching manifest for linux/386 in the manifest list entries"
    assert answer.status == 200
    assert answer.lines[-1] == {"errorDetail": {"message": words}, "error": words}


def test_client_that_goes_leaves_nothing_to_wait_for(daemon: Daemon, registry: HonestRegistry) -> None:
    """However silent the registry is: who pulls the same image next would wait for its blobs."""
    registry.add_image("app", "1", TARS)
    stalled = threading.Event()
    answer = registry._answer

    def stall(request: Request) -> Reply | None:
        whole = answer(request)
        if "/blobs/" not in request.path or stalled.is_set() or b"diff_ids" in (whole or b""):
            return whole
        stalled.set()
        registry.ended.wait(SECONDS)
        return [b""]

    registry._answer = stall
    path = f"/images/create?fromImage={registry.host}/app&tag=1"
    with daemon.connect() as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        assert stalled.wait(SECONDS)
    daemon.await_log("path=/images/create status=499")
    assert ask(daemon, "POST", path).lines[-1]["status"].startswith("Status: Downloaded newer image")


def test_push_needs_a_header_or_a_body(daemon: Daemon) -> None:
    answer = ask(daemon, "POST", "/images/app/push?tag=1")
    assert (answer.status, answer.message) == (400, "Bad parameters and missing X-Registry-Auth: EOF")


def test_push_streams_its_end_for_programs(daemon: Daemon, registry: HonestRegistry) -> None:
    digest = registry.add_image("app", "1", TARS)
    name = f"{registry.host}/app"
    ask(daemon, "POST", f"/images/create?fromImage={name}&tag=1")
    answer = ask(daemon, "POST", f"/images/{name}/push?tag=1", headers=NOBODY)
    size = len(registry.manifests["app", "1"][1])
    assert answer.lines[0] == {"status": f"The push refers to repository [{name}]"}
    assert answer.lines[-1] == {
        "progressDetail": {},
        "aux": {"Tag": "1", "Digest": digest, "Size": size},
    }


def test_push_of_what_is_not_here_fails_in_the_stream(daemon: Daemon) -> None:
    answer = ask(daemon, "POST", "/images/nosuch/push?tag=1", headers=NOBODY)
    assert answer.lines[-1]["error"] == "An image does not exist locally with the tag: nosuch"


def test_credentials_of_the_header_reach_the_registry(daemon: Daemon) -> None:
    wanted = "Basic " + base64.b64encode(b"joe:secret").decode()
    with HonestRegistry() as registry:
        honest = registry._serve_request
        refuse = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
        registry._answer = lambda call: honest(call) if call.authorization == wanted else refuse
        registry.add_image("app", "1", TARS)
        header = base64.urlsafe_b64encode(json.dumps({"username": "joe", "password": "secret"}).encode())
        path = f"/images/create?fromImage={registry.host}/app&tag=1"
        assert ask(daemon, "POST", path, headers={"X-Registry-Auth": header.decode()}).status == 200
        refused = ask(daemon, "POST", path, headers=NOBODY)
        assert refused.status == 500
        assert "no basic auth credentials" in refused.message
        assert "secret" not in daemon.log()


def test_login_tries_the_credentials(daemon: Daemon, registry: HonestRegistry) -> None:
    body = json.dumps({"username": "joe", "password": "secret", "serveraddress": registry.host}).encode()
    answer = ask(daemon, "POST", "/auth", body, {"Content-Type": "application/json"})
    assert (answer.status, answer.document) == (200, {"IdentityToken": "", "Status": "Login Succeeded"})


def test_credentials_are_read_in_any_case(daemon: Daemon, registry: HonestRegistry) -> None:
    answer = registry._answer
    registry._answer = lambda request: (
        answer(request)
        if request.authorization == "Basic " + base64.b64encode(b"joe:secret").decode()
        else reply(401, {}, WWW_Authenticate='Basic realm="here"')
    )
    body = json.dumps({"Username": "joe", "PASSWORD": "secret", "serverAddress": registry.host}).encode()
    assert ask(daemon, "POST", "/auth", body, {"Content-Type": "application/json"}).status == 200


def test_credentials_may_come_in_pieces(daemon: Daemon, registry: HonestRegistry) -> None:
    body = json.dumps({"username": "joe", "password": "secret", "serveraddress": registry.host}).encode()
    head = f"POST /auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with daemon.connect() as connection:
        connection.sendall(head.encode() + body[:20])
        ask(daemon, "GET", "/_ping")  # by the time this is answered, the daemon has taken the first piece
        connection.sendall(body[20:])
        assert b"Login Succeeded" in connection.makefile("rb").read()


def test_distribution_tells_what_a_name_means(daemon: Daemon, registry: HonestRegistry) -> None:
    digest = registry.add_image("app", "1", TARS, architecture="arm", variant="v6")
    media_type, raw = registry.manifests["app", "1"]
    answer = ask(daemon, "GET", f"/distribution/{registry.host}/app:1/json")
    assert answer.document == {
        "Descriptor": {"mediaType": media_type, "digest": digest, "size": len(raw)},
        "Platforms": [{"architecture": "arm", "os": "linux", "variant": "v6"}],
    }
