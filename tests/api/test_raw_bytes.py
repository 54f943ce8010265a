"""Whatever bytes come, the daemon answers or hangs up, and goes on serving others."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.asking import ask
from tests.support.serving import Daemon, serving
from tests.support.stores import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 160 << 20
"""More bytes of memory than the daemon may ever have had after all of this."""

HOST = b"Host: docker"
JUNK = random.Random(1).randbytes(3000)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, base_images: str) -> Iterator[Daemon]:
    root = str(tmp_path_factory.mktemp("fuzz") / "root")
    with serving(root) as daemon:
        with open(base_images, "rb") as archive:
            loaded = ask(daemon, "POST", "/images/load", archive.read())
        assert b"Loaded image: alpine:latest" in loaded.body
        yield daemon
        assert daemon.memory() < MEMORY
    check_store(root)


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, *headers, b"", body])


def get(path: bytes, *headers: bytes) -> bytes:
    return request(b"GET %b HTTP/1.1" % path, HOST, *headers)


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return request(b"POST %b HTTP/1.1" % path, HOST, length, *headers, body=body)


def chunked(body: bytes) -> bytes:
    return request(b"POST /images/load HTTP/1.1", HOST, b"Transfer-Encoding: chunked", body=body)


def filtered(name: bytes, value: bytes) -> bytes:
    return get(b"/images/json?filters=%%7B%%22%b%%22:[%%22%b%%22]%%7D" % (name, value))


# What is no HTTP, or breaks its rules. The daemon may hang up on it without a word.
BROKEN = {
    "zeros": bytes(100),
    "noise": JUNK,
    "TLS": bytes.fromhex("16030102000100 01fc0303") + JUNK[:200],
    "SSH": b"SSH-2.0-OpenSSH\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": request(b"GET /_ping HTTP/9.9", HOST),
    "no version": b"GET /_ping\r\n\r\n",
    "bare newlines": b"GET /_ping HTTP/1.1\nHost: docker\n\n",
    "no host": request(b"GET /_ping HTTP/1.1"),
    "two hosts": request(b"GET /_ping HTTP/1.1", HOST, HOST),
    "small method": request(b"get /_ping HTTP/1.1", HOST),
    "unknown method": request(b"BREW /_ping HTTP/1.1", HOST),
    "star": get(b"*"),
    "zero in path": get(b"/images/a\0b/json"),
    "bytes in path": get(b"/images/\xff/json"),
    "bad URL": get(b"http://[::1/_ping"),
    "bad port": get(b"http://a:99999999/_ping"),
    "long line": get(b"/images/" + b"a" * 2_000_000 + b"/json"),
    "long header": get(b"/_ping", b"X: " + b"a" * 2_000_000),
    "many headers": get(b"/_ping", *[b"X%d: y" % number for number in range(50_000)]),
    "zero in header": get(b"/_ping", b"X: a\0b"),
    "no colon": get(b"/_ping", b"nonsense"),
    "no header name": get(b"/_ping", b": x"),
    "folded header": get(b"/_ping", b"X: a", b" b"),
    "two lengths": post(b"/images/load", b"abcd", b"Content-Length: 3"),
    "length and chunks": post(b"/images/load", b"0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "negative length": request(b"POST /images/load HTTP/1.1", HOST, b"Content-Length: -3"),
    "huge length": request(b"POST /images/load HTTP/1.1", HOST, b"Content-Length: " + b"9" * 30),
    "length in letters": request(b"POST /images/load HTTP/1.1", HOST, b"Content-Length: abc"),
    "unknown encoding": request(b"POST /images/load HTTP/1.1", HOST, b"Transfer-Encoding: wat"),
    "chunk size in letters": chunked(b"zz\r\nabc\r\n0\r\n\r\n"),
    "negative chunk": chunked(b"-1\r\nabc\r\n0\r\n\r\n"),
    "huge chunk": chunked(b"f" * 20 + b"\r\nabc\r\n0\r\n\r\n"),
    "chunk too long": chunked(b"3\r\nabcdef\r\n0\r\n\r\n"),
}

# What ends in the middle. The client goes; what was begun for it has to end.
CUT = {
    "nothing": b"",
    "half a line": b"GET /images/json HTT",
    "half a header": b"GET /images/json HTTP/1.1\r\nHost: do",
    "a line without end": b"GET /" + b"a" * 5_000_000,
    "half a body": request(b"POST /images/load HTTP/1.1", HOST, b"Content-Length: 1000", body=b"abc"),
    "a body of exabytes": request(
        b"POST /images/load HTTP/1.1", HOST, b"Content-Length: 9223372036854775807", body=b"abc"
    ),
    "half a chunk": chunked(b"10\r\nabc"),
    "a form that ends early": request(
        b"POST /images/alpine/tag HTTP/1.1",
        HOST,
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: 100",
        body=b"repo=",
    ),
}

# What is HTTP, and means nothing, or too much: it is answered.
ABSURD = {
    "connect": request(b"CONNECT a:1 HTTP/1.1", HOST),
    "options": request(b"OPTIONS * HTTP/1.1", HOST),
    "another host": get(b"http://elsewhere/_ping"),
    "zero in name": get(b"/images/a%00b/json"),
    "bytes in name": get(b"/images/%ff%fe/json"),
    "surrogate in name": get(b"/images/%ed%a0%80/json"),
    "percent in name": get(b"/images/%zz%/json"),
    "newline in name": get(b"/images/a%0d%0aX:y/json"),
    "long name": get(b"/images/" + b"a" * 100_000 + b"/json"),
    "dots": get(b"/images/../../etc/passwd"),
    "slashes": get(b"///images//json"),
    "newline in a redirect": get(b"//x%0d%0aX:y/json"),
    "versions": get(b"/v.../images/json"),
    "large version": get(b"/v99999999999999.1/images/json"),
    "half a version": get(b"/v1.41./images/json"),
    "empty parameters": get(b"/images/json?&&==&=a&%00=%ff&all"),
    "a body where none belongs": get(b"/images/json", b"Content-Length: 5") + b"abcde",
    "unknown expectation": post(b"/images/load", b"abc", b"Expect: 200-maybe"),
    "upgrade": get(b"/_ping", b"Connection: Upgrade", b"Upgrade: websocket"),
    "filters of no JSON": get(b"/images/json?filters=%7B"),
    "filters of another kind": get(b"/images/json?filters=%7B%22label%22:1%7D"),
    "filters too deep": get(b"/images/json?filters=" + b"[" * 60_000),
    "zero in a filter": filtered(b"reference", b"\\u0000"),
    "surrogate in a filter": filtered(b"before", b"\\ud800"),
    "half a class": filtered(b"reference", b"["),
    "many stars": filtered(b"reference", b"*a" * 20_000 + b"*b"),
    "seconds beyond 64 bits": filtered(b"until", b"9223372036854775808"),
    "very many seconds": filtered(b"until", b"9" * 5000),
    "month 99": filtered(b"until", b"2020-99-99"),
    "events of no time": get(b"/events?since=NaN&until=inf"),
    "events beyond 64 bits": get(b"/events?since=9223372036854775807&until=9223372036854775807.9"),
    "events backwards": get(b"/events?since=2&until=1"),
    "a thousand names": get(b"/images/get?" + b"names=nosuch&" * 1000),
    "tag of bytes": post(b"/images/alpine/tag?repo=%ed%a0%80&tag=%00", b""),
    "long tag": post(b"/images/alpine/tag?repo=a&tag=" + b"a" * 10_000, b""),
    "huge form": post(
        b"/images/alpine/tag", b"a=b&" * 4_000_000, b"Content-Type: application/x-www-form-urlencoded"
    ),
    "form of bytes": post(
        b"/images/alpine/tag", b"%ff%00=\0&", b"Content-Type: application/x-www-form-urlencoded"
    ),
    "content type of bytes": post(b"/images/alpine/tag", b"", b"Content-Type: \xff\xfe;;;="),
    "unknown charset": post(
        b"/images/alpine/tag", b"a=b", b"Content-Type: application/x-www-form-urlencoded; charset=utf-99"
    ),
    "long chunk extension": chunked(b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n"),
    "trailers": chunked(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"),
    "load of noise": post(b"/images/load", JUNK),
    "load of bad gzip": post(b"/images/load", b"\x1f\x8b\x08" + JUNK),
    "load of bad bzip2": post(b"/images/load", b"BZh9" + JUNK),
    "load of bad xz": post(b"/images/load", b"\xfd7zXZ\0" + JUNK),
    "load of bad zstd": post(b"/images/load", b"\x28\xb5\x2f\xfd" + JUNK),
    "import of noise": post(b"/images/create?fromSrc=-&repo=a&changes=%00", JUNK),
    "import for nowhere": post(b"/images/create?fromSrc=-&platform=%2F%2F%2F%ff", bytes(1024)),
    "changes too deep": post(b"/images/create?fromSrc=-&changes=CMD%20" + b"[" * 5000, bytes(1024)),
    "changes with braces": post(b"/images/create?fromSrc=-&changes=ENV%20A=" + b"$%7Ba" * 5000, bytes(1024)),
}


def check_alive(daemon: Daemon) -> None:
    answer = daemon.ask(get(b"/_ping", b"Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nOK")


def check_answer(answer: bytes) -> None:
    """An answer is whole, and not of a fault."""
    head, blank, _body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/")
    assert blank
    assert b"internal error" not in answer
    assert b"\r\nX: y" not in head
    assert b"\r\nX:y" not in head


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_request_is_refused(what: str, target: Daemon) -> None:
    answer = target.ask(BROKEN[what])
    if answer:
        check_answer(answer)
    check_alive(target)


@pytest.mark.parametrize("what", CUT)
def test_what_ends_in_the_middle_is_forgotten(what: str, target: Daemon) -> None:
    target.ask(CUT[what], whole=False)
    check_alive(target)


@pytest.mark.parametrize("what", ABSURD)
def test_what_makes_no_sense_is_answered(what: str, target: Daemon) -> None:
    check_answer(target.ask(ABSURD[what]))
    check_alive(target)


def test_requests_in_one_go_are_answered_in_turn(target: Daemon) -> None:
    answers = target.ask(get(b"/_ping") * 49 + get(b"/images/json", b"Connection: close"))
    assert answers.count(b"HTTP/1.1 200 OK") == 50


def test_a_body_is_asked_for_where_the_client_waits(target: Daemon) -> None:
    with target.connect() as connection:
        connection.sendall(
            request(
                b"POST /images/load HTTP/1.1",
                HOST,
                b"Expect: 100-continue",
                b"Content-Length: 3",
                b"Connection: close",
            )
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("seed", range(20))
def test_requests_with_some_bytes_changed(seed: int, target: Daemon) -> None:
    dice = random.Random(seed)
    requests = [text for text in (*ABSURD.values(), *BROKEN.values()) if len(text) < 4000]
    for _ in range(10):
        text = bytearray(dice.choice(requests))
        for _ in range(dice.randint(1, 8)):
            text[dice.randrange(len(text))] = dice.choice(b"\0\n\r :/?&%=\xff0aZ")
        try:
            answer = target.ask(bytes(text), patience=0.1)
        except TimeoutError:
            continue  # it waits for the rest
        if answer:
            check_answer(answer)
    check_alive(target)


@pytest.mark.parametrize("path", [b"/_ping", b"/images/json", b"/images/alpine:latest/get"])
def test_a_client_that_sends_no_more_still_gets_its_answer(path: bytes, target: Daemon) -> None:
    whole = get(path, b"Connection: close")
    assert target.ask(whole, whole=False).startswith(b"HTTP/1.1 200 OK\r\n")


def test_events_end_when_their_listener_sends_no_more(target: Daemon) -> None:
    with target.connect() as connection:
        connection.sendall(get(b"/events"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(20)
        while connection.recv(1 << 16):
            pass


def test_a_request_behind_another_waits_its_turn(target: Daemon) -> None:
    with target.connect() as connection:
        connection.sendall(get(b"/images/alpine:latest/get"))
        assert connection.recv(1) == b"H"
        connection.sendall(get(b"/_ping", b"Connection: close"))  # the first answer is under way
        answer = b"H"
        while chunk := connection.recv(1 << 16):
            answer += chunk
    assert answer.count(b"HTTP/1.1 200 OK\r\nApi-Version") == 2
    assert answer.endswith(b"\r\n\r\nOK")
