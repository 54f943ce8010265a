"""Operations: one daemon a root, stops that leave nothing, settings read again, a log, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from ligan.api.bridge import Bridge
from ligan.api.metrics import verb_of
from ligan.api.operations import drop_due_entries
from ligan.cli import flags
from ligan.cli.serve import SERVE
from ligan.engine.embedded import open_engine
from ligan.store.store import Policy
from tests.support import archives
from tests.support.serving import serving
from tests.support.stores import opened
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

LAYER = archives.layer({"file": os.urandom(3 << 20)})
ARCHIVE = archives.docker_archive(
    [archives.Item(archives.image("test", "2023-01-02T03:04:05Z", add=LAYER), ("app:1",))]
)


def _begin_load(daemon: Daemon, root: str) -> socket.socket:
    """Send half an archive; returns the connection when the daemon has begun to load it."""
    connection = daemon.connect()
    half = len(ARCHIVE) // 2
    head = f"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ARCHIVE)}\r\n\r\n"
    connection.sendall(head.encode() + ARCHIVE[:half])
    until(lambda: os.listdir(f"{root}/ingest"), "the load does not begin")
    return connection


def _answer(connection: socket.socket) -> http.client.HTTPResponse:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


def _images(root: str) -> list[str]:
    with opened(root) as stock:
        return sorted(stock.names())


def test_a_second_daemon_is_told_who_serves(daemon: Daemon, store_root: str) -> None:
    daemon.await_log("listening on")
    command = [sys.executable, "-m", "ligan", "--root", store_root, "serve", "-H", f"{daemon.host}.2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"a daemon already serves {store_root}: process {daemon.process.pid}, on {daemon.host}\n"
    )
    assert not os.path.exists(f"{daemon.path}.2")


def test_a_root_is_free_again_when_its_daemon_was_killed(store_root: str) -> None:
    with _run(store_root) as process:
        process.kill()
        process.wait()
    with serving(store_root) as daemon:
        assert b"OK" in daemon.ask(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_a_stop_lets_a_load_finish(store_root: str) -> None:
    with (
        serving(store_root, "--stop-timeout", "30s") as daemon,
        _begin_load(daemon, store_root) as connection,
    ):
        daemon.process.terminate()
        until(lambda: not os.path.exists(daemon.path), "the daemon goes on listening")
        connection.sendall(ARCHIVE[len(ARCHIVE) // 2 :])
        answer = _answer(connection)
        assert answer.status == 200
        assert b"Loaded image: app:1" in answer.read()
        assert daemon.process.wait(SECONDS) == 0
    assert _images(store_root) == ["app:1"]


def test_a_stop_breaks_off_a_load_that_does_not_finish(store_root: str) -> None:
    with serving(store_root, "--stop-timeout", "0.2s") as daemon, _begin_load(daemon, store_root):
        daemon.process.terminate()
        assert daemon.process.wait(SECONDS) == 0
        assert "breaking off 1 requests" in daemon.log()
    assert os.listdir(f"{store_root}/ingest") == []
    assert os.listdir(f"{store_root}/blobs/sha256") == []
    assert _images(store_root) == []


def test_a_stop_ends_event_streams_in_order(store_root: str) -> None:
    with serving(store_root, "--stop-timeout", "30s") as daemon:
        client = http.client.HTTPConnection("localhost")
        client.sock = daemon.connect()
        client.request("GET", "/events")
        answer = client.getresponse()
        daemon.process.terminate()
        assert answer.read() == b""  # and no IncompleteRead
        client.close()
        assert daemon.process.wait(SECONDS) == 0


def test_a_stop_does_not_wait_for_idle_clients(store_root: str) -> None:
    with serving(store_root, "--stop-timeout", "1h") as daemon, daemon.connect() as idle:
        idle.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1 << 16)
        daemon.process.terminate()
        assert daemon.process.wait(SECONDS) == 0


@contextlib.contextmanager
def _run(root: str, *flags: str, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a daemon on a TCP port, which may end as it likes; yields it when it listens."""
    command = [sys.executable, "-m", "ligan", "--root", root, "serve", "-H", "tcp://127.0.0.1:0", *flags]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | (environ or {})
    ) as process:
        try:
            _line_with(process, "listening on")
            yield process
        finally:
            process.kill()


def test_a_second_signal_stops_at_once(store_root: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with (
            _run(store_root, "-H", f"unix://{path}", "--stop-timeout", "1h") as process,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.connect(path)
            connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
            connection.sendall(ARCHIVE[:2000])
            until(lambda: os.listdir(f"{store_root}/ingest"), "the load does not begin")
            process.send_signal(signal.SIGINT)
            until(lambda: not os.path.exists(path), "the daemon goes on listening")
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 128 + signal.SIGINT
    assert os.listdir(f"{store_root}/ingest")
    with serving(store_root):  # what was left is taken away at the next start
        assert os.listdir(f"{store_root}/ingest") == []


TUNED = """
import sys
from ligan.api.operations import Settings, Tunables, run
from ligan.api.server import Api
from ligan.errors import Invalid
from ligan.store.store import Policy

def read():
    window, level = open(sys.argv[3]).read().split()
    return Tunables(Policy(window=int(window)), level)

run(Settings(sys.argv[1], (sys.argv[2],), {}), Api, read)
"""


def test_settings_are_read_again(store_root: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, settings = f"{folder}/s", f"{folder}/settings"

        def tune(text: str) -> None:
            with open(settings, "w", encoding="ascii") as file:
                file.write(text)

        def window() -> int:
            client = http.client.HTTPConnection("localhost")
            with socket.socket(socket.AF_UNIX) as client.sock:
                client.sock.connect(path)
                client.request("GET", "/info")
                facts = json.loads(client.getresponse().read())
            return int(facts["Ligan"]["UndoWindow"])

        tune("1 info")
        command = [sys.executable, "-c", TUNED, store_root, f"unix://{path}", settings]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            _line_with(process, "listening on")
            assert window() == 1
            tune("2 warn")
            process.send_signal(signal.SIGHUP)
            until(lambda: window() == 2, "the settings are not read")
            tune("3 loud")
            process.send_signal(signal.SIGHUP)
            assert "unable to parse logging level: loud" in _line_with(process, "settings stay")
            assert window() == 2
            process.terminate()
            assert process.stderr
            rest = process.stderr.read()
        assert process.returncode == 0
        assert "level=info" not in rest


def _line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr
    return next(line for line in process.stderr if text in line)


def test_systemd_is_told_of_start_and_stop(store_root: str) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{folder}/notify")
        manager.settimeout(SECONDS)
        with _run(store_root, environ={"NOTIFY_SOCKET": f"{folder}/notify"}) as process:
            assert manager.recv(100) == b"READY=1"
            process.terminate()
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(SECONDS) == 0


def test_the_log_has_a_line_a_request_and_no_credentials(store_root: str) -> None:
    with serving(store_root, "--log-format", "json") as daemon:
        query = "fromSrc=http://user:secret@127.0.0.1:1/x"
        daemon.ask(
            f"GET /images/none/json?{query} HTTP/1.1\r\nHost: x\r\nX-Registry-Auth: secret\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        lines = [json.loads(line) for line in daemon.log().splitlines()]
        (request,) = [line for line in lines if line["msg"] == "request"]
        assert list(request) == ["time", "level", "msg", "method", "path", "status", "ms", "bytes"]
        assert (request["method"], request["path"], request["status"]) == ("GET", "/images/none/json", 404)
        assert "secret" not in daemon.log()


def test_a_hostile_path_does_not_forge_a_line_of_the_log(daemon: Daemon) -> None:
    daemon.ask(b"GET /x%0Atime=0%20level=error HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    (line,) = [line for line in daemon.log().splitlines() if "msg=request" in line]
    assert r'path="/x\ntime=0 level=error"' in line


def _metrics(port: int) -> dict[str, float]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    client.request("GET", "/metrics")
    answer = client.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/plain; version=")
    text = answer.read().decode()
    client.close()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_metrics_tell_requests_store_and_listeners(store_root: str) -> None:
    with opened(store_root) as stock:
        stock.image("one", names=["app:1"])
        blob_bytes = stock.book_bytes()
    with serving(store_root, "--metrics", "127.0.0.1:0") as daemon:
        port = int(daemon.await_log(r"tcp://127\.0\.0\.1:(\d+)")[1])
        daemon.ask(b"GET /v1.41/images/app:1/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        daemon.ask(b"GET /v1.41/images/app:2/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with daemon.connect() as listener:
            listener.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            assert listener.recv(1 << 16)
            told = _metrics(port)
        verb = 'verb="images/{name}/json"'
        assert told[f'ligan_requests_total{{method="GET",status="200",{verb}}}'] == 1
        assert told[f'ligan_requests_total{{method="GET",status="404",{verb}}}'] == 1
        assert told[f"ligan_request_seconds_count{{{verb}}}"] == 2
        assert told["ligan_images"] == 1
        assert told["ligan_blob_bytes"] == blob_bytes
        assert told["ligan_undo_bytes"] == 0
        assert told["ligan_event_listeners"] == 1
        assert told["ligan_streams_running"] == 1
        assert told["process_resident_memory_bytes"] > 1 << 20
        for count in ("ligan_event_listeners", "ligan_streams_running"):
            until(lambda count=count: _metrics(port)[count] == 0, count)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("/_ping", "_ping"),
        ("/v1.41/images/json", "images/json"),
        ("/images/a/b/c:1/json", "images/{name}/json"),
        ("/images/a/b", "images/{name}"),
        ("/v1.41/images/load", "images/load"),
        ("/system/df", "system/df"),
        ("/whatever/a", "other"),
        ("/", "other"),
        ("/v1.41", "other"),
    ],
)
def test_verbs_of_metrics_are_few(path: str, verb: str) -> None:
    assert verb_of(path) == verb


def test_due_undo_entries_are_dropped_by_the_daemon(store_root: str) -> None:
    with opened(store_root) as stock:
        stock.image("one", names=["app:1"])
        stock.engine.remove_images(["app:1"])
        assert stock.book_bytes() > 0

    async def scenario() -> None:
        bridge = Bridge(lambda: open_engine(store_root, Policy()))  # whose clock is far past the entry's time
        timer = asyncio.create_task(drop_due_entries(bridge, 0.01))
        try:
            while os.listdir(f"{store_root}/blobs/sha256"):
                await asyncio.sleep(0.01)
        finally:
            timer.cancel()
            await asyncio.to_thread(bridge.close)

    asyncio.run(asyncio.wait_for(scenario(), SECONDS))
    with opened(store_root) as stock:
        assert (stock.book_bytes(), stock.engine.undo_entries()) == (0, [])


def test_the_unit_starts_what_there_is() -> None:
    with open(
        os.path.join(os.path.dirname(__file__), "../../packaging/ligan.service"), encoding="ascii"
    ) as file:
        (words,) = [line.split() for line in file if line.startswith("ExecStart=")]
    assert words[:2] == ["ExecStart=/usr/bin/ligan", "serve"]
    assert flags.parse(SERVE.flags, words[2:]).values("host") == ["fd://"]


def test_what_dead_processes_left_goes_at_the_start(store_root: str) -> None:
    with opened(store_root) as stock:
        abandoned = stock.store.layout.lease("dead")
    os.mkdir(abandoned)
    with open(f"{abandoned}/unnamed-1", "wb") as file:
        file.write(b"x")
    with serving(store_root):
        assert not os.path.exists(abandoned)
