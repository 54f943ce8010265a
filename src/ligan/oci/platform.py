"""Platforms: operating system, architecture and CPU variant.

Normal forms follow OCI image-spec (image-index.md) and containerd's
platforms package, whose spellings Docker uses.
"""

from __future__ import annotations

import os

from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
_SYSTEMS = (
    *("aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "js", "linux", "nacl", "netbsd"),
    *("openbsd", "plan9", "solaris", "windows", "zos"),
)
_KNOWN_ARCHITECTURES = (
    *("386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "ppc64", "ppc64le", "mips", "mipsle"),
    *("mips64", "mips64le", "mips64p32", "mips64p32le", "ppc", "riscv", "riscv64", "s390", "s390x"),
    *("sparc", "sparc64", "wasm"),
)
_IMPLIED_VARIANTS = {"arm64": "v8", "arm": "v7"}


class Platform(Value):
    """A normalised platform; `variant` is empty where the architecture has none."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        parts = [self.os, self.architecture, self.variant]
        return "/".join(part for part in parts if part)

    def satisfies(self, wanted: Platform) -> bool:
        """Return whether an image of this platform may stand for the wanted one.

        A missing variant is the architecture's usual one.
        """
        return (self.os, self.architecture) == (wanted.os, wanted.architecture) and (
            _variant(self) == _variant(wanted) or not wanted.variant
        )


def best(offered: Sequence[Platform | None], wanted: Platform) -> int | None:
    """Return the place of the offer that a machine of the wanted platform runs best, or None.

    The order is that of containerd's platforms.Only: the variant itself, older
    ones, then the architectures that the machine runs too. An offer for any
    platform (None) comes last.
    """
    for able in _runs(wanted):
        for place, offer in enumerate(offered):
            if offer is not None and (offer.os, offer.architecture, _variant(offer)) == able:
                return place
    return next((place for place, offer in enumerate(offered) if offer is None), None)


def _runs(wanted: Platform) -> list[tuple[str, str, str]]:
    system, architecture, variant = wanted.os, wanted.architecture, _variant(wanted)
    arm = [(system, "arm", f"v{version}") for version in (8, 7, 6, 5)]
    if architecture == "arm64":
        return [(system, architecture, variant), *arm]
    if architecture == "arm":
        return [item for item in arm if item[2] <= variant] or [(system, architecture, variant)]
    if architecture == "amd64":
        levels = [f"v{version}" for version in (4, 3, 2) if f"v{version}" <= variant] + ["", "v1"]
        return [*[(system, architecture, level) for level in levels], (system, "386", "")]
    return [(system, architecture, variant)]


def normalise(system: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform in the spelling of Go's GOOS and GOARCH."""
    architecture = architecture.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = (variant or implied).lower()
    if (architecture, variant) == ("amd64", "v1"):
        variant = ""  # what every machine of the kind is
    return Platform((system or "linux").lower(), architecture, variant)


def parse(text: str) -> Platform:
    """Return a platform by `os`, `architecture` or `os/architecture[/variant]`.

    What is missing is as of this machine. Raises Invalid in the words of containerd's platforms.Parse, as
    of engine 20.10.
    """
    parts = text.split("/")
    for part in parts:
        plain = part.replace("-", "").replace("_", "")
        if not part or not part.isascii() or (plain and not plain.isalnum()):
            raise Invalid(
                f'"{part}" is an invalid component of "{text}": platform specifier component must match '
                '"^[A-Za-z0-9_-]+$": invalid argument'
            )
    if len(parts) > 3:
        raise Invalid(f'"{text}": cannot parse platform specifier: invalid argument')
    if len(parts) > 1:
        return normalise(*parts)
    here = normalise("linux", os.uname().machine)
    alone = normalise(parts[0], "")
    if alone.os in _SYSTEMS:
        return normalise(alone.os, here.architecture)
    alone = normalise(here.os, parts[0])
    if alone.architecture in _KNOWN_ARCHITECTURES:
        return alone
    raise Invalid(f'"{text}": unknown operating system or architecture: invalid argument')


def _variant(platform: Platform) -> str:
    return platform.variant or _IMPLIED_VARIANTS.get(platform.architecture, "")
