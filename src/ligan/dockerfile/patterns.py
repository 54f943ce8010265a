"""The patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*` any characters, `?` one, `\\` escapes.

Neither matches a newline (BuildKit makes Go's regular expressions of them).
Matching looks for the parts between the stars one after another, so that no
pattern takes more than the product of both lengths.
"""

from __future__ import annotations

import re

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """Return the value without what the pattern matches at its beginning. Raises Invalid."""
    end = _match(_parts(pattern, longest=longest), value, 0)
    return value if end is None else value[end:]


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Return the value without what the pattern matches at its end. Raises Invalid."""
    tokens = re.findall(r"(?s)\\.|.", pattern)
    end = _match(_parts("".join(reversed(tokens)), longest=longest), value[::-1], 0)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, text: str, *, everywhere: bool) -> str:
    """Return the value with `text` for the first match, or for each. Raises Invalid."""
    parts = _parts(pattern, longest=True)
    result: list[str] = []
    copied, at, after_match = 0, 0, -1
    while at <= len(value):
        end = _match(parts, value, at)
        if end is None or end == at == after_match:  # an empty match counts where none ended
            at += 1
            continue
        result += [value[copied:at], text]
        copied = after_match = end
        if not everywhere:
            break
        at = max(end, at + (end == at))
    return "".join([*result, value[copied:]])


def _parts(pattern: str, *, longest: bool) -> list[re.Pattern[str]]:
    """Return a regular expression for each part of a pattern that a star ends or begins."""
    parts = [""]
    characters = iter(pattern)
    for char in characters:
        if char == "*":
            parts.append("")
        elif char == "?":
            parts[-1] += "."
        elif char != "\\":
            parts[-1] += re.escape(char)
        else:
            escaped = next(characters, "\ufffd")
            if escaped not in "}/*?\\":
                raise Invalid(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")
            parts[-1] += re.escape(escaped)
    first, *others = parts
    gaps = [".*?"] * len(others)
    if others and longest:
        gaps[-1] = ".*"  # where the parts before it come first, this one alone decides
    return [re.compile(first), *[re.compile(gap + part) for gap, part in zip(gaps, others, strict=True)]]


def _match(parts: Sequence[re.Pattern[str]], value: str, start: int) -> int | None:
    """Return the end of the match that begins at `start`."""
    for part in parts:
        found = part.match(value, start)
        if found is None:
            return None
        start = found.end()
    return start
