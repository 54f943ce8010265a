"""Settings of a container over those of its image, by engine 20.10's rules."""

from __future__ import annotations

from typing import Any

import pytest

from ligan.containers.merging import merge
from ligan.oci.runconfig import run_config


def _merged(asked: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    return run_config(merge(run_config(asked), run_config(base)))


@pytest.mark.parametrize(
    ("asked", "base", "expected"),
    [
        ({}, {"Cmd": ["c"], "Entrypoint": ["e"]}, (["c"], ["e"])),
        ({"Cmd": ["x"]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, (["x"], ["e"])),
        ({"Entrypoint": ["y"]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, (None, ["y"])),
        ({"Entrypoint": []}, {"Cmd": ["c"], "Entrypoint": ["e"]}, (["c"], [])),
        ({"Entrypoint": [""]}, {"Cmd": ["c"], "Entrypoint": ["e"]}, (None, [""])),
    ],
)
def test_commands(asked: dict[str, Any], base: dict[str, Any], expected: tuple[object, object]) -> None:
    merged = _merged(asked, base)
    assert (merged["Cmd"], merged["Entrypoint"]) == expected


def test_variables_go_by_their_names_and_those_asked_for_come_first() -> None:
    merged = _merged({"Env": ["B=2", "C"]}, {"Env": ["A=1", "B=1", "C=1"]})
    assert merged["Env"] == ["B=2", "C", "A=1"]


def test_sets_and_labels_are_joined() -> None:
    asked = {"ExposedPorts": {"80/tcp": {}}, "Volumes": {"/a": {}}, "Labels": {"x": "mine", "y": "1"}}
    base = {"ExposedPorts": {"22/tcp": {}}, "Volumes": {"/b": {}}, "Labels": {"x": "its", "z": "1"}}
    merged = _merged(asked, base)
    assert list(merged["ExposedPorts"]) == ["22/tcp", "80/tcp"]
    assert list(merged["Volumes"]) == ["/a", "/b"]
    assert merged["Labels"] == {"x": "mine", "y": "1", "z": "1"}


def test_what_is_empty_is_filled() -> None:
    base = {"User": "me", "WorkingDir": "/w", "StopSignal": "INT", "Shell": ["sh"]}
    merged = _merged({"User": "you"}, base)
    assert (merged["User"], merged["WorkingDir"], merged["StopSignal"]) == ("you", "/w", "INT")
    assert "Shell" not in merged


def test_a_healthcheck_is_joined_field_by_field() -> None:
    base = {"Healthcheck": {"Test": ["CMD", "a"], "Interval": 5, "Retries": 2}}
    assert _merged({"Healthcheck": {"Interval": 9}}, base)["Healthcheck"] == {
        "Test": ["CMD", "a"],
        "Interval": 9,
        "Retries": 2,
    }
    assert _merged({}, base)["Healthcheck"] == base["Healthcheck"]
    assert "Healthcheck" not in _merged({}, {})
