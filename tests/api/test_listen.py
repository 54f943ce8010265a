"""Listening: sockets and their rights, TLS, foreign pages, and clients that only want to be a burden."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme
import uvloop
from aiohttp import web

from ligan.api import listen
from ligan.api.connections import Server
from ligan.api.events import Feed
from ligan.api.front import Front
from ligan.api.guard import Guard
from ligan.api.listen import Address, TlsFiles, open_listeners, parse_address, tls_context
from ligan.errors import Busy, Forbidden, Invalid, Unavailable
from tests.support.serving import serving
from tests.support.stores import opened
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.support.serving import Daemon

PING = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/ligan.sock", Address("unix", path="/run/ligan.sock")),
        ("fd://", Address("fd")),
        ("fd://*", Address("fd")),
        ("fd://4", Address("fd", path="4")),
        ("tcp://127.0.0.1:2375", Address("tcp", host="127.0.0.1", port=2375)),
        ("tcp://127.0.0.1", Address("tcp", host="127.0.0.1", port=2375)),
        ("tcp://", Address("tcp", host="localhost", port=2375)),
        ("tcp://:1", Address("tcp", host="localhost", port=1)),
        ("tcp://[::1]:80", Address("tcp", host="::1", port=80)),
        ("tcp://[::1]", Address("tcp", host="::1", port=2375)),
        ("127.0.0.1:9323", Address("tcp", host="127.0.0.1", port=9323)),
    ],
)
def test_an_address_is_read_as_dockerd_reads_it(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_the_port_of_tls_is_another() -> None:
    assert str(parse_address("tcp://127.0.0.1", tls=True)) == "tcp://127.0.0.1:2376"
    assert str(parse_address("tcp://[::1]")) == "tcp://[::1]:2375"


@pytest.mark.parametrize(
    "text",
    [
        "unix://run/x",
        "unix://",
        "npipe:////./x",
        "tcp://::1",
        "tcp://[::1:80",
        "tcp://a:b",
        "tcp://a:70000",
        "tcp://a:1/x",
        "fd://x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=re.escape(text)):
        parse_address(text)


@pytest.fixture
def path() -> Iterator[str]:
    """A path that is short enough for a socket."""
    path = f"/tmp/ligan-test-{os.getpid()}.sock"  # noqa: S108  # pytest's own folders are too deep
    yield path
    if os.path.lexists(path):
        os.unlink(path)


def test_a_socket_is_for_its_owner_and_group(path: str) -> None:
    group = os.getegid()
    (listener,) = open_listeners([Address("unix", path=path)], {}, group=str(group))
    facts = os.stat(path)
    assert (stat.S_IMODE(facts.st_mode), facts.st_gid) == (0o660, group)
    listener.close()
    assert not os.path.exists(path)


def test_an_unknown_group_is_refused(path: str) -> None:
    with pytest.raises(Invalid, match="there is no group nobody-knows-it"):
        open_listeners([Address("unix", path=path)], {}, group="nobody-knows-it")


@pytest.mark.parametrize("group", ["4294967295", "99999999999999999999", "²"])
def test_what_no_group_can_have_for_a_number_is_refused(path: str, group: str) -> None:
    with pytest.raises(Invalid, match=f"there is no group {group}"):
        open_listeners([Address("unix", path=path)], {}, group=group)


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_what_no_host_can_be_called_is_refused(host: str) -> None:
    with pytest.raises(Invalid, match=f"invalid bind address: tcp://{host}:1"):
        open_listeners([parse_address(f"tcp://{host}:1")], {})


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)  # and never listens: its process died
    (living,) = open_listeners([Address("unix", path=path)], {})
    with pytest.raises(Busy, match="another server listens there"):
        open_listeners([Address("unix", path=path)], {})
    living.close()


def test_a_file_is_never_replaced(path: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write("precious")
    with pytest.raises(Busy, match="it exists and is no socket"):
        open_listeners([Address("unix", path=path)], {})
    with open(path, encoding="ascii") as file:
        assert file.read() == "precious"


def test_the_socket_of_a_successor_stays(path: str) -> None:
    (first,) = open_listeners([Address("unix", path=path)], {})
    os.rename(path, f"{path}.old")
    (second,) = open_listeners([Address("unix", path=path)], {})
    os.unlink(f"{path}.old")
    first.close()
    assert os.path.exists(path)
    second.close()


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    for path in (f"/tmp/{'x' * 200}", f"{tmp_path}/no/such"):  # noqa: S108  # nothing is made there
        with pytest.raises(Unavailable, match="cannot listen on unix:///"):
            open_listeners([Address("unix", path=path)], {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  # refused before anything is bound
def test_other_machines_need_a_certificate(host: str, path: str) -> None:
    with pytest.raises(Forbidden, match="other machines could reach it"):
        open_listeners([Address("unix", path=path), Address("tcp", host=host, port=0)], {})
    assert not os.path.exists(path)  # all or none


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            Unavailable, match=f"cannot listen on tcp://127.0.0.1:{port}: address already in use"
        ):
            open_listeners([Address("tcp", host="127.0.0.1", port=port)], {})


def test_descriptors_that_are_not_there_are_refused() -> None:
    own = str(os.getpid())
    for environ in ({}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": own, "LISTEN_FDS": "0"}):
        with pytest.raises(Unavailable, match="no sockets found via socket activation"):
            open_listeners([Address("fd")], environ)
    with pytest.raises(Invalid, match="systemd passed no descriptor 9, but 3 to 4"):
        open_listeners([Address("fd", path="9")], {"LISTEN_PID": own, "LISTEN_FDS": "2"})


def test_a_passed_socket_is_served(store_root: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        number = passed.fileno()
        # As systemd does: the process that becomes the daemon is the one that LISTEN_PID names.
        script = (
            f"import os, sys; os.dup2({number}, 3); "
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        words = ["-m", "ligan", "--root", store_root, "serve", "-H", "fd://"]
        with subprocess.Popen([sys.executable, "-c", script, *words], pass_fds=(number,)) as process:
            try:
                assert _get(passed.getsockname()[1])[0] == 200
            finally:
                process.terminate()
        assert process.returncode == 0


def _port(daemon: Daemon) -> int:
    """Return the port that a daemon on tcp://127.0.0.1:0 was given."""
    return int(daemon.await_log(r"listening on .*tcp://127\.0\.0\.1:(\d+)")[1])


def _get(
    port: int, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> tuple[int, str]:
    client = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    )
    try:
        client.request("GET", "/version", headers=headers or {})
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    finally:
        client.close()


def test_pages_of_other_sites_are_refused_on_tcp(store_root: str) -> None:
    with serving(store_root, "--host", "tcp://127.0.0.1:0", "--allow-host", "build.lan") as daemon:
        port = _port(daemon)
        own = f"127.0.0.1:{port}"
        for headers, status in (
            ({}, 200),
            ({"Host": "localhost"}, 200),
            ({"Host": "LOCALHOST:80"}, 200),
            ({"Host": "[::1]:80"}, 200),
            ({"Host": "10.1.2.3"}, 200),
            ({"Host": "build.lan:1"}, 200),
            ({"Host": socket.gethostname()}, 200),
            ({"Host": "evil.example"}, 403),
            ({"Host": "localhost.evil.example"}, 403),
            ({"Host": "127.0.0.1.evil.example"}, 403),
            ({"Host": ""}, 403),
            ({"Host": own, "Origin": f"http://{own}"}, 200),
            ({"Host": own, "Origin": "http://evil.example"}, 403),
            ({"Host": own, "Origin": f"https://{own}"}, 403),
            ({"Host": own, "Origin": "null"}, 403),
            ({"Host": own, "Sec-Fetch-Site": "same-origin"}, 200),
            ({"Host": own, "Sec-Fetch-Site": "same-site"}, 403),
            ({"Host": own, "Sec-Fetch-Site": "cross-site"}, 403),
        ):
            found, body = _get(port, headers)
            assert found == status, (headers, body)
            assert status == 200 or "message" in json.loads(body)
        twice = PING.replace(b"Host", b"Host: evil.example\r\nHost")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(twice)
            assert client.recv(100).split()[1] in (b"400", b"403")
        # A page cannot reach a socket of the file system.
        assert b" 200 " in daemon.ask(PING.replace(b"localhost", b"docker\r\nOrigin: x\r\nConnection: close"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls_files(folder: Path, authority: trustme.CA) -> TlsFiles:
    files = TlsFiles(f"{folder}/ca.pem", f"{folder}/cert.pem", f"{folder}/key.pem")
    server = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(files.ca)
    server.cert_chain_pems[0].write_to_path(files.certificate)
    server.private_key_pem.write_to_path(files.key)
    return files


def _client(authority: trustme.CA, certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if certificate:
        certificate.configure_cert(context)
    return context


def test_tls_lets_in_whom_the_authority_signed(
    store_root: str, tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tls_files(tmp_path, authority)
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with serving(store_root, "--host", "tcp://127.0.0.1:0", "--tlsverify") as daemon:
        port = _port(daemon)
        known = _client(authority, authority.issue_cert("client@x.test"))
        assert _get(port, tls=known)[0] == 200
        assert _get(port, {"Host": "build.lan"}, known)[0] == 200  # a page has no certificate of that name
        assert _get(port, {"Origin": "https://evil.example"}, known)[0] == 403
        for stranger in (None, trustme.CA().issue_cert("client@x.test")):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                _get(port, tls=_client(authority, stranger))
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            _get(port)  # in plain text


def test_certificates_that_are_missing_or_wrong_are_named(tmp_path: Path, authority: trustme.CA) -> None:
    files = _tls_files(tmp_path, authority)
    tls_context(files)
    with pytest.raises(Unavailable, match=r"cannot read /no/such\.pem"):
        tls_context(files.replace(ca="/no/such.pem"))
    with pytest.raises(Unavailable, match="could not load the TLS certificates: "):
        tls_context(files.replace(key=files.certificate))


def test_dockers_folder_of_certificates_is_the_default() -> None:
    assert listen.default_tls_files({"HOME": "/h"}) == TlsFiles(
        "/h/.docker/ca.pem", "/h/.docker/cert.pem", "/h/.docker/key.pem"
    )
    assert listen.default_tls_files({"HOME": "/h", "DOCKER_CERT_PATH": "/c"}).key == "/c/key.pem"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-H", "tcp://0.0.0.0:0"], "other machines could reach it without a certificate"),
        (["-H", "http://x"], "invalid bind address protocol: http://x"),
        (["-H", f"tcp://x:{'9' * 5000}"], f"invalid bind address: tcp://x:{'9' * 5000}"),
        (["--tlskey", "x"], "--tlscacert, --tlscert and --tlskey need --tlsverify"),
        (["--stop-timeout", "soon"], "--stop-timeout: 'soon' is not a duration"),
        (["--log-level", "loud"], "unable to parse logging level: loud"),
        (["--log-format", "xml"], "unknown log format: xml"),
    ],
)
def test_wrong_flags_are_named(store_root: str, flags: list[str], message: str) -> None:
    command = [sys.executable, "-m", "ligan", "--root", store_root, "serve", *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@contextlib.asynccontextmanager
async def _server(tmp_path: Path, make: Callable[[Front], Server]) -> AsyncIterator[int]:
    """Serve a handler that reads the body and tells its size; yields the port."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    with opened(f"{tmp_path}/store") as stock:
        server = make(Front(answer, Guard(), Feed(stock.engine)))
        (listener,) = open_listeners([Address("tcp", host="127.0.0.1", port=0)], {})
        await listener.serve(server, None)
        try:
            yield listener.address.port
        finally:
            listener.close()
            await server.shutdown(0)


class Client:
    """A client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send, unless the server has hung up."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def status(self) -> bytes:
        """Return the status of the next answer, and read its headers; nothing if the server hangs up."""
        try:
            return (await self._reader.readuntil(b"\r\n\r\n")).split()[1]
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""

    async def rest(self) -> bytes:
        """Return what comes until the server hangs up."""
        try:
            return await asyncio.wait_for(self._reader.read(), SECONDS)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield client
    finally:
        await client.close()


HEADER_SECONDS = (0.6, 6.0)
"""Enough for a client that hurries; the second where the machine stood still for a moment."""


def test_headers_that_never_end_are_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with _server(tmp_path, lambda front: Server(front, header_seconds=0.1)) as port:
            for started in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: loc"):
                async with _connected(port) as client:
                    client.send(started)
                    assert await client.rest() == b""

    uvloop.run(scenario())  # the loop that serves


def test_headers_of_a_second_request_are_given_up_too(tmp_path: Path) -> None:
    async def scenario(seconds: float) -> tuple[bytes, bytes]:
        async with (
            _server(tmp_path, lambda front: Server(front, header_seconds=seconds)) as port,
            _connected(port) as client,
        ):
            client.send(PING)
            status = await client.status()
            client.send(b"GET / HT")
            return status, await client.rest()  # the body of the first answer

    assert any(uvloop.run(scenario(seconds)) == (b"200", b"0") for seconds in HEADER_SECONDS)


def test_headers_byte_by_byte_do_not_buy_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            _server(tmp_path, lambda front: Server(front, header_seconds=0.2)) as port,
            _connected(port) as client,
        ):
            hung_up = asyncio.create_task(client.rest())
            for _ in range(200):
                client.send(b"X")
                await asyncio.wait((hung_up,), timeout=0.02)
                if hung_up.done():
                    break
            assert hung_up.done()

    uvloop.run(scenario())


def test_a_slow_body_is_waited_for_and_an_idle_client_is_not(tmp_path: Path) -> None:
    async def scenario(seconds: float) -> bytes:
        async with (
            _server(
                tmp_path, lambda front: Server(front, header_seconds=seconds, idle_seconds=seconds / 2)
            ) as port,
            _connected(port) as client,
        ):
            client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n")
            for _ in range(8):
                await asyncio.sleep(seconds / 4)
                client.send(b"x")
            return await client.rest()

    assert any(uvloop.run(scenario(seconds)).endswith(b"\r\n\r\n8") for seconds in HEADER_SECONDS)


def test_connections_beyond_the_limit_are_told_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            _server(tmp_path, lambda front: Server(front, most=2)) as port,
            _connected(port) as one,
            _connected(port) as two,
        ):
            for client in (one, two):
                client.send(PING)
                assert await client.status() == b"200"
            async with _connected(port) as third:
                assert await third.status() == b"503"
                assert json.loads(await third.rest()) == {"message": "too many connections: try again later"}
            await one.close()
            status = b""
            while status != b"200":  # until the server has seen that one leave
                async with _connected(port) as third:
                    third.send(PING)
                    status = await third.status()

    uvloop.run(scenario())


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /" + b"x" * (300 << 10) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (100 << 10) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 1000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"NOT HTTP\r\n\r\n",
    ],
)
def test_requests_too_large_or_none_at_all_are_refused(daemon: Daemon, request_head: bytes) -> None:
    head, _, body = daemon.ask(request_head).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert json.loads(body)["message"].startswith("bad request")
    assert b" 200 " in daemon.ask(PING.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))


def test_ten_thousand_names_fit_into_a_request(daemon: Daemon) -> None:
    names = "&".join(["names=0123456789ab"] * 10_000)
    answer = daemon.ask(f"GET /images/get?{names} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in answer
