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
    end = _match(_parts(pattern, pattern), value, 0, longest=longest)
    return value if end is None else value[end:]


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Return the value without what the pattern matches at its end. Raises Invalid."""
    tokens = re.findall(r"(?s)\\.|.", pattern)
    backward = "".join(reversed(tokens))
    end = _match(_parts(backward, backward), value[::-1], 0, longest=longest)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, text: str, *, everywhere: bool) -> str:
    """Return the value with `text` for the first match, or for each. Raises Invalid."""
    parts = _parts(pattern, pattern)
    result: list[str] = []
    copied, at, after_match = 0, 0, -1
    while at <= len(value):
        end = _match(parts, value, at, longest=True)
        if end is None or end == at == after_match:  # an empty match counts where none ended
            at += 1
            continue
        result += [value[copied:at], text]
        copied = after_match = end
        if not everywhere:
            break
        at = max(end, at + (end == at))
    return "".join([*result, value[copied:]])


def _parts(pattern: str, shown: str) -> list[re.Pattern[str]]:
    """Return a regular expression for each part between stars."""
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
                raise Invalid(f"invalid pattern ({shown}) in substitution: invalid escape '\\{escaped}'")
            parts[-1] += re.escape(escaped)
    return [re.compile(part) for part in parts]


def _match(parts: Sequence[re.Pattern[str]], value: str, start: int, *, longest: bool) -> int | None:
    """Return the end of the shortest or longest match that begins at `start`."""
    first = parts[0].match(value, start)
    if first is None:
        return None
    at = first.end()
    for part in parts[1:]:
        line_end = value.find("\n", at)
        limit = len(value) if line_end < 0 else line_end
        found = part.search(value, at)
        if longest and part is parts[-1]:
            found = next(filter(None, (part.match(value, place) for place in range(limit, at - 1, -1))), None)
        if found is None or found.start() > limit:
            return None
        at = found.end()
    return at
