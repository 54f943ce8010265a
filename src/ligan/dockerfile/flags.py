"""The flags of instructions: which there are, and what they are set to.

Source of names, kinds and words: engine 20.10 and BuildKit,
frontend/dockerfile/instructions.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ligan.dockerfile.nodes import Instruction

_HEALTH = {"interval": "one", "timeout": "one", "start-period": "one", "retries": "one"}
_CLASSIC: dict[str, dict[str, str]] = {
    "ADD": {"chown": "one", "chmod": "one"},
    "COPY": {"chown": "one", "from": "one", "chmod": "one"},
    "FROM": {"platform": "one"},
    "HEALTHCHECK": _HEALTH,
    "RUN": {"mount": "many"},
}
_COPYING = {"chown": "one", "chmod": "one", "link": "switch", "exclude": "many"}
_MODERN: dict[str, dict[str, str]] = {
    "ADD": {**_COPYING, "keep-git-dir": "switch", "checksum": "one", "unpack": "switch"},
    "COPY": {**_COPYING, "from": "one", "parents": "switch"},
    "FROM": {"platform": "one"},
    "HEALTHCHECK": {**_HEALTH, "start-interval": "one"},
    "RUN": {"mount": "many", "network": "one", "security": "one"},
}


class Flags:
    """The flags that an instruction has."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """Return the value of a flag, empty where it is absent."""
        return self._values.get(name, [""])[0]

    def many(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that may be repeated, in their order."""
        return tuple(self._values.get(name, ()))

    def switch(self, name: str) -> bool | None:
        """Return what a flag that is on or off is set to, None where it is absent."""
        return self.one(name) == "true" if name in self._values else None

    def names(self) -> tuple[str, ...]:
        """Return the flags that are there, in their order."""
        return tuple(self._values)


def flags_of(instruction: Instruction, *, classic: bool) -> Flags:
    """Return the flags of an instruction. Raises Invalid in Docker's words."""
    known = (_CLASSIC if classic else _MODERN).get(instruction.name, {})
    values: dict[str, list[str]] = {}
    for flag in instruction.flags:
        name, equals, value = flag[2:].partition("=")
        shown = name if classic else f"--{name}"
        kind = known.get(name)
        if kind is None:
            raise _fault(f"unknown flag: {shown}" + ("" if classic else suggestion(name, known)), classic)
        if name in values and kind != "many":
            raise _fault(f"duplicate flag specified: {shown}", classic)
        if not equals if kind != "switch" else equals and not value:
            raise _fault(f"missing a value on flag: {shown}", classic)
        if kind == "switch":
            if value.lower() not in ("", "true", "false"):
                raise _fault(f"expecting boolean value for flag {shown}, not: {value}", classic)
            value = value.lower() or "true"
        values.setdefault(name, []).append(value)
    return Flags(values)


def _fault(message: str, classic: bool) -> Invalid:
    return Invalid(message[0].upper() + message[1:] if classic else message)


def suggestion(word: str, options: Iterable[str], *, any_case: bool = False) -> str:
    """Return ` (did you mean X?)` for the option that is nearest to a word, at most two edits away."""
    sought = word.lower() if any_case else word
    best, nearest = 3, ""
    for option in sorted(options):
        candidate = option.lower() if any_case else option
        if abs(len(candidate) - len(sought)) < best:
            distance = _distance(sought, candidate)
            if distance < best:
                best, nearest = distance, candidate
    if not nearest:
        return ""
    return f" (did you mean {nearest.upper() if any_case and word.isupper() else nearest}?)"


def _distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for at, char in enumerate(left, 1):
        diagonal, row[0] = row[0], at
        for place, other in enumerate(right, 1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (char != other)),
            )
    return row[-1]
