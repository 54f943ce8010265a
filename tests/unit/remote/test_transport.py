"""Connections that are used again, proxies, mirrors, and use from many threads."""

from __future__ import annotations

import itertools
import ssl
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
import trustme

from ligan.errors import Unsupported
from ligan.oci.digest import Digest, sha256
from ligan.oci.documents import OCI_MANIFEST
from ligan.remote import connection
from ligan.remote.credentials import Credentials
from ligan.remote.endpoint import Endpoint
from ligan.remote.faults import Failing, Interrupted, RemoteError, Unreachable
from ligan.remote.transport import shown
from tests.support import archives
from tests.support.lying_registry import LyingRegistry, Request, head, reply
from tests.support.waiting import SECONDS
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    import _socket
    from collections.abc import Iterable, Iterator

    from tests.support.honest_registry import HonestRegistry
    from tests.support.lying_registry import Reply
    from tests.support.stores import Stock
    from tests.unit.remote.conftest import Registries

BASIC = {"WWW_Authenticate": 'Basic realm="here"'}
BLOB = bytes(range(256)) * 100
DIGEST = sha256(BLOB)


def test_nothing_at_the_address_is_said_as_docker_says_it(registries: Registries) -> None:
    with LyingRegistry(lambda _: None) as registry:
        host = registry.host
    with pytest.raises(Unreachable) as caught:
        registries.open(host)
    assert caught.value.message == f'Get "http://{host}/v2/": dial tcp {host}: connect: connection refused'


def test_name_that_nobody_has_is_said_as_docker_says_it(
    registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("ligan.remote.connection.getaddrinfo", nobody)
    with pytest.raises(Unreachable) as caught:
        registries.open("r.example")
    assert caught.value.message == 'Get "https://r.example/v2/": dial tcp: lookup r.example: no such host'


@pytest.mark.parametrize("by_tls", [False, True])
def test_stop_breaks_off_what_another_thread_waits_for(registries: Registries, by_tls: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    begun = threading.Event()

    def answer(request: Request) -> Reply | None:
        if "blobs" not in request.path:
            return None
        begun.set()
        registry.ended.wait(SECONDS)
        return [b""]

    registry = registries.serve(answer, tls=context if by_tls else None)
    repository = registries.open(registry).repository("app")
    failures: list[RemoteError] = []

    def ask() -> None:
        with pytest.raises(Interrupted) as caught:
            repository.open_blob(DIGEST, len(BLOB))
        failures.append(caught.value)

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(SECONDS)
    repository.stop()
    thread.join(SECONDS / 2)  # the registry is silent for longer
    assert len(failures) == 1
    with pytest.raises(Interrupted, match="broken off"):
        repository.get_manifest("1")


@pytest.mark.parametrize("by_tls", [False, True])
def test_connection_is_used_again(registries: Registries, by_tls: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def answer(request: Request) -> Reply | None:
        whole = reply(200, BLOB)
        return (
            (whole.removesuffix(BLOB) if request.method == "HEAD" else whole)
            if "blobs" in request.path
            else None
        )

    registry = registries.serve(answer, tls=context if by_tls else None)
    repository = registries.open(registry).repository("app")
    before = registry.connections
    for _ in range(5):
        with repository.open_blob(DIGEST, len(BLOB)) as stream:
            while stream.read(4096):
                pass
        repository.blob_exists(DIGEST)
        repository.head_manifest("v1")
    assert registry.connections == before


def test_what_comes_beyond_an_answer_is_no_part_of_the_next(registries: Registries) -> None:
    """A body where none may be, after HEAD: the connection is not used again."""
    registry = registries.serve(
        lambda request: reply(200, reply(200, b"forged")) if request.method == "HEAD" else reply(200, b"{}")
    )
    repository = registries.open(registry).repository("app")
    repository.blob_exists(DIGEST)
    assert repository.get_manifest("v1").raw == b"{}"
    assert registry.connections == 2


def test_connection_that_the_registry_closed_meanwhile_is_no_fault(registries: Registries) -> None:
    registry = registries.serve(lambda _: [reply(200, b"{}"), b""])
    repository = registries.open(registry).repository("app")
    for _ in range(3):
        assert repository.get_manifest("v1").raw == b"{}"


def test_connection_that_the_registry_closes_just_then_is_made_anew_at_once(registries: Registries) -> None:
    """No attempt is lost: it is the registry's right to close what idles."""
    answers: Iterator[Reply] = iter([reply(200, b"{}"), [b""], reply(200, b"{}")])
    registry = registries.serve(lambda request: next(answers) if "manifests" in request.path else None)
    repository = registries.open(registry, FAST.replace(attempts=1)).repository("app")
    for _ in range(2):
        assert repository.get_manifest("v1").raw == b"{}"


def test_stream_that_is_left_early_does_not_spoil_its_connection(registries: Registries) -> None:
    registry = registries.serve(
        lambda request: reply(200, BLOB) if "blobs" in request.path else reply(200, b"{}")
    )
    repository = registries.open(registry).repository("app")
    with repository.open_blob(DIGEST, len(BLOB)) as stream:
        assert stream.read(10) == BLOB[:10]
    assert repository.get_manifest("v1").raw == b"{}"


def test_many_threads_share_a_registry(registries: Registries) -> None:
    blobs = [bytes([number]) * 100_000 for number in range(8)]
    by_path = {f"/v2/app/blobs/{sha256(blob)}": blob for blob in blobs}
    registry = registries.serve(lambda request: reply(200, by_path.get(request.path, b"")))
    repository = registries.open(registry).repository("app")
    wrong: list[int] = []

    def work(number: int) -> None:
        for blob in blobs[number:] + blobs[:number]:
            with repository.open_blob(sha256(blob), len(blob)) as stream:
                if b"".join(iter(lambda: stream.read(7000), b"")) != blob:
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []
    assert registry.connections <= 10


def test_upload_is_sent_in_one_piece_where_all_is_known(registries: Registries) -> None:
    def answer(request: Request) -> Reply | None:
        return reply(202, b"", Location="/up?state=a%20b") if request.method == "POST" else reply(201)

    registry = registries.serve(answer)
    registries.open(registry).writable("app").upload_blob(lambda: [BLOB[:99], BLOB[99:]], len(BLOB), DIGEST)
    put = registry.requests[-1]
    assert (put.method, put.path) == ("PUT", f"/up?state=a%20b&digest={DIGEST.replace(':', '%3A')}")
    assert put.headers["content-length"] == str(len(BLOB))
    assert put.body == BLOB


def test_upload_whose_digest_comes_last_is_sent_first(registries: Registries) -> None:
    answers = {
        "POST": reply(202, b"", Location="/a"),
        "PATCH": reply(202, b"", Location="/b"),
        "PUT": reply(201),
    }
    registry = registries.serve(lambda request: answers.get(request.method))
    taken: list[bytes] = []

    def chunks() -> Iterable[bytes]:
        for piece in (BLOB[:5], BLOB[5:]):
            taken.append(piece)
            yield piece

    def digest() -> Digest:
        return sha256(b"".join(taken))

    registries.open(registry).writable("app").upload_blob(chunks, None, digest)
    patch, put = registry.requests[-2:]
    assert (patch.method, patch.path, patch.body) == ("PATCH", "/a", BLOB)
    assert patch.headers["transfer-encoding"] == "chunked"
    assert (put.path, put.body) == (f"/b?digest={DIGEST.replace(':', '%3A')}", b"")


def test_upload_that_broke_off_is_sent_anew(registries: Registries) -> None:
    counter = itertools.count()

    def answer(request: Request) -> Reply | None:
        if request.method == "POST":
            return reply(202, b"", Location="/up")
        if request.method == "PUT":
            return [b""] if next(counter) == 0 else reply(201)
        return None

    registry = registries.serve(answer)
    registries.open(registry).writable("app").upload_blob(lambda: [BLOB], len(BLOB), DIGEST)
    assert [request.body for request in registry.requests if request.method == "PUT"] == [BLOB, BLOB]


def test_mount_that_cannot_be_ends_the_upload_that_is_offered(registries: Registries) -> None:
    answers = {"POST": reply(202, b"", Location="/session"), "DELETE": reply(204)}
    registry = registries.serve(lambda request: answers.get(request.method))
    assert registries.open(registry).writable("app").mount_blob(DIGEST, "library/base") is False
    assert registry.requests[-1].method == "DELETE"
    answers["POST"] = reply(201)
    assert registries.open(registry).writable("app").mount_blob(DIGEST, "library/base") is True
    assert registry.paths("POST")[-1].endswith(
        f"/v2/app/blobs/uploads/?mount={DIGEST.replace(':', '%3A')}&from=library%2Fbase"
    )


def test_closing_ends_waits(registries: Registries) -> None:
    registry = registries.serve(lambda request: reply(503) if "manifests" in request.path else None)
    client = registries.open(registry, FAST.replace(first_wait=30.0))
    failures: list[Failing] = []

    def work() -> None:
        try:
            client.repository("app").get_manifest("v1")
        except Failing as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    client.close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(failures) == 1


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as the world outside, so that proxies are used for it."""
    monkeypatch.setattr("ligan.remote.endpoint._LOOPBACK", ())


@pytest.mark.usefixtures("outside")
def test_proxy_is_asked_for_what_goes_in_the_clear(registries: Registries) -> None:
    proxy = registries.serve(lambda _: reply(200, b"{}"))
    settings = FAST.replace(http_proxy=f"http://me:p%40ss@{proxy.host}", insecure=("r.example",))
    settings = settings.replace(https_proxy=settings.http_proxy)
    registry = registries.open("r.example", settings)
    assert registry.url == "http://r.example/v2/"
    request = proxy.requests[-1]
    assert request.path == "http://r.example/v2/"
    assert request.headers["host"] == "r.example"
    assert request.headers["proxy-authorization"] == "Basic " + b64encode(b"me:p@ss").decode()


@pytest.mark.usefixtures("outside")
def test_proxy_that_refuses_is_named_without_its_password(registries: Registries) -> None:
    proxy = registries.serve(lambda _: reply(407, b""))
    settings = FAST.replace(https_proxy=f"http://me:secret@{proxy.host}")
    with pytest.raises(Unreachable, match=r'Get "https://r\.example/v2/": 407 Whatever') as caught:
        registries.open("r.example", settings)
    assert "secret" not in caught.value.message
    assert proxy.requests[0].method == "CONNECT"
    assert proxy.requests[0].path == "r.example:443"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://u:secret@127.0.0.1:1",
        "https://u:secret@127.0.0.1:1",
        "http://u:secret@127.0.0.1:99999",
        "http://u:secret@[::1",
        "http://u:secret@[x]:1",
        "u:secret@",
    ],
)
def test_proxy_of_another_kind_is_refused(registries: Registries, proxy: str) -> None:
    with pytest.raises(Unsupported, match="cannot use the proxy") as caught:
        registries.open("r.example", FAST.replace(https_proxy=proxy))
    assert "secret" not in caught.value.message


@pytest.mark.usefixtures("outside")
def test_proxy_tunnels_what_goes_by_tls(registries: Registries) -> None:
    """The proxy's connection becomes the registry's, by TLS and with the registry's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("r.example").configure_cert(context)
    seen: list[str] = []

    def tunnel(request: Request) -> Iterable[bytes]:
        seen.append(f"{request.method} {request.path}")
        yield head("HTTP/1.1 200 Connection established")
        inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(inside, outside, server_side=True)
        client = proxy.client
        text = b""
        while b"\r\n\r\n" not in text:
            try:
                text += session.read(4096)
            except ssl.SSLWantReadError:
                yield from filter(None, [outside.read()])
                inside.write(client.recv(1 << 16))
        seen.append(text.partition(b"\r\n")[0].decode())
        session.write(reply(200, b"{}"))
        yield outside.read()
        yield b""

    proxy = registries.serve(tunnel)
    settings = FAST.replace(https_proxy=f"http://{proxy.host}", insecure=("r.example",))
    assert registries.open("r.example", settings).url == "https://r.example/v2/"
    assert seen == ["CONNECT r.example:443", "GET /v2/ HTTP/1.1"]


def test_mirror_is_read_from_as_long_as_it_has_what_is_wanted(
    registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials for Docker Hub are not shown to a mirror, though it asks for some."""

    def has_v1(request: Request) -> Reply | None:
        return reply(200, b"mirror") if request.path.endswith("/v1") else reply(401, {}, **BASIC)

    def has_all(request: Request) -> Reply | None:
        if not request.authorization:
            return reply(401, {}, **BASIC)
        return reply(200, b"hub") if "manifests" in request.path else None

    mirror, hub = registries.serve(has_v1), registries.serve(has_all)
    ways = [Endpoint("http", mirror.host, "/hub", mirror=True), Endpoint("http", hub.host)]
    monkeypatch.setattr("ligan.remote.repository.endpoints_of", lambda *_: ways)
    registry = registries.open("docker.io", credentials=Credentials("joe", "secret"))
    repository = registry.repository("library/alpine")
    assert repository.get_manifest("v1").raw == b"mirror"
    assert repository.get_manifest("v2").raw == b"hub"
    assert mirror.paths()[0] == "/hub/v2/library/alpine/manifests/v1"
    assert all(request.authorization == "" for request in mirror.requests)
    registry.writable("library/alpine").put_manifest("v1", b"{}", OCI_MANIFEST)
    assert mirror.paths("PUT") == []
    assert len(hub.paths("PUT")) == 1


def test_registry_is_not_asked_for_what_a_mirror_has(
    registries: Registries, registry: HonestRegistry, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be out of reach."""
    hub = registries.serve(lambda _: None)
    ways = [Endpoint("http", registry.host, mirror=True), Endpoint("http", hub.host)]
    monkeypatch.setattr("ligan.remote.repository.endpoints_of", lambda *_: ways)
    registry.add_image("library/app", "1", [archives.layer({"f": b""})])
    stock.engine.remote = FAST
    stock.engine.pull("app:1", lambda _message: None)
    assert stock.names().keys() > {"app:1"}
    assert hub.requests == []


def test_what_a_mirror_gets_wrong_is_had_from_the_registry(
    registry: HonestRegistry, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = [Endpoint("http", registry.host, "/mirror", mirror=True), Endpoint("http", registry.host)]
    monkeypatch.setattr(
        "ligan.remote.repository.endpoints_of",
        lambda _domain, settings: ways if settings.mirrors else ways[1:],
    )
    registry.add_image("library/app", "1", [archives.layer({"f": b""})])
    answer = registry._answer

    def spoil(request: Request) -> Reply | None:
        """What the mirror has of blobs ends in another byte."""
        whole = answer(request._replace(path=request.path.removeprefix("/mirror")))
        if request.path.startswith("/mirror") and "/blobs/" in request.path and isinstance(whole, bytes):
            return whole[:-1] + bytes([whole[-1] ^ 1])
        return whole

    registry._answer = spoil
    stock.engine.remote = FAST.replace(mirrors=("http://mirror.example",))
    assert len(stock.engine.pull("app:1", lambda _message: None).images) == 1


def test_login_is_tried_at_the_registry_that_has_mirrors(
    registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = registries.serve(lambda _: None)
    hub = registries.serve(lambda request: None if request.authorization else reply(401, {}, **BASIC))
    ways = [Endpoint("http", mirror.host, mirror=True), Endpoint("http", hub.host)]
    monkeypatch.setattr("ligan.remote.repository.endpoints_of", lambda *_: ways)
    assert registries.open("docker.io", credentials=Credentials("joe", "secret")).login() == ""
    assert hub.requests[-1].authorization.startswith("Basic ")
    assert mirror.requests == []


def test_mirror_that_is_down_is_asked_once(registries: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = registries.serve(lambda request: reply(200, b"hub") if "manifests" in request.path else None)
    ways = [Endpoint("http", "127.0.0.1:1", mirror=True), Endpoint("http", hub.host)]
    monkeypatch.setattr("ligan.remote.repository.endpoints_of", lambda *_: ways)
    dialled: list[str] = []
    dial = connection._dial

    def count(address: tuple[str, int], timeout: float) -> _socket.socket:
        dialled.append(f"{address[0]}:{address[1]}")
        return dial(address, timeout)

    monkeypatch.setattr(connection, "_dial", count)
    repository = registries.open("docker.io").repository("library/alpine")
    for _ in range(3):
        assert repository.get_manifest("v1").raw == b"hub"
    assert dialled.count("127.0.0.1:1") == 1


def test_secrets_in_addresses_are_not_shown() -> None:
    assert shown("https://joe:pw@r/v2/?X-Signature=abc#x") == "https://r/v2/"
    assert shown("https://a/token?scope=repository%3Ax%3Apull&service=r") == (
        "https://a/token?scope=repository%3Ax%3Apull&service=r"
    )


def test_answer_that_never_began_is_asked_for_again(registries: Registries) -> None:
    counter = itertools.count()
    registry = registries.serve(
        lambda request: (
            ([b""] if next(counter) < 2 else reply(200, b"{}")) if "manifests" in request.path else None
        )
    )
    assert registries.open(registry).repository("app").get_manifest("v1").raw == b"{}"
    registry = registries.serve(lambda request: [b""] if "manifests" in request.path else None)
    with pytest.raises(Interrupted, match="EOF"):
        registries.open(registry).repository("app").get_manifest("v1")
