"""The registry's server beside Debian's docker-registry, each on one core, `wrk` and `curl` on the others."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.contenders import is_installed
from bench.measure import Cost, cpu_seconds, interleaved, median, peak
from bench.report import Row, compared, verdict
from tests.support import registry as real_registry
from tests.support.ligan_registry import Client, digest_of, serving_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.contenders import Bench

REQUESTS = 10_000
"""What the figures of small requests are for."""

SECONDS = 3
"""How long `wrk` asks each time."""

MEGABYTE = 1_000_000
LARGE = 100 * MEGABYTE
PEAK_LIMIT = 60 * MEGABYTE
STALLED, STALLED_LIMIT = 100, 100 * MEGABYTE
FEW, MANY = 100, 100_000
DELETES = 15
SAME = 1.5
"""Times that an equal time may seem to take on a machine with other work."""

SCRIPT = os.path.join(os.path.dirname(__file__), "wrk.lua")


class Server(NamedTuple):
    """A registry, and the process that it is."""

    client: Client
    process: int
    folder: str


def run(bench: Bench) -> list[Row]:
    for program in ("wrk", "curl", "taskset"):
        if not is_installed(program):
            raise SystemExit(f"bench: needs {program}")
    if reason := real_registry.missing():
        raise SystemExit(f"bench: {reason}")
    with contextlib.ExitStack() as stack:
        servers = {
            "ligan": stack.enter_context(_ligan(bench, f"{bench.folder}/registry-server")),
            "docker-registry": stack.enter_context(_docker_registry(f"{bench.folder}/docker-registry")),
        }
        rows = [*_small(bench, servers), *_large(bench, servers)]
        held = {who: Cost(0, 0, peak([server.process])) for who, server in servers.items()}
        rows += _limited("server, all of the above", held, PEAK_LIMIT)
        rows += _stalled(servers)
    return rows + _deletes(bench)


@contextlib.contextmanager
def _ligan(bench: Bench, folder: str) -> Iterator[Server]:
    with serving_registry(folder, python=bench.python) as registry:
        _pin(registry.process.pid)
        yield Server(registry, registry.process.pid, folder)


@contextlib.contextmanager
def _docker_registry(folder: str) -> Iterator[Server]:
    with real_registry.running(folder) as address:
        with open(f"{folder}/registry.pid") as file:
            process = int(file.read())
        _pin(process)
        yield Server(Client(address), process, folder)


def _pin(process: int) -> None:
    """Keep a server to the first core: the load comes from the others."""
    subprocess.run(
        ["taskset", "--all-tasks", "--cpu-list", "--pid", "0", str(process)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _small(bench: Bench, servers: Mapping[str, Server]) -> list[Row]:
    """Ask for what is small, over and over, on 16 connections."""
    layer = b"layer" * 1000
    for server in servers.values():
        digest = server.client.push_image("bench/app", "v1", layer)
    paths = {
        "manifest GET by tag": "manifests/v1",
        "manifest GET by digest": f"manifests/{digest}",
        "blob GET of 5 kB": f"blobs/{digest_of(layer)}",
        "manifest GET, 404": "manifests/nothing",
        "blob GET, 404": f"blobs/{digest_of(b'nothing')}",
    }
    rows = []
    for what, path in paths.items():
        costs = interleaved(bench.runs, {who: _asking(each, path) for who, each in servers.items()})
        rows += compared(f"{REQUESTS:,} x {what}", costs, {"docker-registry": 10})
    return rows


def _asking(server: Server, path: str) -> Callable[[], Cost]:
    def ask() -> Cost:
        before = cpu_seconds([server.process])
        told = _wrk(server, f"bench/app/{path}")
        requests = int(told["requests"])
        cpu = cpu_seconds([server.process]) - before
        return Cost(float(told["seconds"]) / requests * REQUESTS, cpu / requests * REQUESTS, 0)

    return ask


def _wrk(server: Server, path: str) -> dict[str, str]:
    """Return the requests, bytes and seconds of a run."""
    command = [
        "wrk",
        "-t1",
        "-c16",
        f"-d{SECONDS}s",
        "-s",
        SCRIPT,
        f"http://{server.client.address}/v2/{path}",
    ]
    return _told(command)


def _told(command: list[str]) -> dict[str, str]:
    """Run a command beside the server, and return the numbers that it names.

    In a session of its own, as both servers are: these share the cores alike (sched(7), autogroup).
    """
    done = subprocess.run(
        _beside(command), capture_output=True, text=True, check=True, start_new_session=True
    )
    return dict(line.split("=") for line in done.stdout.splitlines() if "=" in line)


def _beside(command: list[str]) -> list[str]:
    """Run a command on all cores but the server's, where there are others."""
    return ["taskset", "--cpu-list", f"1-{max(1, (os.cpu_count() or 1) - 1)}", *command]


def _large(bench: Bench, servers: Mapping[str, Server]) -> list[Row]:
    """Take in and give out a blob of 100 MB. Each time it has other bytes."""
    path = f"{bench.folder}/large"
    puts = interleaved(bench.runs, {who: _putting(each, path) for who, each in servers.items()})
    gets = interleaved(bench.runs, {who: _getting(each, path) for who, each in servers.items()})
    os.unlink(path)
    return [
        *compared("100 MB blob PUT", puts, {"docker-registry": 1.5}),
        *compared("100 MB blob GET, on 16 connections", gets, {"docker-registry": 1.1}),
    ]


def _fresh(path: str) -> str:
    """Write a file of random bytes, and return its digest."""
    command = f"head -c {LARGE} /dev/urandom > {path} && sha256sum < {path}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return f"sha256:{done.stdout.split()[0]}"


def _putting(server: Server, path: str) -> Callable[[], Cost]:
    def put() -> Cost:
        digest = _fresh(path)
        location = server.client.begin("bench/large")
        joint = "&" if "?" in location else "?"
        address = f"http://{server.client.address}{location}{joint}digest={digest}"
        before, start = cpu_seconds([server.process]), time.perf_counter()
        command = ["curl", "--fail", "--silent", "--upload-file", path, address]
        subprocess.run(_beside(command), check=True)
        wall = time.perf_counter() - start
        return Cost(wall, cpu_seconds([server.process]) - before, 0)

    return put


def _getting(server: Server, path: str) -> Callable[[], Cost]:
    with open(path, "rb") as file:
        digest = server.client.push_blob("bench/large", file.read())

    def get() -> Cost:
        before = cpu_seconds([server.process])
        path = f"/v2/bench/large/blobs/{digest}"
        told = _told([sys.executable, "-m", "bench.readers", server.client.address, path])
        blobs = int(told["bytes"]) / LARGE
        cpu = cpu_seconds([server.process]) - before
        return Cost(float(told["seconds"]) / blobs, cpu / blobs, 0)

    return get


def _stalled(servers: Mapping[str, Server]) -> list[Row]:
    """Ask for a large blob on many connections, and read nothing."""
    held = {}
    for who, server in servers.items():
        digest = server.client.push_blob("bench/stalled", os.urandom(LARGE))
        host, _, port = server.client.address.rpartition(":")
        with contextlib.ExitStack() as stack:
            for _ in range(STALLED):
                connection = stack.enter_context(socket.create_connection((host, int(port))))
                connection.sendall(
                    f"GET /v2/bench/stalled/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
                )
                connection.recv(1)
            held[who] = Cost(0, 0, peak([server.process]))
    return _limited(f"server, {STALLED} stalled readers", held, STALLED_LIMIT)


def _limited(work: str, costs: Mapping[str, Cost], limit: int) -> list[Row]:
    rows = [Row(work, who, cost) for who, cost in costs.items()]
    goal = verdict(costs["ligan"].peak <= limit, f"<= {limit // MEGABYTE} MB")
    rows[0] = rows[0]._replace(goal=goal)
    return rows


def _deletes(bench: Bench) -> list[Row]:
    """Delete a tag with its manifest and its layer, in a small registry and in a large one."""
    with contextlib.ExitStack() as stack:
        small, large = (stack.enter_context(_ligan(bench, _many(bench, count))) for count in (FEW, MANY))
        pairs = [(_delete(small, number), _delete(large, number)) for number in range(DELETES)]
    in_small, in_large = (median(costs) for costs in zip(*pairs, strict=True))
    few = {"ligan": in_small, "docker-registry, with garbage-collect": _collect(bench)}
    ratio = in_large.wall / in_small.wall
    goal = verdict(ratio <= SAME, f"<= {SAME:g}x of that at {FEW}")
    work = "delete of a tag, its bytes freed, at {:,} manifests"
    return [
        *compared(work.format(FEW), few, {}),
        Row(work.format(MANY), "ligan", in_large, f"{ratio:.1f}x of that at {FEW}", goal),
    ]


def _many(bench: Bench, manifests: int) -> str:
    """Return a folder with as many manifests, which is kept for the next time."""
    folder = f"{bench.work}/registry-{manifests}"
    if not os.path.exists(folder):
        command = [sys.executable, "-m", "bench.registries", f"{folder}.new", str(manifests)]
        subprocess.run(command, check=True)
        os.rename(f"{folder}.new", folder)
    return folder


def _delete(server: Server, number: int) -> Cost:
    """Push an image and delete it again: the registry is as before."""
    server.client.push_image("many/app-0", "deleted", b"layer %d" % number * 1000)
    before, start = cpu_seconds([server.process]), time.perf_counter()
    answer = server.client.delete("many/app-0", "deleted")
    wall = time.perf_counter() - start
    assert answer.status == 202
    return Cost(wall, cpu_seconds([server.process]) - before, 0)


def _collect(bench: Bench) -> Cost:
    """Delete a manifest from docker-registry, and have it free what nothing names any more."""
    folder = f"{bench.folder}/collected"
    shutil.copytree(f"{bench.work}/registry-{FEW}/docker", f"{folder}/data/docker")
    with _docker_registry(folder) as server:
        digest = digest_of(server.client.manifest("many/app-0", "v1"))
        start = time.perf_counter()
        assert server.client.delete("many/app-0", digest).status == 202
        command = ["docker-registry", "garbage-collect", f"{folder}/config.yml"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return Cost(time.perf_counter() - start, 0, 0)
