from __future__ import annotations

import json

import pytest

from ligan.api import wire
from ligan.errors import Invalid
from ligan.images.inspect import HistoryEntry
from ligan.images.listing import ImageSummary
from ligan.images.staging import LoadProgress
from ligan.images.usage import ImageUsage
from ligan.oci.digest import ImageID

ID = ImageID("sha256:" + "ab" * 32)


def summary(
    tags: tuple[str, ...] = ("a:1",), digests: tuple[str, ...] = (), labels: str | None = None
) -> ImageSummary:
    return ImageSummary(ID, "", tags, digests, 1_700_000_000, 42, labels)


def row(image: ImageSummary, api: int) -> str:
    return wire.encode(wire.image_row(image, api)).decode()


def test_a_row_is_what_engine_20_10_writes() -> None:
    """Source: golden a_dangling_rebuild, step 39."""
    assert row(summary(labels='{"stage":"demo"}'), 41) == (
        f'{{"Containers":-1,"Created":1700000000,"Id":"{ID}","Labels":{{"stage":"demo"}},"ParentId":"",'
        '"RepoDigests":null,"RepoTags":["a:1"],"SharedSize":-1,"Size":42,"VirtualSize":42}\n'
    )


@pytest.mark.parametrize(
    ("image", "api", "tags", "digests"),
    [
        (summary(()), 42, ["<none>:<none>"], ["<none>@<none>"]),
        (summary(()), 43, [], []),
        (summary(), 42, ["a:1"], None),
        (summary(), 43, ["a:1"], []),
        (summary((), ("a@sha256:0",)), 42, None, ["a@sha256:0"]),
        (summary((), ("a@sha256:0",)), 43, [], ["a@sha256:0"]),
    ],
)
def test_absent_names_depend_on_the_version(
    image: ImageSummary, api: int, tags: list[str] | None, digests: list[str] | None
) -> None:
    document = json.loads(row(image, api))
    assert (document["RepoTags"], document["RepoDigests"]) == (tags, digests)


def test_the_virtual_size_went_with_1_44() -> None:
    assert "VirtualSize" in json.loads(row(summary(), 43))
    assert "VirtualSize" not in json.loads(row(summary(), 44))


def test_labels_that_are_no_unicode_do_no_harm() -> None:
    assert json.loads(row(summary(labels='{"a":"\ud800"}'), 41))["Labels"] == {"a": "?"}


def test_other_text_that_is_no_unicode_does_no_harm() -> None:
    entry = HistoryEntry(ID, 5, "RUN \udcff", 7, "", ("a:1",))
    assert json.loads(wire.encode(wire.history_rows([entry]))) == [
        {"Comment": "", "Created": 5, "CreatedBy": "RUN ?", "Id": ID, "Size": 7, "Tags": ["a:1"]}
    ]


def test_history_without_tags_has_null() -> None:
    assert wire.encode(wire.history_rows([HistoryEntry("<missing>", 5, "x", 0, "c", ())])) == (
        b'[{"Comment":"c","Created":5,"CreatedBy":"x","Id":"<missing>","Size":0,"Tags":null}]\n'
    )


INSPECTED = {
    "Id": ID,
    "Created": "0001-01-01T00:00:00Z",
    "Container": "",
    "ContainerConfig": {},
    "Config": {"Hostname": "", "User": "root", "Env": None, "Cmd": ["sh"], "Image": "x", "StopTimeout": 3},
    "VirtualSize": 42,
}


@pytest.mark.parametrize(
    ("api", "gone"),
    [
        (43, set()),
        (44, {"VirtualSize", "Created"}),
        (45, {"VirtualSize", "Created", "Container", "ContainerConfig"}),
    ],
)
def test_an_inspection_loses_fields_with_later_versions(api: int, gone: set[str]) -> None:
    document = wire.inspection(dict(INSPECTED), api)
    assert set(document) == set(INSPECTED) - gone
    assert document["Config"] == INSPECTED["Config"]


def test_from_1_50_on_the_config_has_only_what_is_set_and_an_image_needs() -> None:
    document = wire.inspection(dict(INSPECTED), 50)
    assert document["Config"] == {"User": "root", "Cmd": ["sh"]}
    assert wire.inspection({**INSPECTED, "Config": None}, 50)["Config"] is None


def test_disk_usage_tells_the_kinds_that_are_asked_for() -> None:
    images = [ImageUsage(summary(), 30, 2)]
    containers, volumes = [{"Id": "a"}], [{"Name": "v"}]
    old = wire.usage(images, containers, volumes, [], 42, 41, [])
    assert list(old) == ["LayersSize", "Images", "Containers", "Volumes", "BuildCache", "BuilderSize"]
    assert (old["LayersSize"], old["BuildCache"]) == (42, None)
    assert (old["Containers"], old["Volumes"]) == (containers, volumes)
    assert json.loads(wire.encode(old))["Images"][0]["SharedSize"] == 30
    new = wire.usage(images, containers, volumes, [], 42, 42, ["volume"])
    assert new == {
        "LayersSize": 0,
        "Images": None,
        "Containers": None,
        "Volumes": volumes,
        "BuildCache": None,
    }


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", {}),
        ("{}", {}),
        ('{"label":["a","b"]}', {"label": ["a", "b"]}),
        ('{"dangling":{"true":true}}', {"dangling": ["true"]}),
        ('{"label":{"a":true,"b":false},"until":[]}', {"label": ["a"], "until": []}),
    ],
)
def test_filters_come_in_two_forms(text: str, filters: dict[str, list[str]]) -> None:
    assert wire.filters(text) == filters


@pytest.mark.parametrize(
    "text", ["x", "[]", "{bad", '{"a":"b"}', '{"a":[1]}', "[" * 100_000, '{"a":{"b":1}}']
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^invalid filter$"):
        wire.filters(text)


def test_a_stream_is_of_lines() -> None:
    assert wire.stream_line({"stream": "x\n"}) == b'{"stream":"x\\n"}\r\n'
    assert wire.stream_line({"progress": "[=>]"}) == b'{"progress":"[=\\u003e]"}\r\n'
    assert wire.stream_error(Invalid("no")) == b'{"errorDetail":{"message":"no"},"error":"no"}\r\n'
    assert wire.progress_line(LoadProgress("0123", 5, 7)) == (
        b'{"status":"Loading layer","progressDetail":{"current":5,"total":7},"progress":"['
        b'===================================\\u003e               ]       5B/7B","id":"0123"}\r\n'
    )
