"""The end of a build: one image without a parent, and its names."""

from __future__ import annotations

from ligan.build import cache
from ligan.build.image import config_document
from ligan.build.request import BuildOutcome, Replaced
from ligan.images import catalog
from ligan.images.events import record
from ligan.oci.documents import ImageConfig
from ligan.oci.reference import familiar, parse_tag_target
from ligan.store import failpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.build.bases import Made
    from ligan.build.solver import Build
    from ligan.images.catalog import ImageRow
    from ligan.oci.reference import Reference
    from ligan.store.db import ReadTransaction, WriteTransaction


def config_of(build: Build, made: Made) -> bytes:
    """Return the image's config."""
    return config_document(
        made.settings,
        made.history,
        made.diff_ids,
        made.platform,
        now=build.store.now(),
        epoch=build.request.epoch,
        author=made.author,
    )


def export_image(build: Build, made: Made) -> BuildOutcome:
    """On return the image is stored and has its names."""
    store = build.store
    config = ImageConfig.parse(config_of(build, made))
    names = [parse_tag_target(name) for name in build.request.names]
    replaced: tuple[Replaced, ...] = ()
    with build.progress.begin("exporting to image") as vertex:
        vertex.status("exporting layers")
        with store.database.read() as tx:
            is_done = _is_done(tx, build, names, config)
        if not is_done:
            with store.lease() as lease:
                staged = [lease.write(config.raw)]
                with store.database.write() as tx:
                    blobs = lease.commit(tx, staged)
                    image = catalog.create_image(tx, config, blobs[config.id], made.layer, built_locally=True)
                    replaced = _name(tx, build, names, image, config)
                    failpoints.hit("build.rows")
        vertex.status(f"writing image {config.id}")
        for name in names:
            vertex.status(f"naming to {name.canonical}")
    store.sweep()
    return BuildOutcome(config.id, replaced, config.raw)


def _is_done(tx: ReadTransaction, build: Build, names: list[Reference], config: ImageConfig) -> bool:
    """Return whether a build of a moment ago has left nothing to write."""
    image = catalog.find_by_id(tx, config.id)
    return (
        image is not None
        and all(catalog.find_by_reference(tx, name.canonical) == image for name in names)
        and cache.is_fresh(tx, build.used, build.store.now())
    )


def _name(
    tx: WriteTransaction, build: Build, names: list[Reference], image: ImageRow, config: ImageConfig
) -> tuple[Replaced, ...]:
    """Give the image its names, and note what of the cache was used. Returns whose the names were."""
    now = build.store.now()
    found = [_give(tx, name, image, config, now) for name in names]
    cache.use(tx, build.used, now)
    return tuple([item.replace(dangling=_is_dangling(tx, item.image)) for item in found if item is not None])


def _give(
    tx: WriteTransaction, name: Reference, image: ImageRow, config: ImageConfig, now: int
) -> Replaced | None:
    """Give the image a name; returns whose that was."""
    old = catalog.set_reference(tx, name, image, now)
    tx.execute("UPDATE image SET last_tagged = ? WHERE key = ?", (now, image.key))
    record(tx, now, "tag", image.id, config.labels, name=name.familiar)
    return None if old is None else Replaced(familiar(name.canonical), old, False)


def _is_dangling(tx: WriteTransaction, image: str) -> bool:
    row = catalog.find_by_id(tx, image)
    return (
        row is not None
        and not catalog.references_of(tx, row.key)
        and tx.value("SELECT 1 FROM image WHERE parent = ?", (row.key,)) is None
    )
