"""Docker's structs: order, omitted fields, and kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ligan.errors import Invalid
from ligan.oci.gojson import go_json
from ligan.oci.runconfig import run_config, v1_image

EMPTY = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,'
    '"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,'
    '"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)


def test_empty_settings_are_those_of_an_import() -> None:
    assert go_json(run_config({})).decode() == EMPTY
    assert run_config(None) == run_config({})


def test_every_field_in_order_and_unknown_ones_dropped() -> None:
    document = {
        "Unknown": 1,
        "Shell": ["/bin/bash"],
        "StopTimeout": 0,
        "StopSignal": "TERM",
        "Labels": {"b": "1", "a": "2"},
        "OnBuild": [],
        "MacAddress": "m",
        "NetworkDisabled": True,
        "ArgsEscaped": True,
        "Healthcheck": {"Retries": 1, "Test": ["NONE"], "Interval": 0},
        "ExposedPorts": {"80/tcp": {"x": 1}, "443/tcp": {}},
        "Volumes": {"/b": {}, "/a": {}},
    }
    made = run_config(document)
    assert list(made) == [
        *("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts"),
        *("Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "Healthcheck", "ArgsEscaped", "Image", "Volumes"),
        *("WorkingDir", "Entrypoint", "NetworkDisabled", "MacAddress", "OnBuild", "Labels", "StopSignal"),
        *("StopTimeout", "Shell"),
    ]
    text = json.dumps(made, separators=(",", ":"))
    assert '"ExposedPorts":{"443/tcp":{},"80/tcp":{}}' in text
    assert '"Healthcheck":{"Test":["NONE"],"Retries":1}' in text
    assert '"Labels":{"a":"2","b":"1"}' in text
    assert '"StopTimeout":0' in text
    assert '"OnBuild":[]' in text


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"Healthcheck": {}}, True),
        ({"Healthcheck": None}, False),
        ({"StopTimeout": None}, False),
        ({"ArgsEscaped": False}, False),
        ({"ExposedPorts": {}}, False),
        ({"Shell": []}, False),
    ],
)
def test_empty_values_are_left_out_and_pointers_are_not(document: dict[str, Any], kept: bool) -> None:
    (name,) = document
    assert (name in run_config(document)) is kept


def test_command_may_be_one_string() -> None:
    assert run_config({"Cmd": "ls", "Entrypoint": ["a"]})["Cmd"] == ["ls"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"Env": "x"}, "config.Env"),
        ({"Env": [1]}, "config.Env"),
        ({"Tty": "yes"}, "config.Tty"),
        ({"Labels": {"a": 1}}, "config.Labels"),
        ({"StopTimeout": True}, "config.StopTimeout"),
        ({"Healthcheck": {"Interval": "1s"}}, "config.Healthcheck.Interval"),
        ([], "config"),
    ],
)
def test_wrong_kinds_are_named(document: object, place: str) -> None:
    with pytest.raises(Invalid, match=rf"^invalid image JSON: {place} cannot be "):
        run_config(document)


def test_v1_image_keeps_what_is_set() -> None:
    made = v1_image({"os": "linux", "created": "2023-01-01T00:00:00.10Z", "comment": "c", "rootfs": {}})
    assert list(made) == ["comment", "created", "container_config", "os"]
    assert made["created"] == "2023-01-01T00:00:00.1Z"


def test_v1_image_always_has_a_time() -> None:
    assert v1_image({})["created"] == "0001-01-01T00:00:00Z"
