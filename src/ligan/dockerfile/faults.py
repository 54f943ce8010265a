"""What is wrong with a Dockerfile, where it is, and how Docker's words quote it."""

from __future__ import annotations

from ligan.errors import Invalid


class DockerfileError(Invalid):
    """A fault in the lines `line` to `end` of a Dockerfile, which count from 1; 0 where it has no line."""

    def __init__(self, message: str, line: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.end = max(line, end)


def excerpt(source: str, name: str, line: int, end: int) -> str:
    """Return the lines `line` to `end` of a file, marked, with some around them, as BuildKit prints them.

    The text ends in a newline; it is empty where there is no such line.
    """
    lines = source.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    first, last = line, min(end, len(lines))
    wanted, padding = 4 if first == last else 2, 0
    while padding < wanted:  # each round counts, so that a short file ends it too
        if first > 1:
            first -= 1
            padding += 1
        if last < len(lines):
            last += 1
            padding += 1
        padding += 1
    rule = "-" * 20
    shown = [
        f" {number:3} | {'>>>' if line <= number <= end else '   '} {lines[number - 1]}"
        for number in range(first, last + 1)
    ]
    return "\n".join([f"{name}:{line}", rule, *shown, rule, ""])


_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", '"': '"', "\\": "\\"}


def quoted(text: str) -> str:
    """Return the text as Go's %q prints it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join([_quoted_character(char) for char in text])}"'


def _quoted_character(char: str) -> str:
    if char in _ESCAPES:
        return f"\\{_ESCAPES[char]}"
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
