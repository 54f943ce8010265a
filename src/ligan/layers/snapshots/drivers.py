"""The three ways in which a container can have its layers.

erofs    a layer's tar is indexed, and mounted without unpacking it; overlay stacks layers
overlay  a layer is unpacked into a folder; overlay stacks layers
vfs      a container has all its layers unpacked into a folder of its own
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.values import Value

EROFS, OVERLAY, VFS = "erofs", "overlay", "vfs"
DRIVERS = (EROFS, OVERLAY, VFS)


class Choice(Value):
    """A driver, and why it is not a better one: "" where it is the best."""

    driver: str
    why: str


def chosen(name: str) -> Choice:
    """Return the driver that a setting names. Raises Invalid where there is none of that name."""
    if name not in DRIVERS:
        raise Invalid(f"no such storage driver: {name}; there are {', '.join(DRIVERS)}")
    return Choice(name, "chosen by the setting storage_driver")
