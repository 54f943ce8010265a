"""`--change` instructions: `data/changes.jsonl` holds what `docker import` of engine 20.10.24 answered."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ligan.errors import Invalid
from ligan.images.changes import apply_changes
from ligan.oci.runconfig import run_config

DATA = os.path.join(os.path.dirname(__file__), "data", "changes.jsonl")
with open(DATA, encoding="utf-8") as file:
    CASES = [json.loads(line) for line in file]


def changed(*changes: str) -> dict[str, Any]:
    """Return the fields that differ from those of an image without settings."""
    untouched = run_config({})
    config = run_config(apply_changes(untouched, changes))
    return {name: value for name, value in config.items() if value != untouched.get(name, "absent")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: "|".join(case["changes"]))
def test_answers_as_docker(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(Invalid) as caught:
            changed(*case["changes"])
        assert str(caught.value) == case["error"]
    else:
        assert changed(*case["changes"]) == case["config"]


@pytest.mark.parametrize("text", ["9", "SIGTERM", "term", "SIGRTMIN+3"])
def test_stop_signal_is_kept_as_written(text: str) -> None:
    assert changed(f"STOPSIGNAL {text}") == {"StopSignal": text}


@pytest.mark.parametrize("text", ["foo", "0"])
def test_stop_signal_has_to_exist(text: str) -> None:
    with pytest.raises(Invalid, match=f"^Invalid signal: {text}$"):
        changed(f"STOPSIGNAL {text}")


def test_no_changes_leave_the_config_alone() -> None:
    config = run_config({"Cmd": ["x"]})
    assert apply_changes(config, ()) == config


def test_given_config_is_not_touched() -> None:
    config = run_config({"Env": ["A=1"], "Labels": {"a": "b"}})
    before = json.dumps(config)
    apply_changes(config, ("ENV A=2", "LABEL c=d", "EXPOSE 1", "VOLUME /v", "ONBUILD RUN x"))
    assert json.dumps(config) == before


@pytest.mark.parametrize("change", [f"HEALTHCHECK --retries={'9' * 5000} CMD x", f"STOPSIGNAL {'9' * 5000}"])
def test_numbers_of_any_length_are_refused(change: str) -> None:
    with pytest.raises(Invalid):
        apply_changes(run_config({}), [change])
