"""Ligan and docker-registry on one folder in turns: each serves what the other has left; nothing is lost."""

from __future__ import annotations

import http.client
import os
import random
from typing import TYPE_CHECKING

import pytest

from ligan.registry.deleting import Removal, carry_out
from ligan.registry.index.database import open_index
from ligan.registry.recovery import begin, lock_registry, open_registry
from tests.support.ligan_registry import (
    check_registry,
    digest_of,
    image_manifest,
    serving_registry,
    unchecked_registry,
)
from tests.support.registry_folders import NOW, RegistryFolder, collect_garbage, registry_2, take_over
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from tests.support.ligan_registry import Client

pytestmark = pytest.mark.docker_registry

LAYER = b"a layer" * 1000


def test_what_registry_2_has_done_is_taken_over(registry_root: str) -> None:
    with serving_registry(registry_root) as registry:
        registry.push_image("app", "kept", LAYER, b"kept")
        moved = registry.push_image("app", "moved", LAYER, b"moved")
        deleted = registry.push_image("app", "deleted", LAYER, b"deleted")
        registry.push_image("gone", "v1", b"gone")
    with registry_2(registry_root) as there:
        there.pull("app", "kept")
        new = there.push_image("app", "new", LAYER, b"new")
        there.push_image("app", "moved", LAYER, b"moved on")
        there.push_image("new/one", "v1", LAYER)
        assert there.delete("app", deleted).status == 202
        gone = digest_of(there.manifest("gone", "v1"))
        assert there.delete("gone", gone).status == 202
    collect_garbage(registry_root)
    with unchecked_registry(registry_root) as registry:  # it leaves links to what it has collected
        assert registry.catalog() == ["app", "new/one"]
        assert registry.ask("GET", "app/tags/list").json["tags"] == ["kept", "moved", "new"]
        for tag in ("kept", "moved", "new"):
            registry.pull("app", tag)
        registry.pull("app", moved)
        registry.pull("new/one", "v1")
        for name in ("deleted", deleted):
            assert registry.ask("HEAD", f"app/manifests/{name}").status == 404
        assert registry.delete("app", new).status == 202
        registry.pull("app", "kept")
        registry.push_image("gone", "v1", b"gone")
        registry.pull("gone", "v1")


def test_orphans_of_registry_2_are_known(registry_root: str) -> None:
    with registry_2(registry_root) as there:
        there.push_image("app", "v1", LAYER)
        digest = there.push_image("app", "v2", b"only of v2")
        there.delete("app", digest)
    assert take_over(registry_root).new == 1
    storage = open_registry(registry_root)
    index = open_index(storage.index)
    sizes = dict(index.read().all("SELECT digest, size FROM blob"))
    index.close()
    assert sizes[digest_of(b"only of v2")] == len(b"only of v2")
    assert dict(storage.blobs()) == sizes


def test_delete_waits_until_the_folder_is_verified(registry_root: str) -> None:
    """What Ligan is about to unlink, a repository may name that registry:2 has pushed to meanwhile."""
    with serving_registry(registry_root) as registry:
        registry.push_image("app", "v1", LAYER)
    with registry_2(registry_root) as there:
        there.push_image("other", "v1", LAYER)
    storage = open_registry(registry_root)
    lock = lock_registry(storage)
    index = open_index(storage.index)
    try:
        verification = begin(index, storage, NOW, lambda *_progress: None)
        verification.verify(index, "app")
        with index.write() as tx:
            removal = Removal(tx, storage, "app", NOW)
            removal.remove_tag("v1")
            removal.finish()
        carry_out(index, storage)
        assert storage.blob_size(digest_of(LAYER)) == len(LAYER)
        assert not os.path.exists(f"{registry_root}/docker/registry/v2/repositories/app")
        while not verification.go_on(index):
            pass
        carry_out(index, storage)
    finally:
        index.close()
        os.close(lock)
    with serving_registry(registry_root) as registry:
        registry.pull("other", "v1")
        assert registry.catalog() == ["other"]
        registry.delete("other", "v1")
    assert storage.blob_size(digest_of(LAYER)) is None


def test_requests_are_answered_by_what_the_disk_has_before_all_is_verified(registry_root: str) -> None:
    """The repository that a request is about is verified first."""
    folder = RegistryFolder(registry_root)
    for number in range(20):
        folder.image(f"app{number}", "v1", layers=(b"%d" % number,))
    take_over(registry_root)
    moved = folder.image("app7", "v1", layers=(b"moved",))
    with unchecked_registry(registry_root, wait=False) as registry:
        assert digest_of(registry.manifest("app7", "v1")) == moved
        registry.pull("app7", "v1")


def test_push_that_a_kill_cut_short_is_done_again_by_registry_2(registry_root: str) -> None:
    """Its tag is what registry:2 has acknowledged, whatever Ligan was about to do or undo."""
    raw = image_manifest(b"{}", LAYER)
    for point in ("registry.linked", "registry.rows", "registry.committed"):
        root = f"{registry_root}-{point}"
        with serving_registry(root) as registry:
            registry.push_image("app", "v1", b"old")
        with serving_registry(root, LIGAN_FAILPOINTS=f"{point}=kill@3") as registry:
            try:
                registry.push_blob("app", b"{}")
                registry.push_blob("app", LAYER)
                registry.put("app", "v1", raw)
            except (OSError, AssertionError):
                pass
            registry.process.wait(SECONDS)
        with registry_2(root) as there:
            there.push_blob("app", b"{}")
            there.push_blob("app", LAYER)
            assert there.put("app", "v1", raw).status == 201
        with unchecked_registry(root) as registry:
            assert registry.manifest("app", "v1") == raw
            registry.pull("app", "v1")


@pytest.mark.parametrize("point", ["registry.removed", "registry.renamed", "registry.swept"])
def test_delete_that_a_kill_cut_short_does_not_take_what_registry_2_got(
    point: str, registry_root: str
) -> None:
    with serving_registry(registry_root, LIGAN_FAILPOINTS=f"{point}=kill") as registry:
        registry.push_image("app", "v1", LAYER)
        registry.push_image("app/nested", "v1", LAYER, b"nested")
        with pytest.raises((OSError, http.client.HTTPException)):
            registry.delete("app", "v1")
        registry.process.wait(SECONDS)
    with registry_2(registry_root) as there:
        digest = there.push_image("app", "v1", LAYER)
        there.push_image("app", "v2", b"of registry:2")
    with unchecked_registry(registry_root) as registry:
        for tag in ("v1", "v2", digest):
            registry.pull("app", tag)
        registry.pull("app/nested", "v1")
        assert registry.catalog() == ["app", "app/nested"]


@pytest.mark.parametrize("seed", range(2))
def test_random_turns(registry_root: str, seed: int) -> None:
    """Every image that one registry has acknowledged the other serves, and nothing that it has deleted."""
    chance = random.Random(seed)
    tags: dict[tuple[str, str], str] = {}
    for turn in range(5):
        if turn % 2:
            with registry_2(registry_root) as there:
                _check(there, tags)
                _work(there, tags, chance, deletes_tags=False)
                _check(there, tags)
            if chance.random() < 0.7:
                collect_garbage(registry_root)
        else:
            with unchecked_registry(registry_root) as registry:
                _check(registry, tags)
                _work(registry, tags, chance, deletes_tags=True)
                _check(registry, tags)
    take_over(registry_root)
    with registry_2(registry_root) as there:
        _check(there, tags)


def _work(
    client: Client, tags: dict[tuple[str, str], str], chance: random.Random, *, deletes_tags: bool
) -> None:
    for _ in range(12):
        repository = chance.choice(("a", "a/b", "c/d/e"))
        tag = chance.choice(("1", "2", "3", "latest"))
        known = tags.get((repository, tag))
        kind = chance.random()
        if known is None or kind < 0.6:
            layers = chance.sample([b"%d" % number * 100 for number in range(6)], chance.randint(1, 3))
            tags[repository, tag] = client.push_image(repository, tag, *layers)
        elif kind < 0.8 and deletes_tags:
            assert client.delete(repository, tag).status == 202
            del tags[repository, tag]
        else:
            assert client.delete(repository, known).status == 202
            for each in [each for each, digest in tags.items() if each[0] == repository and digest == known]:
                del tags[each]


def _check(client: Client, tags: dict[tuple[str, str], str]) -> None:
    for (repository, tag), digest in tags.items():
        assert digest_of(client.manifest(repository, tag)) == digest
        client.pull(repository, tag)
    for repository in client.catalog():
        answer = client.ask("GET", f"{repository}/tags/list")
        listed = (answer.json.get("tags") or []) if answer.status == 200 else []
        assert set(listed) == {tag for name, tag in tags if name == repository}


def test_books_are_right_after_turns(registry_root: str) -> None:
    with serving_registry(registry_root) as registry:
        registry.push_image("app", "v1", LAYER)
    with registry_2(registry_root) as there:
        there.push_image("app", "v2", LAYER, b"two")
        there.push_image("app/nested", "v1", b"three")
    take_over(registry_root)
    check_registry(registry_root)
