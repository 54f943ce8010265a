"""Tokens and passwords: which are asked for, which are sent, and how often."""

from __future__ import annotations

import itertools
import threading
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from ligan.oci.digest import sha256
from ligan.remote.auth import challenges
from ligan.remote.credentials import Credentials
from ligan.remote.faults import BadAnswer, LoginRefused, NoCredentials
from tests.support.lying_registry import reply
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.lying_registry import LyingRegistry, Reply, Request
    from tests.unit.remote.conftest import Registries

JOE = Credentials("joe", "pass word")
BASIC = "Basic " + b64encode(b"joe:pass word").decode()
BLOB = sha256(b"")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (['Basic realm="here"'], {"basic": {"realm": "here"}}),
        (
            ['Bearer realm="https://a/t",service="s, t",scope="repository:x:pull,push"'],
            {"bearer": {"realm": "https://a/t", "service": "s, t", "scope": "repository:x:pull,push"}},
        ),
        (
            ['BEARER  Realm=plain , error="a \\"b\\" \\\\"'],
            {"bearer": {"realm": "plain", "error": 'a "b" \\'}},
        ),
        (['Basic realm="a", Bearer realm="b"'], {"basic": {"realm": "a"}, "bearer": {"realm": "b"}}),
        (["Negotiate", 'Basic realm="a"'], {"negotiate": {}, "basic": {"realm": "a"}}),
        (['Basic realm="unfinished'], {"basic": {"realm": '"unfinished'}}),
        ([""], {}),
        ([",,"], {}),
    ],
)
def test_challenges_are_read(lines: list[str], found: dict[str, dict[str, str]]) -> None:
    read = {scheme: values for scheme, values in challenges(lines).items() if scheme}
    assert read == found


class Site:
    """A registry and its token server, which grants everything to joe."""

    def __init__(self, registries: Registries, more: dict[str, object] | None = None) -> None:
        self.token = {"token": "t0ken", "expires_in": 300, **(more or {})}
        self.server: LyingRegistry = registries.serve(lambda _: reply(200, self.token))
        self.registry = registries.serve(self._answer)

    def _answer(self, request: Request) -> Reply | None:
        if request.authorization != f"Bearer {self.token['token'] or self.token['access_token']}":
            realm = f'Bearer realm="{self.server.url}/token?extra=1",service="reg"'
            return reply(401, {}, WWW_Authenticate=realm)
        return reply(200, b"", Docker_Content_Digest=str(BLOB)) if request.path != "/v2/" else None

    def queries(self) -> list[dict[str, list[str]]]:
        return [parse_qs(urlsplit(request.path).query) for request in self.server.requests]


def test_public_token_is_asked_for_without_credentials(registries: Registries) -> None:
    site = Site(registries)
    assert registries.open(site.registry).repository("team/app").head_manifest("v1") is not None
    assert site.queries() == [{"extra": ["1"], "service": ["reg"], "scope": ["repository:team/app:pull"]}]
    assert site.server.requests[0].authorization == ""


def test_name_and_password_are_shown_to_the_token_server_only(registries: Registries) -> None:
    site = Site(registries)
    registries.open(site.registry, credentials=JOE).repository("app").head_manifest("v1")
    assert site.server.requests[0].authorization == BASIC
    assert site.queries()[0]["account"] == ["joe"]
    assert all(request.authorization != BASIC for request in site.registry.requests)


def in_threads(count: int, ask: Callable[[], int | None]) -> None:
    """Ask in so many threads at once, a few times in each. Every answer has to be 0."""
    start = threading.Barrier(count)
    answers: list[int | None] = []

    def work() -> None:
        start.wait(20)
        for _ in range(5):
            answers.append(ask())  # noqa: PERF401 - each is asked for when the last is there

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert answers == [0] * (5 * count)


def test_token_is_asked_for_once_per_scope_however_many_threads_want_it(registries: Registries) -> None:
    site = Site(registries)
    registry = registries.open(site.registry)
    in_threads(8, lambda: registry.repository("app").blob_exists(BLOB))
    assert len(site.server.requests) == 1
    registry.writable("app").head_manifest("v1")
    registry.repository("other").head_manifest("v1")
    assert [query["scope"] for query in site.queries()] == [
        ["repository:app:pull"],
        ["repository:app:pull,push"],
        ["repository:other:pull"],
    ]


def test_mount_asks_for_both_repositories(registries: Registries) -> None:
    site = Site(registries)
    registries.open(site.registry).writable("app").mount_blob(BLOB, "base/image")
    assert sorted(site.queries()[0]["scope"]) == ["repository:app:pull,push", "repository:base/image:pull"]


def test_token_past_its_life_is_renewed(registries: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(registries)
    repository = registries.open(site.registry).repository("app")
    repository.head_manifest("v1")
    monkeypatch.setattr("ligan.remote.auth.time.monotonic", lambda: 10.0**9)
    repository.head_manifest("v1")
    assert len(site.server.requests) == 2


@pytest.mark.parametrize("life", [10**400, -1, "soon", None])
def test_token_is_taken_whatever_its_life_is_said_to_be(registries: Registries, life: object) -> None:
    site = Site(registries, more={"expires_in": life})
    repository = registries.open(site.registry).repository("app")
    repository.head_manifest("v1")
    repository.head_manifest("v1")
    assert len(site.server.requests) == 1


@pytest.mark.parametrize("ending", ["says so", "hangs up"])
def test_token_that_runs_out_while_an_upload_is_sent_is_renewed(registries: Registries, ending: str) -> None:
    """The bytes are on their way when it is refused: they are sent again, once."""
    tokens = itertools.count()
    server = registries.serve(lambda _: reply(200, {"token": f"t{next(tokens)}"}))

    def answer(request: Request) -> Reply | None:
        if not request.authorization:
            return reply(401, {}, WWW_Authenticate=f'Bearer realm="{server.url}/token"')
        if request.method == "POST":
            return reply(202, b"", Location="/upload")
        if request.method == "PUT" and request.authorization == "Bearer t0":
            return reply(401, b"") if ending == "says so" else [b""]
        return reply(201, b"")

    registry = registries.serve(answer)
    registries.open(registry).writable("app").upload_blob(lambda: [b"abc"], 3, sha256(b"abc"))
    assert [(request.authorization, request.body) for request in registry.requests[-3:]] == [
        ("Bearer t0", b"abc"),
        ("Bearer t1", b""),
        ("Bearer t1", b"abc"),
    ]


def test_token_that_is_never_good_for_an_upload_is_renewed_once(registries: Registries) -> None:
    server = registries.serve(lambda _: reply(200, {"token": "t"}))

    def answer(request: Request) -> Reply | None:
        if request.authorization and request.method == "POST":
            return reply(202, b"", Location="/upload")
        return reply(401, {}, WWW_Authenticate=f'Bearer realm="{server.url}/token"')

    registry = registries.serve(answer)
    with pytest.raises(LoginRefused, match="authentication required"):
        registries.open(registry).writable("app").upload_blob(lambda: [b"abc"], 3, sha256(b"abc"))
    assert len(registry.paths("PUT")) == 2


def test_token_that_is_refused_early_is_renewed_once(registries: Registries) -> None:
    site = Site(registries)
    repository = registries.open(site.registry).repository("app")
    repository.head_manifest("v1")
    site.token |= {"token": "another"}
    assert repository.head_manifest("v1") is not None
    assert len(site.server.requests) == 2


def test_token_that_is_refused_to_many_threads_fails_none_of_them(registries: Registries) -> None:
    site = Site(registries)
    repository = registries.open(site.registry).repository("app")
    repository.head_manifest("v1")
    for token in ("second", "third", "fourth"):
        site.token |= {"token": token}
        in_threads(8, lambda: repository.blob_exists(BLOB))


def test_identity_token_is_posted(registries: Registries) -> None:
    site = Site(registries, {"token": "", "access_token": "t0ken"})
    registries.open(site.registry, credentials=Credentials("", "", "i&d")).repository("a/b").head_manifest(
        "v"
    )
    request = site.server.requests[0]
    assert (request.method, request.authorization) == ("POST", "")
    assert parse_qs(request.body.decode()) == {
        "client_id": ["docker"],
        "grant_type": ["refresh_token"],
        "refresh_token": ["i&d"],
        "scope": ["repository:a/b:pull"],
        "service": ["reg"],
    }


def test_registry_token_is_shown_as_it_is(registries: Registries) -> None:
    site = Site(registries)
    repository = registries.open(site.registry, credentials=Credentials("", "", "", "t0ken")).repository("a")
    assert repository.head_manifest("v1") is not None
    assert site.server.requests == []


def basic_registry(registries: Registries, password: str = "pass word") -> LyingRegistry:  # noqa: S107 - of no one
    accepted = "Basic " + b64encode(f"joe:{password}".encode()).decode()

    def answer(request: Request) -> Reply | None:
        if request.authorization != accepted:
            return reply(401, {}, WWW_Authenticate='Basic realm="here"')
        return reply(200, b"", Docker_Content_Digest=str(BLOB)) if request.path != "/v2/" else None

    return registries.serve(answer)


def test_basic_credentials_go_with_each_request(registries: Registries) -> None:
    registry = basic_registry(registries)
    assert registries.open(registry, credentials=JOE).repository("app").blob_exists(BLOB) == 0
    assert [request.authorization for request in registry.requests] == ["", BASIC]


def test_missing_credentials_are_said_to_be_missing(registries: Registries) -> None:
    registry = basic_registry(registries)
    with pytest.raises(NoCredentials) as caught:
        registries.open(registry).repository("app").head_manifest("latest")
    assert caught.value.message == f'Head "{registry.url}/v2/app/manifests/latest": no basic auth credentials'


def test_login_to_a_registry_with_passwords(registries: Registries) -> None:
    assert registries.open(basic_registry(registries), credentials=JOE).login() == ""
    registry = basic_registry(registries, "other")
    with pytest.raises(LoginRefused) as caught:
        registries.open(registry, credentials=JOE).login()
    assert caught.value.message == f"login attempt to {registry.url}/v2/ failed with status: 401 Unauthorized"


def test_login_to_a_registry_with_tokens(registries: Registries) -> None:
    site = Site(registries, {"refresh_token": "1dentity"})
    assert registries.open(site.registry, credentials=JOE).login() == "1dentity"
    query = site.queries()[0]
    assert (query["offline_token"], query["client_id"], query["account"]) == (["true"], ["docker"], ["joe"])
    assert "scope" not in query


def test_login_that_the_token_server_refuses(registries: Registries) -> None:
    denied = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": "x"}]}
    server = registries.serve(lambda _: reply(401, denied))
    registry = registries.serve(lambda _: reply(401, {}, WWW_Authenticate=f'Bearer realm="{server.url}/t"'))
    with pytest.raises(LoginRefused) as caught:
        registries.open(registry, credentials=JOE).login()
    assert caught.value.message == f'Get "{registry.url}/v2/": unauthorized: authentication required'


def test_login_where_nobody_is_asked_who_he_is(registries: Registries) -> None:
    assert registries.open(registries.serve(lambda _: None), credentials=JOE).login() == ""


def test_helper_is_asked_only_where_a_registry_wants_credentials(registries: Registries) -> None:
    settings = FAST.replace(docker_config="/nonexistent/../dev/null/no")
    registry = registries.serve(lambda request: reply(200, b"{}") if "manifests" in request.path else None)
    registries.open(registry, settings).repository("app").get_manifest("v1")


def test_token_by_http_for_a_registry_by_https_is_refused(registries: Registries) -> None:
    import ssl

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = registries.serve(lambda _: reply(200, {"token": "t"}))
    registry = registries.serve(
        lambda _: reply(401, {}, WWW_Authenticate=f'Bearer realm="{server.url}/t"'), tls=context
    )
    with pytest.raises(BadAnswer, match="wants credentials to be sent in the clear"):
        registries.open(registry, credentials=JOE).repository("app").get_manifest("v1")
    assert server.requests == []
