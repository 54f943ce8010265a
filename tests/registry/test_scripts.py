"""`delete_docker_registry_image` and `clean_old_versions`: flags, log, and what they must not lose."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import (
    check_registry,
    digest_of,
    image_manifest,
    ligan_registry,
    serving_registry,
)
from tests.support.registry_folders import RegistryFolder, registry_2, take_over

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry

LAYER = b"a layer" * 1000
LINE = re.compile(r"^[A-Z]+ +\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]  .+$")


@pytest.fixture
def folder(registry_root: str) -> RegistryFolder:
    return RegistryFolder(registry_root)


def script(name: str, root: str, *words: str) -> subprocess.CompletedProcess[str]:
    program = os.path.join(os.path.dirname(sys.executable), name)
    environment = {**os.environ, "REGISTRY_DATA_DIR": f"{root}/docker/registry/v2"}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)


def delete(root: str, *words: str) -> list[str]:
    """Delete, and return the messages of the log, with their level."""
    done = script("delete_docker_registry_image", root, *words)
    assert done.returncode == 0, done.stderr
    return _messages(done.stderr)


def _messages(log: str) -> list[str]:
    lines = log.splitlines()
    assert all(LINE.match(line) for line in lines), log
    return [f"{line.split()[0]} {line.partition(']  ')[2]}" for line in lines]


def refused(root: str, *words: str) -> str:
    done = script("delete_docker_registry_image", root, *words)
    assert done.returncode == 1
    return "\n".join(_messages(done.stderr))


def clean(root: str, *words: str) -> None:
    done = script("clean_old_versions", root, *words)
    assert done.returncode == 0, done.stderr


def tags(folder: RegistryFolder, repository: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{folder.v2}/repositories/{repository}/_manifests/tags"))
    except FileNotFoundError:
        return []


def has(folder: RegistryFolder, data: bytes) -> bool:
    digest = digest_of(data)
    return os.path.exists(f"{folder.v2}/blobs/sha256/{digest[7:9]}/{digest[7:]}/data")


def test_dry_run_tells_and_changes_nothing(folder: RegistryFolder) -> None:
    digest = folder.image("tickets", "v1")
    before = folder.state()
    told = delete(folder.root, "--image", "tickets", "--dry-run")
    assert folder.state() == before
    deleted = [line.removeprefix("INFO DRY_RUN: would have deleted ") for line in told]
    assert f"{folder.v2}/repositories/tickets/_manifests" in deleted
    assert f"{folder.v2}/blobs/sha256/{digest[7:9]}/{digest[7:]}" in deleted
    really = delete(folder.root, "--image", "tickets")
    assert [line.removeprefix("INFO Deleting ") for line in really] == deleted
    assert not [path for path, (_time, data) in folder.state().items() if data]


def test_one_tag(folder: RegistryFolder) -> None:
    folder.image("testrepo/awesomeimage", "supertag", layers=(LAYER, b"of supertag"))
    folder.image("testrepo/awesomeimage", "other", layers=(LAYER,))
    delete(folder.root, "--image", "testrepo/awesomeimage:supertag")
    assert tags(folder, "testrepo/awesomeimage") == ["other"]
    assert has(folder, LAYER)
    assert not has(folder, b"of supertag")
    check_registry(folder.root)


def test_unknown_tag_of_a_repository_with_one_tag(folder: RegistryFolder) -> None:
    """The script of old deletes the repository."""
    folder.image("tickets", "v1")
    before = folder.state()
    told = refused(folder.root, "-i", "tickets:NOSUCHTAG")
    assert "No repository 'tickets' tag 'NOSUCHTAG' found in" in told
    assert "No repository 'nothing' found in repositories directory" in refused(folder.root, "-i", "nothing")
    assert folder.state() == before


@pytest.mark.parametrize("words", [("-i", "app:"), ("-i", "app:v1", "-u"), ("-i", ":v1")])
def test_image_that_says_something_else_than_a_flag_or_nothing(
    words: tuple[str, ...], folder: RegistryFolder
) -> None:
    """A variable that was empty must not cost a repository."""
    folder.image("app", "v1", layers=(LAYER,))
    folder.image("app", layers=(b"untagged",))
    before = folder.state()
    assert "CRITICAL" in refused(folder.root, *words)
    assert folder.state() == before


def test_nested_repositories(folder: RegistryFolder) -> None:
    """The script of old deletes a/b/c with a/b."""
    for name in ("a", "a/b", "a/b/c"):
        folder.image(name, "v1", layers=(LAYER, name.encode()))
    delete(folder.root, "-i", "a/b")
    assert [tags(folder, name) for name in ("a", "a/b", "a/b/c")] == [["v1"], [], ["v1"]]
    delete(folder.root, "-i", "a:v1")
    with serving_registry(folder.root) as registry:
        registry.pull("a/b/c", "v1")


def test_untagged_children_of_a_tagged_index(folder: RegistryFolder) -> None:
    """The script of old deletes them."""
    arm, amd = (folder.image("app", layers=(LAYER, name)) for name in (b"arm", b"amd"))
    folder.index("app", "all", children=(folder.index("app", children=(arm,)), amd))
    old = folder.image("app", layers=(LAYER, b"old"))
    folder.index("app", children=(old,))
    delete(folder.root, "-i", "app", "--untagged")
    with serving_registry(folder.root) as registry:
        registry.pull("app", "all")
        assert registry.ask("HEAD", f"app/manifests/{old}").status == 404
    assert not has(folder, b"old")


def test_untagged_signatures_of_what_is_tagged(folder: RegistryFolder) -> None:
    signed = folder.image("app", "v1")
    subject = {"mediaType": "x/y", "digest": signed, "size": folder.size(signed)}
    signature = folder.image("app", layers=(b"signature",), subject=subject)
    delete(folder.root, "-i", "app", "-u")
    with serving_registry(folder.root) as registry:
        registry.pull("app", signature)


def test_untagged_manifests_that_another_repository_has(folder: RegistryFolder) -> None:
    """The script of old deletes their bytes."""
    folder.image("one", "v1")
    digest = folder.image("one", layers=(LAYER,))
    assert folder.image("two", layers=(LAYER,)) == digest
    folder.tag("two", "v1", digest)
    delete(folder.root, "-i", "one", "-u")
    with serving_registry(folder.root) as registry:
        registry.pull("two", "v1")
        assert registry.ask("HEAD", f"one/manifests/{digest}").status == 404


def test_repositories_of_three_levels_give_their_bytes_back(folder: RegistryFolder) -> None:
    """The script of old does not see that they use a blob, nor what it could free."""
    folder.image("a/b/c", "v1", layers=(LAYER,))
    folder.image("other", "v1", layers=(LAYER,))
    delete(folder.root, "-i", "other")
    with serving_registry(folder.root) as registry:
        registry.pull("a/b/c", "v1")
    delete(folder.root, "-i", "a/b/c:v1", "-p", "-f")
    assert os.listdir(f"{folder.v2}/repositories") == os.listdir(f"{folder.v2}/blobs/sha256") == []


def test_tag_of_the_same_image_stays(folder: RegistryFolder) -> None:
    digest = folder.image("app", "v1", "v2")
    delete(folder.root, "-i", "app:v1")
    with serving_registry(folder.root) as registry:
        registry.pull("app", "v2")
        registry.pull("app", digest)


def test_beside_a_registry_that_serves(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", LAYER, b"of v1")
    registry.push_image("app", "v2", LAYER)
    told = delete(registry.root, "-i", "app:v1", "-v", "-p")
    assert any(line.startswith("DEBUG freed ") for line in told)
    assert registry.ask("HEAD", f"app/manifests/{digest}").status == 404
    registry.pull("app", "v2")
    registry.push_image("app", "v1", LAYER, b"of v1")
    registry.pull("app", "v1")


def test_untagged_images_of_an_index_that_is_on_its_way(registry: Registry) -> None:
    """A client pushes the images of an index by their digests, and then the index."""
    registry.push_image("app", "v1", b"first")
    old = registry.push_image("app", "v1", b"second")
    registry.push_image("app", "v1", LAYER)
    children = [registry.push_image("app", "", LAYER, arch) for arch in (b"amd64", b"arm64")]
    told = delete(registry.root, "-i", "app", "-u")
    assert told[-1] == "INFO 2 images stay that were pushed by digest in the last 15 minutes"
    pruned = ligan_registry(registry.root, "prune", "--untagged")
    assert "2 images stay that were pushed by digest in the last 15 minutes" in pruned.stderr
    assert registry.ask("HEAD", f"app/manifests/{old}").status == 404
    registry.push_index("app", "all", *children)
    registry.pull("app", "all")
    registry.pull("app", "v1")


@pytest.mark.docker_registry
def test_not_beside_a_registry_2(folder: RegistryFolder) -> None:
    folder.image("app", "v1")
    with registry_2(folder.root) as there:
        assert "another registry" in refused(folder.root, "-i", "app")
        there.pull("app", "v1")
    delete(folder.root, "-i", "app")


@pytest.mark.docker_registry
def test_registry_2_goes_on_with_what_is_left(folder: RegistryFolder) -> None:
    with registry_2(folder.root) as there:
        for name in ("app", "app/nested", "two"):
            there.push_image(name, "v1", LAYER, name.encode())
            there.push_image(name, "v2", LAYER)
    delete(folder.root, "-i", "app:v1")
    delete(folder.root, "-i", "two", "-p")
    with registry_2(folder.root) as there:
        assert there.catalog() == ["app", "app/nested"]
        for name, tag in (("app", "v2"), ("app/nested", "v1"), ("app/nested", "v2")):
            there.pull(name, tag)
        there.push_image("two", "v1", LAYER)
        there.pull("two", "v1")


def test_folder_that_is_none(tmp_path: str) -> None:
    assert "No repositories directory found" in refused(f"{tmp_path}", "-i", "app")
    done = script("delete_docker_registry_image", f"{tmp_path}")
    assert (done.returncode, "-i/--image" in done.stderr) == (2, True)


def test_last_tags_by_name(folder: RegistryFolder) -> None:
    for tag in ("0.1.9", "0.1.10", "0.1.2", "0.2.0", "latest"):
        folder.image("repo/sitor", tag)
        folder.image("else", tag)
    before = folder.state()
    words = ("-i", "^repo/sitor", "-E", "^0.1.", "-l", "1", "-u", "http://localhost:5000")
    told = script("clean_old_versions", folder.root, *words, "--dry-run")
    assert (told.returncode, "DRY_RUN: would have deleted" in told.stderr) == (0, True)
    assert folder.state() == before
    clean(folder.root, *words)
    assert tags(folder, "repo/sitor") == ["0.1.10", "0.2.0", "latest"]
    clean(folder.root, "-i", "sitor", "-e", "latest", "-l", "0")
    assert tags(folder, "repo/sitor") == ["latest"]
    assert len(tags(folder, "else")) == 5
    clean(folder.root, "-i", "else")
    assert len(tags(folder, "else")) == 5


def test_dry_run_tells_what_goes_with_the_last_of_several_tags(folder: RegistryFolder) -> None:
    folder.image("app", "v1", "v2", "v3", layers=(LAYER,))
    folder.image("app", "v4", layers=(b"newer",))
    words = ("-i", "app", "-l", "1")
    told = _messages(script("clean_old_versions", folder.root, *words, "--dry-run").stderr)
    done = _messages(script("clean_old_versions", folder.root, *words).stderr)
    assert [line.replace("DRY_RUN: would have deleted", "Deleting") for line in told] == done
    assert any(f"/blobs/sha256/{digest_of(LAYER)[7:9]}/" in line for line in done)
    assert tags(folder, "app") == ["v4"]


def _dated(folder: RegistryFolder, tag: str, created: str) -> None:
    config = json.dumps({"created": created, "tag": tag}).encode()
    folder.layer("app", config)
    folder.manifest("app", image_manifest(config), tag)


def test_last_tags_by_date(folder: RegistryFolder) -> None:
    for tag, created in (
        ("c", "2016-01-01T00:00:00Z"),
        ("a", "2016-03-01T00:00:00.123456789Z"),
        ("b", "2016-02-01T00:00:00+01:00"),
        ("d", "2016-04-01T00:00:00Z"),
    ):
        _dated(folder, tag, created)
    arm = folder.image("app", layers=(b"arm",))
    folder.index("app", "index", children=(arm,))
    dates = ("-a", "2016-01-01T00:00:00", "-b", "2016-02-15T00:00:00")
    clean(folder.root, "-i", "^app$", "-o", "date", "-l", "2", *dates)
    assert tags(folder, "app") == ["a", "c", "d", "index"]
    clean(folder.root, "-i", "^app$", "-o", "date", "-l", "1")
    assert tags(folder, "app") == ["index"]
    take_over(folder.root)
    check_registry(folder.root)


@pytest.mark.parametrize("words", [("-i", "("), ("-i", "x", "-l", "-1"), ("-i", "x", "-b", "yesterday"), ()])
def test_flags_that_cannot_be_read(words: tuple[str, ...], folder: RegistryFolder) -> None:
    done = script("clean_old_versions", folder.root, *words)
    assert (done.returncode, "usage: clean_old_versions" in done.stderr) == (2, True)
