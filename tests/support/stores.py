"""The oracle of every test that touches a store."""

from __future__ import annotations

import subprocess
import sys


def check_store(root: str) -> None:
    """Assert the invariants of the store at `root`: nothing missing, nothing left over, no byte changed."""
    fsck = subprocess.run(
        [sys.executable, "-m", "ligan", "--root", root, "fsck"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert fsck.returncode == 0, f"the store is not sound:\n{fsck.stdout}{fsck.stderr}"
