"""The client of a Docker daemon, asked of one whose every byte the test decides."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import trustme

from ligan.errors import Conflict, Invalid, NotFound, Unavailable, Unsupported
from ligan.hosts.docker import DockerHost, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, length, *headers, b"", body])


def ping(version: bytes) -> bytes:
    return answer(b"OK", b"Api-Version: " + version)


class Script:
    """A daemon that gives these answers in turn, one a request; None hangs up instead.

    It also hangs up after as many requests as `hang_up` says.
    """

    def __init__(self, listener: socket.socket, answers: list[bytes | None], hang_up: int = 0) -> None:
        self.asked: list[str] = []
        self._hang_up = hang_up
        self._answers = iter(answers)
        self._listener = listener
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # the end
            with connection:
                while (request := connection.recv(1 << 16)) and (text := self._answer(request)) is not None:
                    connection.sendall(text)
                    if len(self.asked) == self._hang_up:
                        break

    def _answer(self, request: bytes) -> bytes | None:
        """Return what to say; all that clients here send comes in one piece."""
        self.asked.append(request.decode().split(" ")[1])
        return next(self._answers, None)

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextmanager
def daemon(*answers: bytes | None, hang_up: int = 0) -> Iterator[tuple[str, Script]]:
    with tempfile.TemporaryDirectory(prefix="ligan-") as folder:
        path = os.path.join(folder, "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        script = Script(listener, list(answers), hang_up)
        try:
            yield f"unix://{path}", script
        finally:
            script.end()


@pytest.mark.parametrize(
    ("theirs", "agreed"), [(b"1.24", "1.24"), (b"1.41", "1.41"), (b"1.44", "1.44"), (b"1.51", "1.44")]
)
def test_it_speaks_the_highest_version_of_both(theirs: bytes, agreed: str) -> None:
    with daemon(ping(theirs), answer(b"{}")) as (address, script), DockerHost(address) as host:
        assert host.version == agreed
        assert host.get("/info") == {}
    assert script.asked == ["/_ping", f"/v{agreed}/info"]


def test_it_refuses_a_daemon_that_is_too_old() -> None:
    with daemon(ping(b"1.23")) as (address, _), pytest.raises(Unsupported, match="too old"):
        DockerHost(address)


@pytest.mark.parametrize("pong", [answer(b"OK"), ping(b"1"), ping(b"one.two"), ping(b"1.\xb2")])
def test_it_tells_what_is_no_docker_daemon(pong: bytes) -> None:
    with daemon(pong) as (address, _), pytest.raises(Unavailable, match="is no Docker Engine API"):
        DockerHost(address)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(b"404 Not Found", NotFound), (b"409 Conflict", Conflict), (b"500 Internal", Unavailable)],
)
def test_errors_have_the_words_of_the_daemon(status: bytes, kind: type[Exception]) -> None:
    refusal = answer(b'{"message":"No such image: x:latest"}', status=status)
    with (
        daemon(ping(b"1.41"), refusal, answer(b"[]")) as (address, _),
        DockerHost(address) as host,
    ):
        with pytest.raises(kind, match="No such image: x:latest"):
            host.get("/images/x/json")
        assert host.get_list("/images/json") == []


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[" * 100_000, b"\xff", b"[1]", b"null", b"7"])
def test_an_answer_of_another_kind_is_refused(body: bytes) -> None:
    with (
        daemon(ping(b"1.41"), answer(body), ping(b"1.41"), answer(body)) as (address, _),
        DockerHost(address) as host,
        pytest.raises(Unavailable, match="cannot be read"),
    ):
        host.get_list("/images/json")


def test_a_connection_that_the_daemon_closed_is_opened_again() -> None:
    with (
        daemon(ping(b"1.41"), None, answer(b"{}")) as (address, script),
        DockerHost(address) as host,
    ):
        assert host.get("/info") == {}
    assert script.asked == ["/_ping", "/v1.41/info", "/v1.41/info"]


def test_a_body_is_read_as_it_comes() -> None:
    chunks = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    counts: list[int] = []
    with daemon(ping(b"1.41"), head + chunks) as (address, script), DockerHost(address) as host:
        with host.stream("/images/get", [("names", "a:b"), ("names", "c")], counts.append) as body:
            assert body.read() == b"abcdefg"
        assert sum(counts) == 7
    assert script.asked[1] == "/v1.41/images/get?names=a%3Ab&names=c"


def test_a_body_that_is_broken_off_is_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with (
        daemon(ping(b"1.41"), head + b"a\r\nabc", hang_up=2) as (address, _),
        DockerHost(address) as host,
        host.stream("/images/get") as body,
        pytest.raises(Unavailable, match="broke off"),
    ):
        body.read()


def test_nobody_there_is_said_so(tmp_path: object) -> None:
    with pytest.raises(Unreachable, match="no such file or directory") as refused:
        DockerHost(f"unix://{tmp_path}/nothing")
    assert refused.value.hint == "Is the daemon running?"
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # so that nobody else comes to listen there
        with pytest.raises(Unreachable, match="connection refused"):
            DockerHost(f"tcp://127.0.0.1:{deaf.getsockname()[1]}")


@pytest.mark.parametrize("address", ["", "docker.sock", "ssh://host", "npipe:////./pipe", "unix://", "fd://"])
def test_addresses_of_other_kinds_are_refused(address: str) -> None:
    with pytest.raises(Unsupported, match="the address of a daemon is"):
        DockerHost(address)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://",
        "tcp://:2375",
        "tcp://a:port",
        "tcp://a:99999",
        "tcp://[::1",
        "tcp://a..b",
        "tcp://" + "a" * 64,
    ],
)
def test_addresses_of_nothing_are_refused(address: str) -> None:
    with pytest.raises(Invalid, match="is no address"):
        DockerHost(address)


def test_certificates_are_used_and_checked(tmp_path: object) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{tmp_path}/ca.pem")
    client = authority.issue_cert("client")
    client.cert_chain_pems[0].write_to_path(f"{tmp_path}/cert.pem")
    client.private_key_pem.write_to_path(f"{tmp_path}/key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    port = listener.getsockname()[1]
    script = Script(listener, [ping(b"1.41"), answer(b"{}")])
    try:
        with DockerHost(f"tcp://127.0.0.1:{port}", str(tmp_path)) as host:
            assert host.get("/info") == {}
    finally:
        script.end()


def test_certificates_that_are_not_there_are_named(tmp_path: object) -> None:
    with pytest.raises(Invalid, match="cannot use the certificates in"):
        DockerHost("tcp://127.0.0.1:1", str(tmp_path))
