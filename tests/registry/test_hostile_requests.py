"""What no client of good will sends: an answer of the right kind or none, and a registry that goes on."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import digest_of

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
    deadline = time.monotonic() + 10
    while True:  # where the client goes on may move as long as bytes are on their way
        last = int(shared.ask("GET", location).headers["Range"].partition("-")[2])
        start = last + 1 if last else 0
        answer = shared.ask(
            "PUT",
            f"{location}?digest={digest_of(data)}",
            data[start:],
            Content_Range=f"{start}-{len(data) - 1}",
        )
        if answer.status == 201:
            break
        assert (answer.status, time.monotonic() < deadline) == (416, True)
    assert shared.ask("GET", f"broken/blobs/{digest_of(data)}").body == data


def test_manifest_that_breaks_off_is_none(shared: Registry) -> None:
    shared.send(b"PUT /v2/broken/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert shared.ask("GET", "broken/manifests/x").status == 404


def test_reader_that_goes_away(shared: Registry) -> None:
    digest = shared.push_blob("large", b"x" * (32 << 20))
    request = f"GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    host, _, port = shared.address.rpartition(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert len(shared.ask("GET", f"large/blobs/{digest}").body) == 32 << 20
