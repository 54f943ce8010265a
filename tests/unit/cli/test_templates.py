"""Go templates: every answer of a real docker client, then what its answers cannot show."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ligan.cli.templates import Row, Struct, Template, TemplateError
from ligan.cli.templates.documents import image_document
from ligan.cli.templates.values import Duration, NilList, NilMap, Time
from ligan.errors import Invalid

DATA = os.path.join(os.path.dirname(__file__), "data")


def load(name: str) -> Any:
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return json.load(file)


INSPECTED = load("inspect_templates.json")


def run(template: str, value: object) -> str:
    return Template.parse(template).execute(value)


def failure(template: str, value: object = None) -> str:
    with pytest.raises(TemplateError) as caught:
        run(template, value)
    return str(caught.value).removeprefix("template parsing error: ")


@pytest.mark.parametrize("case", INSPECTED["cases"], ids=lambda case: case["template"][:60])
def test_inspect_answers_as_docker(case: dict[str, Any]) -> None:
    stdout, stderr, status = "", "", 0
    try:
        template = Template.parse(case["template"])
    except TemplateError as error:
        stderr, status = f"{error}\n", 64
    else:
        try:
            for name in case["documents"]:
                raw = INSPECTED["documents"][name]
                stdout += template.inspect(image_document(json.loads(raw)), raw) + "\n"
        except TemplateError as error:
            stdout, stderr, status = stdout + "\n", f"{error}\n", 1
    assert (stdout, stderr, status) == (case["stdout"], case["stderr"], case["exit"])


def test_a_template_error_is_an_invalid_request() -> None:
    with pytest.raises(Invalid, match=r"^template parsing error: template: :1: unclosed action$"):
        Template.parse("{{.Os")


def test_a_field_of_a_row_is_called_when_it_is_named() -> None:
    calls: list[str] = []

    def answer() -> str:
        calls.append("ID")
        return "abc"

    row = Row({"ID": answer, "Tag": "<x>"}, "formatter.imageContext")
    assert run("{{.Tag}}", row) == "<x>"
    assert calls == []
    assert run("{{.ID}} {{upper .ID}} {{(.ID)}}", row) == "abc ABC abc"
    assert run("{{json .}}", row) == '{"ID":"abc","Tag":"\\u003cx\\u003e"}'
    assert failure("{{.ID 1}}", row).endswith("wrong number of args for ID: want 0 got 1")


def test_an_unknown_field_of_a_row_names_dockers_type() -> None:
    assert failure("{{.Nope}}", Row({}, "formatter.imageContext")) == (
        'template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.imageContext'
    )


def test_structs_keep_their_order_and_maps_sort_their_keys() -> None:
    fields = {"B": 1, "A": "x"}
    assert run("{{.}} {{json .}}", Struct(fields)) == '{1 x} {"B":1,"A":"x"}'
    assert run('{{printf "%+v" .}} {{printf "%#v" .}}', Struct(fields, "t.T")) == '{B:1 A:x} t.T{B:1, A:"x"}'
    assert run("{{.}} {{json .}}", fields) == 'map[A:x B:1] {"A":"x","B":1}'


def test_optional_fields_are_left_out_of_json_when_empty() -> None:
    struct = Struct({"A": "", "B": 0, "ID": "x"}, "t.T", ("A", "B"), {"ID": "Id"})
    assert run("{{json .}}{{.}}", struct) == '{"Id":"x"}{ 0 x}'


def test_nil_prints_by_what_could_have_been_there() -> None:
    struct = Struct({"List": NilList(), "Map": NilMap(), "Pointer": None})
    assert run("{{.List}} {{.Map}} {{.Pointer}} {{json .}}", struct) == (
        '[] map[] <nil> {"List":null,"Map":null,"Pointer":null}'
    )
    assert run("{{.A}} {{.B}} {{json .A}}", {"A": None}) == "<no value> <no value> null"


def test_a_field_of_a_nil_pointer_is_an_error() -> None:
    assert "nil pointer evaluating" in failure("{{.Config.User}}", Struct({"Config": None}))


def test_a_missing_key_is_no_error_outside_inspect() -> None:
    assert run("{{.A.B.C}}|{{with .A}}x{{else}}none{{end}}", {}) == "<no value>|none"
    assert run("{{index .A `no`}}|", {"A": {"k": "v"}}) == "|"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (2_000_000, "2ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-3_661_000_000_001, "-1h1m1.000000001s"),
    ],
)
def test_durations_print_as_go_prints_them(nanoseconds: int, text: str) -> None:
    value = Duration(nanoseconds)
    assert run('{{.}} {{json .}} {{printf "%d" .}}', value) == f"{text} {nanoseconds} {nanoseconds}"


def test_a_time_prints_unlike_its_json() -> None:
    assert run("{{.}} {{json .}}", Time("2026-11-20T19:51:48.6Z")) == (
        '2026-11-20 19:51:48.6 +0000 UTC "2026-11-20T19:51:48.6Z"'
    )


def test_documents_of_plain_json_print_without_markers() -> None:
    event = {"Type": "image", "Actor": {"Attributes": {"name": "a:1"}}, "timeNano": 1795204591046898887}
    assert run("{{.Type}} {{json .Actor.Attributes}} {{.timeNano}}", event) == (
        'image {"name":"a:1"} 1795204591046898887'
    )


def test_bytes_that_are_not_utf8_survive() -> None:
    assert run("{{truncate . 2}}", "é€").encode("utf-8", "surrogateescape") == "é".encode()
    assert run("{{slice . 0 1}}", "é").encode("utf-8", "surrogateescape") == b"\xc3"
    assert run("{{json .}}", "a\udcc3") == '"a\\ufffd"'


def test_printf_gives_up_where_a_width_is_too_large() -> None:
    assert len(run('{{printf "%9999999d" 1}}', None)) == 9999999
    assert run('{{printf "%99999999d|%d" 1}}', None) == "%!(NOVERB)%!(EXTRA int=1)"
    assert run(f'{{{{printf "%{"9" * 5000}d|" 1}}}}', None) == "%!(NOVERB)%!(EXTRA int=1)"


def test_numbers_too_long_are_errors() -> None:
    assert failure("{{" + "9" * 5000 + "}}").startswith("template: :1: integer overflow:")
    assert run('{{len "a"}}{{9223372036854775807}}', None) == "19223372036854775807"


def test_one_template_serves_many_rows() -> None:
    template = Template.parse('{{$n := 0}}{{range .L}}{{$n = .}}{{end}}{{$n}}{{define "x"}}{{end}}')
    assert [template.execute({"L": [1, row]}) for row in (2, 3)] == ["2", "3"]


@pytest.mark.parametrize("depth", [5_000])
def test_nesting_without_end_is_an_error_and_no_crash(depth: int) -> None:
    with pytest.raises(TemplateError):
        Template.parse("{{" + "(" * depth + "1" + ")" * depth + "}}")
    with pytest.raises(TemplateError):
        Template.parse("{{if 1}}" * depth + "{{end}}" * depth)
    with pytest.raises(TemplateError, match="exceeded maximum template depth"):
        run('{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}', 1)
