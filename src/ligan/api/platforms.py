"""The platform that a request of API 1.46 and later may name: an image is for that one, or counts as missing.

Source: engine 28 with its graph drivers (daemon/images), in the words of 20.10.
"""

from __future__ import annotations

from ligan.errors import Invalid, NotFound, Unsupported
from ligan.images.host import host_platform
from ligan.oci.documents import parse_json, typed
from ligan.oci.platform import normalise
from ligan.oci.reference import InvalidReference, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.api.router import Call
    from ligan.engine.role import Engine
    from ligan.oci.platform import Platform


def wanted(call: Call, since: int, key: str = "platform") -> Platform | None:
    """Return the platform that the request names; `since` is the first minor version of the API that can.

    Raises Invalid for several, and for what is none.
    """
    texts = list(filter(None, call.texts(key))) if call.api >= since else []
    if not texts:
        return None
    if len(texts) > 1:
        raise Invalid("multiple platforms are not supported")
    document = parse_json(texts[0].encode("utf-8", "replace"), key)
    if not isinstance(document, dict):
        raise Invalid(f"invalid {key}: not an object")
    system, architecture, variant = (typed(document, part, str, key) for part in _PARTS)
    if not system or not architecture:
        raise Invalid("both OS and Architecture must be provided")
    return normalise(system, architecture, variant)


_PARTS = ("os", "architecture", "variant")


def check(engine: Engine, name: str, platform: Platform | None) -> None:
    """Raise NotFound where an image is for another platform, or there is none of its name."""
    if platform is None:
        return
    document = engine.inspect_image(name)
    actual = normalise(document["Os"], document["Architecture"], document.get("Variant", ""))
    if not actual.satisfies(platform):
        raise NotFound(
            f"image with reference {name} was found but does not match the specified platform: "
            f"wanted {platform}, actual: {actual}"
        )


def check_saved(engine: Engine, names: Sequence[str], platform: Platform) -> None:
    """Do the same for what a save names: a repository without a tag means all of its images."""
    for name in names:
        try:
            is_repository = parse(name).is_name_only
        except InvalidReference:
            is_repository = False
        images = engine.list_images({"reference": [name]}) if is_repository else []
        for image in [str(image.id) for image in images] or [name]:
            check(engine, image, platform)


def check_loadable(platform: Platform | None) -> None:
    """Raise Unsupported for another platform than this machine's: that one is chosen, and no other."""
    if platform is not None and not host_platform().satisfies(platform):
        raise Unsupported(f"cannot load images for {platform}: this machine is {host_platform()}")
