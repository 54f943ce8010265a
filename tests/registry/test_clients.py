"""Stock clients of registries, and `registry:2` itself on what Ligan leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.support import registry as real_registry
from tests.support.ligan_registry import Client, digest_of, serving_registry
from tests.support.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.ligan_registry import Registry


def skopeo(*words: str) -> str:
    command = ["skopeo", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def copy_in(archive: str, image: str, address: str, name: str, *flags: str) -> None:
    skopeo(
        "copy",
        "--dest-tls-verify=false",
        *flags,
        f"docker-archive:{archive}:{image}",
        f"docker://{address}/{name}",
    )


def copy_out(address: str, name: str, folder: str) -> None:
    """Pull an image whole; skopeo compares every byte with its digest."""
    skopeo("copy", "--src-tls-verify=false", f"docker://{address}/{name}", f"dir:{folder}")


@pytest.mark.skopeo
def test_skopeo_copies_in_between_and_out(registry: Registry, base_images: str, tmp_path: str) -> None:
    copy_in(base_images, "alpine:3.10", registry.address, "alpine:3.10")
    copy_in(base_images, "alpine:3.10", registry.address, "oci/alpine:3.10", "--format", "oci")
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    address = f"docker://{registry.address}"
    skopeo("copy", *tls, f"{address}/alpine:3.10", f"{address}/copy/of:it")
    skopeo("delete", "--tls-verify=false", f"{address}/alpine:3.10")
    assert registry.catalog() == ["copy/of", "oci/alpine"]
    copy_out(registry.address, "copy/of:it", f"{tmp_path}/it")
    copy_out(registry.address, "oci/alpine:3.10", f"{tmp_path}/oci")


@pytest.mark.skopeo
def test_skopeo_copies_every_platform_of_an_index(
    registry: Registry, base_images: str, tmp_path: str
) -> None:
    for image in ("alpine:3.10", "busybox:glibc"):
        copy_in(base_images, image, registry.address, "parts:" + image.partition(":")[2], "--format", "oci")
    children = [digest_of(registry.manifest("parts", tag)) for tag in ("3.10", "glibc")]
    index = registry.push_index("parts", "all", *children)
    skopeo(
        "copy",
        "--all",
        "--src-tls-verify=false",
        f"docker://{registry.address}/parts:all",
        f"dir:{tmp_path}/all",
    )
    for tag in ("3.10", "glibc"):
        registry.delete("parts", tag)
    registry.delete("parts", "all")
    assert registry.catalog() == []
    skopeo(
        "copy",
        "--all",
        "--dest-tls-verify=false",
        f"dir:{tmp_path}/all",
        f"docker://{registry.address}/whole:all",
    )
    registry.pull("whole", "all")
    assert digest_of(registry.manifest("whole", "all")) == index


@pytest.mark.skopeo
def test_skopeo_lists_and_inspects(registry: Registry, base_images: str) -> None:
    for tag in ("one", "two"):
        copy_in(base_images, "alpine:3.10", registry.address, f"team/alpine:{tag}", "--format", "v2s2")
    name = f"docker://{registry.address}/team/alpine"
    assert '"one",' in skopeo("list-tags", "--tls-verify=false", name)
    assert digest_of(registry.manifest("team/alpine", "one")) in skopeo(
        "inspect", "--tls-verify=false", f"{name}:one"
    )


@pytest.mark.skopeo
def test_unsigned_manifests_of_schema_1_are_refused(registry: Registry, base_images: str) -> None:
    """As by `registry:2` with its usual settings."""
    address = f"docker://{registry.address}/old:1"
    command = ["skopeo", "copy", "--format", "v2s1", "--dest-tls-verify=false"]
    command += [f"docker-archive:{base_images}:alpine:3.10", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "manifest invalid" in done.stderr


@pytest.fixture
def podman() -> Iterator[Callable[..., str]]:
    """Podman with a store of its own; returns what it prints."""
    folder = tempfile.mkdtemp(prefix="podman-")  # it refuses long paths
    folders = [f"--{name}={folder}/{name}" for name in ("root", "runroot", "tmpdir")]
    own = ["podman", *folders, "--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]

    def run(*words: str) -> str:
        done = subprocess.run([*own, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with alone(__file__):  # all stores of one machine have the same locks, which the first who comes makes
        yield run
        run("system", "reset", "--force")
    shutil.rmtree(folder)


@pytest.mark.root
@pytest.mark.podman
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_podman_pushes_and_pulls(
    registry: Registry, base_images: str, podman: Callable[..., str], form: str
) -> None:
    name = f"{registry.address}/team/alpine:3.10"
    podman("load", "--quiet", "--input", base_images)
    podman("push", "--quiet", "--tls-verify=false", "--format", form, "alpine:3.10", name)
    podman("rmi", "--all", "--force")
    podman("pull", "--quiet", "--tls-verify=false", name)
    config = json.loads(registry.manifest("team/alpine", "3.10"))["config"]["digest"]
    assert podman("images", "--quiet", "--no-trunc", name) == f"{config}\n"


@pytest.mark.root
@pytest.mark.podman
def test_podman_pushes_an_index(registry: Registry, base_images: str, podman: Callable[..., str]) -> None:
    podman("load", "--quiet", "--input", base_images)
    podman("manifest", "create", "many")
    for image in ("alpine:3.10", "busybox:glibc"):
        podman("manifest", "add", "many", f"containers-storage:localhost/{image}")
    podman("manifest", "push", "--all", "--tls-verify=false", "many", f"docker://{registry.address}/many:1")
    registry.pull("many", "1")
    assert len(registry.ask("GET", "many/manifests/1").json["manifests"]) == 2


def ligan(root: str, *words: str) -> str:
    environment = {**os.environ, "LIGAN_ROOT": root, "LIGAN_UNDO_WINDOW": "0"}
    command = [sys.executable, "-m", "ligan", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ligan_pushes_and_pulls(registry: Registry, base_images: str, store_root: str) -> None:
    name = f"{registry.address}/team/alpine:3.10"
    ligan(store_root, "load", "-q", "-i", base_images)
    identity = ligan(store_root, "images", "-q", "--no-trunc", "alpine:3.10")
    ligan(store_root, "tag", "alpine:3.10", name)
    ligan(store_root, "push", "-q", name)
    ligan(store_root, "push", "-q", name)
    ligan(store_root, "rmi", name, "alpine:3.10")
    ligan(store_root, "pull", "-q", name)
    assert ligan(store_root, "images", "-q", "--no-trunc", name) == identity
    assert ligan(store_root, "tags", f"{registry.address}/team/alpine") == "3.10\n"


def test_ligan_copies_every_platform_of_an_index(
    registry: Registry, base_images: str, store_root: str
) -> None:
    for image in ("alpine:3.10", "busybox:glibc"):
        tag = image.partition(":")[2]
        ligan(
            store_root,
            "copy",
            "-q",
            f"docker-archive:{base_images}:{image}",
            f"{registry.address}/parts:{tag}",
        )
    children = [digest_of(registry.manifest("parts", tag)) for tag in ("3.10", "glibc")]
    index = registry.push_index("parts", "all", *children)
    address = f"{registry.address}/of/copies:all"
    assert index in ligan(
        store_root, "copy", "-q", "--all-platforms", f"{registry.address}/parts:all", address
    )
    registry.pull("of/copies", "all")


@pytest.fixture
def docker(dockerd: str) -> Callable[..., str]:
    """Docker's client on a dockerd; returns what it prints."""

    def run(*words: str) -> str:
        command = ["docker", "--host", dockerd, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.root
@pytest.mark.dockerd
def test_docker_pushes_and_pulls(
    registry: Registry, base_images: str, docker: Callable[..., str], tmp_path: str
) -> None:
    name = f"{registry.address}/team/busybox"
    docker("load", "-q", "-i", base_images)
    identity = docker("images", "-q", "--no-trunc", "busybox:glibc")
    for tag in ("glibc", "again"):
        docker("tag", "busybox:glibc", f"{name}:{tag}")
    docker("push", "-q", "--all-tags", name)
    docker("tag", "busybox:glibc", f"{registry.address}/mounted:1")
    docker("push", "-q", f"{registry.address}/mounted:1")
    docker("rmi", f"{name}:glibc", f"{name}:again", f"{registry.address}/mounted:1", "busybox:glibc")
    docker("pull", "-q", "--all-tags", name)
    assert docker("images", "-q", "--no-trunc", name) == identity * 2
    digest = digest_of(registry.manifest("team/busybox", "glibc"))
    docker("rmi", f"{name}:glibc", f"{name}:again")
    docker("pull", "-q", f"{name}@{digest}")
    docker("rmi", f"{name}@{digest}")
    registry.pull("mounted", "1")
    index, insecure = f"{registry.address}/index:1", ("--config", f"{tmp_path}", "manifest")
    docker(*insecure, "create", "--insecure", index, f"{registry.address}/mounted:1")
    docker(*insecure, "push", "--insecure", index)
    for repository, reference in (("team/busybox", digest), ("mounted", "1"), ("index", "1")):
        assert "Ligan-Leased" not in registry.delete(repository, reference).headers
    assert registry.catalog() == []


@pytest.mark.skopeo
@pytest.mark.docker_registry
def test_registry_2_serves_what_is_left(registry_root: str, base_images: str, tmp_path: str) -> None:
    with serving_registry(registry_root) as registry:
        for image in ("alpine:3.10", "busybox:latest", "busybox:glibc"):
            copy_in(base_images, image, registry.address, f"old/{image}")
            copy_in(base_images, image, registry.address, f"old/deeper/{image}", "--format", "oci")
        arm, amd = (registry.push_image("many", "", b"layer", name) for name in (b"arm", b"amd"))
        registry.push_index("many", "all", arm, amd)
        for name in ("old/busybox", "old/deeper/alpine"):
            for tag in registry.ask("GET", f"{name}/tags/list").json["tags"][:1]:
                assert registry.delete(name, tag).status == 202
        left = {name: registry.ask("GET", f"{name}/tags/list").json["tags"] for name in registry.catalog()}
    folder = f"{tmp_path}/real"
    shutil.copytree(registry_root, f"{folder}/data")
    with real_registry.running(folder) as address:
        there = Client(address)
        assert sorted(there.catalog()) == sorted(left)
        for name, tags in left.items():
            assert sorted(there.ask("GET", f"{name}/tags/list").json["tags"]) == tags
            for tag in tags:
                there.pull(name, tag)
        copy_out(address, "old/alpine:3.10", f"{tmp_path}/out")
