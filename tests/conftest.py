"""What the whole suite shares: what a test needs, a real dockerd, a store that is checked after each test."""

from __future__ import annotations

import lzma
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from ligan.containers import netavark
from tests.support import dockerd as real_dockerd
from tests.support import registry as real_registry
from tests.support.leaks import left_by
from tests.support.stores import check_store

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HERE = os.path.dirname(__file__)
STRICT = os.environ.get("LIGAN_TEST_STRICT") == "1"
"""In CI a skip is a failure: there, everything that a test needs is installed."""


# Neither how busy the machine is nor chance decides what laws find: each run tries the same examples.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells have what runs in the background ignore it, and so all that this starts: tests interrupt some.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _missing(need: str) -> str | None:
    """Say why a test marked `need` cannot run here, or None."""
    if need == "root" and os.geteuid() != 0:
        return "needs root"
    if need == "dockerd":
        return real_dockerd.missing()
    if need == "docker_cli" and shutil.which("docker") is None:
        return "needs docker's client (Debian package docker.io)"
    if need == "docker_registry":
        return real_registry.missing()
    if need == "netavark" and not all(map(netavark.find, ("netavark", "aardvark-dns", "iptables"))):
        return "needs a backend of networks (Debian packages netavark, aardvark-dns and iptables)"
    if need == "docker_compose" and shutil.which("docker-compose") is None:
        return "needs docker-compose (Debian package docker-compose)"
    if need == "skopeo" and shutil.which("skopeo") is None:
        return "needs skopeo (Debian package skopeo)"
    if need == "podman" and shutil.which("podman") is None:
        return "needs podman (Debian package podman)"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        if reason := _missing(mark.name):
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (LIGAN_TEST_STRICT=1: a skip is a failure)"
    return report


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DOCKER_HOST of a real dockerd, one for each worker whose tests ask for it."""
    folder = str(tmp_path_factory.mktemp("dockerd"))
    try:
        host = real_dockerd.start(folder)
    except subprocess.CalledProcessError as failure:
        pytest.skip(f"dockerd does not start here: {failure.stderr.strip()}")
    try:
        yield host
    finally:
        real_dockerd.stop(folder)


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the docker-archive that every golden scenario starts from: seven names, six images."""
    path = str(tmp_path_factory.mktemp("base") / "base_images.tar")
    packed = os.path.join(HERE, "golden", "data", "base_images.tar.xz")
    with lzma.open(packed) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target)
    return path


@pytest.fixture
def store_root(tmp_path: os.PathLike[str]) -> Iterator[str]:
    """The path of a store yet to be made. When the test is over, what it made there must be sound.

    Nothing of it may be mounted, run or be a cgroup then.
    """
    root = os.path.join(tmp_path, "root")
    yield root
    if os.path.exists(root):
        check_store(root)
        assert left_by(root) == []
