"""Tables: those of a real docker client, and the values of --format for listings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ligan.cli.tables import align, label_of, render, render_table
from ligan.cli.templates import TemplateError

if TYPE_CHECKING:
    from ligan.cli.tables import Row

DATA = os.path.join(os.path.dirname(__file__), "data")


def load(name: str) -> Any:
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return json.load(file)


TABLES = load("tables.json")["tables"]
LISTING = load("listing_templates.json")


def listing(chosen: str, rows: list[dict[str, Any]] | None = None) -> str:
    return render(
        chosen,
        columns=("Repository", "Tag", "ID"),
        headers=LISTING["headers"],
        rows=LISTING["rows"] if rows is None else rows,
        context="formatter.imageContext",
        raw=LISTING["raw"],
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table['golden']}: {table['command']}")
def test_tables_are_dockers_to_the_byte(table: dict[str, Any]) -> None:
    headers, *rows = table["cells"]
    assert render_table(headers, rows) == table["stdout"]
    assert align("".join(["\t".join(line) + "\n" for line in table["cells"]])) == table["stdout"]


@pytest.mark.parametrize("case", LISTING["cases"], ids=lambda case: case["format"])
def test_listings_answer_as_docker(case: dict[str, str]) -> None:
    stdout, stderr = "", ""
    try:
        stdout = listing(case["format"])
    except TemplateError as error:
        stderr = f"{error}\n"
    assert (stdout, stderr) == (case["stdout"], case["stderr"])


def test_the_default_table_names_the_columns() -> None:
    rows = [{"Repository": "app", "Tag": "1", "ID": lambda: "97007714a60d"}]
    expected = "REPOSITORY   TAG       IMAGE ID\napp          1         97007714a60d\n"
    assert listing("", rows) == listing("table", rows) == expected


def test_an_empty_listing_has_a_header_only_in_a_table() -> None:
    assert listing("table {{.ID}}", []) == "IMAGE ID\n"
    assert listing("{{.ID}}", []) == listing("json", []) == listing("{{.Nope}}", []) == ""


def test_the_default_table_does_without_the_template_engine() -> None:
    check = (
        "import sys; from ligan.cli.tables import render;"
        "render('table', columns=('A',), headers={'A': 'A'}, rows=[{'A': 'x'}], context='');"
        "sys.exit(any(name.startswith('ligan.cli.templates') or name == 're' for name in sys.modules))"
    )
    source = os.path.join(os.path.dirname(__file__), *[".."] * 3, "src")
    code = subprocess.run([sys.executable, "-S", "-c", check], env={"PYTHONPATH": source}, check=False)
    assert code.returncode == 0


@pytest.mark.parametrize(
    ("text", "aligned"),
    [
        ("a\tb\n", "a         b\n"),
        ("1234567\tb\n", "1234567   b\n"),
        ("12345678\tb\n", "12345678   b\n"),
        ("é\tb\n", "é         b\n"),
        ("a\t\n", "a         \n"),
        ("\tb\n", "          b\n"),
        ("plain\n", "plain\n"),
        # A line without a cell ends the column: those below have their own width.
        ("123456789012\tb\nplain\nc\td\n", "123456789012   b\nplain\nc         d\n"),
        (
            "a\tbbbbbbbbbb\tc\nd\te\nf\tg\th\n",
            "a         bbbbbbbbbb   c\nd         e\nf         g         h\n",
        ),
        ("a\vb\n", "a         b\n"),
        ("123456789012\tb\fc\td\n", "123456789012   b\nc         d\n"),
    ],
)
def test_columns_are_aligned_as_by_gos_tabwriter(text: str, aligned: str) -> None:
    assert align(text) == aligned


@pytest.mark.parametrize(
    ("cell", "aligned"),
    [
        ("x\ny", "A         B\nx\ny         z\n"),
        ("x\ty", "A         B\nx         y         z\n"),
        ("x\vy", "A         B\nx         y         z\n"),
        ("x\fy", "A         B\nx\ny         z\n"),
    ],
)
def test_a_cell_with_a_mark_in_it_breaks_the_table_as_in_docker(cell: str, aligned: str) -> None:
    assert render_table(("A", "B"), [(cell, "z")]) == aligned


def labelled(chosen: str) -> str:
    rows: list[Row] = [
        {"Names": "a", "Label": label_of({"x.y-z": "5"})},
        {"Names": "b", "Label": label_of(None)},
    ]
    return render(
        chosen,
        columns=("Names",),
        headers={"Names": "NAMES"},
        rows=rows,
        context="formatter.ContainerContext",
    )


def test_a_label_is_told_by_its_name() -> None:
    assert labelled('{{.Names}}={{.Label "x.y-z"}}') == "a=5\nb=\n"
    assert labelled('{{"x.y-z" | .Label}}') == "5\n\n"
    assert labelled('table {{.Names}}\t{{.Label "x.y-z"}}').splitlines() == [
        "NAMES     y z",
        "a         5",
        "b         ",
    ]
    assert json.loads(labelled("json").splitlines()[0]) == {"Names": "a"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("{{.Label}}", "wrong number of args for Label: want 1 got 0"),
        ('{{.Label "x" "y"}}', "wrong number of args for Label: want 1 got 2"),
        ("{{.Label 5}}", "expected string; found 5"),
    ],
)
def test_a_label_takes_one_name(chosen: str, words: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(words)):
        labelled(chosen)
