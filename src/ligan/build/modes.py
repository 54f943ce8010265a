"""`--chmod` of COPY and ADD: octal, or symbolic as for chmod(1), without a umask.

Source: BuildKit's parsing of `--chmod`, and POSIX chmod.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Clause = tuple[int, list[tuple[str, str]]]
    """The bits of whom it is about, and its actions: an operator and permissions, letters of rwxXstugo."""

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_ALL = 0o7777
_SHIFT = {"u": 6, "g": 3, "o": 0}


def parse_mode(text: str) -> Callable[[int, bool], int]:
    """Return what makes a new mode of an old one, told whether it is a folder's. Raises Invalid."""
    if text and not text.strip("01234567"):
        mode = int(text, 8)
        if mode > _ALL:
            raise _invalid(text)
        return lambda _old, _is_folder: mode
    clauses = [_clause(part, text) for part in text.split(",")]

    def changed(mode: int, is_folder: bool) -> int:
        for who, actions in clauses:
            for operator, permissions in actions:
                mode = _applied(mode, who, operator, permissions, is_folder=is_folder)
        return mode

    return changed


def _invalid(text: str) -> Invalid:
    return Invalid(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")


def _clause(part: str, text: str) -> Clause:
    rest = part.lstrip("ugoa")
    letters = part[: len(part) - len(rest)]
    who = _ALL if not letters or "a" in letters else 0
    for letter in letters.replace("a", ""):
        who |= _WHO[letter]
    actions: list[tuple[str, str]] = []
    for char in rest:
        if char in "+-=":
            actions.append((char, ""))
        elif not actions or char not in "rwxXstugo":
            raise _invalid(text)
        else:
            operator, permissions = actions[-1]
            actions[-1] = operator, permissions + char
    if not actions:
        raise _invalid(text)
    return who, actions


def _applied(mode: int, who: int, operator: str, permissions: str, *, is_folder: bool) -> int:
    bits = 0
    for letter in permissions:
        if letter in _SHIFT:
            bits |= (mode >> _SHIFT[letter] & 7) * 0o111
        elif letter == "X":
            bits |= 0o111 if is_folder or mode & 0o111 else 0
        else:
            bits |= {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}[letter]
    if operator == "-":
        return mode & ~(bits & who)
    if operator == "=":
        # A folder keeps its set-ID bits unless they are named, as with chmod(1).
        kept = 0o6000 if is_folder and "s" not in permissions else 0
        mode &= ~(who & ~kept)
    return mode | (bits & who)
