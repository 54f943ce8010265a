"""Platforms as the classic builder takes them.

Source of rules and words: containerd, platforms.Parse, as of engine 20.10; builder/dockerfile/dispatchers.go.
"""

from __future__ import annotations

import re

from ligan.errors import Invalid
from ligan.oci.platform import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.platform import Platform

_COMPONENT = "^[A-Za-z0-9_-]+$"
_SYSTEMS = {
    *("aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "js", "linux", "nacl", "netbsd"),
    *("openbsd", "plan9", "solaris", "windows", "zos"),
}
_ARCHITECTURES = {
    *("386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "ppc64", "ppc64le", "mips", "mipsle"),
    *("mips64", "mips64le", "mips64p32", "mips64p32le", "ppc", "riscv", "riscv64", "s390", "s390x"),
    *("sparc", "sparc64", "wasm"),
}


def parse_platform(text: str, here: Platform) -> Platform:
    """Return a platform by `os`, `architecture` or `os/architecture[/variant]`; `here` fills what is missing.

    Raises Invalid.
    """
    parts = text.split("/")
    for part in parts:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", part, re.ASCII):
            raise Invalid(
                f'"{part}" is an invalid component of "{text}": platform specifier component must match '
                f'"{_COMPONENT}": invalid argument'
            )
    if len(parts) > 3:
        raise Invalid(f'"{text}": cannot parse platform specifier: invalid argument')
    if len(parts) > 1:
        return normalise(*parts)
    alone = normalise(parts[0], "")
    if alone.os in _SYSTEMS:
        return normalise(alone.os, here.architecture)
    alone = normalise(here.os, parts[0])
    if alone.architecture in _ARCHITECTURES:
        return alone
    raise Invalid(f'"{text}": unknown operating system or architecture: invalid argument')
