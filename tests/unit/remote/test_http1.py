"""HTTP/1.1: what is sent, and what answers are taken to say (RFC 9112)."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.remote.faults import BadAnswer
from ligan.remote.http1 import (
    MAX_HEAD,
    CutShort,
    HungUp,
    Malformed,
    Response,
    TooLong,
    Wire,
    head_of,
    pieces_of,
)
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\n"
WAIT = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Scripted:
    """A socket that brings these bytes, at most so many at a time, and then its end."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self._data = data
        self._most = most

    def recv(self, count: int, /) -> bytes:
        count = min(count, self._most)
        data, self._data = self._data[:count], self._data[count:]
        return data

    def sendall(self, data: bytes, /) -> None: ...
    def settimeout(self, seconds: float, /) -> None: ...
    def close(self) -> None: ...

    def fileno(self) -> int:
        return -1


def answer(data: bytes, method: str = "GET", most: int = 1 << 20) -> Response:
    return Response(Wire(Scripted(data, most), FAST), method)


def body(response: Response, count: int = 1 << 16) -> bytes:
    return b"".join(iter(lambda: response.read(count), b""))


@pytest.mark.parametrize("most", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "expected", "will_close"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", False),
        (OK + b"Content-Length: 5, 5\r\ncontent-length: 5\r\n\r\nhello", b"hello", False),
        (OK + b"Content-Length: 0\r\n\r\n", b"", False),
        (OK + b"Connection: x, Close\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
        (OK + b"\r\nuntil the end", b"until the end", True),
        (OK.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\nab", b"ab", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
        (CHUNKED + b"5\r\nhello\r\n06 ;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n", b"hello world", False),
        (CHUNKED + b"0\r\n\r\n", b"", False),
        (WAIT + WAIT + OK + b"Content-Length: 1\r\n\r\na", b"a", False),
    ],
)  # fmt: skip
def test_body_is_what_the_head_says(data: bytes, expected: bytes, will_close: bool, most: int) -> None:
    response = answer(data, most=most)
    assert body(response) == expected
    assert response.is_over
    assert response.wire.is_drained
    assert (response.status, response.will_close) == (200, will_close)


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "GET"), (304, "GET"), (200, "CONNECT")])
def test_some_answers_have_no_body_whatever_they_say(status: int, method: str) -> None:
    response = answer(b"HTTP/1.1 %d Words\r\nContent-Length: 5\r\n\r\n" % status, method)
    assert response.is_over
    assert response.length == 5


def test_headers_are_alike_in_any_case_and_may_come_again() -> None:
    response = answer(
        OK + b"A: 1\r\nX-Y:\t two \t\r\nx-y: three,four\r\nFolded: a\r\n\t b\r\nContent-Length: 0\r\n\r\n"
    )
    headers = response.headers
    assert headers.all("X-y") == ["two", "three,four"]
    assert headers.get("x-Y") == "two"
    assert headers.tokens("X-Y") == ["two", "three", "four"]
    assert headers.get("folded") == "a b"
    assert headers.get("absent") == ""
    assert headers.all("absent") == []


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b": nameless\r\n\r\n",
        OK + b"Content-Length : 5\r\n\r\n",
        OK + b" folded: onto nothing\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Content-Length: 5, 6\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: +5\r\n\r\n",
        OK + b"Content-Length: 0x5\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\n",
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ],
)  # fmt: skip
def test_head_that_can_be_read_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        answer(head + b"hello")


@pytest.mark.parametrize(
    "framing",
    [b"\r\n", b"g\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b"1_0\r\n", b"1\r\nab\r\n", b"f" * 17],
)  # fmt: skip
def test_chunk_that_makes_no_sense_is_refused(framing: bytes) -> None:
    with pytest.raises(Malformed):
        body(answer(CHUNKED + framing + b"0\r\n\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Content-Le",
        b"HTTP",
        CHUNKED + b"5\r\nhell",
        CHUNKED + b"5\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"0\r\nTrailer: x\r\n",
    ],
)  # fmt: skip
def test_answer_that_ends_early_is_cut_short(data: bytes) -> None:
    with pytest.raises(CutShort):
        body(answer(data))


def test_connection_that_ends_before_an_answer_hung_up() -> None:
    with pytest.raises(HungUp):
        answer(b"")


@pytest.mark.parametrize(
    "data",
    [
        OK + b"X: y\r\n" * MAX_HEAD,
        OK + b"x" * 2 * MAX_HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_HEAD,
        CHUNKED + b"1;" + b"x" * 2 * MAX_HEAD,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEAD,
    ],
    ids=["headers", "line", "waiting", "extension", "trailers"],
)
def test_what_has_no_end_is_cut_off(data: bytes) -> None:
    with pytest.raises(TooLong):
        body(answer(data))


def test_what_comes_beyond_the_body_is_not_part_of_it() -> None:
    response = answer(OK + b"Content-Length: 2\r\n\r\nabHTTP/1.1 200 forged\r\n\r\n")
    assert body(response) == b"ab"
    assert not response.wire.is_drained


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50), st.integers(1, 400))
def test_chunks_go_and_come_unchanged(pieces: list[bytes], most: int, count: int) -> None:
    """What is sent in chunks, as an answer, is what was to be sent: none of the pieces ends it."""
    sent = b"".join(pieces_of(iter(pieces), chunked=True))
    assert body(answer(CHUNKED + sent, most=most), count) == b"".join(pieces)


LENGTHS = [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n", b"3\r\nabc\r\n"]
FRAGMENTS = st.sampled_from([OK, CHUNKED, WAIT, b"\r\n", b"\n", *LENGTHS])


@given(st.lists(FRAGMENTS | st.binary(max_size=5)).map(b"".join), st.integers(1, 50))
def test_whatever_comes_is_an_answer_or_a_fault_with_a_name(data: bytes, most: int) -> None:
    with suppress(HungUp, CutShort, Malformed):
        response = answer(data, most=most)
        assert len(body(response)) <= len(data)
        assert response.is_over


def test_heads_say_how_long_the_body_is() -> None:
    def fields(body: bytes | Iterator[bytes] | None, method: str = "PUT", **headers: str) -> set[str]:
        return set(head_of(method, "/x?y", "h:1", headers, body).decode().split("\r\n"))

    assert {"PUT /x?y HTTP/1.1", "Host: h:1", "Content-Length: 3"} <= fields(b"abc")
    assert "Content-Length: 0" in fields(None)
    assert "Transfer-Encoding: chunked" in fields(iter([b"x"]))
    assert "Transfer-Encoding: chunked" not in fields(iter([b"x"]), **{"Content-Length": "1"})
    for method in ("GET", "HEAD", "DELETE"):
        assert not [line for line in fields(None, method) if line.startswith(("Content", "Transfer"))]


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/a b", "x"),
        ("/a\r\nX: y", "x"),
        ("/\x7f", "x"),
        ("/é", "x"),
        ("/", "x\r\nInjected: y"),
        ("/", "x\ny"),
        ("/", "\0"),
        ("/", "é"),
    ],
)
def test_nothing_can_be_smuggled_into_a_head(target: str, value: str) -> None:
    with pytest.raises(BadAnswer):
        head_of("GET", target, "h", {"Authorization": value}, None)


def test_a_wire_waits_for_the_first_byte_as_long_as_it_was_told() -> None:
    """And for each further byte as long as the settings say."""
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(20.0)
        far.sendall(OK + b"\r\n")
        Response(Wire(near, FAST.replace(idle_timeout=3.0)), "HEAD")
        assert near.gettimeout() == 3.0
