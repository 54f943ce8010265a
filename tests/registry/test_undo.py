"""Undo of a registry's deletes: over the wire, by command, beside a server, and after it has been killed."""

from __future__ import annotations

import http.client
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ligan.registry.storage.filesystem import FilesystemStorage
from tests.support import registry as real_registry
from tests.support.ligan_registry import (
    Client,
    check_registry,
    digest_of,
    image_manifest,
    ligan_registry,
    serving_registry,
)
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.support.ligan_registry import Registry

KEEPING: dict[str, Any] = {"LIGAN_UNDO_WINDOW": "24h", "LIGAN_UNDO_DISK_LIMIT": "100%"}
LAYER = b"a layer" * 10_000


@pytest.fixture
def registry(registry_root: str) -> Iterator[Registry]:
    """A registry that keeps what is deleted."""
    with serving_registry(registry_root, **KEEPING) as registry:
        yield registry


def ligan(root: str, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ligan_registry(root, verb, *words, **KEEPING, **environment)


def done(root: str, verb: str, *words: str) -> str:
    """Return what a command that succeeds prints."""
    process = ligan(root, verb, *words)
    assert process.returncode == 0, process.stderr
    return process.stdout


def files(root: str) -> dict[str, bytes]:
    """Return all that `registry:2` can see of the folder."""
    top = f"{root}/docker"
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            with open(f"{folder}/{name}", "rb") as file:
                found[f"{folder}/{name}"] = file.read()
    return found


def test_answer_to_a_delete_says_what_undo_holds_until_when_and_as_what(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", LAYER)
    size = sum(len(each) for name, each in files(registry.root).items() if name.endswith("/data"))
    answer = registry.delete("app", "v1")
    assert (answer.status, answer.headers["Ligan-Freed"]) == (202, "0")
    held = re.fullmatch(r"(\d+); until=(\S+Z); undo=1", answer.headers["Ligan-Held"])
    assert held is not None
    assert int(held[1]) == size
    assert registry.catalog() == []
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{digest_of(LAYER)}"):
        assert registry.ask("HEAD", f"app/{path}").status == 404


def test_undo_brings_back_everything_beside_the_server(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", b"old")
    registry.push_image("app", "v1", LAYER)
    arm, amd = (registry.push_image("app", "", LAYER, name) for name in (b"arm", b"amd"))
    registry.push_index("app", "all", arm, amd)
    before = files(registry.root)
    answer = registry.ask("GET", "app/tags/list").json
    assert done(registry.root, "rm", "app").count("Untagged: ") == 2
    assert registry.ask("GET", "app/tags/list").status == 404
    assert set(files(registry.root)) < set(before)
    again = done(registry.root, "undo")
    assert again.count("Restored: ") == 5
    assert "Tagged: app:all\nTagged: app:v1\n" in again
    assert files(registry.root) == before
    assert registry.ask("GET", "app/tags/list").json == answer
    for reference in ("v1", digest, "all"):
        registry.pull("app", reference)
    assert ligan(registry.root, "undo").stderr == "there is nothing to undo\n"


def test_blob_deleted_by_itself_comes_back(registry: Registry) -> None:
    digest = registry.push_blob("app", LAYER)
    assert registry.ask("DELETE", f"app/blobs/{digest}").headers["Ligan-Held"].startswith(f"{len(LAYER)}; ")
    assert registry.ask("GET", f"app/blobs/{digest}").status == 404
    done(registry.root, "undo")
    assert registry.ask("GET", f"app/blobs/{digest}").body == LAYER
    assert done(registry.root, "rm", f"app@{digest}") == ""
    assert registry.ask("GET", f"app/blobs/{digest}").status == 404


def test_manifest_by_another_algorithm_comes_back_with_its_links(registry: Registry) -> None:
    registry.push_blob("app", b"{}")
    raw = image_manifest(b"{}")
    name = digest_of(raw, "sha512")
    assert registry.put("app", name, raw).status == 201
    before = files(registry.root)
    assert registry.delete("app", name).status == 202
    done(registry.root, "undo")
    assert files(registry.root) == before
    registry.pull("app", name)


def test_index_of_images_that_are_not_all_here_comes_back(registry_root: str) -> None:
    """As an adopted folder may have it; what has come meanwhile is a part of it then."""
    with serving_registry(registry_root, **KEEPING) as registry:
        here, missing = (registry.push_image("app", "", LAYER, name) for name in (b"here", b"missing"))
        index = registry.push_index("app", "all", here, missing)
    links = FilesystemStorage(registry_root).revision_folder("app", missing)
    shutil.rmtree(f"{registry_root}/docker/registry/v2/{links}")
    with serving_registry(registry_root, **KEEPING) as registry:
        assert registry.ask("HEAD", f"app/manifests/{missing}").status == 404
        registry.delete("app", "all")
        done(registry_root, "undo")
        registry.pull("app", here)
        assert digest_of(registry.manifest("app", "all")) == index
        registry.delete("app", "all")
        assert registry.push_image("app", "", LAYER, b"missing") == missing
        done(registry_root, "undo")
        registry.pull("app", "all")
        assert registry.delete("app", missing).status == 405


def test_many_images_come_back_at_once(registry: Registry) -> None:
    raw = [image_manifest(b"{}", LAYER, annotations={"number": str(number)}) for number in range(40)]
    for blob in (b"{}", LAYER):
        registry.push_blob("app", blob)
    for number, each in enumerate(raw):
        assert registry.put("app", f"v{number}", each).status == 201
    before = files(registry.root)
    done(registry.root, "rm", "app")
    assert os.listdir(f"{registry.root}/docker/registry/v2/repositories") == []
    done(registry.root, "undo")
    assert files(registry.root) == before


def test_what_undo_holds_is_no_source_of_mounts_and_a_push_revives_it(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.delete("app", "v1")
    digest = digest_of(LAYER)
    assert registry.ask("POST", f"other/blobs/uploads/?mount={digest}&from=app").status == 202
    assert registry.ask("POST", f"other/blobs/uploads/?mount={digest}").status == 202
    answer = registry.put("app", "v1", image_manifest(b"{}", LAYER))
    assert answer.code == "MANIFEST_BLOB_UNKNOWN"
    registry.push_blob("other", LAYER)
    assert registry.ask("HEAD", f"other/blobs/{digest}").status == 200
    assert registry.ask("POST", f"third/blobs/uploads/?mount={digest}&from=other").status == 201
    assert registry.ask("HEAD", f"app/blobs/{digest}").status == 404
    done(registry.root, "reclaim", "--all")
    assert registry.ask("GET", f"third/blobs/{digest}").body == LAYER


def test_image_pushed_again_is_merged(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", LAYER)
    registry.delete("app", "v1")
    registry.push_image("app", "v2", LAYER)
    assert done(registry.root, "undo") == f"Already there: app@{digest}\nTagged: app:v1\n"
    registry.pull("app", "v1")
    registry.pull("app", "v2")


def test_tag_given_anew_is_taken_back_by_force_alone(registry: Registry) -> None:
    old = registry.push_image("app", "v1", LAYER)
    registry.delete("app", "v1")
    new = registry.push_image("app", "v1", b"another")
    refused = ligan(registry.root, "undo")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, f"conflict: app:v1 now is {new}")
    assert digest_of(registry.manifest("app", "v1")) == new
    dry = done(registry.root, "undo", "--dry-run", "--force")
    assert dry == f"Restored: app@{old}\nMoved back: app:v1\n"
    assert digest_of(registry.manifest("app", "v1")) == new
    assert done(registry.root, "undo", "--force") == dry
    assert digest_of(registry.manifest("app", "v1")) == old
    registry.pull("app", new)
    done(registry.root, "undo", "--force")  # the move can be undone too
    assert digest_of(registry.manifest("app", "v1")) == new


def test_what_was_deleted_later_is_undone_first(registry: Registry) -> None:
    child = registry.push_image("app", "part", LAYER)
    index = registry.push_index("app", "all", child)
    registry.delete("app", index)
    registry.delete("app", "part")
    refused = ligan(registry.root, "undo", "1")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"conflict: app@{index} needs {child}, which was deleted later\n"
        "ligan: Undo that first: ligan registry undo 2\n"
    )
    done(registry.root, "undo", "2")
    done(registry.root, "undo", "1")
    registry.pull("app", "all")


def test_what_has_lost_its_bytes_is_left_out_by_force(registry: Registry) -> None:
    child = registry.push_image("app", "part", LAYER)
    registry.push_image("app", "whole", b"whole")
    registry.push_index("app", "all", child)
    done(registry.root, "rm", "app:all", "app:whole")
    done(registry.root, "rm", "--now", "app:part")
    refused = ligan(registry.root, "undo")
    assert "whose bytes are gone" in refused.stderr
    assert done(registry.root, "undo", "--force").splitlines()[-1] == "Tagged: app:whole"
    registry.pull("app", "whole")
    assert registry.ask("GET", "app/tags/list").json["tags"] == ["whole"]


def test_now_frees_at_once_what_no_entry_holds(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.push_image("app", "v2", LAYER, b"second")
    registry.delete("app", "v1")
    told = ligan(registry.root, "rm", "--now", "app:v2").stderr
    assert "freed\n" in told
    assert "70kB are kept until" in told
    assert ligan(registry.root, "reclaim", "1").stdout.startswith("Total reclaimed space: 70")
    assert os.listdir(f"{registry.root}/docker/registry/v2/repositories") == []


def test_entries_are_listed_and_reclaimed(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.push_image("app", "v2", b"other")
    registry.delete("app", "v1")
    told = ligan(registry.root, "rm", "app:v2", "app:v3")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, "Untagged: app:v2")
    assert f"bring it back: ligan registry undo 2 --root {registry.root}" in told.stderr
    assert f"free it now: ligan registry reclaim 2 --root {registry.root}" in told.stderr
    header, second, first = done(registry.root, "undo", "--list").splitlines()
    assert header.split() == ["ENTRY", "WHEN", "KEPT", "UNTIL", "FREES", "COMMAND"]
    assert second.endswith(f"ligan registry rm --root {registry.root} app:v2 app:v3")
    assert first.endswith("DELETE /v2/app/manifests/v1")
    assert done(registry.root, "undo", "--list", "--format", "{{.ID}} {{.Tags}}") == "2 app:v2\n1 app:v1\n"
    foretold = done(registry.root, "reclaim", "--dry-run", "1")
    assert "Total reclaimed space: 0B\n" in done(registry.root, "reclaim")
    assert f"({done(registry.root, 'reclaim', '1').split()[-1]})" in foretold
    assert ligan(registry.root, "undo", "1").stderr.startswith("No such undo entry: 1\n")
    done(registry.root, "reclaim", "--all")
    check_registry(registry.root)
    assert not any(name.endswith("/data") for name in files(registry.root))


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"LIGAN_UNDO_DISK_LIMIT": "0"}, "the disk is fuller than undo_disk_limit"),
        ({"LIGAN_UNDO_BUDGET": "1kB"}, "more than undo_budget would be held"),
        ({"LIGAN_UNDO_WINDOW": "0"}, "undo_window is 0"),
    ],
)
def test_without_room_bytes_are_freed_at_once(
    setting: dict[str, str], reason: str, registry: Registry
) -> None:
    registry.push_image("app", "v1", LAYER)
    plan = ligan_registry(registry.root, "plan", "rm", "app:v1", **KEEPING | setting)
    assert f"nothing would be kept for undo: {reason}\n" in plan.stderr
    told = ligan_registry(registry.root, "rm", "app:v1", **KEEPING | setting)
    assert told.stderr.endswith(f"freed, nothing kept for undo: {reason}\n")
    assert not any(name.endswith("/data") for name in files(registry.root))


def test_flag_of_the_server_wins_over_the_setting(registry_root: str) -> None:
    refused = ligan_registry(registry_root, "serve", "--undo-window", "soon")
    assert (refused.returncode, refused.stderr) == (
        1,
        "--undo-window: 'soon' is not a duration such as 24h or 30m or 7d\n",
    )


def test_what_is_due_goes_with_the_next_command(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.push_image("app", "v2", b"other")
    ligan_registry(registry.root, "rm", "app:v1", **KEEPING | {"LIGAN_UNDO_WINDOW": "0.000001s"})
    done(registry.root, "rm", "app:v2")
    assert done(registry.root, "undo", "--list", "--format", "{{.ID}}") == "2\n"


@pytest.mark.docker_registry
def test_registry_2_serves_nothing_that_is_deleted_and_all_that_is_back(
    registry_root: str, tmp_path: str
) -> None:
    with serving_registry(registry_root, **KEEPING) as registry:
        registry.push_image("app", "v1", LAYER)
        registry.push_image("app/nested", "v1", LAYER, b"more")
        index = registry.push_index("app", "all", digest_of(registry.manifest("app", "v1")))
        for tag in ("all", "v1"):
            registry.delete("app", tag)
    shutil.copytree(registry_root, f"{tmp_path}/held/data")
    with real_registry.running(f"{tmp_path}/held") as address:
        there = Client(address)
        assert there.catalog() == ["app/nested"]
        there.pull("app/nested", "v1")
        for path in ("manifests/v1", f"manifests/{index}", f"blobs/{digest_of(LAYER)}"):
            assert there.ask("GET", f"app/{path}").status == 404
    done(registry_root, "undo")  # while none serves the folder
    done(registry_root, "undo")
    check_registry(registry_root)
    shutil.copytree(registry_root, f"{tmp_path}/back/data")
    with real_registry.running(f"{tmp_path}/back") as address:
        there = Client(address)
        for name, tag in (("app", "v1"), ("app", "all"), ("app/nested", "v1")):
            there.pull(name, tag)


@pytest.mark.parametrize("point", ["registry-undo.marked", "registry-undo.rows", "registry-undo.dropped"])
@pytest.mark.parametrize("force", [False, True])
def test_undo_that_is_killed_has_happened_or_not(point: str, force: bool, registry_root: str) -> None:
    with serving_registry(registry_root, **KEEPING) as registry:
        registry.push_image("app", "v1", LAYER)
        registry.delete("app", "v1")
        current = registry.push_image("app", "v1", b"new") if force else ""
    flags = ["--force"] if force else []
    killed = ligan(registry_root, "undo", *flags, LIGAN_FAILPOINTS=f"{point}=kill")
    assert killed.returncode == -9
    with serving_registry(registry_root, **KEEPING) as registry:
        assert registry.ask("HEAD", "app/manifests/v1").status == (200 if force else 404)
        if force:
            assert digest_of(registry.manifest("app", "v1")) == current
        check_registry(registry_root)
        done(registry_root, "undo", "1", *flags)
        registry.pull("app", "v1")
        assert digest_of(registry.manifest("app", "v1")) != current


@pytest.mark.parametrize("action", ["enospc", "eio"])
def test_undo_that_the_disk_fails_has_not_happened(action: str, registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.delete("app", "v1")
    before = files(registry.root)
    failed = ligan(registry.root, "undo", LIGAN_FAILPOINTS=f"registry-undo.rows={action}")
    assert failed.returncode == 1
    assert files(registry.root) == before
    check_registry(registry.root)
    done(registry.root, "undo")
    registry.pull("app", "v1")


@pytest.mark.parametrize("point", ["registry.removed", "registry.renamed", "registry.swept"])
def test_delete_that_is_killed_can_be_undone_or_has_not_happened(point: str, registry_root: str) -> None:
    with serving_registry(registry_root, **KEEPING, LIGAN_FAILPOINTS=f"{point}=kill") as registry:
        registry.push_image("app", "v1", LAYER)
        with pytest.raises((OSError, http.client.HTTPException)):
            registry.delete("app", "v1")
        assert registry.process.wait(SECONDS) == -9
    with serving_registry(registry_root, **KEEPING) as registry:
        happened = registry.ask("HEAD", "app/manifests/v1").status == 404
        assert happened == (point != "registry.removed")
        assert ligan(registry_root, "undo").returncode == (0 if happened else 1)
        registry.pull("app", "v1")


def test_reclaim_that_is_killed_is_ended_by_the_next_start(registry_root: str) -> None:
    with serving_registry(registry_root, **KEEPING) as registry:
        registry.push_image("app", "v1", LAYER)
        registry.delete("app", "v1")
    for point in ("registry-undo.dropped", "registry.renamed", "registry.swept"):
        assert ligan(registry_root, "reclaim", "1", LIGAN_FAILPOINTS=f"{point}=kill").returncode in (-9, 1)
    with serving_registry(registry_root, **KEEPING):
        pass
    assert not any(name.endswith("/data") for name in files(registry_root))
