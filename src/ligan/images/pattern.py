"""Go's path.Match, by which Docker filters references: `*` and `?` do not cross a slash.

Not by way of `re`: patterns come from clients, and some would keep it, and
with it every thread, busy for hours.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    Ranges = tuple[bool, list[tuple[str, str]]]
    """A class of characters: whether it is negated, and its ranges, both ends included."""
    Step = str | Ranges | None
    """What one character is held to: itself, a class, or None for `?`."""


class BadPattern(Invalid):
    def __init__(self) -> None:
        super().__init__("syntax error in pattern")


class Pattern:
    """A pattern. A fault in it is found with the first name, as by Docker."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._chunks: list[tuple[bool, list[Step]]] | None = None

    def matches(self, name: str) -> bool:
        """Return whether the whole name matches. Raises BadPattern.

        Each `*` takes as little as lets what follows it match, and is never
        asked again: at most one pass over the name a step of the pattern.
        """
        if self._chunks is None:
            self._chunks = _parse(self._text)
        at = 0
        for number, (star, steps) in enumerate(self._chunks, 1):
            is_last = number == len(self._chunks)
            if star and not steps:
                return "/" not in name[at:]
            end = _match(steps, name, at)
            while end < 0 or (is_last and end < len(name)):
                if not star or name[at : at + 1] in ("", "/"):
                    return False
                at += 1
                end = _match(steps, name, at)
            at = end
        return at == len(name)


def _match(steps: list[Step], name: str, at: int) -> int:
    """Return where a match of the steps from `at` ends, or -1."""
    if at + len(steps) > len(name):
        return -1
    for step in steps:
        char = name[at]
        if isinstance(step, str):
            fits = step == char
        elif step is None:
            fits = char != "/"
        else:
            negated, ranges = step
            fits = any(low <= char <= high for low, high in ranges) != negated
        if not fits:
            return -1
        at += 1
    return at


def _parse(text: str) -> list[tuple[bool, list[Step]]]:
    """Return the pattern cut before each run of stars: whether there was one, and the steps behind it."""
    chunks: list[tuple[bool, list[Step]]] = []
    position = 0
    while position < len(text):
        char = text[position]
        step: Step
        if char == "*":
            position += 1
            if not chunks or chunks[-1][1] or not chunks[-1][0]:
                chunks.append((True, []))
            continue
        if char == "?":
            step, position = None, position + 1
        elif char == "[":
            step, position = _class(text, position + 1)
        else:
            step, position = _literal(text, position)
        if not chunks:
            chunks.append((False, []))
        chunks[-1][1].append(step)
    return chunks


def _class(text: str, position: int) -> tuple[Ranges, int]:
    """Return what follows a `[`, and the position behind the `]`."""
    negated = text[position : position + 1] == "^"
    position += negated
    ranges: list[tuple[str, str]] = []
    while not ranges or text[position : position + 1] != "]":
        low, position = _literal(text, position, in_class=True)
        high = low
        if text[position : position + 1] == "-":
            high, position = _literal(text, position + 1, in_class=True)
        ranges.append((low, high))
    return (negated, ranges), position + 1


def _literal(text: str, position: int, *, in_class: bool = False) -> tuple[str, int]:
    """Return one possibly escaped character and the position behind it."""
    char = text[position : position + 1]
    if not char or (in_class and char in "-]"):
        raise BadPattern
    if char != "\\":
        return char, position + 1
    char = text[position + 1 : position + 2]
    if not char:
        raise BadPattern
    return char, position + 2
