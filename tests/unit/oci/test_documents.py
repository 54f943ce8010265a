from __future__ import annotations

import json
from typing import Any

import pytest

from ligan.errors import Invalid
from ligan.oci.digest import sha256
from ligan.oci.documents import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig, Index, Manifest, parse_json
from ligan.oci.platform import Platform

DIFF = f"sha256:{'1' * 64}"


def config(**fields: Any) -> bytes:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [DIFF]}, "os": "linux"} | fields).encode()


def test_a_config_keeps_its_bytes_and_is_named_by_them() -> None:
    raw = b' {"rootfs": {"diff_ids": ["%s"]},\n "unknown" : 1 } ' % DIFF.encode()
    parsed = ImageConfig.parse(raw)
    assert parsed.raw is raw
    assert parsed.id == sha256(raw)
    assert parsed.diff_ids == (DIFF,)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    parsed = ImageConfig.parse(b'{"os": "linux", "os": "windows", "rootfs": {}}')
    assert parsed.platform == Platform("windows", "")


def test_half_a_surrogate_pair_is_the_replacement_character() -> None:
    parsed = ImageConfig.parse(config(config={"Labels": {"a": "\ud800x", "b": "\ud83d\ude00"}}))
    assert parsed.labels == {"a": "�x", "b": "😀"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "invalid image JSON: Expecting value"),
        (b"{", "invalid image JSON: Expecting property name"),
        (b"[]", "invalid image JSON: not an object"),
        (b"null", "invalid image JSON: not an object"),
        (b"[" * 100_000, "invalid image JSON: nested too deeply"),
        (b'{"a":' * 100_000, "invalid image JSON: nested too deeply"),
        (b'{"a": NaN, "rootfs": {}}', "invalid image JSON: NaN is not a value"),
        (b'{"a": -Infinity, "rootfs": {}}', "invalid image JSON: -Infinity is not a value"),
        (b'{"a": ' + b"9" * 5000 + b', "rootfs": {}}', "invalid image JSON: Exceeds the limit"),
        ('{"rootfs": {}}'.encode("utf-16"), "invalid image JSON: 'utf-8' codec can't decode"),
        (b'\xef\xbb\xbf{"rootfs": {}}', "invalid image JSON: "),
        (b'{"a": "\xff", "rootfs": {}}', "invalid image JSON: 'utf-8' codec can't decode"),
        (b"{}", "invalid image JSON, no RootFS key"),
        (b'{"rootfs": null}', "invalid image JSON, no RootFS key"),
        (b'{"rootfs": []}', "invalid image JSON: rootfs is not an object"),
        (config(rootfs={"type": 1}), "invalid image JSON: type is not a string"),
        (config(rootfs={"diff_ids": "x"}), "invalid image JSON: diff_ids is not a list"),
        (config(rootfs={"diff_ids": [1]}), "invalid image JSON: 1 is not a string"),
        (config(rootfs={"diff_ids": ["sha256:1"]}), "invalid checksum digest length"),
        (config(**{"os.version": 5}), "invalid image JSON: os.version is not a string"),
        (config(history={}), "invalid image JSON: history is not a list"),
        (config(history=[None]), "invalid image JSON: a row of history is not an object"),
        (config(history=[{"created_by": 1}]), "invalid image JSON: created_by is not a string"),
        (config(history=[{}, {}]), "too many non-empty layers in History section"),
        (config(created=1), "invalid image JSON: created is not a string"),
        (config(os=["linux"]), "invalid image JSON: os cannot be ['linux']"),
        (config(config=7), "invalid image JSON: config cannot be 7"),
        (config(config={"Labels": []}), "invalid image JSON: config.Labels cannot be []"),
        (config(created="now"), 'invalid image JSON: created "now" is not a time of RFC 3339'),
        (config(history=[{"created": "x", "empty_layer": True}]), 'invalid image JSON: created "x" is not'),
    ],
)
def test_a_hostile_config_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        ImageConfig.parse(raw)
    assert str(refused.value).startswith(message)


def test_fewer_steps_than_layers_are_legal() -> None:
    assert ImageConfig.parse(config(history=[])).history == ()
    assert ImageConfig.parse(config(history=[{"empty_layer": True}] * 5)).history[0].empty_layer


@pytest.mark.parametrize(
    ("run", "labels"),
    [
        (None, None),
        ({}, None),
        ({"Labels": None}, None),
        ({"Labels": {}}, {}),
        ({"Labels": {"a": None, "b": "c"}}, {"a": "", "b": "c"}),
    ],
)
def test_labels_are_none_where_there_is_no_map(run: object, labels: object) -> None:
    assert ImageConfig.parse(config(config=run)).labels == labels


def test_a_child_has_one_step_more_than_its_parent() -> None:
    def image(*steps: str) -> ImageConfig:
        return ImageConfig.parse(
            config(history=[{"created_by": step, "empty_layer": True} for step in steps])
        )

    assert image("a", "b").is_child_of(image("a"))
    assert not image("a", "b", "c").is_child_of(image("a"))
    assert not image("x", "b").is_child_of(image("a"))
    assert not image("a").is_child_of(image("a"))


def test_a_descriptor_is_read_in_full() -> None:
    found = Descriptor.of(
        {
            "mediaType": "text/plain",
            "digest": DIFF,
            "size": 3,
            "platform": {"os": "linux", "architecture": "aarch64"},
            "annotations": {"a": "b"},
        }
    )
    assert found == Descriptor("text/plain", found.digest, 3, Platform("linux", "arm64", "v8"), {"a": "b"})
    assert Descriptor.of({"digest": DIFF}).platform is None


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        {},
        {"digest": DIFF, "size": -1},
        {"digest": DIFF, "size": 1 << 63},
        {"digest": DIFF, "size": True},
        {"digest": DIFF, "size": 1.5},
        {"digest": DIFF, "size": "1"},
        {"digest": DIFF, "platform": "linux"},
        {"digest": DIFF, "annotations": []},
        {"digest": 7},
    ],
)
def test_a_hostile_descriptor_is_refused(item: object) -> None:
    with pytest.raises(Invalid):
        Descriptor.of(item)


def test_a_manifest_and_an_index_say_what_they_hold() -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"digest": DIFF},
        "layers": [{"digest": DIFF}],
    }
    read = Manifest.parse(json.dumps(manifest).encode())
    assert (read.media_type, read.config.digest, len(read.layers)) == (OCI_MANIFEST, DIFF, 1)
    index = {"schemaVersion": 2, "manifests": [{"digest": DIFF}]}
    assert Index.parse(json.dumps(index).encode(), OCI_INDEX).manifests[0].digest == DIFF


@pytest.mark.parametrize(
    "raw", [b"[]", b"{}", b'{"schemaVersion": 1}', b'{"schemaVersion": "2"}', b'{"schemaVersion": 2}']
)
def test_a_hostile_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        Manifest.parse(raw)


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(Invalid, match=r"^invalid manifest\.json: "):
        parse_json(b"x", "manifest.json")
