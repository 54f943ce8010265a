"""`--chown` of COPY and ADD: numbers, or names as the image's own files have them.

Source: engine 20.10, builder/dockerfile/internals_linux.go; BuildKit's solver/llbsolver/file/user_linux.go.
"""

from __future__ import annotations

from ligan.build.trees import ForbiddenPath
from ligan.errors import Invalid, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.build.trees import Tree


_LARGEST = (1 << 32) - 2
"""Of the numbers that Linux has for users, as the one above means none."""


def owner_of(tree: Tree, text: str, *, classic: bool) -> tuple[int, int]:
    """Return the numbers of `user[:group]` in an image. Numbers need no entry in its files.

    Without a group it is the one of the same name or number; to the modern builder, the main group of a user
    who is named. Raises Invalid and NotFound in the words of the classic builder, which come after "unable to
    convert uid/gid chown string to host mapping: ".
    """
    user, colon, group = text.partition(":")
    if ":" in group:
        raise Invalid(f"invalid chown string format: {text}")
    main = ""
    uid = _number(user)
    if uid is None:
        fields = _entry(tree, "etc/passwd", user)
        if fields is None:
            raise NotFound(f"can't find uid for user {user}: no such user: {user}")
        uid, main = _field(fields, 2), str(_field(fields, 3))
    if not colon or not (group or classic):
        group = main if main and not classic else user
    gid = _number(group)
    if gid is None:
        fields = _entry(tree, "etc/group", group)
        if fields is None:
            raise NotFound(f"can't find gid for group {group}: no such group: {group}")
        gid = _field(fields, 2)
    if not (0 <= uid <= _LARGEST and 0 <= gid <= _LARGEST):
        raise Invalid(f"invalid chown string format: {text}")
    return uid, gid


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None


def _entry(tree: Tree, path: str, name: str) -> list[str] | None:
    """Return the fields of the first line about a name in a file like /etc/passwd."""
    for fields in _lines(tree, path):
        if fields[0] == name:
            return fields
    return None


def _lines(tree: Tree, path: str) -> Iterator[list[str]]:
    try:
        entry = tree.find(path)
    except ForbiddenPath:
        return
    if entry is None or entry.size == 0:
        return
    for line in tree.text(entry).split("\n"):
        if stripped := line.strip():
            yield stripped.split(":")


def _field(fields: list[str], at: int) -> int:
    """Return a field as a number, 0 where it is none: the files are the image's, and not checked."""
    return (_number(fields[at]) or 0) if at < len(fields) else 0
