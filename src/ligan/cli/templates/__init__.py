"""Go's text/template with docker's functions, for `--format`.

    Template.parse("{{.Repository}}:{{.Tag}}").execute(row)

Values are plain JSON documents, or the marker types of `values` where Go's
types show.
"""

from __future__ import annotations

from ligan.cli.tables import Method
from ligan.cli.templates.evaluate import Execution, ExecutionError
from ligan.cli.templates.functions import FUNCTIONS, HEADER_FUNCTIONS
from ligan.cli.templates.gofmt import quote
from ligan.cli.templates.parser import ParseError, Parser
from ligan.cli.templates.values import Number, RawList, RawMap, Row, Struct
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from ligan.cli.templates.functions import Function
    from ligan.cli.templates.nodes import Node

__all__ = ["Row", "Struct", "Template", "TemplateError"]


class TemplateError(Invalid):
    """The template cannot be parsed, or fails on the value: Go's words after `template parsing error: `."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"template parsing error: template: {detail}")


class Template:
    """A parsed template, which can be executed any number of times."""

    def __init__(self, text: str, templates: Mapping[str, tuple[Node, ...]]) -> None:
        self.text = text
        self._templates = templates

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the template. Raises TemplateError."""
        try:
            return cls(text, Parser(text, FUNCTIONS).parse())
        except ParseError as error:
            raise TemplateError(f":{error.line}: {error}") from None
        except RecursionError:
            raise TemplateError(":1: nested too deeply") from None

    def execute(self, value: object) -> str:
        """Return what the template prints for the value. Raises TemplateError."""
        return self._execute(value, FUNCTIONS, strict=False)

    def header(self, names: Mapping[str, str]) -> str:
        """Return the header of a table whose rows this template prints, from the names of its fields.

        Functions such as `upper` leave a header as it is. A template that
        cannot print it gives no more than what comes before the fault.
        """
        fields = {**names, "Label": Method(_label_header)}
        execution = Execution(self._templates, HEADER_FUNCTIONS, fields, strict=False)
        try:
            execution.run(self._templates[""], fields)
        except ExecutionError:
            pass
        return "".join(execution.output)

    def inspect(self, value: object, raw: str | bytes) -> str:
        """Return what the template prints for a typed value, else for the JSON it came from.

        docker inspects its struct first, and on any failure the JSON without
        types, where a missing key is an error; that second error is the one
        shown (golden g_inspect_format). Raises TemplateError.
        """
        try:
            return self.execute(value)
        except TemplateError:
            return self._execute(_decode(raw), FUNCTIONS, strict=True)

    def _execute(self, value: object, functions: Mapping[str, Function], *, strict: bool) -> str:
        execution = Execution(self._templates, functions, value, strict=strict)
        try:
            execution.run(self._templates[""], value)
        except ExecutionError as error:
            raise TemplateError(self._located(error)) from None
        except RecursionError:
            # Go's own limit, which Python reaches sooner; nothing but endless recursion comes near.
            too_deep = execution.error("exceeded maximum template depth (100000)")
            raise TemplateError(self._located(too_deep)) from None
        return "".join(execution.output)

    def _located(self, error: ExecutionError) -> str:
        if error.node is None:
            return f"{error.name}: {error}"
        before = self.text[: error.node.start]
        line = before.count("\n") + 1
        column = len(before[before.rfind("\n") + 1 :].encode("utf-8", "surrogateescape"))
        return f":{line}:{column}: executing {quote(error.name)} at <{error.node}>: {error}"


def _decode(raw: str | bytes) -> object:
    """Return a JSON document without types: its numbers stay text, as docker decodes it."""
    import json

    return _untyped(json.loads(raw, parse_int=Number, parse_float=Number))


def _untyped(value: object) -> object:
    if isinstance(value, dict):
        return RawMap({name: _untyped(member) for name, member in value.items()})
    if isinstance(value, list):
        return RawList([_untyped(element) for element in value])
    return value


def _label_header(name: str) -> str:
    """Return how docker's client heads a column of a label: by the last part of its name."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")
