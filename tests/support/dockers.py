"""Real containers behind a daemon of a test's own, and the proof that they leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ligan.containers import networks
from tests.support.homes import Home
from tests.support.serving import serving
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon


@contextmanager
def containing(root: str, *flags: str) -> Iterator[Daemon]:
    """Serve the store at `root`, as `serving` does.

    At the end its containers and networks are removed, and nothing of them may be left: no mount, process,
    network device, rule of the firewall, or file.
    """
    try:
        with serving(root, *flags) as daemon:
            yield daemon
    finally:
        home = Home(root)
        owned = _marks(home)
        home.close()
    until(lambda: not _traces(owned), lambda: _traces(owned))  # a device goes a moment after its namespace


def _marks(home: Home) -> list[str]:
    """Return what the networks of this root, and nobody else's, are known by on this host."""
    with home.store.database.read() as tx:
        found = [network for network in networks.all_networks(tx) if network.driver == "bridge"]
    return [mark for network in found for mark in (network.bridge, str(network.subnet))]


def _traces(marks: list[str]) -> list[str]:
    if not marks:
        return []
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    lines = [*rules.splitlines(), *os.listdir("/sys/class/net")]
    return [line for line in lines if any(mark in line for mark in marks)]


def docker(daemon: Daemon, *words: str, stdin: str = "", status: int = 0) -> str:
    """Return what docker's client prints on stdout. Its exit status has to be this."""
    done = subprocess.run(
        ["docker", "-H", daemon.host, *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def fetched(url: str) -> bytes:
    """Return what a server in a container has there, once it listens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> bytes | None:
        try:
            with opener.open(url, timeout=SECONDS) as answer:
                content: bytes = answer.read()
                return content
        except OSError:
            return None

    return until(ask, f"{url} does not answer")
