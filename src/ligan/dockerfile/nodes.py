"""What a Dockerfile says, as it was written: nothing is expanded or checked against an image."""

from __future__ import annotations

from ligan.values import Value


class Heredoc(Value):
    """A document within an instruction.

    `content` ends in a newline, unless it is empty; where its mark is `<<-`,
    it is without tabs in front. `expand`: its variables count, as its mark was not quoted.
    """

    name: str
    content: str
    expand: bool


class Instruction(Value):
    """One instruction.

    `name` is in upper case, `original` is the text as a builder shows it: lines joined, comments left out.
    `arguments` are as its kind splits them: ENV, LABEL and ARG give key, value, key, value (an ARG without a
    value gives None); RUN, CMD, ENTRYPOINT and SHELL give the words of a JSON array, with `is_json`, or the
    one command line; HEALTHCHECK gives NONE, or CMD and the same; ONBUILD gives the instruction as one text;
    the others give words. `line` and `end` count from 1.
    """

    name: str
    original: str
    flags: tuple[str, ...]
    arguments: tuple[str | None, ...]
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    line: int
    end: int


class Stage(Value):
    """FROM and what follows it. `name` is empty where it has none; `base` is an image, a stage or scratch."""

    base: str
    name: str
    platform: str
    instruction: Instruction
    steps: tuple[Instruction, ...]


class Advice(Value):
    """What a Dockerfile had better not say: the rule by BuildKit's name, and the lines at fault."""

    rule: str
    text: str
    line: int
    end: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.text} (line {self.line})"


class Dockerfile(Value):
    """`arguments` are the ARGs before the first FROM. `directives` are those at the top, names in lower case.

    `source` is the whole text, for errors that show the line. A classic parse has `warnings`, lines of text;
    a modern one has `advice`, without the rules that are `skipped`; where it `is_binding` nothing is built.
    """

    source: str
    escape: str
    directives: tuple[tuple[str, str], ...]
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    skipped: frozenset[str] = frozenset()
    is_binding: bool = False
