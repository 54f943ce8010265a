"""Looking at a registry: what it has, what holds it, and what a delete would do."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.support.ligan_registry import digest_of, ligan_registry, serving_registry

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry

LAYER = b"a layer" * 10_000
KEEPING = {"LIGAN_UNDO_WINDOW": "24h", "LIGAN_UNDO_DISK_LIMIT": "100%"}


def say(registry: Registry, verb: str, *words: str) -> str:
    done = ligan_registry(registry.root, verb, *words, **KEEPING)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_why_names_every_holder_and_the_shortest_way_to_the_bytes(registry: Registry) -> None:
    first = registry.push_image("app", "v1", LAYER)
    registry.put("app", "same", registry.manifest("app", "v1"))
    arm = registry.push_image("app", "", LAYER, b"arm")
    index = registry.push_index("app", "all", arm)
    registry.push_image("team/other", "v1", LAYER, b"of the team")
    layer = digest_of(LAYER)
    registry.ask("HEAD", f"team/other/blobs/{layer}")
    said = say(registry, "why", layer).splitlines()
    assert said[0] == f"blob {layer}"
    rows = [line.split(maxsplit=2) for line in said[3:7]]
    held = {(kind, name, detail) for kind, name, detail in rows}
    assert ("manifest", f"app@{first[:19]}", "same, v1") in held
    assert ("manifest", f"app@{arm[:19]}", f"part of {index[7:19]}") in held
    assert [row[:2] for row in rows if row[0] == "lease"] == [["lease", "team/other"]]
    assert said[-1] == (
        f"  ligan registry rm --now app team/other:v1 team/other@{layer} --root {registry.root}"
    )
    assert say(registry, "why", first).splitlines()[3:5] == [
        "tag       app:same",
        "tag       app:v1",
    ]
    assert say(registry, "why", arm[7:17]).splitlines()[3] == f"index     app@{index[:19]}   names it"
    assert f"--now app@{first} --root" in say(registry, "why", first)
    assert "--now app:all --root" in say(registry, "why", arm)


def test_why_of_what_only_undo_holds(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    say(registry, "rm", "app:v1")
    document = json.loads(say(registry, "why", "--format", "json", digest_of(LAYER)))
    assert [holder["kind"] for holder in document["holders"]] == ["undo"]
    assert document["commands"] == [f"ligan registry reclaim 1 --root {registry.root}"]
    say(registry, "reclaim", "1")
    gone = ligan_registry(registry.root, "why", digest_of(LAYER))
    assert (gone.returncode, gone.stderr.splitlines()[0]) == (1, f"no such blob: {digest_of(LAYER)}")


def test_why_by_digits_that_several_digests_have(registry: Registry) -> None:
    for number in range(20):  # sixteen first digits
        registry.push_blob("app", b"%d" % number)
    refused = [ligan_registry(registry.root, "why", digit).stderr for digit in "0123456789abcdef"]
    assert any("Several have such a digest: give more digits." in each for each in refused)
    assert "no such blob: nonsense" in ligan_registry(registry.root, "why", "nonsense").stderr


def test_why_by_another_algorithm(registry: Registry) -> None:
    name = digest_of(b"x", "sha512")
    location = registry.begin("app")
    assert registry.ask("PUT", f"{location}?digest={name}", b"x").status == 201
    assert say(registry, "why", name).startswith(f"blob {digest_of(b'x')}\n")


def test_plan_tells_the_fate_of_each_blob(registry: Registry) -> None:
    digest = registry.push_image("app", "v1", LAYER, b"its own")
    registry.push_image("team/other", "v1", LAYER, b"of the team")
    registry.push_blob("app", b"leased")
    registry.push_image("app", "v2", b"leased")
    registry.ask("HEAD", f"app/blobs/{digest_of(b'leased')}")
    plan = json.loads(say(registry, "plan", "rm", "app", "--format", "json"))
    fates = {each["digest"]: (each["becomes"], each["held_by"]) for each in plan["blobs"]}
    assert fates[digest_of(LAYER)] == ("shared", ["team/other"])
    assert fates[digest_of(b"its own")] == ("held", [])
    assert fates[digest_of(b"leased")] == ("leased", ["app"])
    assert (plan["freed"], plan["leased"]) == (0, 6)
    at_once = say(registry, "plan", "rm", "--now", "app:v1")
    size = len(b"its own") + len(registry.manifest("app", "v1"))
    config = json.loads(registry.manifest("app", "v1"))["config"]["size"]
    assert at_once.startswith(f"Untagged: app:v1\nDeleted: app@{digest}\n\nBLOB ")
    assert f"\nFreed at once:  {size + config} bytes" in at_once
    assert say(registry, "rm", "--dry-run", "--now", "app:v1") == at_once
    registry.pull("app", "v1")
    refused = ligan_registry(registry.root, "plan", "rm", "app:v9")
    assert refused.returncode == 1
    assert refused.stdout.startswith("Refused: manifest unknown: app has no v9\nNothing would be deleted.\n")
    assert (
        ligan_registry(registry.root, "plan", "mv", "app").stderr
        == 'there is no plan for "mv": only for rm\n'
    )


def test_show_of_a_repository_and_its_images(registry: Registry) -> None:
    old = registry.push_image("app", "v1", b"old")
    new = registry.push_image("app", "v1", LAYER)
    registry.push_image("team/other", "v1", LAYER)
    index = registry.push_index("app", "all", new)
    registry.begin("app")
    whole = json.loads(say(registry, "show", "app", "--format", "json"))
    assert [each["digest"] for each in whole["manifests"]] == [index, new, old]
    assert (whole["uploads"], whole["leases"], whole["entries"]) == (1, 0, 0)
    assert "Manifests:      3 (1 untagged)\n" in say(registry, "show", "app")
    image = json.loads(say(registry, "show", "app:v1", "--format", "json"))
    assert image["digest"] == new
    assert image["parents"] == [index]
    assert [digest for digest, _at in image["history"]] == [new, old]
    assert {each["digest"]: each["elsewhere"] for each in image["parts"]}[digest_of(LAYER)] == ["team/other"]
    assert image["alone"] == 0
    text = say(registry, "show", "app:all")
    assert text.startswith(f"app@{index}\n\nTags:        all\n")
    assert f"\n{new}   v1 " in text
    assert "v1 was:\n" in say(registry, "show", "app:v1")
    refused = ligan_registry(registry.root, "show", f"app:v1@{new}")
    assert refused.stderr == f"app:v1@{new}: name a tag or a digest, not both\n"


def test_df_adds_up_to_what_is_on_the_disk(registry: Registry) -> None:
    registry.push_image("app", "v1", LAYER)
    registry.push_image("app", "v2", b"deleted")
    registry.push_blob("app", b"leased")
    location = registry.begin("app")
    registry.ask("PATCH", location, b"half of it")
    say(registry, "rm", "app:v2")
    lines = say(registry, "df", "--format", "{{.Type}}: {{.Total}} {{.Size}}").splitlines()
    assert lines[1:3] == ["Leased blobs: 1 6B", "Uploads: 1 10B"]
    assert lines[0].startswith("Manifests: 1 70")
    assert lines[3].startswith("Kept for undo: 3 ")
    assert (
        ligan_registry(registry.root, "df", "--by", "tag").stderr
        == '--by: there is no "tag": the only one is repo\n'
    )


def test_why_of_what_another_registry_has_left(registry_root: str) -> None:
    """`registry:2` removes neither link nor data of what was in a deleted image."""
    with serving_registry(registry_root) as registry:
        digest = registry.push_image("app", "v1", LAYER)
    shutil.rmtree(f"{registry_root}/docker/registry/v2/repositories/app/_manifests")
    with serving_registry(registry_root) as registry:
        assert say(registry, "why", digest_of(LAYER)).splitlines()[3].split() == [
            "link",
            "app",
            "no",
            "manifest",
            "names",
            "it",
        ]
        say(registry, "rm", "--now", f"app@{digest_of(LAYER)}")
        left = say(registry, "why", digest).splitlines()
        assert left[2] == "Nothing holds it."
        assert left[-1] == f"  ligan registry prune --root {registry_root}"
        told = ligan_registry(registry_root, "fsck")
        assert told.returncode == 0
        assert "blobs that nothing uses: ligan registry prune" in told.stderr
        say(registry, "prune")
        assert ligan_registry(registry_root, "why", digest).returncode == 1
