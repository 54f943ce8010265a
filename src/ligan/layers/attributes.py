"""What a file is beyond its mode: capabilities, and the marks by which overlay knows what is gone or hidden.

Source: the kernel's Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat

from ligan.layers.namespaces import in_user_namespace

CAPABILITY = "security.capability"


def overlay_attribute(name: str) -> str:
    """Return an extended attribute of overlay by its whole name.

    In a user namespace nobody may set `trusted` ones, and overlay is mounted with `userxattr`.
    """
    return f"{'user' if in_user_namespace() else 'trusted'}.overlay.{name}"


def attribute(path: str, name: str) -> bytes:
    """Return an extended attribute of what is at a path, a link too; empty where there is none."""
    if name not in os.listxattr(path, follow_symlinks=False):
        return b""
    return os.getxattr(path, name, follow_symlinks=False)


def is_whiteout(status: os.stat_result) -> bool:
    """Tell whether a node of a layer says that its name is gone."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
