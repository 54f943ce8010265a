"""Capabilities of a container's processes. Pure.

Source: engine 20.10, oci/caps (defaults.go, utils.go); numbers are Linux's (capability.h).
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _named(names: str) -> tuple[str, ...]:
    return tuple([f"CAP_{name}" for name in names.split()])


KNOWN = _named(
    """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
    PERFMON BPF CHECKPOINT_RESTORE"""
)
"""Every capability, each at its number."""

DEFAULT = _named(
    """CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
    SYS_CHROOT KILL AUDIT_WRITE"""
)
"""What a container has unless it is told otherwise, in Docker's order."""

_ALL = "ALL"


def of_mask(mask: int) -> tuple[str, ...]:
    """Return the capabilities of a bit mask such as CapBnd of /proc/PID/status; unknown ones are left out."""
    return tuple([name for number, name in enumerate(KNOWN) if mask >> number & 1])


def resolve(
    add: Sequence[str], drop: Sequence[str], available: Iterable[str], *, privileged: bool = False
) -> list[str]:
    """Return the capabilities that a container gets.

    ALL stands for those that are available here: a machine may lack some, and asking for them would keep
    the container from starting. Raises Invalid for names that nobody knows.
    """
    here = [name for name in KNOWN if name in available]
    if privileged:
        return here
    added, dropped = normalise(add, "CapAdd"), normalise(drop, "CapDrop")
    if _ALL in added:
        return [name for name in here if name not in dropped]
    kept = [] if _ALL in dropped else [name for name in DEFAULT if name not in dropped]
    return kept + [name for name in added if name not in kept]


def normalise(names: Sequence[str], field: str) -> list[str]:
    """Return names in capitals with their prefix, each once; `field` is where they come from.

    Raises Invalid for names that nobody knows.
    """
    normal: list[str] = []
    for name in names:
        upper = name.upper()
        if upper != _ALL:
            upper = upper if upper.startswith("CAP_") else f"CAP_{upper}"
            if upper not in KNOWN:
                raise Invalid(f'invalid {field}: unknown capability: "{upper}"')
        if upper not in normal:
            normal.append(upper)
    return normal
