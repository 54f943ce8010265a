"""Files that have to outlast a power cut."""

from __future__ import annotations

import os


def write_file(path: str, data: bytes) -> None:
    """On return the bytes are durable; the name is when its folder is synced."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
