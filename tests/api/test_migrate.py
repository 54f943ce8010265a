"""All images of a real dockerd, brought over by `ligan migrate`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ligan.store.layout import Layout
from ligan.store.store import Store
from tests.support import registry as real_registry
from tests.support.stores import KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.dockerd

_DOCKERFILES = {
    "chain:1": 'FROM alpine:latest\nENV A=1\nCOPY f /f\nLABEL x=<y>\nRUN ["/nowhere"]',
    "chain:2": 'FROM alpine:latest\nENV A=1\nCOPY f /f\nLABEL x=<y>\nWORKDIR /w\nCMD ["sh"]',
    "settings": "FROM scratch\nMAINTAINER me <me@there>\nLABEL b=2 a=1\nEXPOSE 80\nCOPY f /g",
    "nothing": "FROM scratch\nENV ONLY=settings",
}
_ROW = "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}} {{.Size}}"
_FACTS = (
    "{{.Id}} parent={{.Parent}} tagged={{.Metadata.LastTagTime}} size={{.Size}} "
    "{{json .RepoTags}} {{json .RepoDigests}} {{json .RootFS}}"
)

LISTED = "{{.ID}} {{.Repository}}:{{.Tag}}@{{.Digest}} {{.Size}}"


def run(*command: str, cwd: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "TZ": "UTC", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def docker(*words: str, cwd: str | None = None) -> str:
    done = run("docker", *words, cwd=cwd, DOCKER_BUILDKIT="0")
    assert done.returncode == 0, done.stderr
    return done.stdout


def ligan(root: str, *words: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = run(sys.executable, "-m", "ligan", "--root", root, *words, **environment)
    assert done.returncode == status, done
    return done


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker-registry") is None:
        pytest.skip("needs docker-registry (Debian package docker-registry)")
    folder = str(tmp_path_factory.mktemp("registry"))
    with real_registry.running(folder) as address:
        yield address


@pytest.fixture(scope="module")
def source(
    dockerd: str, base_images: str, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A dockerd with chains of builds, images without names or layers, several names, and digests."""
    folder = str(tmp_path_factory.mktemp("source"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", dockerd)
        environment.setenv("DOCKER_CONFIG", folder)
        docker("load", "-q", "-i", base_images)
        with open(os.path.join(folder, "f"), "w") as file:
            file.write("content")
        for name, text in _DOCKERFILES.items():
            with open(os.path.join(folder, "Dockerfile"), "w") as file:
                file.write(text)
            # A step that fails leaves the image before it, without a name.
            run(
                "docker",
                "build",
                "--force-rm",
                "--network=none",
                "-t",
                name,
                ".",
                cwd=folder,
                DOCKER_BUILDKIT="0",
            )
        docker("tag", "chain:2", "example.com/team/chain:2")
        docker("tag", "chain:2", f"{registry}/pushed:2")
        docker("push", f"{registry}/pushed:2")
        docker("tag", "busybox:latest", f"{registry}/digest:only")
        docker("push", f"{registry}/digest:only")
        digest = docker("inspect", "--format", "{{index .RepoDigests 0}}", f"{registry}/digest:only").strip()
        docker("rmi", f"{registry}/digest:only", "busybox:latest")
        docker("pull", digest)
        docker("tag", "alpine:latest", "alpine:moved")
        docker("tag", "alpine:3.10", "alpine:moved")
        yield dockerd
        docker("system", "prune", "--all", "--force")


def facts(client: Callable[..., str]) -> list[str]:
    """Return everything that a client tells of images, in an order that does not depend on the engine."""
    images = sorted(set(client("images", "-aq", "--no-trunc").split()))
    described = client("inspect", "--format", _FACTS, *images).splitlines()
    for shown in (["--all"], [], ["--filter", "dangling=true"]):
        rows = client("images", "--no-trunc", "--digests", "--format", _ROW, *shown)
        described += sorted(rows.splitlines())
    return described


def test_every_image_name_digest_and_parent_comes_over(source: str, store_root: str) -> None:
    expected = facts(docker)
    assert any("<none>:<none>" in line for line in expected), "no image without a name to bring over"
    done = ligan(store_root, "migrate", "--from", source)
    count = int(docker("info", "--format", "{{.Images}}"))
    assert done.stdout.splitlines()[-1] == f"Images: {count} migrated, 0 here already"
    assert done.stderr == ""
    assert facts(lambda *words: ligan(store_root, *words).stdout) == expected


def test_a_second_run_finds_nothing_to_do(source: str, store_root: str) -> None:
    ligan(store_root, "migrate", "--from", source)
    before = ligan(store_root, "images", "--all", "--format", LISTED).stdout
    done = ligan(store_root, "migrate", "--from", source)
    count = int(docker("info", "--format", "{{.Images}}"))
    assert done.stdout == f"Images: 0 migrated, {count} here already\n"
    assert done.stderr == ""
    assert ligan(store_root, "images", "--all", "--format", LISTED).stdout == before


def test_dry_run_counts_each_layer_once_and_changes_nothing(source: str, store_root: str) -> None:
    docker("save", "-o", f"{store_root}.tar", "alpine:latest")
    ligan(store_root, "load", "-q", "-i", f"{store_root}.tar")
    forecast = ligan(store_root, "migrate", "--from", source, "--dry-run").stdout
    here = layer_bytes(store_root)
    assert ligan(store_root, "images", "-aq").stdout.count("\n") == 1
    ligan(store_root, "migrate", "--from", source)
    came = {layer: size for layer, size in layer_bytes(store_root).items() if layer not in here}
    assert f"Layers to migrate:   {len(came)}, {sum(came.values())} bytes" in forecast
    again = ligan(store_root, "migrate", "--from", source, "--dry-run").stdout
    assert "Images to migrate:   0\nLayers to migrate:   0, 0 bytes (0B)\n" in again


def layer_bytes(root: str) -> dict[str, int]:
    """Return Docker's size of every layer in a store, by chain ID."""
    store = Store(Layout(root), KEEP)
    try:
        with store.database.read() as tx:
            return dict(tx.all("SELECT chain_id, size FROM live_layer"))
    finally:
        store.close()


@pytest.mark.parametrize("point", ["ingest.synced=kill@9", "commit.done=kill@5", "tag.rows=kill@2"])
def test_a_killed_run_goes_on(point: str, source: str, store_root: str) -> None:
    ligan(store_root, "migrate", "--from", source, status=-9, LIGAN_FAILPOINTS=point)
    left = int(ligan(store_root, "info", "--format", "{{.Images}}").stdout)
    ligan(store_root, "pins")  # any command repairs the store
    done = ligan(store_root, "migrate", "--from", source)
    count = int(docker("info", "--format", "{{.Images}}"))
    assert done.stdout.splitlines()[-1] == f"Images: {count - left} migrated, {left} here already"
    assert facts(lambda *words: ligan(store_root, *words).stdout) == facts(docker)


def test_a_name_that_means_another_image_here_stays(source: str, store_root: str) -> None:
    docker("save", "-o", f"{store_root}.tar", "alpine:3.10")
    ligan(store_root, "load", "-q", "-i", f"{store_root}.tar")
    ligan(store_root, "tag", "alpine:3.10", "debian:bullseye-slim")
    done = ligan(store_root, "migrate", "--from", source)
    mine, theirs = docker("images", "-q", "alpine:3.10").strip(), docker("images", "-q", "debian").strip()
    assert done.stderr == (
        f"ligan: debian:bullseye-slim means {theirs} there, and {mine} here: left as it is\n"
    )
    assert ligan(store_root, "images", "-q", "debian").stdout.strip() == mine
    assert theirs in ligan(store_root, "images", "-q").stdout
