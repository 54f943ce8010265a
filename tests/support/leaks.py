"""What the containers of a store have left on this machine, which has to be nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from ligan.containers import cgroups
from tests.support import mounts
from tests.support.bundles import await_no_conmon

PARENTS = ("/ligan", "/ligan-test")
"""The cgroups that containers are in: Ligan's own, and that of the tests."""


def left_by(root: str) -> list[str]:
    """Return the mounts and cgroups of a store, once its processes have ended."""
    await_no_conmon(root)  # which ends after its container
    return mounts.below(root) + _cgroups_of(root)


def _cgroups_of(root: str) -> list[str]:
    """Return the cgroups of containers that the store tells of: their names are all of the machine's."""
    there = {
        os.path.join(folder, name)
        for parent in PARENTS
        for folder in cgroups.folders(parent).values()
        for name in os.listdir(folder)
    }
    if not there:
        return []
    with closing(sqlite3.connect(f"file:{root}/ligan.db?mode=ro", uri=True)) as database:
        known = {row[0] for row in database.execute("SELECT actor FROM event UNION SELECT id FROM container")}
    return sorted(path for path in there if os.path.basename(path) in known)
