"""How Docker compares what it lists with the values of a filter (engine 20.10, api/types/filters)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def matches(patterns: Sequence[str], text: str) -> bool:
    """Return whether the text is one of the patterns, or one of them is found in it. None match all.

    A pattern is a regular expression; what cannot be one matches nothing but itself.
    """
    if not patterns or text in patterns:
        return True
    for pattern in patterns:
        if _is_plain(pattern):
            if pattern in text:
                return True
        elif _search(pattern, text):
            return True
    return False


_SPECIAL = frozenset("\\.+*?()|[]{}^$")


def _is_plain(pattern: str) -> bool:
    """Return whether the pattern is found where its letters are: then `re` need not be imported."""
    return not _SPECIAL & set(pattern)


def _search(pattern: str, text: str) -> bool:
    import re

    try:
        return re.search(pattern, text) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def has_labels(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Return whether the labels have every wanted `key` or `key=value`."""
    for item in wanted:
        key, equals, value = item.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
