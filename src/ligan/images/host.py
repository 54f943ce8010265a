"""This machine, as a platform that images are for."""

from __future__ import annotations

import os

from ligan.oci.platform import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.platform import Platform


def host_platform() -> Platform:
    """Return the platform of this machine."""
    return normalise("linux", os.uname().machine)
