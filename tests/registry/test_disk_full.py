"""A registry whose disk is full: undo gives way first, and what is deleted makes room."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ligan_registry import digest_of, image_manifest, ligan_registry, serving_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ligan_registry import Registry

MIB = 1 << 20
KEEPING: dict[str, Any] = {"LIGAN_UNDO_WINDOW": "24h", "LIGAN_UNDO_DISK_LIMIT": "100%"}

pytestmark = pytest.mark.root


@pytest.fixture
def small(tmp_path: os.PathLike[str]) -> Iterator[Registry]:
    """A registry on a disk of its own, of 48 MiB."""
    disk = os.path.join(tmp_path, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={48 * MIB}", "tmpfs", disk], check=True)
    try:
        with serving_registry(f"{disk}/registry", **KEEPING) as registry:
            yield registry
    finally:
        subprocess.run(["umount", disk], check=True)


def layer(number: int) -> bytes:
    return b"%d" % number * (12 * MIB)


def test_oldest_entries_give_way_to_a_push(small: Registry) -> None:
    for number in range(3):
        small.push_image("app", f"v{number}", layer(number))
        small.delete("app", f"v{number}")
    small.push_image("app", "v3", layer(3))
    small.pull("app", "v3")
    left = ligan_registry(small.root, "undo", "--list", "--format", "{{.ID}}", **KEEPING).stdout.split()
    assert left
    assert "1" not in left
    for _entry in left:
        assert ligan_registry(small.root, "undo", **KEEPING).returncode == 0
    small.pull("app", "v2")


def test_full_disk_refuses_pushes_and_is_emptied_by_deletes(small: Registry) -> None:
    data = [layer(number) for number in range(3)]
    for number, each in enumerate(data):
        small.push_image("app", f"v{number}", each)
    with open(f"{small.root}/filler", "wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    answer = small.ask("POST", f"app/blobs/uploads/?digest={digest_of(layer(4))}", layer(4))
    assert answer.status == 507
    freed = ligan_registry(small.root, "rm", "--now", "app:v0", **KEEPING)
    assert freed.returncode == 0, freed.stderr
    assert "freed" in freed.stderr
    small.pull("app", "v1")
    os.unlink(f"{small.root}/filler")
    small.push_image("app", "v0", data[0])


def test_full_disk_refuses_a_manifest(small: Registry) -> None:
    small.push_blob("app", b"{}")
    with open(f"{small.root}/filler", "wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    raw = image_manifest(b"{}", annotations={"long": "x" * (3 * MIB)})
    assert small.put("app", "v1", raw).status == 507
    os.unlink(f"{small.root}/filler")
    assert small.put("app", "v1", raw).status == 201
