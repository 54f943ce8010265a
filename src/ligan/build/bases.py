"""What a stage begins with: an image of this store, pulled where it is not here, or nothing."""

from __future__ import annotations

from ligan.build.image import HistoryRow
from ligan.images import catalog
from ligan.images.host import host_platform
from ligan.images.inspect import read_config
from ligan.images.removal import NoSuchImage
from ligan.oci.digest import ChainID
from ligan.oci.platform import parse as parse_platform
from ligan.oci.reference import parse
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ligan.oci.platform import Platform
    from ligan.remote.progress import Report
    from ligan.store.db import ReadTransaction
    from ligan.store.store import Store

    Pull = Callable[[Store, str, str, Report], None]

PROXIES = tuple(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Arguments that need no declaration."""

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Made(Value):
    """A file system and its settings: what a stage begins with, and what it comes to.

    `layer` is the key of the top layer, None for none at all; `chain` its chain ID. `settings` are those of
    what runs of it. `arguments` are the ARGs that are declared, in order, by name.
    """

    layer: int | None
    chain: ChainID | None
    diff_ids: tuple[str, ...]
    settings: Mapping[str, Any]
    history: tuple[HistoryRow, ...]
    platform: Platform
    author: str = ""
    arguments: Mapping[str, str | None] = {}
    triggers: tuple[str, ...] = ()


def nothing(platform: str) -> Made:
    """Return what `FROM scratch` begins with."""
    wanted = parse_platform(platform) if platform else host_platform()
    return Made(None, None, (), {"Env": [DEFAULT_PATH]}, (), wanted)


def canonical(name: str) -> str:
    """Return the whole name of an image, as BuildKit shows it. Raises InvalidReference."""
    return parse(name).with_default_tag().canonical


def image(
    store: Store, name: str, platform: str, *, refresh: bool, pull: Pull, report: Report
) -> tuple[Made, bool]:
    """Return what an image has, and whether it was pulled: with `refresh`, or where it was not here.

    Raises what `pull` does, InvalidReference, and NoSuchImage for an image without a name.
    """
    if not refresh:
        found = local(store, name, platform)
        if found is not None:
            return found, False
    pull(store, name, platform, report)
    found = local(store, name, platform)
    if found is None:
        raise NoSuchImage(name)
    return found, True


def local(store: Store, name: str, platform: str) -> Made | None:
    """Return what an image of this store has; None where it is not here for the platform."""

    def read(tx: ReadTransaction) -> Made | None:
        try:
            row = catalog.resolve(tx, name).image
        except NoSuchImage:
            return None
        config = read_config(store.layout, row.id)
        if platform and not config.platform.satisfies(parse_platform(platform)):
            return None
        document = config.document
        settings = dict(document.get("config") or {})
        triggers = tuple(settings.pop("OnBuild", None) or ())
        chain = catalog.chain(tx, row.layer)
        return Made(
            layer=row.layer,
            chain=chain[-1][1] if chain else None,
            diff_ids=tuple(item[2] for item in chain),
            settings=settings,
            history=tuple(
                HistoryRow(str(item.get("created_by") or ""), bool(item.get("empty_layer")), kept=item)
                for item in document.get("history") or ()
            ),
            platform=config.platform,
            author=str(document.get("author") or ""),
            triggers=triggers,
        )

    return store.read_files(read)
