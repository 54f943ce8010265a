"""Stock clients of registries, and `registry:2` itself on what Ligan leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import registry as real_registry
from tests.support.ligan_registry import Client, serving_registry

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry


def skopeo(*words: str) -> None:
    command = ["skopeo", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


def ligan(root: str, *words: str) -> str:
    environment = {**os.environ, "LIGAN_ROOT": root, "LIGAN_UNDO_WINDOW": "0"}
    done = subprocess.run(["ligan", *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ligan_pushes_and_pulls(registry: Registry, base_images: str, store_root: str) -> None:
    name = f"{registry.address}/team/alpine:3.10"
    ligan(store_root, "load", "-q", "-i", base_images)
    identity = ligan(store_root, "images", "-q", "--no-trunc", "alpine:3.10")
    ligan(store_root, "tag", "alpine:3.10", name)
    ligan(store_root, "push", "-q", name)
    ligan(store_root, "rmi", name, "alpine:3.10")
    ligan(store_root, "pull", "-q", name)
    assert ligan(store_root, "images", "-q", "--no-trunc", name) == identity


@pytest.mark.root
@pytest.mark.dockerd
def test_docker_pushes_and_pulls(registry: Registry, base_images: str, dockerd: str) -> None:
    def docker(*words: str) -> str:
        command = ["docker", "--host", dockerd, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = f"{registry.address}/team/busybox:glibc"
    docker("load", "-q", "-i", base_images)
    identity = docker("images", "-q", "--no-trunc", "busybox:glibc")
    docker("tag", "busybox:glibc", name)
    docker("push", "-q", name)
    docker("rmi", name, "busybox:glibc")
    docker("pull", "-q", name)
    assert docker("images", "-q", "--no-trunc", name) == identity
    docker("rmi", name)


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
