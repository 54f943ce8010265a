"""Platforms: operating system, architecture and CPU variant.

Normal forms follow OCI image-spec (image-index.md) and containerd's
platforms package, whose spellings Docker uses.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.values import Value

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
