"""Laws of Dockerfiles: printing and parsing undo each other, and no text is more than refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ligan.dockerfile.faults import DockerfileError, excerpt
from ligan.dockerfile.nodes import Dockerfile, Instruction
from ligan.dockerfile.parse import parse
from ligan.dockerfile.printing import printed
from ligan.dockerfile.words import expand, expand_words
from ligan.errors import Invalid

_TEXT = st.text(alphabet="ab $<-'\"\\`\t#[],={}:/EOF\v\xa0é", max_size=12)
_LINES = st.one_of(
    st.builds(
        "{} {}".format, st.sampled_from(["RUN", "run", "CMD", "COPY a", "ENV a=", "LABEL b", "ARG"]), _TEXT
    ),
    st.builds(
        "{} {}".format,
        st.sampled_from(["ONBUILD RUN", "ONBUILD COPY a", "EXPOSE", "WORKDIR", "VOLUME"]),
        _TEXT,
    ),
    st.builds("RUN {}\\\n{}".format, _TEXT, _TEXT),
    st.builds("{} <<-E {}\n\t{}\nE".format, st.sampled_from(["RUN", "ONBUILD RUN", "COPY"]), _TEXT, _TEXT),
    st.builds("RUN <<'E F' <<G\n{}\nE F\nG".format, _TEXT),
    st.sampled_from(["FROM scratch AS b", "# a", "", 'CMD ["a", "b"]', "HEALTHCHECK --retries=1 CMD a"]),
)
_TOPS = st.sampled_from(["", "# escape=`\n", "#syntax=a b\n", "# check = x \n# escape = \\\n", "ARG x=1\n"])
_FILES = st.builds(
    "{}FROM a\n{}".format, _TOPS, st.lists(_LINES, max_size=4).map(lambda lines: "\n".join([*lines, ""]))
)


def bare(file: Dockerfile) -> Dockerfile:
    """Return a Dockerfile without what printing does not keep."""

    def unplaced(instruction: Instruction) -> Instruction:
        return instruction.replace(line=0, end=0)

    stages = tuple(
        stage.replace(
            instruction=unplaced(stage.instruction), steps=tuple([unplaced(step) for step in stage.steps])
        )
        for stage in file.stages
    )
    arguments = tuple([unplaced(argument) for argument in file.arguments])
    return file.replace(source="", warnings=(), advice=(), arguments=arguments, stages=stages)


@pytest.mark.parametrize("classic", [True, False])
@given(text=_FILES)
def test_what_is_printed_parses_to_the_same(text: str, classic: bool) -> None:
    parsed = None
    with contextlib.suppress(DockerfileError):
        parsed = parse(text, classic=classic)
    assume(parsed is not None)
    assert parsed is not None
    assert bare(parse(printed(parsed), classic=classic)) == bare(parsed)


def test_long_lines_are_printed_in_parts() -> None:
    parsed = parse(
        "FROM a\nRUN " + "".join([f"abcdefgh{number} # \\\n" for number in range(20_000)]), classic=False
    )
    assert bare(parse(printed(parsed), classic=False)) == bare(parsed)


@given(text=st.one_of(st.text(), st.binary(), _FILES, _TEXT), classic=st.booleans())
def test_any_text_is_parsed_or_refused(text: str | bytes, classic: bool) -> None:
    fault = None
    try:
        parse(text, classic=classic)
    except DockerfileError as error:
        fault = error
    if fault is not None:
        assert fault.message
        source = text if isinstance(text, str) else text.decode("utf-8", "replace")
        shown = excerpt(source, "Dockerfile", fault.line, fault.end)
        assert shown.startswith("Dockerfile:") or not 1 <= fault.line <= source.count("\n") + 1


@given(word=st.text(alphabet="ab ${}:-", max_size=12), classic=st.booleans())
def test_the_words_of_an_expansion_are_those_of_its_text(word: str, classic: bool) -> None:
    with contextlib.suppress(Invalid):
        whole = expand(word, {"a": "b c"}, classic=classic)
        assert expand_words(word, {"a": "b c"}, classic=classic) == whole.split()


@given(text=st.text(alphabet=st.characters(exclude_characters="'\\"), max_size=20))
def test_quoted_text_is_not_touched(text: str) -> None:
    assert expand(f"'{text}'", {}) == text
