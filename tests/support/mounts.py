"""What is mounted, so that a test can be shown to leave nothing of it behind."""

from __future__ import annotations


def below(path: object) -> list[str]:
    """Return the mounts at or below a path, and those of what lies there, without their numbers."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return [line.split(" ", 3)[3] for line in lines if str(path) in line]
