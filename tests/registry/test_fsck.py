"""fsck of a registry: each kind of damage is found, and mended or put aside; nothing is taken in silently."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ligan.oci.digest import Digest
from ligan.registry.index.database import open_index
from ligan.registry.storage.filesystem import FilesystemStorage
from tests.support.ligan_registry import digest_of, ligan_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.ligan_registry import Registry

LAYER = b"a layer" * 10_000
NOBODYS = Digest(f"sha256:{'0' * 64}")


class Damage:
    """What befalls the folder of a registry that has app:v1 with LAYER."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.storage = FilesystemStorage(registry.root)
        self.manifest = registry.push_image("app", "v1", LAYER)
        self.v2 = f"{registry.root}/docker/registry/v2"

    def link(self, folder: str) -> str:
        return f"{self.v2}/{folder}/link"

    def remove_link(self) -> str:
        folder = self.storage.layer_folder("app", digest_of(LAYER))
        os.unlink(self.link(folder))
        return f"link {folder}: missing"

    def empty_link(self) -> str:
        folder = self.storage.revision_folder("app", self.manifest)
        os.truncate(self.link(folder), 0)
        return f"link {folder}: holds '', not {self.manifest}"

    def add_newline(self) -> str:
        folder = f"{self.storage.tag_folder('app', 'v1')}/current"
        with open(self.link(folder), "a", encoding="ascii") as file:
            file.write("\n")
        return f"link {folder}: holds '{self.manifest}\\n', not {self.manifest}"

    def remove_history(self) -> str:
        folder = self.storage.tag_index_folder("app", "v1", self.manifest)
        os.unlink(self.link(folder))
        return f"link {folder}: missing"

    def leave_link(self) -> str:
        folder = self.storage.layer_folder("app", NOBODYS)
        os.makedirs(f"{self.v2}/{folder}")
        with open(self.link(folder), "w", encoding="ascii") as file:
            file.write(NOBODYS)
        return f"link {folder}: names nothing that is here"

    def leave_file(self) -> str:
        folder = self.storage.blob_folder(NOBODYS)
        os.makedirs(f"{self.v2}/{folder}")
        with open(self.storage.blob(NOBODYS), "wb") as file:
            file.write(b"waste")
        return f"file {folder}: no row names it"

    def rot_manifest(self) -> str:
        with open(self.storage.blob(self.manifest), "r+b") as file:
            file.write(b"[")
        return f"manifest {self.manifest}: its bytes hash to sha256:"

    def lose_manifest(self) -> str:
        os.unlink(self.storage.blob(self.manifest))
        return f"manifest {self.manifest}: missing"

    def rot_index(self) -> str:
        index = open_index(self.storage.index)
        with index.write() as tx:
            tx.execute("UPDATE document SET raw = ?", (b"{}",))
        index.close()
        return f"manifest {self.manifest}: the index has other bytes for it"


def fsck(registry: Registry, *flags: str) -> tuple[int, list[str], str]:
    done = ligan_registry(registry.root, "fsck", *flags)
    return done.returncode, done.stdout.splitlines(), done.stderr


def sound(registry: Registry) -> bool:
    return fsck(registry) == (0, [], "ligan: the registry is sound\n")


@pytest.mark.parametrize(
    "do",
    [
        Damage.remove_link,
        Damage.empty_link,
        Damage.add_newline,
        Damage.remove_history,
        Damage.leave_link,
        Damage.leave_file,
        Damage.rot_manifest,
        Damage.lose_manifest,
        Damage.rot_index,
    ],
)
def test_damage_is_found_and_repaired(do: Callable[[Damage], str], registry: Registry) -> None:
    said = do(Damage(registry))
    status, faults, hint = fsck(registry)
    assert (status, len(faults), faults[0][: len(said)]) == (1, 1, said)
    assert f"can be repaired: ligan registry fsck --repair --root {registry.root}" in hint
    assert fsck(registry, "--repair")[1:] == (faults, "ligan: repaired: 1 of 1\n")
    assert sound(registry)
    registry.pull("app", "v1")


def test_rotten_layer_is_put_aside_and_healed_by_a_push(registry: Registry) -> None:
    damage = Damage(registry)
    digest = digest_of(LAYER)
    with open(damage.storage.blob(digest), "r+b") as file:
        file.write(b"A")
    status, faults, hint = fsck(registry, "--repair")
    assert (status, len(faults)) == (1, 1)
    assert faults[0].startswith(f"blob {digest}: its bytes hash to ")
    assert "fsck --quarantine" in hint
    assert fsck(registry, "--quarantine")[0] == 1
    with open(f"{registry.root}/ligan/quarantine/{digest.replace(':', '-')}", "rb") as file:
        assert file.read(2) == b"A "
    answer = registry.ask("GET", f"app/blobs/{digest}")
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")
    assert registry.ask("POST", f"app/blobs/uploads/?mount={digest}&from=app").status == 202
    assert fsck(registry)[1] == [f"blob {digest}: missing"]
    registry.push_image("app", "v1", LAYER)
    registry.pull("app", "v1")
    for upload in os.listdir(f"{damage.v2}/repositories/app/_uploads"):
        registry.ask("DELETE", f"app/blobs/uploads/{upload}")
    assert sound(registry)


def test_shortened_layer_is_damage_too(registry: Registry) -> None:
    damage = Damage(registry)
    os.truncate(damage.storage.blob(digest_of(LAYER)), 10)
    assert fsck(registry)[1] == [f"blob {digest_of(LAYER)}: 10 bytes on disk, {len(LAYER)} in the books"]
    fsck(registry, "--quarantine")
    registry.push_image("app", "v1", LAYER)
    registry.pull("app", "v1")


def test_damage_to_what_undo_holds_is_named_as_that(registry: Registry) -> None:
    damage = Damage(registry)
    ligan_registry(registry.root, "rm", "app", LIGAN_UNDO_WINDOW="1h", LIGAN_UNDO_DISK_LIMIT="100%")
    os.unlink(damage.storage.blob(digest_of(LAYER)))
    assert fsck(registry)[1] == [f"blob {digest_of(LAYER)}, kept for undo: missing"]
    assert "whose bytes are gone" in ligan_registry(registry.root, "undo").stderr
    ligan_registry(registry.root, "reclaim", "--all")
    assert sound(registry)


def test_images_that_the_index_has_not_are_neither_taken_in_nor_removed(registry: Registry) -> None:
    damage = Damage(registry)
    folder = damage.storage.revision_folder("app", NOBODYS)
    os.makedirs(f"{damage.v2}/{folder}")
    with open(damage.link(folder), "w", encoding="ascii") as file:
        file.write(NOBODYS)
    damage.leave_file()  # it may be what that link is about
    for flags in ((), ("--repair",)):
        _status, faults, _hint = fsck(registry, *flags)
        problem = "of an image that the index has not; a start of the registry takes it in"
        assert f"link {folder}: {problem}" in faults
    assert os.path.exists(damage.storage.blob(NOBODYS))
    os.unlink(damage.link(folder))
    os.rmdir(f"{damage.v2}/{folder}")
    assert fsck(registry, "--repair")[0] == 1
    assert sound(registry)


def test_links_of_other_algorithms_are_no_fault(registry: Registry) -> None:
    raw = json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(b"{}"), "size": 2}}).encode()
    registry.push_blob("app", b"{}")
    assert registry.put("app", digest_of(raw, "sha512"), raw).status == 201
    assert sound(registry)
