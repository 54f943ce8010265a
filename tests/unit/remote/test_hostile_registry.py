"""Registries that lie: the fault is named, nothing hangs, no credential is told to anyone else."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from ligan.errors import LiganError
from ligan.oci.digest import Digest, sha256
from ligan.oci.documents import MAX_DOCUMENT_SIZE, OCI_MANIFEST
from ligan.remote.credentials import Credentials
from ligan.remote.faults import BadAnswer, Failing, Interrupted, LoginRefused, NotThere
from ligan.remote.http1 import MAX_HEAD
from tests.support.lying_registry import Request, head, reply
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.lying_registry import LyingRegistry, Reply
    from tests.unit.remote.conftest import Registries

BLOB = bytes(range(256)) * 4096
DIGEST = sha256(BLOB)
SECRET = "correct-horse"  # noqa: S105 - of no one
JOE = Credentials("joe", SECRET)
HASTY = FAST.replace(answer_timeout=0.9, idle_timeout=0.6, attempts=2)
JUDGING = FAST.replace(idle_timeout=2.5, attempts=1)
"""A machine that stands still for a moment is not taken for a registry that does."""

BASIC = {"WWW_Authenticate": 'Basic realm="here"'}


def only(path: str, answer: Callable[[Request], Reply | None]) -> Callable[[Request], Reply | None]:
    """Answer requests whose path holds this with the other function, and others as a registry does."""
    return lambda request: answer(request) if path in request.path else None


def read_all(registries: Registries, registry: LyingRegistry, **changes: float) -> bytes:
    repository = registries.open(registry, FAST.replace(**changes)).repository("app")
    data = b""
    with repository.open_blob(DIGEST, len(BLOB)) as stream:
        while piece := stream.read(1 << 16):
            data += piece
            assert len(data) <= len(BLOB), "more bytes than the descriptor says"
    return data


def endless(piece: bytes, start: bytes = b"") -> Iterator[bytes]:
    return itertools.chain([start] if start else [], itertools.repeat(piece))


def test_manifest_of_another_digest_is_refused(registries: Registries) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(200, b'{"other": 1}')))
    with pytest.raises(BadAnswer, match=f"manifest verification failed for digest {DIGEST}"):
        registries.open(registry).repository("app").get_manifest(DIGEST)


def test_manifest_that_the_registry_names_wrongly_is_refused(registries: Registries) -> None:
    registry = registries.serve(
        only("/manifests/", lambda _: reply(200, b"{}", Docker_Content_Digest=str(DIGEST)))
    )
    with pytest.raises(BadAnswer, match="manifest verification failed for digest"):
        registries.open(registry).repository("app").get_manifest("latest")


@pytest.mark.parametrize("named", ["sha256:abc", "nonsense", "md5:" + "0" * 32, "sha256:" + "G" * 64])
def test_digest_that_is_none_is_refused(registries: Registries, named: str) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(200, b"{}", Docker_Content_Digest=named)))
    with pytest.raises(BadAnswer, match="its Docker-Content-Digest is no digest"):
        registries.open(registry).repository("app").get_manifest("latest")


def test_upload_that_is_stored_under_another_digest_is_a_fault(registries: Registries) -> None:
    registry = registries.serve(
        only("/manifests/", lambda _: reply(201, b"", Docker_Content_Digest=str(DIGEST)))
    )
    with pytest.raises(BadAnswer, match="was stored as"):
        registries.open(registry).writable("app").put_manifest("v1", b"{}", OCI_MANIFEST)


@pytest.mark.parametrize("body", [BLOB[:-1], BLOB + b"x", b""])
def test_blob_of_another_size_is_refused_before_it_is_read(registries: Registries, body: bytes) -> None:
    registry = registries.serve(only("/blobs/", lambda _: reply(200, body)))
    with pytest.raises(BadAnswer, match=f"blob {DIGEST} has {len(body)} instead of {len(BLOB)} bytes"):
        read_all(registries, registry)


CHUNKED = head("HTTP/1.1 200 OK", Transfer_Encoding="chunked")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_endless_body_is_read_no_further_than_the_size(registries: Registries) -> None:
    registry = registries.serve(only("/blobs/", lambda _: endless(chunk(BLOB), CHUNKED)))
    with pytest.raises(BadAnswer, match=f"has more bytes than its descriptor's {len(BLOB)}"):
        read_all(registries, registry)


def test_body_without_a_length_that_ends_early_is_refused(registries: Registries) -> None:
    registry = registries.serve(only("/blobs/", lambda _: CHUNKED + chunk(BLOB[:100]) + b"0\r\n\r\n"))
    with pytest.raises(BadAnswer, match=f"has fewer bytes than its descriptor's {len(BLOB)}"):
        read_all(registries, registry)


@pytest.mark.parametrize("end", [b"0\r\n", b"1;" + b"x" * 70_000, b"nonsense\r\n", b"-5\r\n"])
def test_framing_that_has_no_end_or_sense_is_a_fault(registries: Registries, end: bytes) -> None:
    registry = registries.serve(
        only("/blobs/", lambda _: endless(b"X-Trailer: more\r\n" * 999, CHUNKED + chunk(BLOB[:-1]) + end))
    )
    with pytest.raises(
        (BadAnswer, Interrupted), match=f'Get "{registry.url}/v2/app/blobs/|has (fewer|more) bytes'
    ):
        read_all(registries, registry)


@pytest.mark.parametrize(
    "piece",
    [
        b"X-Padding: " + b"x" * 60_000 + b"\r\n",
        b"X: y\r\n" * 1000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"x" * 60_000,
    ],
    ids=["huge headers", "many headers", "endless 100", "endless line"],
)
def test_head_without_end_is_a_fault(registries: Registries, piece: bytes) -> None:
    start = b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n"
    registry = registries.serve(only("/manifests/", lambda _: endless(piece, start)))
    with pytest.raises(BadAnswer, match=f'Get "{registry.url}/v2/app/manifests/latest": '):
        registries.open(registry).repository("app").get_manifest("latest")


@pytest.mark.parametrize("noise", [b"\0" * 100 + b"\r\n", b"HTTP/9.9 banana\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_what_is_no_http_is_a_fault(registries: Registries, noise: bytes) -> None:
    registry = registries.serve(lambda _: [noise, b""])
    with pytest.raises(BadAnswer, match="malformed HTTP response"):
        registries.open(registry)


def test_silence_ends_in_a_timeout(registries: Registries) -> None:
    registry = registries.serve(only("/manifests/", lambda _: silence()))

    def silence() -> Iterator[bytes]:
        registry.ended.wait()
        yield b""

    with pytest.raises(Interrupted, match="nothing comes any more: timeout"):
        registries.open(registry, HASTY).repository("app").get_manifest("latest")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", head("HTTP/1.1 200 OK")])
def test_trickle_is_cut_off(registries: Registries, start: bytes) -> None:
    """Each byte comes well within the time for one, and all together too slowly."""
    registry = registries.serve(only("/manifests/", lambda _: trickle()))

    def trickle() -> Iterator[bytes]:
        yield start or b"H"
        while not registry.ended.wait(0.02):
            yield b"x"

    with pytest.raises(Interrupted, match="less than 512 bytes a second come"):
        registries.open(registry, JUDGING).repository("app").get_manifest("latest")


def test_credentials_do_not_follow_a_redirect_to_another_host(registries: Registries) -> None:
    elsewhere = registries.serve(lambda _: reply(200, BLOB))

    def answer(request: Request) -> Reply:
        if not request.authorization:
            return reply(401, {}, **BASIC)
        return (
            reply(307, b"", Location=f"{elsewhere.url}/there?signature=1")
            if "blobs" in request.path
            else reply()
        )

    registry = registries.serve(answer)
    with registries.open(registry, credentials=JOE).repository("app").open_blob(DIGEST, len(BLOB)) as stream:
        assert stream.read(10) == BLOB[:10]
    assert registry.requests[-1].authorization.startswith("Basic ")
    assert [request.path for request in elsewhere.requests] == ["/there?signature=1"]
    assert elsewhere.requests[0].authorization == ""


def test_credentials_do_not_follow_an_upload_to_another_host(registries: Registries) -> None:
    elsewhere = registries.serve(lambda _: reply(201))

    def answer(request: Request) -> Reply:
        if not request.authorization:
            return reply(401, {}, **BASIC)
        return reply(202, b"", Location=f"{elsewhere.url}/upload?state=1")

    registry = registries.serve(answer)
    repository = registries.open(registry, credentials=JOE).writable("app")
    repository.upload_blob(lambda: [BLOB], len(BLOB), DIGEST)
    assert [request.body for request in elsewhere.requests] == [BLOB]
    assert elsewhere.requests[0].authorization == ""


def test_redirects_that_do_not_end_are_followed_ten_times(registries: Registries) -> None:
    registry = registries.serve(
        only("/manifests/", lambda request: reply(302, b"", Location=f"{request.path}x"))
    )
    with pytest.raises(BadAnswer, match="stopped after 10 redirects"):
        registries.open(registry).repository("app").get_manifest("latest")
    assert len([path for path in registry.paths() if "manifests" in path]) == 11


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://x/", "http://[bad/", "https://x:99999/"])
def test_redirect_to_what_is_no_http_is_refused(registries: Registries, target: str) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(307, b"", Location=target)))
    with pytest.raises(BadAnswer, match="leads to what is no URL of http or https"):
        registries.open(registry).repository("app").get_manifest("latest")


def test_401_for_ever_is_asked_about_twice(registries: Registries) -> None:
    registry = registries.serve(lambda _: reply(401, {}, **BASIC))
    repository = registries.open(registry, credentials=JOE).repository("app")
    with pytest.raises(LoginRefused, match="unauthorized: authentication required"):
        repository.get_manifest("latest")
    assert len([path for path in registry.paths() if "manifests" in path]) == 1


def test_401_whose_challenge_changes_for_ever_is_asked_about_twice(registries: Registries) -> None:
    counter = itertools.count()
    registry = registries.serve(lambda _: reply(401, {}, WWW_Authenticate=f'Basic realm="{next(counter)}"'))
    with pytest.raises(LoginRefused):
        registries.open(registry, credentials=JOE).repository("app").get_manifest("latest")
    assert len([path for path in registry.paths() if "manifests" in path]) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_registry_that_keeps_failing_is_asked_a_few_times(registries: Registries, status: int) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(status, b"<html>")))
    with pytest.raises(Failing, match=str(status)):
        registries.open(registry).repository("app").get_manifest("latest")
    assert len([path for path in registry.paths() if "manifests" in path]) == FAST.attempts


def test_a_registry_is_asked_again_when_it_says(registries: Registries) -> None:
    """Not after the wait that there would be otherwise, which is too long to be waited for at all."""
    answers = iter([reply(429, b"", Retry_After="0"), reply(503, b"", Retry_After="0"), reply(200, b"{}")])
    registry = registries.serve(only("/manifests/", lambda _: next(answers)))
    settings = FAST.replace(first_wait=3600.0)
    assert registries.open(registry, settings).repository("app").get_manifest("latest").raw == b"{}"


@pytest.mark.parametrize("wanted", ["3600", "99999999", "9" * 400])
def test_a_registry_that_asks_to_wait_for_long_is_not_waited_for(registries: Registries, wanted: str) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(503, b"", Retry_After=wanted)))
    settings = FAST.replace(first_wait=3600.0)
    with pytest.raises(Failing, match="503"):
        registries.open(registry, settings).repository("app").get_manifest("latest")
    assert len([path for path in registry.paths() if "manifests" in path]) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"tags": ',
        b'{"tags": 3}',
        b'{"tags": [1]}',
        b'{"tags": ["../other/manifests/1"]}',
        b'{"tags": ["\\u001bc"]}',
        b"[]",
        b"null",
        b'"x"',
    ],
)
def test_tags_that_are_no_list_are_a_fault(registries: Registries, body: bytes) -> None:
    registry = registries.serve(only("/tags/", lambda _: reply(200, body)))
    with pytest.raises(BadAnswer, match=f'Get "{registry.url}/v2/app/tags/list'):
        list(registries.open(registry).repository("app").tags())


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x1b[31m", b"[" * 100_000, b"{}", b"[]", b'{"errors": 3}', b'{"errors": [3]}',
     b'{"errors": []}', b'{"errors": [{"code": {}, "message": [], "detail": "\\ud800"}]}', b"x" * 100_000],
)  # fmt: skip
def test_refusal_that_cannot_be_read_is_a_refusal(registries: Registries, body: bytes) -> None:
    registry = registries.serve(only("/manifests/", lambda _: reply(404, body)))
    with pytest.raises(LiganError) as caught:
        registries.open(registry).repository("app").get_manifest("latest")
    assert len(caught.value.message) < 4000
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("chunked", [False, True])
def test_huge_manifest_is_refused(registries: Registries, chunked: bool) -> None:
    size = MAX_DOCUMENT_SIZE + 1
    answer = endless(chunk(b"x" * (1 << 20)), CHUNKED) if chunked else reply(200, b"x" * size)
    registry = registries.serve(only("/manifests/", lambda _: answer))
    with pytest.raises(BadAnswer, match=f"the answer is longer than {MAX_DOCUMENT_SIZE} bytes"):
        registries.open(registry).repository("app").get_manifest("latest")


def test_ten_thousand_tags_in_as_many_pages_are_streamed(registries: Registries) -> None:
    def page(request: Request) -> Reply:
        number = int(request.path.rpartition("last=")[2] or 0) if "last=" in request.path else 0
        link = {"Link": f'</v2/app/tags/list?n=1&last={number + 1}>; rel="next"'} if number < 9999 else {}
        return reply(200, {"name": "app", "tags": [f"v{number}"]}, **link)

    registry = registries.serve(only("/tags/", page))
    tags = registries.open(registry).repository("app").tags()
    assert next(tags) == "v0"
    assert len(registry.paths()) == 2, "the second page was asked for before it was wanted"
    assert list(tags) == [f"v{number}" for number in range(1, 10_000)]
    assert registry.connections <= 3, "each page came over a connection of its own"


@pytest.mark.parametrize("target", ["/v2/app/tags/list?n=1000", "/v2/app/tags/list?n=1000&last={}"])
def test_tags_whose_pages_have_no_end_are_a_fault(registries: Registries, target: str) -> None:
    counter = itertools.count()
    registry = registries.serve(
        only(
            "/tags/",
            lambda _: reply(200, {"tags": ["a", "b"]}, Link=f'<{target.format(next(counter))}>; rel="next"'),
        )
    )
    with pytest.raises(BadAnswer, match="the list of tags has no end"):
        list(registries.open(registry).repository("app").tags())


def test_pages_of_tags_on_another_host_get_no_credentials(registries: Registries) -> None:
    elsewhere = registries.serve(lambda _: reply(200, {"tags": ["b"]}))

    def answer(request: Request) -> Reply:
        if not request.authorization:
            return reply(401, {}, **BASIC)
        return reply(200, {"tags": ["a"]}, Link=f'<{elsewhere.url}/more>; rel="next"')

    registry = registries.serve(answer)
    assert list(registries.open(registry, credentials=JOE).repository("app").tags()) == ["a", "b"]
    assert [request.authorization for request in elsewhere.requests] == [""]


def test_encoded_blob_is_read_as_it_comes(registries: Registries) -> None:
    """Blobs are gzip files already: a registry that says so in a header must not make them be unpacked."""
    registry = registries.serve(only("/blobs/", lambda _: reply(200, BLOB, Content_Encoding="gzip")))
    assert read_all(registries, registry) == BLOB
    assert registry.requests[-1].headers["accept-encoding"] == "identity"


def test_encoding_of_a_blob_is_named_where_its_size_is_wrong(registries: Registries) -> None:
    registry = registries.serve(only("/blobs/", lambda _: reply(200, BLOB[:50], Content_Encoding="gzip")))
    with pytest.raises(BadAnswer, match=r"Content-Encoding: gzip"):
        read_all(registries, registry)


def challenged(realm: str) -> Callable[[Request], Reply | None]:
    def answer(request: Request) -> Reply | None:
        if request.authorization.startswith("Bearer "):
            return reply(200, b"{}") if "manifests" in request.path else None
        return reply(401, {}, WWW_Authenticate=f'Bearer realm="{realm}",service="registry"')

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"<html>"), "unable to decode token response"),
        (reply(200, b"[" * 100_000), "unable to decode token response"),
        (reply(200, []), "unable to decode token response: not an object"),
        (reply(200, {}), "authorization server did not include a token in the response"),
        (reply(200, {"token": ""}), "authorization server did not include a token in the response"),
        (reply(200, {"token": 3}), "token is no token"),
        (reply(200, {"token": "a\r\nX-Evil: 1"}), "token is no token"),
        (reply(200, {"token": "\u2028"}), "token is no token"),
        (reply(200, b"x" * (2 << 20)), "the answer is longer than"),
        (reply(401, {"details": "incorrect password"}), "unauthorized: incorrect password"),
        (reply(302, b"", Location="/loop"), "stopped after 10 redirects"),
    ],
)  # fmt: skip
def test_token_server_that_lies_is_named(registries: Registries, answer: bytes, words: str) -> None:
    server = registries.serve(lambda _: answer)
    registry = registries.serve(challenged(f"{server.url}/loop"))
    with pytest.raises(LiganError) as caught:
        registries.open(registry, credentials=JOE).repository("app").get_manifest("latest")
    assert words in caught.value.message
    assert caught.value.message.startswith(f'Get "{registry.url}/v2/app/manifests/latest": ')
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    "realm", ["", "ftp://x/", "file:///etc/passwd", "token", "http://[x/", "http://[x]/", "http://\x1bc/"]
)
def test_realm_that_is_no_url_is_named(registries: Registries, realm: str) -> None:
    registry = registries.serve(challenged(realm))
    with pytest.raises(BadAnswer, match="the registry named an address that is none"):
        registries.open(registry, credentials=JOE).repository("app").get_manifest("latest")


def test_tokens_that_are_never_enough_are_asked_for_twice(registries: Registries) -> None:
    server = registries.serve(lambda _: reply(200, {"token": "t"}))
    registry = registries.serve(
        lambda _: reply(401, {}, WWW_Authenticate=f'Bearer realm="{server.url}/token"')
    )
    with pytest.raises(LoginRefused):
        registries.open(registry, credentials=JOE).repository("app").get_manifest("latest")
    assert len(server.requests) == 2


def test_identity_token_follows_no_redirect(registries: Registries) -> None:
    elsewhere = registries.serve(lambda _: reply(200, {"token": "t"}))
    server = registries.serve(lambda _: reply(307, b"", Location=f"{elsewhere.url}/token"))
    registry = registries.serve(challenged(f"{server.url}/token"))
    with pytest.raises(LiganError):
        registries.open(registry, credentials=Credentials(identity_token=SECRET)).repository(
            "app"
        ).get_manifest("v")
    assert elsewhere.requests == []


def test_password_does_not_follow_a_redirect_of_the_token_server(registries: Registries) -> None:
    elsewhere = registries.serve(lambda _: reply(200, {"token": "t"}))
    server = registries.serve(lambda _: reply(307, b"", Location=f"{elsewhere.url}/token"))
    registry = registries.serve(challenged(f"{server.url}/token"))
    registries.open(registry, credentials=JOE).repository("app").get_manifest("v")
    assert server.requests[0].authorization.startswith("Basic ")
    assert [request.authorization for request in elsewhere.requests] == [""]


@pytest.mark.parametrize("where", ["message", "body", "location"])
def test_registry_that_repeats_credentials_does_not_get_them_printed(
    registries: Registries, where: str
) -> None:
    def answer(request: Request) -> Reply:
        if not request.authorization:
            return reply(401, {}, **BASIC)
        shown = f"{request.authorization} {SECRET}"
        if where == "message":
            return reply(403, {"errors": [{"code": "DENIED", "message": shown, "detail": 1}]})
        if where == "body":
            return reply(400, shown.encode())
        return reply(302, b"", Location=f"/{SECRET}/{request.authorization.partition(' ')[2]}")

    registry = registries.serve(answer)
    with pytest.raises(LiganError) as caught:
        registries.open(registry, credentials=JOE).repository("app").get_manifest("latest")
    assert "***" in caught.value.message
    assert SECRET not in caught.value.message
    assert registry.requests[-1].authorization.partition(" ")[2] not in caught.value.message


def cut(data: bytes, length: int) -> Iterator[bytes]:
    """A body that says it is of some length, and breaks off."""
    return iter([head("HTTP/1.1 200 OK", Content_Length=str(length)) + data, b""])


def test_download_that_breaks_off_goes_on_where_it_ended(registries: Registries) -> None:
    half = len(BLOB) // 2

    def answer(request: Request) -> Reply:
        if "range" not in request.headers:
            return cut(BLOB[:half], len(BLOB))
        start = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
        return reply(206, BLOB[start:], Content_Range=f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}")

    registry = registries.serve(only("/blobs/", answer))
    assert read_all(registries, registry) == BLOB
    assert registry.requests[-1].headers["range"] == f"bytes={half}-"


def test_registry_without_ranges_sends_what_was_read_once_more(registries: Registries) -> None:
    counter = itertools.count()
    registry = registries.serve(
        only("/blobs/", lambda _: cut(BLOB[:5000], len(BLOB)) if next(counter) == 0 else reply(200, BLOB))
    )
    assert read_all(registries, registry) == BLOB


def test_other_range_than_was_asked_for_is_a_fault(registries: Registries) -> None:
    def answer(request: Request) -> Reply:
        if "range" not in request.headers:
            return cut(BLOB[:5000], len(BLOB))
        return reply(206, BLOB[5000:], Content_Range=f"bytes 0-9/{len(BLOB)}")

    registry = registries.serve(only("/blobs/", answer))
    with pytest.raises(BadAnswer, match="another range than was asked for"):
        read_all(registries, registry)


def test_download_that_always_breaks_off_is_given_up(registries: Registries) -> None:
    """A byte more each time is no progress."""

    def answer(request: Request) -> Reply:
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        rest = len(BLOB) - start
        span = f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"
        status = "206 Partial" if start else "200 OK"
        return iter(
            [
                head(f"HTTP/1.1 {status}", Content_Length=str(rest), Content_Range=span)
                + BLOB[start : start + 1],
                b"",
            ]
        )

    registry = registries.serve(only("/blobs/", answer))
    with pytest.raises(Interrupted, match="unexpected EOF"):
        read_all(registries, registry)
    assert len([path for path in registry.paths() if "blobs" in path]) == FAST.attempts


def test_waits_of_a_download_are_told(registries: Registries) -> None:
    registry = registries.serve(only("/blobs/", lambda _: cut(b"", len(BLOB))))
    told: list[float] = []
    repository = registries.open(registry).repository("app")
    with repository.open_blob(DIGEST, len(BLOB), waiting=told.append) as stream, pytest.raises(Interrupted):
        stream.read(10)
    assert told == [0.0] * (FAST.attempts - 1)


def test_blob_that_is_not_there_is_said_to_be_missing(registries: Registries) -> None:
    unknown = {"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown to registry", "detail": "x"}]}
    registry = registries.serve(only("/blobs/", lambda _: reply(404, unknown)))
    repository = registries.open(registry).repository("app")
    with pytest.raises(NotThere, match="blob unknown: blob unknown to registry"):
        repository.open_blob(DIGEST, len(BLOB))
    assert repository.blob_exists(DIGEST) is None


@pytest.mark.parametrize("place", ["", "ftp://x/", "http://[/"])
def test_upload_that_goes_on_nowhere_is_a_fault(registries: Registries, place: str) -> None:
    registry = registries.serve(only("/uploads/", lambda _: reply(202, b"", Location=place)))
    with pytest.raises(BadAnswer, match=r"where the upload goes on|what is no URL"):
        registries.open(registry).writable("app").upload_blob(lambda: [BLOB], len(BLOB), DIGEST)


def test_upload_that_is_refused_while_it_is_sent_says_why(registries: Registries) -> None:
    """The registry hangs up after its answer, without taking the rest."""
    denied = {"errors": [{"code": "DENIED", "message": "quota", "detail": "x"}]}

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            return reply(202, b"", Location="/upload")
        return [reply(403, denied), b""]

    registry = registries.serve(only("upload", answer))
    with pytest.raises(LiganError, match="denied: quota"):
        registries.open(registry).writable("app").upload_blob(lambda: [BLOB], len(BLOB), DIGEST)


def test_limits_are_not_smaller_than_what_registries_send() -> None:
    assert MAX_HEAD >= 100 * 8192
    assert isinstance(DIGEST, Digest)
