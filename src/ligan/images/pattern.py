"""Go's path.Match, by which Docker filters references: `*` and `?` do not cross a slash."""

from __future__ import annotations

import re

from ligan.errors import Invalid


class BadPattern(Invalid):
    def __init__(self) -> None:
        super().__init__("syntax error in pattern")


_compiled: dict[str, re.Pattern[str]] = {}


def matches(pattern: str, name: str) -> bool:
    """Return whether the whole name matches. Raises BadPattern."""
    if pattern not in _compiled:
        _compiled[pattern] = re.compile(_translate(pattern), re.DOTALL)
    return _compiled[pattern].fullmatch(name) is not None


def _translate(pattern: str) -> str:
    out = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, position = _class(pattern, position)
            out.append(text)
        else:
            if char == "\\":
                char, position = _literal(pattern, position - 1)
            out.append(re.escape(char))
    return "".join(out)


def _class(pattern: str, position: int) -> tuple[str, int]:
    """Translate what follows a `[`; returns it with the position behind the `]`."""
    negated = pattern[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    first = True
    while first or pattern[position : position + 1] != "]":
        first = False
        low, position = _literal(pattern, position, in_class=True)
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _literal(pattern, position + 1, in_class=True)
        if low <= high:  # Go takes a reversed range, which holds no character
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if not ranges:
        return ("." if negated else "(?!)"), position + 1
    return f"[{'^' if negated else ''}{''.join(ranges)}]", position + 1


def _literal(pattern: str, position: int, *, in_class: bool = False) -> tuple[str, int]:
    """Return one possibly escaped character and the position behind it."""
    char = pattern[position : position + 1]
    if not char or (in_class and char in "-]"):
        raise BadPattern
    if char != "\\":
        return char, position + 1
    char = pattern[position + 1 : position + 2]
    if not char:
        raise BadPattern
    return char, position + 2
