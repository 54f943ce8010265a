"""What no client of good will sends: an answer of the right kind or none, and a registry that goes on."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import digest_of, image_manifest
from tests.support.serving import is_cut
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ligan_registry import Registry


@pytest.fixture(autouse=True)
def _goes_on(shared: Registry) -> Iterator[None]:
    yield
    assert shared.ask("GET", "/v2/").status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v2/%zz%/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/\xff\xfe/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1/v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X: %s\r\n" % (b"y" * (1 << 20)),
        b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request(shared: Registry, request_bytes: bytes) -> None:
    answer = shared.send(request_bytes)
    assert not answer or b" 400 " in answer[:20] or b" 404 " in answer[:20] or b" 405 " in answer[:20], answer


def test_upload_that_breaks_off_can_go_on(shared: Registry) -> None:
    data = bytes(range(256)) * 40_960
    location = shared.begin("broken")
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    shared.send(head, data[: len(data) // 2])

    def goes_on() -> bool:
        last = int(shared.ask("GET", location).headers["Range"].partition("-")[2])
        start = last + 1 if last else 0
        answer = shared.ask(
            "PUT",
            f"{location}?digest={digest_of(data)}",
            data[start:],
            Content_Range=f"{start}-{len(data) - 1}",
        )
        assert answer.status in (201, 416)
        return answer.status == 201

    until(goes_on)  # where the client goes on may move as long as bytes are on their way
    assert shared.ask("GET", f"broken/blobs/{digest_of(data)}").body == data


def test_upload_in_one_request_that_breaks_off_leaves_nothing(registry: Registry) -> None:
    """Nobody was told where it could go on."""
    repositories = f"{registry.root}/docker/registry/v2/repositories"
    head = f"POST /v2/broken/blobs/uploads/?digest={digest_of(b'x')} HTTP/1.1\r\nHost: x\r\n"
    host, _, port = registry.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nx".encode())
        until(lambda: os.listdir(repositories))
    until(lambda: not os.listdir(repositories))


def test_upload_in_one_request_that_is_refused_leaves_nothing(registry: Registry) -> None:
    path = f"refused/blobs/uploads/?digest={digest_of(b'x')}"
    assert registry.ask("POST", path, b"x", Content_Range="5-5").status == 416
    assert registry.ask("POST", path, b"y").status == 400
    assert not os.listdir(f"{registry.root}/docker/registry/v2/repositories")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_upload_that_is_cancelled_under_way_is_unknown(shared: Registry, method: str) -> None:
    data = bytes(range(256)) * 12_000
    location = shared.begin("cancelled")
    sending = http.client.HTTPConnection(shared.address, timeout=SECONDS)
    sending.putrequest(method, f"{location}?digest={digest_of(data)}")
    sending.putheader("Content-Length", str(len(data)))
    sending.endheaders(data[: 2 << 20])
    until(lambda: shared.ask("GET", location).headers["Range"] != "0-0")
    assert shared.ask("DELETE", location).status == 204
    sending.send(data[2 << 20 :])
    answer = sending.getresponse()
    assert (answer.status, b"BLOB_UPLOAD_UNKNOWN" in answer.read()) == (404, True)
    sending.close()
    assert shared.ask("HEAD", f"cancelled/blobs/{digest_of(data)}").status == 404


def test_manifest_that_breaks_off_is_none(shared: Registry) -> None:
    shared.send(b"PUT /v2/broken/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert shared.ask("GET", "broken/manifests/x").status == 404


def test_reader_that_goes_away(shared: Registry) -> None:
    digest = shared.push_blob("large", b"x" * (32 << 20))
    request = f"GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    host, _, port = shared.address.rpartition(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert len(shared.ask("GET", f"large/blobs/{digest}").body) == 32 << 20


SILENCE_SECONDS = 0.3


def answer_of(registry: Registry, raw: bytes) -> bytes:
    """Return what is answered, or nothing where more is waited for."""
    host, _, port = registry.address.rpartition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=SILENCE_SECONDS) as connection:
        try:
            connection.sendall(raw)
            while piece := connection.recv(1 << 16):
                answer = (answer + piece).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
                goes_on = answer and is_cut(answer) and not raw.startswith(b"HEAD ")
                connection.settimeout(SECONDS if goes_on else SILENCE_SECONDS)
        except OSError:
            pass  # it had enough, or waits
    return answer


CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNSUPPORTED",
}
"""Those of distribution-spec 1.1 that have to do with neither users nor quotas."""

ODD = (
    *(
        "",
        ".",
        "..",
        "%ff",
        "%00",
        "%ed%a0%80",
        "%2f",
        "%2e%2e",
        "%",
        "%C3%A9",
        "*",
        "?",
        "#",
        ";",
        "'",
        "a" * 300,
    ),
    *("sha256:", f"sha512:{'0' * 128}", f"md5:{'0' * 32}", "-1", "9" * 30),
)
SHAPES = (
    *(
        "{}/manifests/{}",
        "{}/blobs/{}",
        "{}/blobs/uploads/",
        "{}/blobs/uploads/{}",
        "{}/tags/list",
        "{}/referrers/{}",
    ),
    *("_catalog", "", "{}", "{}/{}", "{}/{}/{}", "{}/{}/manifests/{}", "{}/{}/{}/{}/{}"),
)
QUERIES = ("digest", "mount", "from", "n", "last", "artifactType", "tag")
HEADERS = {
    "Content-Range": ("0-4", "4-0", "bytes 0-4/*", f"0-{'9' * 40}", "\xb2-\xb3", "-"),
    "Range": ("bytes=0-4", "bytes=-0", "bytes=5-1", "bytes=0-1,2-3", "bytes=\xb2-", f"bytes={'9' * 40}-"),
    "Content-Type": ("application/vnd.oci.image.index.v1+json", "\xff", ";", "x" * 5000),
    "Expect": ("100-continue", "200-ok"),
    "Transfer-Encoding": ("chunked", "gzip", "identity"),
    "Content-Encoding": ("gzip", "zstd"),
    "Content-Length": ("-1", "0", "5", "9" * 30, "\xb2"),
    "Upgrade": ("websocket", "h2c"),
    "If-None-Match": ("*", '"', ","),
}


@pytest.mark.parametrize("seed", range(4))
def test_random_requests_get_an_answer_of_the_specification(shared: Registry, seed: int) -> None:
    chance = random.Random(seed)
    image, layer = shared.push_image("odd", "v1", b"layer"), digest_of(b"layer")
    known = (
        "odd",
        "v1",
        image,
        layer,
        shared.begin("odd").rpartition("/")[2],
        "uploads",
        "blobs",
        "_catalog",
    )
    bodies = (b"", b"layer", b"{}", b"{", b"\xff\xfe", image_manifest(b"layer"), b'{"schemaVersion": 2}')
    for _ in range(150):
        shape = chance.choice(SHAPES)
        words = [chance.choice(known if chance.random() < 0.7 else ODD) for _ in range(shape.count("{}"))]
        path = shape.format(*words)
        if chance.random() < 0.5:
            path += f"?{chance.choice(QUERIES)}={chance.choice(known + ODD)}"
        body = chance.choice(bodies)
        headers = {
            name: chance.choice(HEADERS[name]) for name in chance.sample(list(HEADERS), chance.randint(0, 2))
        }
        if "Transfer-Encoding" not in headers:
            headers.setdefault("Content-Length", str(len(body)))
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        method = chance.choice(("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"))
        head = f"{method} /v2/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
        check_answer(head, answer_of(shared, head.encode("latin-1") + body))


def check_answer(asked: str, answer: bytes) -> None:
    """An answer that refuses is of the kind 4xx, and its code is one of the specification's."""
    if not answer:
        return  # a body is waited for
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status < 500, (asked, answer)
    if status >= 400 and body:
        (error,) = json.loads(body)["errors"]
        assert error["code"] in CODES, (asked, answer)


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_get_a_refusal_or_none(shared: Registry, seed: int) -> None:
    chance = random.Random(seed)
    request = bytearray(b"PUT /v2/odd/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    for _ in range(50):
        raw = bytearray(request)
        for _ in range(chance.randint(1, 5)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        check_answer(repr(raw), answer_of(shared, bytes(raw) + b"\r\n\r\n"))


def test_clients_that_send_slowly_keep_nobody_waiting(shared: Registry) -> None:
    host, _, port = shared.address.rpartition(":")
    location = shared.begin("slow")
    starts = (
        b"GET /v2/ HT",
        b"GET /v2/ HTTP/1.1\r\nHost:",
        f"PATCH {location} HTTP/1.1\r\nHost: x\r\n".encode(),
    )
    connections = [socket.create_connection((host, int(port)), timeout=SECONDS) for _ in range(60)]
    try:
        for number, connection in enumerate(connections):
            connection.sendall(starts[number % len(starts)])
        shared.push_image("slow", "v1", b"layer")
        shared.pull("slow", "v1")
        connections[0].sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert connections[0].recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for connection in connections:
            connection.close()


def peak(registry: Registry) -> int:
    """Return the most bytes of memory that the registry has had."""
    with open(f"/proc/{registry.process.pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))


def test_readers_that_stall_and_large_uploads_take_no_memory(registry: Registry) -> None:
    data = random.Random(1).randbytes(24 << 20)
    digest = registry.push_blob("large", data)
    request = f"GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    host, _, port = registry.address.rpartition(":")
    stalled = [socket.create_connection((host, int(port)), timeout=SECONDS) for _ in range(100)]
    try:
        for connection in stalled:
            connection.sendall(request)
            assert connection.recv(12) == b"HTTP/1.1 200"
        pushed = data[: 8 << 20]
        pushes = [threading.Thread(target=registry.push_blob, args=(f"large/{n}", pushed)) for n in range(16)]
        for push in pushes:
            push.start()
        for push in pushes:
            push.join()
        assert digest_of(registry.ask("GET", f"large/blobs/{digest}").body) == digest
    finally:
        for connection in stalled:
            connection.close()
    assert peak(registry) < 100_000_000
