"""Deletes: bytes that nobody needs are off the disk when the answer arrives; all others stay."""

from __future__ import annotations

import http.client
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import (
    check_registry,
    digest_of,
    image_manifest,
    ligan_registry,
    serving_registry,
)
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry

LAYER = b"a layer" * 10_000


def bytes_on_disk(registry: Registry) -> int:
    blobs = f"{registry.root}/docker/registry/v2/blobs"
    return sum(os.path.getsize(f"{folder}/{name}") for folder, _, names in os.walk(blobs) for name in names)


def folders(registry: Registry) -> list[str]:
    return os.listdir(f"{registry.root}/docker/registry/v2/repositories")


@pytest.mark.parametrize("by_digest", [False, True])
def test_last_image_takes_its_bytes_and_its_repository_along(registry: Registry, by_digest: bool) -> None:
    digest = registry.push_image("tickets", "v1", LAYER)
    size = bytes_on_disk(registry)
    assert size > len(LAYER)
    answer = registry.delete("tickets", digest if by_digest else "v1")
    assert (answer.status, answer.headers["Ligan-Freed"]) == (202, str(size))
    assert bytes_on_disk(registry) == 0
    assert registry.catalog() == []
    assert folders(registry) == []
    for reference in ("v1", digest):
        assert registry.ask("HEAD", f"tickets/manifests/{reference}").status == 404
    assert registry.delete("tickets", "v1").status == 404
    registry.push_image("tickets", "v1", LAYER)
    registry.pull("tickets", "v1")


def test_siblings_by_digest_stay(registry: Registry) -> None:
    digest = registry.push_image("tickets", "v1", LAYER)
    registry.put("tickets", "v2", registry.manifest("tickets", "v1"))
    assert registry.delete("tickets", "v1").headers["Ligan-Freed"] == "0"
    registry.pull("tickets", "v2")
    registry.pull("tickets", digest)


def test_unknown_tag_deletes_nothing(registry: Registry) -> None:
    registry.push_image("tickets", "v1", LAYER)
    assert registry.delete("tickets", "NOSUCHTAG").code == "MANIFEST_UNKNOWN"
    registry.pull("tickets", "v1")


def test_digest_takes_all_its_tags(registry: Registry) -> None:
    digest = registry.push_image("tickets", "v1", LAYER)
    registry.put("tickets", "v2", registry.manifest("tickets", "v1"))
    registry.push_image("tickets", "v3", b"another")
    registry.delete("tickets", digest)
    assert registry.ask("GET", "tickets/tags/list").json["tags"] == ["v3"]


def test_shared_layers_stay(registry: Registry) -> None:
    registry.push_image("one", "v1", LAYER, b"only one")
    registry.push_image("one", "v2", LAYER, b"other")
    registry.push_image("two", "v1", LAYER)
    registry.delete("one", "v1")
    registry.pull("one", "v2")
    registry.delete("one", "v2")
    registry.pull("two", "v1")
    assert registry.ask("GET", f"one/blobs/{digest_of(LAYER)}").status == 404
    assert registry.catalog() == ["two"]


def test_nested_repositories_stay(registry: Registry) -> None:
    for name in ("a", "a/b", "a/b/c"):
        registry.push_image(name, "v1", LAYER)
    registry.delete("a/b", "v1")
    assert registry.catalog() == ["a", "a/b/c"]
    registry.pull("a/b/c", "v1")
    registry.delete("a", "v1")
    registry.pull("a/b/c", "v1")
    registry.delete("a/b/c", "v1")
    assert folders(registry) == []


def test_children_of_an_index_stay_and_go_with_it(registry: Registry) -> None:
    arm = registry.push_image("app", "", LAYER, b"arm")
    amd = registry.push_image("app", "amd", LAYER, b"amd")
    registry.push_index("app", "all", arm, amd)
    answer = registry.delete("app", arm)
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    registry.delete("app", "amd")
    registry.pull("app", "all")
    registry.push_index("app", "just-arm", arm)
    registry.delete("app", "all")
    registry.pull("app", "just-arm")
    assert registry.ask("HEAD", f"app/manifests/{amd}").status == 404
    registry.delete("app", "just-arm")
    assert bytes_on_disk(registry) == 0


def test_tag_that_moved_leaves_the_old_manifest_to_its_digest(registry: Registry) -> None:
    old = registry.push_image("app", "latest", b"old")
    registry.push_image("app", "latest", b"new")
    registry.pull("app", old)
    registry.delete("app", old)
    registry.pull("app", "latest")


def test_blob_of_a_manifest_is_not_deleted_alone(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    assert registry.ask("DELETE", f"app/blobs/{digest_of(LAYER)}").status == 405
    digest = registry.push_blob("app", b"nobody's")
    answer = registry.ask("DELETE", f"app/blobs/{digest}")
    assert (answer.status, answer.headers["Ligan-Freed"]) == (202, "8")
    assert registry.ask("HEAD", f"app/blobs/{digest}").status == 404
    assert registry.ask("DELETE", f"app/blobs/{digest}").status == 404


def test_lease_keeps_a_blob_for_a_push_under_way(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    assert registry.ask("HEAD", f"app/blobs/{digest_of(LAYER)}").status == 200
    answer = registry.delete("app", "v1")
    leased, _, until = answer.headers["Ligan-Leased"].partition("; until=")
    assert leased == str(len(LAYER))
    assert until.endswith("Z")
    assert registry.catalog() == []
    registry.push_blob("app", b"{}")
    assert registry.put("app", "v2", image_manifest(b"{}", LAYER)).status == 201
    registry.pull("app", "v2")
    registry.delete("app", "v2")
    assert bytes_on_disk(registry) == 0


def test_look_of_docker_at_what_it_has_uploaded_is_no_push_of_its_own(registry: Registry) -> None:
    digest, client = digest_of(LAYER), "docker/20.10.24"
    location = registry.begin("app")
    uploaded = registry.ask("PUT", f"{location}?digest={digest}", LAYER, User_Agent=client)
    assert uploaded.status == 201
    for _ in range(2):  # the second is of somebody else, who may push it
        assert registry.ask("HEAD", f"app/blobs/{digest}", User_Agent=client).status == 200
    for of, status in (("one", 200), ("two", 404)):
        registry.push_blob("app", b"{}")
        raw = image_manifest(b"{}", LAYER, annotations={"of": of})
        assert registry.put("app", "v1", raw).status == 201
        registry.delete("app", "v1")
        assert registry.ask("GET", f"app/blobs/{digest}").status == status


def test_look_of_docker_is_one_at_what_is_kept(registry: Registry) -> None:
    """The client that was to look has gone; its manifest, and the lease that this ended, came before."""
    digest, client = digest_of(LAYER), "docker/20.10.24"
    location = registry.begin("app")
    assert registry.ask("PUT", f"{location}?digest={digest}", LAYER, User_Agent=client).status == 201
    registry.push_blob("app", b"{}")
    assert registry.put("app", "v1", image_manifest(b"{}", LAYER)).status == 201
    assert registry.ask("HEAD", f"app/blobs/{digest}", User_Agent=client).status == 200
    registry.delete("app", "v1")
    registry.push_blob("app", b"{}")
    assert registry.put("app", "v2", image_manifest(b"{}", LAYER)).status == 201


def test_upload_under_way_keeps_its_repository(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    location = registry.begin("app")
    registry.delete("app", "v1")
    assert registry.ask("PUT", f"{location}?digest={digest_of(b'x')}", b"x").status == 201
    location = registry.begin("other")
    assert registry.ask("DELETE", location).status == 204
    assert folders(registry) == ["app"]


def test_pull_under_way_ends(registry: Registry) -> None:
    layer = os.urandom(1 << 20) * 16
    registry.push_image("app", "v1", layer)
    connection = http.client.HTTPConnection(registry.address, timeout=SECONDS)
    connection.request("GET", f"/v2/app/blobs/{digest_of(layer)}")
    response = connection.getresponse()
    first = response.read(1000)
    assert int(registry.delete("app", "v1").headers["Ligan-Freed"]) > len(layer)
    assert digest_of(first + response.read()) == digest_of(layer)
    connection.close()


def test_same_layers_are_pushed_and_deleted_at_once(registry: Registry) -> None:
    """No image that was acknowledged fails to pull."""
    faults: list[object] = []

    def work(name: str) -> None:
        try:
            for turn in range(5):
                registry.push_image(name, f"v{turn}", LAYER, b"of all")
                registry.pull(name, f"v{turn}")
                registry.delete(name, f"v{turn}")
        except (AssertionError, OSError) as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(f"app{number // 2}",)) for number in range(1, 8, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert registry.catalog() == []


def test_command_deletes_beside_the_server(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", LAYER)
    registry.push_image("app", "v2", LAYER)
    registry.push_image("app/nested", "v1", LAYER)
    dry = ligan_registry(registry.root, "rm", "--dry-run", "app")
    assert (dry.returncode, dry.stdout.count("Untagged: "), "Freed at once:" in dry.stdout) == (0, 2, True)
    registry.pull("app", "v1")
    done = ligan_registry(registry.root, "rm", f"app@{digest}")
    assert done.stdout == f"Untagged: app:v1\nUntagged: app:v2\nDeleted: app@{digest}\n"
    assert registry.ask("GET", "app/tags/list").status == 404
    unknown = ligan_registry(registry.root, "rm", "app/nested:v9")
    assert (unknown.returncode, unknown.stderr) == (1, "manifest unknown: app/nested has no v9\n")
    assert "app/nested   1" in ligan_registry(registry.root, "ls").stdout
    assert digest in ligan_registry(registry.root, "tags", "app/nested").stdout
    usage = ligan_registry(registry.root, "df", "--by", "repo").stdout
    assert usage.splitlines()[1].startswith("app/nested   70")
    registry.stop()
    ligan_registry(registry.root, "rm", "app/nested")
    check_registry(registry.root)
    assert bytes_on_disk(registry) == 0


def test_folder_is_served_by_one(registry: Registry) -> None:
    with pytest.raises(AssertionError, match="already serves"), serving_registry(registry.root):
        pass
