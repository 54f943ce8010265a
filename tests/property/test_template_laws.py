"""Laws of templates, tables and units that hold for every input."""

from __future__ import annotations

import contextlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from ligan.cli.tables import align, render_table
from ligan.cli.templates import Template, TemplateError
from ligan.cli.templates.values import Duration
from ligan.cli.units import human_size
from ligan.images.times import until_time
from ligan.oci.durations import parse_go_duration
from ligan.oci.times import rfc3339nano

texts = st.text(st.characters(exclude_categories=["Cs"]))
# Go writes a large float without exponent or point: it reads back as an integer that is not quite equal.
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53 or abs(x) >= 1e21)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=12,
)
WORDS = """
    {{ }} {{- -}} /* */ . .A $ $x := = | ( ) , "a" ` ' 1 -1.5 0x nil true if else end range with define
    template block break printf "%[2]*.3d" index slice len json eq and or not join é
"""
fragments = st.sampled_from([" ", "\n", *WORDS.split()])


@given(texts.filter(lambda text: "{{" not in text))
def test_text_without_actions_prints_itself(text: str) -> None:
    assert Template.parse(text).execute(None) == text


@given(texts)
def test_a_quoted_string_is_a_literal_for_it(text: str) -> None:
    literal = Template.parse('{{printf "%q" .}}').execute(text)
    assert Template.parse(f"{{{{{literal}}}}}").execute(None) == text


@given(documents)
def test_json_reads_back_the_same(document: object) -> None:
    assert json.loads(Template.parse("{{json .}}").execute(document)) == document


@given(st.lists(fragments, max_size=24), documents)
@example(["{{", "range", " ", "9"], None)
def test_every_template_prints_or_fails_in_words(parts: list[str], document: object) -> None:
    with contextlib.suppress(TemplateError):
        Template.parse("".join(parts)).execute({"A": document})


@given(texts, st.lists(documents, max_size=3))
def test_printf_never_fails(text: str, operands: list[object]) -> None:
    arguments = "".join([f" (index .O {position})" for position in range(len(operands))])
    Template.parse(f"{{{{printf .F{arguments}}}}}").execute({"F": text, "O": operands})


cells = st.text(st.characters(exclude_characters="\t\n\v\f", exclude_categories=["Cs"]), max_size=14)


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)
    )
)
def test_a_table_is_its_lines_aligned(lines: list[list[str]]) -> None:
    table = render_table(lines[0], lines[1:])
    assert table == align("".join(["\t".join(line) + "\n" for line in lines]))


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1))
def test_columns_start_at_one_place_three_spaces_apart(lines: list[list[str]]) -> None:
    printed = render_table(lines[0], lines[1:]).split("\n")
    first = max(10, 3 + max([len(line[0]) for line in lines]))
    second = first + max(10, 3 + max([len(line[1]) for line in lines]))
    for line, shown in zip(lines, printed, strict=False):
        assert [shown[:first].rstrip(" "), shown[second:]] == [line[0].rstrip(" "), line[2]]
        assert shown[first:second] == line[1].ljust(second - first)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_printed_duration_reads_back_the_same(nanoseconds: int) -> None:
    assert parse_go_duration(Template.parse("{{.}}").execute(Duration(nanoseconds))) == nanoseconds


@given(st.integers(-62135596800, 253402300799), st.integers(0, 999_999_999))
def test_a_printed_time_reads_back_the_same(seconds: int, nanoseconds: int) -> None:
    assert until_time(rfc3339nano(seconds, nanoseconds), 0) == seconds * 10**9 + nanoseconds


@given(st.integers(0, 10**27), st.sampled_from([3, 4]))
def test_a_size_is_right_to_its_digits(size: int, digits: int) -> None:
    text = human_size(size, digits)
    number = text.rstrip("BkMGTPEZY")
    factor = 1000 ** ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"].index(text[len(number) :])
    assert abs(float(number) * factor - size) <= size * 0.5001 * 10 ** (1 - digits)
