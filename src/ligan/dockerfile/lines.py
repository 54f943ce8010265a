"""A Dockerfile's text as instructions: directives, comments, continued lines and documents taken apart.

Nothing is checked here but what makes the text unreadable: Docker reads all
of a file before it looks at one instruction (engine 20.10 and BuildKit,
frontend/dockerfile/parser), so faults come in that order.
"""

from __future__ import annotations

import re

from ligan.dockerfile.arguments import SURROGATE, split_arguments, split_flags, split_name
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.heredocs import marks_of, without_tabs
from ligan.dockerfile.nodes import Heredoc, Instruction
from ligan.dockerfile.words import SPACE
from ligan.errors import Invalid
from ligan.values import Value

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S|\S.*?\S)\s*", re.ASCII)
_DIRECTIVES = {True: ("escape", "syntax"), False: ("escape", "syntax", "check")}
_LONGEST_LINE = 65535  # bytes: the buffer of Go's line scanner
_ONBUILD = re.compile(r"^\s*ONBUILD\s*", re.ASCII | re.IGNORECASE)
_CHAIN = re.compile(r"^(?:ONBUILD[\t\v\f\r ]+)+", re.IGNORECASE)


class Reading(Value):
    """A Dockerfile read.

    `empty_continuations` are the lines, as they are joined, that hold an empty
    one where they continue, each with the number of its last.
    """

    escape: str
    directives: tuple[tuple[str, str], ...]
    instructions: tuple[Instruction, ...]
    empty_continuations: tuple[tuple[int, str], ...]


def read(text: str, *, classic: bool) -> Reading:
    """Return the instructions of a text; none is checked. Raises DockerfileError."""
    return _Reader(text, classic).read()


class _Reader:
    """Goes through the lines once; `_at` is the number of those read."""

    def __init__(self, text: str, classic: bool) -> None:
        text = SURROGATE.sub("\ufffd", text).removeprefix("\ufeff")
        self._lines = text.removesuffix("\n").split("\n") if text else []
        self._classic = classic
        self._at = 0
        self._escape = "\\"
        self._directives: dict[str, str] = {}
        self._too_long = False
        for number, line in enumerate(self._lines):
            if len(line) > _LONGEST_LINE // 4 and len(line.encode()) > _LONGEST_LINE:
                del self._lines[number:]
                self._too_long = True
                break

    def read(self) -> Reading:
        self._read_directives()
        instructions: list[Instruction] = []
        empty: list[tuple[int, str]] = []
        while self._at < len(self._lines):
            logical = self._logical_line()
            if logical is None:
                continue
            start, line, has_empty = logical
            if has_empty:
                empty.append((self._at, line))
            try:
                instructions.append(self._instruction(line, start))
            except Invalid as error:
                raise DockerfileError(error.message, start, self._at) from None
        if not instructions:
            raise DockerfileError("file with no instructions", self._at)
        if self._too_long:
            raise DockerfileError(
                f"dockerfile line greater than max allowed size of {_LONGEST_LINE}", self._at
            )
        return Reading(self._escape, tuple(self._directives.items()), tuple(instructions), tuple(empty))

    def _read_directives(self) -> None:
        """Read the comments at the top that say how to read the rest; the first other line ends them."""
        for at, line in enumerate(self._lines):
            match = _DIRECTIVE.fullmatch(line.lstrip(SPACE))
            name = match[1].lower() if match else ""
            if match is None or name not in _DIRECTIVES[self._classic]:
                break
            # BuildKit counts this line as the one before.
            if name in self._directives:
                raise DockerfileError(f"only one {name} parser directive can be used", at)
            if name == "escape" and match[2] not in ("`", "\\"):
                raise DockerfileError(f"invalid escape token '{match[2]}' does not match ` or \\", at)
            self._directives[name] = match[2]
        self._escape = self._directives.get("escape", "\\")

    def _logical_line(self) -> tuple[int, str, bool] | None:
        """Return the next line with what continues it, the number of its first and whether one was empty."""
        line = self._next().lstrip(SPACE)
        if line.startswith("#"):
            line = ""
        start = self._at
        line, continues = self._without_continuation(line)
        if not line and not continues:
            return None
        parts, has_empty = [line], False
        while continues and self._at < len(self._lines):
            line = self._next()
            bare = line.lstrip(SPACE)
            if bare.startswith("#"):
                continue
            if not bare:
                has_empty = True
                continue
            line, continues = self._without_continuation(line)
            parts.append(line)
        return start, "".join(parts), has_empty

    def _next(self) -> str:
        line = self._lines[self._at]
        self._at += 1
        return line.removesuffix("\r") if self._classic else line.rstrip("\r")

    def _without_continuation(self, line: str) -> tuple[str, bool]:
        bare = line.rstrip(" \t")
        if bare.endswith(self._escape) and bare[-2:-1] != self._escape:
            return bare[:-1], True
        return line, False

    def _instruction(self, line: str, start: int) -> Instruction:
        name, flags, rest = self._split(line)
        arguments, is_json = split_arguments(name, rest, self._escape, classic=self._classic)
        inner_name, inner_is_json = name, is_json
        if name == "ONBUILD" and rest:
            inner_name, inner_is_json = self._read_trigger(rest)
            arguments = (_ONBUILD.sub("", line, count=1),)
        heredocs: list[Heredoc] = []
        if not self._classic and inner_name in ("RUN", "COPY", "ADD") and not inner_is_json:
            for mark in marks_of(line):
                content = self._document(mark.name, chomps=mark.chomps)
                if name == "ONBUILD":
                    arguments = (f"{arguments[0]}\n{content}{mark.name}",)
                content = without_tabs(content) if mark.chomps else content
                heredocs.append(Heredoc(mark.name, content, mark.expand))
        original = line.strip(SPACE)
        return Instruction(name, original, flags, arguments, is_json, tuple(heredocs), start, self._at)

    def _read_trigger(self, text: str) -> tuple[str, bool]:
        """Return the name of ONBUILD's instruction and whether it is JSON; raise what makes it unreadable."""
        name, _flags, rest = self._split(_CHAIN.sub("", text, count=1))
        _arguments, is_json = split_arguments(name, rest, self._escape, classic=self._classic)
        return name, is_json

    def _split(self, line: str) -> tuple[str, tuple[str, ...], str]:
        name, rest = split_name(line)
        flags, rest = split_flags(rest, "\\" if self._classic else self._escape)
        return name.upper(), flags, rest

    def _document(self, name: str, *, chomps: bool) -> str:
        """Return the lines up to the one that is `name`, with their ends."""
        first = self._at
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip("\r")
            self._at += 1
            if (line.lstrip("\t") if chomps else line) == name:
                return "".join([f"{line}\n" for line in self._lines[first : self._at - 1]])
        raise Invalid("unterminated heredoc")
