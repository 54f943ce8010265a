"""Ligan: a container image engine whose deletes can be predicted, explained and undone.

    import ligan

    with contextlib.closing(ligan.open_engine("/srv/images", ligan.Policy(), command="nightly")) as engine:
        for image in engine.list_images({"dangling": ["true"]}):
            print(image.id, engine.why(image.id).holders)

Names are imported when they are first used, so that `import ligan` costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.engine.embedded import open_engine
    from ligan.engine.role import Engine
    from ligan.errors import (
        Busy,
        Conflict,
        Corrupt,
        Forbidden,
        Invalid,
        LiganError,
        NoSpace,
        NotFound,
        Unauthorized,
        Unavailable,
        Unsupported,
    )
    from ligan.store.store import Policy

_HOMES = {
    "open_engine": "ligan.engine.embedded",
    "Engine": "ligan.engine.role",
    "Policy": "ligan.store.store",
}

__all__ = [
    "Busy",
    "Conflict",
    "Corrupt",
    "Engine",
    "Forbidden",
    "Invalid",
    "LiganError",
    "NoSpace",
    "NotFound",
    "Policy",
    "Unauthorized",
    "Unavailable",
    "Unsupported",
    "__version__",
    "open_engine",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'ligan' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES.get(name, "ligan.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
