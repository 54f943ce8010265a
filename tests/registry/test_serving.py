"""How a registry's server starts, what it says, and how it stops."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from ligan.cli import flags
from ligan.cli.registry_server import SERVE
from ligan.registry.serving import is_loopback
from tests.support.ligan_registry import digest_of, ligan_registry, serving_registry
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry


def test_the_unit_starts_what_there_is() -> None:
    unit = os.path.join(os.path.dirname(__file__), "../../packaging/ligan-registry.service")
    with open(unit, encoding="ascii") as file:
        (words,) = [line.split() for line in file if line.startswith("ExecStart=")]
    assert words[:3] == ["ExecStart=/usr/bin/ligan", "registry", "serve"]
    assert flags.parse(SERVE.flags, words[3:]).text("listen") == "127.0.0.1:5000"


def test_stop_lets_an_upload_end(registry: Registry) -> None:
    data = os.urandom(4 << 20)
    location = registry.begin("app")
    idle = http.client.HTTPConnection(registry.address, timeout=SECONDS)
    idle.request("GET", "/v2/")
    idle.getresponse().read()
    upload = http.client.HTTPConnection(registry.address, timeout=SECONDS)
    upload.putrequest("PUT", f"{location}?digest={digest_of(data)}")
    upload.putheader("Content-Length", str(len(data)))
    upload.endheaders(data[: 3 << 20])
    until(lambda: registry.ask("GET", location).headers["Range"] != "0-0")
    registry.process.send_signal(signal.SIGTERM)
    upload.send(data[3 << 20 :])
    assert upload.getresponse().status == 201
    assert registry.process.wait(SECONDS) == 0
    for connection in (idle, upload):
        connection.close()


@pytest.mark.parametrize("stalled", ["reader", "writer"])
def test_stop_waits_no_longer_than_it_should(registry_root: str, stalled: str) -> None:
    with serving_registry(registry_root, flags="--stop-timeout 100ms") as registry:
        if stalled == "reader":
            request = f"GET /v2/app/blobs/{registry.push_blob('app', os.urandom(16 << 20))}"
            head = f"{request} HTTP/1.1\r\nHost: x\r\n\r\n"
        else:
            location = registry.begin("app")
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            head += "Expect: 100-continue\r\n\r\n"
        host, _, port = registry.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(head.encode())
            assert connection.recv(9) == b"HTTP/1.1 "
            start = time.monotonic()
            registry.stop()
            assert time.monotonic() - start < 9  # 10 seconds are what it waits without being told


def test_address_that_is_taken_is_told_of(registry: Registry, tmp_path: str) -> None:
    refused = ligan_registry(f"{tmp_path}/other", "serve", "--listen", registry.address)
    said = f"cannot listen on {registry.address}: address already in use\n"
    assert (refused.returncode, refused.stderr) == (1, said)
    assert ligan_registry(registry.root, "undo", "x").stderr.endswith("see ligan registry undo --list\n")


def test_log_tells_pushes_and_deletes(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", b"layer")
    freed = registry.delete("app", "v1").headers["Ligan-Freed"]
    log = registry.stop()
    assert f"pushed app:v1@{digest}\n" in log
    assert f"DELETE /v2/app/manifests/v1: {freed} bytes freed, 0 leased, 0 kept for undo\n" in log
    assert "WARNING" not in log
    assert log.endswith("ligan.registry: stopped\n")


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("127.0.0.1", True), ("::1", True), ("::", False), ("192.0.2.1", False)],
)
def test_address_is_loopback_or_warned_of(host: str, is_one: bool) -> None:
    assert is_loopback(host) == is_one
