"""Listings: docker's tables, byte for byte, and the values of `--format`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_LEAST_WIDTH = 10
_PADDING = 3


class Method:
    """A method of a row that takes a text, as `.Label "name"`. JSON has no methods."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[str], str]) -> None:
        self.call = call


if TYPE_CHECKING:
    Row = Mapping[str, str | Callable[[], str] | Method | None]


def label_of(labels: Mapping[str, str] | None) -> Method:
    """Return what a row has for `.Label "name"`: nothing for a label that is not there."""
    return Method(lambda name: (labels or {}).get(name, ""))


def render(
    chosen: str,
    *,
    columns: Sequence[str],
    headers: Mapping[str, str],
    rows: Iterable[Row],
    context: str,
    raw: str = "",
) -> str:
    """Return the output of a listing, each row ending in a newline.

    `chosen` is the value of `--format`: empty or `table` for the columns named,
    `table TEMPLATE`, `json`, `raw` where the listing has such a template, or a
    template. `headers` names the header of every field that a row has. A field
    of a row may be a function, called when a template asks for it, a Method,
    or None for JSON's null. `context` is the name of docker's type for a row,
    which its errors tell. Raises TemplateError; then nothing is to be printed.
    """
    if chosen in ("", "table"):
        cells = [[_content(row[column]) for column in columns] for row in rows]
        return render_table([headers[column] for column in columns], cells)
    from ligan.cli import templates

    table = chosen.startswith("table")
    text = raw if raw and chosen == "raw" else _unescape(chosen.removeprefix("table").strip(" "))
    template = templates.Template.parse("{{json .}}" if chosen == "json" else text)
    lines = "".join([template.execute(templates.Row(row, context)) + "\n" for row in rows])
    return align(f"{template.header(headers)}\n{lines}") if table else lines


def render_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the table with its header, each line ending in a newline.

    Every column but the last is padded with three spaces or more, and is ten
    characters wide or more.
    """
    lines = [tuple(headers), *map(tuple, rows)]
    *columns, _ = zip(*lines, strict=True)
    widths = [max(_LEAST_WIDTH, max(map(len, column)) + _PADDING) for column in columns]
    layout = "".join([f"%-{width}s" for width in widths]) + "%s\n"
    table = "".join([layout % line for line in lines])
    if table.count("\n") == len(lines) and not any(mark in table for mark in "\t\v\f"):
        return table
    return align("".join(["\t".join(line) + "\n" for line in lines]))  # a cell has such a mark in it


def align(text: str, *, least_width: int = _LEAST_WIDTH) -> str:
    """Return the text with its tabs made into columns, by the rules of Go's text/tabwriter.

    A tab ends a cell. Cells above each other in lines that follow one another
    make a column; what comes after the last tab of a line belongs to none.
    """
    pages = text.replace("\v", "\t").split("\f")
    return "\n".join(
        [_align_page([line.split("\t") for line in page.split("\n")], least_width) for page in pages]
    )


def _align_page(lines: list[list[str]], least_width: int) -> str:
    padded = [[""] * (len(line) - 1) for line in lines]
    column = 0
    while any(len(line) - 1 > column for line in lines):
        first = 0
        while first < len(lines):
            end = first
            while end < len(lines) and len(lines[end]) - 1 > column:
                end += 1
            block = range(first, end)
            width = max([least_width, *[len(lines[at][column]) + _PADDING for at in block]])
            for at in block:
                padded[at][column] = lines[at][column].ljust(width)
            first = end + 1
        column += 1
    return "\n".join(["".join(cells) + line[-1] for cells, line in zip(padded, lines, strict=True)])


def _content(field: str | Callable[[], str] | Method | None) -> str:
    if isinstance(field, str):
        return field
    return field() if callable(field) else ""


def _unescape(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n")
