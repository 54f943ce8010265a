"""The parts of a parsed template. `str` of a node is its source, as Go's errors quote it."""

from __future__ import annotations

from ligan.cli.templates.gofmt import quote
from ligan.values import Value


class Node(Value):
    """A part of a template that begins at `start` of the text."""

    start: int


class Text(Node):
    text: str


class Dot(Node):
    def __str__(self) -> str:
        return "."


class Nil(Node):
    def __str__(self) -> str:
        return "nil"


class Constant(Node):
    """A literal: a bool, a string, a number, or an integer too large for Go's int (`overflows`)."""

    source: str
    value: bool | str | int | float | complex
    overflows: bool = False

    def __str__(self) -> str:
        return self.source


class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


class Field(Node):
    """`.A.B`, looked up from the dot."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join([f".{name}" for name in self.names])


class Variable(Node):
    """`$x.A.B`: the variable, and fields looked up from its value."""

    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


class Chain(Node):
    """`(pipeline).A.B`: fields looked up from any other term."""

    term: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        return _operand(self.term) + "".join([f".{name}" for name in self.names])


class Command(Node):
    """A word and its arguments."""

    words: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join([_operand(word) for word in self.words])


class Pipeline(Node):
    """Commands, each taking the answer of the one before; the last answer goes to `targets`."""

    commands: tuple[Command, ...]
    targets: tuple[str, ...] = ()
    assigns: bool = False

    def __str__(self) -> str:
        commands = " | ".join([str(command) for command in self.commands])
        if not self.targets:
            return commands
        return f"{', '.join(self.targets)} {'=' if self.assigns else ':='} {commands}"


class Action(Node):
    """A pipeline whose value is printed, unless it goes to variables.

    `field` is the one name of a pipeline that is no more than `.Name`, which
    listings evaluate for every row; else it is empty.
    """

    pipeline: Pipeline
    field: str = ""


class Branch(Node):
    """`if`, `with` or `range` (its `keyword`), with the lists of its two outcomes."""

    keyword: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] = ()


class Jump(Node):
    """`break` or `continue`."""

    keyword: str


class Call(Node):
    """`{{template "name" pipeline}}`."""

    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        argument = f" {self.pipeline}" if self.pipeline else ""
        return f"{{{{template {quote(self.name)}{argument}}}}}"


class Mark(Node):
    """`end` or `else`: what stops a list of nodes. Never part of a parsed template."""

    keyword: str

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


def _operand(node: Node) -> str:
    return f"({node})" if isinstance(node, Pipeline) else str(node)
