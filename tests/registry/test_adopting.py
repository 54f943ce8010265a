"""Folders that `registry:2` has filled, of every age and after every accident, served as they are."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from ligan.registry.adopting import Taken
from tests.support.ligan_registry import (
    OCI_INDEX,
    OCI_MANIFEST,
    check_registry,
    descriptor,
    digest_of,
    image_manifest,
    ligan_registry,
    serving_registry,
    unchecked_registry,
)
from tests.support.registry_folders import RegistryFolder, collect_garbage, registry_2, take_over

LAYER = b"a layer" * 1000


@pytest.fixture
def folder(registry_root: str) -> RegistryFolder:
    return RegistryFolder(registry_root)


def take_over_untouched(folder: RegistryFolder) -> Taken:
    """Take a folder over, of which not a byte may change, nor a time."""
    before = folder.state()
    taken = take_over(folder.root)
    assert folder.state() == before
    return taken


def test_adopting_changes_no_byte(folder: RegistryFolder) -> None:
    for name in ("app", "app/nested", "a/b/c"):
        folder.image(name, "v1", "latest", layers=(LAYER, name.encode()))
    folder.index("app", "all", children=(folder.image("app", layers=(b"arm",)),))
    taken = take_over_untouched(folder)
    assert (taken.new, taken.gone, taken.moved, taken.mended) == (5, 0, 7, 0)
    check_registry(folder.root)
    assert (take_over(folder.root).new, take_over(folder.root).moved) == (0, 0)
    with serving_registry(folder.root) as registry:
        assert registry.catalog() == ["a/b/c", "app", "app/nested"]
        for name, tag in (("app", "all"), ("app", "latest"), ("app/nested", "v1"), ("a/b/c", "v1")):
            registry.pull(name, tag)
        assert folder.state().keys()


def test_what_is_adopted_is_deleted_with_its_bytes(folder: RegistryFolder) -> None:
    folder.image("app", "v1", layers=(LAYER, b"of v1"))
    folder.image("app", "v2", layers=(LAYER, b"of v2"))
    with serving_registry(folder.root) as registry:
        freed = int(registry.delete("app", "v1").headers["Ligan-Freed"])
        assert 0 < freed < len(LAYER)
        registry.pull("app", "v2")
        assert int(registry.delete("app", "v2").headers["Ligan-Freed"]) > len(LAYER)
    assert not os.listdir(f"{folder.v2}/repositories")


@pytest.mark.docker_registry
def test_repository_without_layers_folder_gets_one(folder: RegistryFolder) -> None:
    """Pitfall: its garbage collector does not see such a repository, and takes its manifests."""
    folder.index("sparse", "v1", children=(digest_of(b"elsewhere"),))
    assert take_over(folder.root).mended == 1
    assert os.listdir(f"{folder.v2}/repositories/sparse/_layers") == []
    collect_garbage(folder.root)
    with serving_registry(folder.root) as registry:
        assert registry.ask("GET", "sparse/manifests/v1").status == 200


def test_link_by_sha512_holds_a_digest_by_sha256(folder: RegistryFolder) -> None:
    layer, config = folder.blob(LAYER), b"{}"
    folder.layer("app", config)
    folder.link("app", f"_layers/sha512/{digest_of(LAYER, 'sha512')[7:]}", layer)
    item = descriptor("application/vnd.oci.image.layer.v1.tar", LAYER)
    item["digest"] = digest_of(LAYER, "sha512")
    folder.manifest("app", image_manifest(config, layers=[item]), "v1")
    take_over_untouched(folder)
    with serving_registry(folder.root) as registry:
        answer = registry.ask("GET", f"app/blobs/{digest_of(LAYER, 'sha512')}")
        assert (answer.status, answer.body) == (200, LAYER)
        assert int(registry.delete("app", "v1").headers["Ligan-Freed"]) > len(LAYER)
    assert not os.listdir(f"{folder.v2}/repositories")


def test_manifest_that_registry_2_1_linked_as_a_layer(folder: RegistryFolder) -> None:
    folder.layer("app", b"{}")
    folder.layer("app", LAYER)
    raw = image_manifest(b"{}", LAYER)
    folder.tag("app", "v1", folder.layer("app", raw))
    take_over_untouched(folder)
    again = take_over(folder.root)
    assert (again.new, again.gone) == (0, 0)
    storage_before = sorted(os.listdir(f"{folder.v2}/blobs/sha256"))
    done = ligan_registry(folder.root, "rm", "--dry-run", "app:v1")
    assert f"app@{digest_of(raw)}" in done.stdout
    assert sorted(os.listdir(f"{folder.v2}/blobs/sha256")) == storage_before
    assert ligan_registry(folder.root, "rm", "app:v1").returncode == 0
    assert not os.listdir(f"{folder.v2}/repositories")
    check_registry(folder.root)


def test_dangling_links_are_nothing(folder: RegistryFolder) -> None:
    digest = folder.image("app", "v1")
    gone = digest_of(b"swept")
    folder.link("app", f"_layers/sha256/{gone[7:]}", gone)
    folder.link("app", f"_manifests/revisions/sha256/{gone[7:]}", gone)
    folder.tag("app", "dangling", gone)
    take_over_untouched(folder)
    with unchecked_registry(folder.root) as registry:
        assert registry.ask("GET", "app/tags/list").json["tags"] == ["v1"]
        assert registry.ask("HEAD", f"app/blobs/{gone}").status == 404
        assert registry.ask("HEAD", f"app/manifests/{gone}").status == 404
        assert registry.put("app", "dangling", registry.manifest("app", digest)).status == 201
        registry.pull("app", "dangling")


def test_deleting_a_repository_leaves_what_is_nested_in_it(folder: RegistryFolder) -> None:
    for name in ("a", "a/b", "a/b/c"):
        folder.image(name, "v1", layers=(LAYER,))
    with serving_registry(folder.root) as registry:
        registry.delete("a/b", "v1")
        registry.delete("a", "v1")
        assert registry.catalog() == ["a/b/c"]
        registry.pull("a/b/c", "v1")


def test_nested_and_sparse_indexes_and_layers_elsewhere(folder: RegistryFolder) -> None:
    child = folder.image("app", layers=(LAYER,))
    absent = image_manifest(b"{}", b"absent")
    inner = folder.index("app", children=(child, digest_of(absent)))
    folder.index("app", "nested", children=(inner,))
    foreign = {
        **descriptor("application/vnd.oci.image.layer.v1.tar", b"foreign"),
        "urls": ["https://x.test/"],
    }
    folder.layer("app", b"{}")
    folder.manifest("app", image_manifest(b"{}", layers=[foreign]), "windows")
    take_over_untouched(folder)
    check_registry(folder.root)
    with serving_registry(folder.root) as registry:
        assert registry.delete("app", child).status == 405
        registry.pull("app", child)
        assert registry.ask("GET", "app/manifests/windows").status == 200
        # What was absent comes, and is held by what has named it all along.
        for data in (b"{}", b"absent"):
            registry.push_blob("app", data)
        assert registry.put("app", digest_of(absent), absent).status == 201
        assert registry.delete("app", digest_of(absent)).status == 405
        registry.push_blob("app", b"foreign")
        assert registry.ask("DELETE", f"app/blobs/{digest_of(b'foreign')}").status == 405
        registry.delete("app", "windows")
        registry.delete("app", "nested")
        assert registry.catalog() == []
    assert not os.path.exists(f"{folder.v2}/blobs/sha256/{child[7:9]}/{child[7:]}")


def test_subjects_fallback_tags_and_unknown_folders(folder: RegistryFolder) -> None:
    signed = folder.image("app", "v1")
    subject = {"mediaType": OCI_MANIFEST, "digest": signed, "size": folder.size(signed)}
    signature = folder.image("app", layers=(b"signature",), subject=subject, artifactType="application/x.sig")
    folder.index("app", signed.replace(":", "-"), children=(signature,))
    folder.write("repositories/app/_signatures/sha256/x/link", b"somebody's")
    folder.write("repositories/_catalog_cache/app/_layers/x", b"somebody's")
    take_over_untouched(folder)
    with serving_registry(folder.root) as registry:
        assert registry.catalog() == ["app"]
        found = registry.ask("GET", f"app/referrers/{signed}").json["manifests"]
        assert [(each["digest"], each["artifactType"]) for each in found] == [
            (signature, "application/x.sig")
        ]
        registry.pull("app", signed.replace(":", "-"))


def test_links_that_a_crash_cut_short(folder: RegistryFolder) -> None:
    digest = folder.image("app", "v1", "torn", layers=(LAYER,))
    other = folder.image("app", "v2", layers=(b"other",))
    folder.write("repositories/app/_manifests/tags/torn/current/link", b"")
    folder.write(f"repositories/app/_manifests/revisions/sha256/{other[7:]}/link", b"")
    folder.write("repositories/app/_manifests/tags/v1/current/link.3f0c.tmp", b"sha256:")
    folder.write(f"repositories/app/_layers/sha256/{digest_of(LAYER)[7:]}/link", b"")
    take_over_untouched(folder)
    with unchecked_registry(folder.root) as registry:
        assert registry.ask("GET", "app/tags/list").json["tags"] == ["v1"]
        registry.pull("app", "v1")  # a manifest needs that blob, and the blob is there
        assert registry.ask("HEAD", f"app/manifests/{other}").status == 404
        assert registry.put("app", "torn", registry.manifest("app", digest)).status == 201
        registry.pull("app", "torn")


def test_manifest_of_other_bytes_is_not_served(folder: RegistryFolder) -> None:
    digest = folder.image("app", "v1")
    folder.image("app", "v2")
    folder.write(f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data", b'{"schemaVersion": 2}')
    take_over_untouched(folder)
    with unchecked_registry(folder.root) as registry:
        assert registry.ask("HEAD", "app/manifests/v1").status == 404
        registry.pull("app", "v2")
    assert folder.size(digest) == 20


def test_signed_schema_1_is_served_as_it_is(folder: RegistryFolder) -> None:
    layer = folder.layer("app", LAYER)
    signed = {
        "schemaVersion": 1,
        "name": "app",
        "tag": "v1",
        "fsLayers": [{"blobSum": layer}, {"blobSum": layer}],
        "signatures": [{}],
    }
    raw = json.dumps(signed, indent=3).encode()
    folder.manifest("app", raw, "v1")
    take_over_untouched(folder)
    with serving_registry(folder.root) as registry:
        answer = registry.ask("GET", "app/manifests/v1")
        assert answer.body == raw
        assert answer.headers["Content-Type"].endswith("manifest.v1+prettyjws")
        assert registry.ask("DELETE", f"app/blobs/{layer}").status == 405


def test_media_type_that_is_not_written_down(folder: RegistryFolder) -> None:
    image = json.loads(image_manifest(b"{}", b"a layer"))
    del image["mediaType"]
    folder.layer("app", b"{}")
    folder.layer("app", b"a layer")
    child = folder.manifest("app", json.dumps(image).encode(), "image")
    index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": 1}]}
    folder.manifest("app", json.dumps(index).encode(), "index")
    take_over_untouched(folder)
    with serving_registry(folder.root) as registry:
        for tag, media_type in (("image", OCI_MANIFEST), ("index", OCI_INDEX)):
            assert registry.ask("HEAD", f"app/manifests/{tag}").headers["Content-Type"] == media_type


def test_upload_goes_on(folder: RegistryFolder) -> None:
    upload = "6b3c2d8e-1111-4222-8333-444455556666"
    folder.image("app", "v1")
    folder.write(f"repositories/app/_uploads/{upload}/startedat", b"2099-01-01T00:00:00Z")
    folder.write(f"repositories/app/_uploads/{upload}/data", LAYER[:1000])
    take_over_untouched(folder)
    with serving_registry(folder.root) as registry:
        location = f"app/blobs/uploads/{upload}"
        assert registry.ask("GET", location).headers["Range"] == "0-999"
        answer = registry.ask("PUT", f"{location}?digest={digest_of(LAYER)}", LAYER[1000:])
        assert answer.status == 201
        assert registry.ask("GET", f"app/blobs/{digest_of(LAYER)}").body == LAYER


def test_what_nothing_uses_is_told_and_freed(folder: RegistryFolder) -> None:
    folder.image("app", "v1", layers=(LAYER,))
    old = folder.image("app", layers=(b"untagged",))
    signed = folder.image("app", "signed", layers=(b"signed",))
    subject = {"mediaType": OCI_MANIFEST, "digest": signed, "size": folder.size(signed)}
    folder.image("app", layers=(b"signature",), subject=subject)
    folder.layer("app", b"nobody's")
    folder.blob(b"without a link")
    take_over_untouched(folder)
    unused = len(b"nobody's") + len(b"without a link")
    assert f"Unused blobs    2         {unused}B" in ligan_registry(folder.root, "df").stdout
    told = ligan_registry(folder.root, "adopt")
    assert f"{unused}B in 2 blobs that nothing uses: ligan registry prune --root {folder.root}" in told.stderr
    before = folder.state()
    assert f"would free {unused}B" in ligan_registry(folder.root, "prune", "--dry-run").stderr
    assert folder.state() == before
    assert ligan_registry(folder.root, "prune").stderr == f"ligan: freed {unused}B\n"
    assert ligan_registry(folder.root, "prune", "--untagged").stdout == f"Deleted: app@{old}\n"
    check_registry(folder.root)
    with serving_registry(folder.root) as registry:
        registry.pull("app", "v1")
        assert len(registry.ask("GET", f"app/referrers/{signed}").json["manifests"]) == 1


@pytest.mark.docker_registry
def test_folder_that_another_registry_serves_is_refused(folder: RegistryFolder) -> None:
    folder.image("app", "v1")
    with registry_2(folder.root) as there:
        with pytest.raises(AssertionError, match="another registry"), serving_registry(folder.root):
            pass
        refused = ligan_registry(folder.root, "adopt")
        assert (refused.returncode, "Stop it first" in refused.stderr) == (1, True)
        listed = ligan_registry(folder.root, "ls")
        assert (listed.returncode, "no registry has been served" in listed.stderr) == (1, True)
        there.pull("app", "v1")
    take_over(folder.root)


@pytest.mark.docker_registry
def test_tags_that_went_with_their_manifest_are_told_and_have_no_past(folder: RegistryFolder) -> None:
    with serving_registry(folder.root) as registry:
        registry.push_image("app", "moved", b"first")
        registry.push_image("app", "first", b"first")
        digest = registry.push_image("app", "moved", b"second")
    with registry_2(folder.root) as there:
        assert there.delete("app", digest).status == 202
    assert take_over(folder.root) == Taken(gone=1, moved=1)
    sound = ligan_registry(folder.root, "fsck")
    assert (sound.returncode, sound.stdout) == (0, "")


@pytest.mark.docker_registry
def test_plans_know_what_another_registry_has_changed(folder: RegistryFolder) -> None:
    with serving_registry(folder.root) as registry:
        registry.push_image("app", "v1", LAYER)
    with registry_2(folder.root) as there:
        there.push_image("new", "v1", LAYER)
    for words in (("plan", "rm", "app"), ("rm", "--dry-run", "app")):
        told = ligan_registry(folder.root, *words).stdout
        assert re.search(rf"{digest_of(LAYER)[7:19]} .* stays +new\n", told), told


def test_folders_that_cannot_be_repositories_are_left_alone(folder: RegistryFolder) -> None:
    folder.image("app", "v1")
    folder.write("repositories/lost+found/_layers/x", b"")
    folder.write("repositories/README", b"by hand")
    folder.write("blobs/sha256/zz/file", b"")
    folder.write("repositories/app/_uploads/\udcff/startedat", b"")
    folder.write("repositories/app/_layers/sha256/\udcff/link", b"")
    folder.write("repositories/app/_manifests/tags/\udcff/current/link", digest_of(b"x").encode())
    folder.manifest("app", b'{"schemaVersion": 2, "subject": {"digest": "\\ud800"}, "config": {"urls": [1]}}')
    odd = b'{"schemaVersion": 2, "layers": [{"digest": "\\ud800"}], "manifests": [[], 1]}'
    folder.manifest("app", odd, "odd")
    folder.write("repositories/app/_manifests/tags/.hidden/current/link", digest_of(b"x").encode())
    take_over_untouched(folder)
    shutil.rmtree(f"{folder.v2}/repositories/lost+found")
    with unchecked_registry(folder.root) as registry:
        assert registry.catalog() == ["app"]
        registry.pull("app", "v1")
        assert registry.ask("GET", "app/manifests/odd").status == 200
