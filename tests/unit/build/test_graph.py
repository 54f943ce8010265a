from __future__ import annotations

import pytest

from ligan.build.graph import Graph, needs_context, plan, sources_of
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.parse import parse
from ligan.errors import Invalid


def graph(text: str, target: str = "", contexts: tuple[str, ...] = (), **given: str) -> Graph:
    return plan(parse(text, classic=False), given, {"TARGETOS": "linux"}, target, contexts)


CHAIN = """FROM one AS a
FROM two AS b
COPY --from=a /x /
FROM three AS unused
FROM a
RUN --mount=type=bind,from=b,target=/b true
"""


def test_only_the_stages_that_the_target_needs() -> None:
    found = graph(CHAIN)
    assert (list(found.stages), found.target) == ([0, 1, 3], 3)
    assert found.stages[3].below == 0
    assert found.stages[3].needs == {1}


def test_a_target_by_name_in_any_case_or_by_number() -> None:
    assert list(graph(CHAIN, "B").stages) == [0, 1]
    assert list(graph(CHAIN, "2").stages) == [2]
    with pytest.raises(Invalid, match=r'^target stage "nope" could not be found$'):
        graph(CHAIN, "nope")
    with pytest.raises(Invalid, match=r'"unsued" could not be found \(did you mean unused\?\)$'):
        graph(CHAIN, "unsued")


def test_what_steps_are_called_by() -> None:
    found = graph(
        "FROM a AS x\nENV A=b\nRUN true\nFROM x\nWORKDIR /w\nCOPY . .\nFROM scratch\nCOPY --from=1 / /"
    )
    assert [(item.label, item.steps) for item in found.stages.values()] == [
        ("x ", 2),
        ("stage-1 ", 2),
        ("stage-2 ", 1),
    ]
    assert graph("FROM a AS x").stages[0].label == ""


def test_a_base_out_of_arguments() -> None:
    text = "ARG V=1\nARG B=alpine:$V\nFROM $B\nFROM --platform=$TARGETOS/amd64 ${B#alpine:}x"
    found = graph(text, "0")
    assert found.stages[0].base == "alpine:1"
    assert found.arguments == {"TARGETOS": "linux", "V": "1", "B": "alpine:1"}
    assert graph(text, V="2").stages[1].base == "2x"
    assert graph(text).stages[1].platform == "linux/amd64"


def test_a_base_of_nothing_is_told_with_its_line() -> None:
    with pytest.raises(DockerfileError, match="base name") as caught:
        graph("FROM a\nFROM $NOTHING")
    assert caught.value.line == 2


def test_a_context_takes_the_place_of_a_stage() -> None:
    found = graph("FROM a AS base\nFROM base\nCOPY --from=base / /", contexts=("base",))
    assert list(found.stages) == [1]
    assert found.stages[1].below is None


def test_a_stage_cannot_need_itself_or_a_later_one() -> None:
    with pytest.raises(DockerfileError, match="invalid stage index 1") as caught:
        graph("FROM a\nFROM b\nCOPY --from=1 / /")
    assert caught.value.line == 3
    # The name of a later stage is that of an image.
    assert list(graph("FROM a\nCOPY --from=late / /\nFROM b AS late", "0").stages) == [0]


def test_a_number_alone_is_no_base() -> None:
    assert graph("FROM a\nFROM 0").stages[1].below is None


@pytest.mark.parametrize(
    ("line", "sources", "context"),
    [
        ("COPY a b", [], True),
        ("COPY --from=x a b", ["x"], False),
        ("RUN true", [], False),
        ("RUN --mount=type=bind,target=/x true", [], True),
        ("RUN --mount=from=x,target=/x --mount=type=cache,target=/c true", ["x"], False),
        ("RUN --mount=type=secret,id=x true", [], False),
    ],
)
def test_what_an_instruction_takes_from(line: str, sources: list[str], context: bool) -> None:
    [step] = parse(f"FROM a\n{line}", classic=False).stages[0].steps
    assert (sources_of(step), needs_context(step)) == (sources, context)
