"""Bad and odd Dockerfiles: `data/answers.jsonl` holds what `POST /build` of engine 20.10.24 made of each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.parse import parse
from ligan.dockerfile.settings import State, apply, expanded
from ligan.errors import Invalid
from ligan.oci.runconfig import run_config

if TYPE_CHECKING:
    from ligan.dockerfile.nodes import Dockerfile, Instruction

DATA = os.path.join(os.path.dirname(__file__), "data", "answers.jsonl")
with open(DATA, encoding="utf-8") as file:
    CASES = [json.loads(line) for line in file]

EMPTY = {**run_config({}), "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}


def build(dockerfile: Dockerfile) -> tuple[State, list[str]]:
    """Return what a stage comes to that has no RUN and copies nothing, and its history."""
    state = State(EMPTY, classic=True)
    arguments: dict[str, str] = {}
    history = []
    for written in dockerfile.stages[-1].steps:
        variables = {**arguments, **state.environment}
        step = expanded(written, variables, dockerfile.escape, classic=True)
        told = argument(step, arguments) if step.name == "ARG" else apply(state, step)
        mark = "#(nop) " if step.name == "WORKDIR" else "#(nop)  "
        history.append(" ".join([*state.shell, mark + told]))
    return state, history


def argument(step: Instruction, arguments: dict[str, str]) -> str:
    told = []
    for name, value in zip(step.arguments[::2], step.arguments[1::2], strict=True):
        assert name is not None
        told.append(name if value is None else f"{name}={value}")
        if value is not None:
            arguments[name] = value
    return f"ARG {' '.join(told)}"


def steps(dockerfile: Dockerfile) -> list[str]:
    """Return the instructions as a builder shows them."""
    stages = [step for stage in dockerfile.stages for step in (stage.instruction, *stage.steps)]
    return [step.original for step in (*dockerfile.arguments, *stages)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["text"])[1:60])
def test_answers_as_docker(case: dict[str, Any]) -> None:
    text = case["text"].encode("utf-8", "surrogateescape")
    if "error" in case:
        with pytest.raises((DockerfileError, Invalid)) as caught:
            build(parse(text, classic=True))
        assert str(caught.value) == case["error"]
        return
    dockerfile = parse(text, classic=True)
    state, history = build(dockerfile)
    config = {name: value for name, value in run_config(state.config).items() if value != EMPTY.get(name, "")}
    assert json.loads(json.dumps(config)) == case["config"]
    assert history == case["history"]
    assert steps(dockerfile) == case["steps"]
    assert state.author == case.get("author", "")
    assert "".join([f"{line}\n" for line in dockerfile.warnings]) == "".join(case.get("warnings", ()))
