"""A registry that is killed: what it has acknowledged is there after the next start, and nothing else."""

from __future__ import annotations

import http.client

import pytest

from ligan.store.failpoints import POINTS
from tests.support.ligan_registry import Registry, digest_of, image_manifest, serving_registry
from tests.support.waiting import SECONDS

_POINTS = [point for point in POINTS if point.startswith("registry.")]

LAYER = b"shared" * 1000


def work(registry: Registry, tags: dict[str, str | None]) -> None:
    """Push and delete until the registry dies. `tags` has what is certain; None is what may be or not."""
    for turn in range(4):
        for name in ("app:new", "app:moved", "else:new"):
            repository, _, tag = name.partition(":")
            tags[name] = None
            tags[name] = registry.push_image(repository, tag, LAYER, b"%d of %s" % (turn, name.encode()))
        tags["app:new"] = None
        registry.delete("app", "new")
        tags["app:new"] = ""


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", _POINTS)
def test_kill_at(point: str, nth: int, registry_root: str) -> None:
    tags: dict[str, str | None] = {}
    with serving_registry(registry_root, LIGAN_FAILPOINTS=f"{point}=kill@{nth}") as registry:
        with pytest.raises((OSError, http.client.HTTPException)):
            work(registry, tags)
        assert registry.process.wait(SECONDS) == -9
    with serving_registry(registry_root) as registry:
        for name, digest in tags.items():
            repository, _, tag = name.partition(":")
            if digest:
                registry.pull(repository, digest)
                registry.pull(repository, tag)
            elif digest == "":
                assert registry.ask("GET", f"{repository}/manifests/{tag}").status == 404
            elif registry.ask("GET", f"{repository}/manifests/{tag}").status == 200:
                registry.pull(repository, tag)
        registry.push_image("app", "after", LAYER)
        registry.pull("app", "after")


def test_kill_while_a_manifest_comes_by_another_algorithm(registry_root: str) -> None:
    with serving_registry(registry_root, LIGAN_FAILPOINTS="registry.rows=kill@2") as registry:
        registry.push_blob("app", b"{}")
        raw = image_manifest(b"{}")
        with pytest.raises((OSError, http.client.HTTPException)):
            registry.put("app", digest_of(raw, "sha512"), raw)
        assert registry.process.wait(SECONDS) == -9
    with serving_registry(registry_root) as registry:
        if registry.ask("HEAD", f"app/manifests/{digest_of(raw, 'sha512')}").status == 200:
            registry.pull("app", digest_of(raw, "sha512"))
        assert registry.put("app", digest_of(raw, "sha512"), raw).status == 201


@pytest.mark.parametrize("point", ["registry.linked", "registry.rows", "registry.committed"])
def test_upload_whose_commit_was_cut_short_is_no_way_to_change_the_blob(
    point: str, registry_root: str
) -> None:
    with serving_registry(registry_root, LIGAN_FAILPOINTS=f"{point}=kill") as registry:
        location = registry.begin("app")
        with pytest.raises((OSError, http.client.HTTPException)):
            registry.ask("PUT", f"{location}?digest={digest_of(LAYER)}", LAYER)
        assert registry.process.wait(SECONDS) == -9
    with serving_registry(registry_root) as registry:
        registry.push_image("else", "v1", LAYER)
        assert registry.ask("PATCH", location, b"more").status == 202
        registry.pull("else", "v1")
        answer = registry.ask("PUT", f"{location}?digest={digest_of(LAYER + b'more')}")
        assert answer.status == 201
        assert registry.ask("GET", f"app/blobs/{digest_of(LAYER + b'more')}").body == LAYER + b"more"
        registry.pull("else", "v1")
