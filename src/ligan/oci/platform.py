"""Platforms: operating system, architecture and CPU variant.

Normal forms follow OCI image-spec (image-index.md) and containerd's
platforms package, whose spellings Docker uses.
"""

from __future__ import annotations

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


def normalise(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform in the spelling of Go's GOOS and GOARCH."""
    architecture = architecture.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    return Platform((os or "linux").lower(), architecture, (variant or implied).lower())


def parse(text: str) -> Platform:
    """Parse `os[/architecture[/variant]]`. Raises Invalid."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(
        part.replace("-", "_").replace(".", "_").isidentifier() or part.isalnum() for part in parts
    ):
        raise Invalid(f'"{text}" is an invalid OS/architecture specifier: write it as linux/amd64')
    return normalise(*parts)


def _variant(platform: Platform) -> str:
    return platform.variant or _IMPLIED_VARIANTS.get(platform.architecture, "")
