"""Whether this process is in a user namespace."""

from __future__ import annotations


def in_user_namespace() -> bool:
    """Return whether this process is not in the first user namespace (user_namespaces(7))."""
    with open("/proc/self/uid_map", encoding="ascii") as table:
        return table.read().split() != ["0", "0", "4294967295"]
