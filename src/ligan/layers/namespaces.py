"""What is different in a user namespace: which attributes overlay keeps its books in."""

from __future__ import annotations


def in_user_namespace() -> bool:
    """Return whether this process is not in the first user namespace (user_namespaces(7))."""
    with open("/proc/self/uid_map", encoding="ascii") as table:
        return table.read().split() != ["0", "0", "4294967295"]


def overlay_attribute(name: str) -> str:
    """Return an extended attribute of overlay by its whole name.

    In a user namespace nobody may set `trusted` ones, and overlay is mounted with `userxattr`.
    """
    return f"{'user' if in_user_namespace() else 'trusted'}.overlay.{name}"
