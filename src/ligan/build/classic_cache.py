"""The classic builder's cache: the images that are there, found again by what their last step recorded.

Source of the rules: engine 20.10, image/cache and builder/dockerfile/imageprobe.go.
"""

from __future__ import annotations

import json

from ligan.build.classic_images import Base
from ligan.images import catalog
from ligan.images.children import history_rows
from ligan.oci.documents import ImageConfig
from ligan.oci.gojson import go_json
from ligan.oci.runconfig import ENGINE_VERSION, run_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.store.db import ReadTransaction
    from ligan.store.store import Store

    Document = Mapping[str, Any]


class Cache:
    """Finds the image that a step would make. After the first miss of a stage it finds nothing more.

    `sources` are the names of `--cache-from`; what is not here is left out.
    """

    def __init__(self, store: Store, sources: Sequence[str], *, off: bool) -> None:
        self._store = store
        self._names = sources
        self._off = off
        self._missed = off
        self._sources: list[Base] = []

    def begin_stage(self) -> None:
        """Forget the misses of the stage before."""
        self._missed = self._off
        if not self._off:
            with self._store.database.read() as tx:
                self._sources = [base for name in self._names if (base := self._source(tx, name)) is not None]

    def _source(self, tx: ReadTransaction, name: str) -> Base | None:
        from ligan.errors import LiganError

        try:
            return Base.of(self._store, catalog.resolve(tx, name).image)
        except LiganError:
            return None  # as Docker, which says so in its log

    def find(self, base: Base, recorded: Document) -> Base | None:
        """Return the image of a step on `base` that would record this container_config, or None."""
        if self._missed:
            return None
        found = self._find_local(base, recorded)
        if self._names:
            found = self._find_by_history(base, recorded, found)
        self._missed = found is None
        return found

    def _find_local(self, base: Base, recorded: Document) -> Base | None:
        """Return the newest child of `base` that recorded the same. Children of nothing have no parent."""
        with self._store.database.read() as tx:
            parent = catalog.find_by_id(tx, base.id)
            if base.id and parent is None:
                return None
            rows = tx.column(
                """SELECT id FROM image WHERE parent IS ? ORDER BY created_s DESC, created_ns DESC""",
                (parent.key if parent else None,),
            )
            for image_id in rows:
                if self._recorded_same(image_id, recorded):
                    image = catalog.find_by_id(tx, image_id)
                    assert image is not None
                    return Base.of(self._store, image)
        return None

    def _recorded_same(self, image_id: str, recorded: Document) -> bool:
        from ligan.oci.digest import Digest

        try:
            with open(self._store.layout.blob(Digest(image_id)), "rb") as file:
                document = json.loads(file.read())
        except FileNotFoundError:
            return False  # deleted since this transaction began
        return is_same(document.get("container_config") or {}, recorded)

    def _find_by_history(self, base: Base, recorded: Document, local: Base | None) -> Base | None:
        """Return what one of the sources has, or leads to: an image that is not here is made again of it."""
        with self._store.database.read() as tx:
            if local is not None and any(_is_ancestor(tx, local.id, source.id) for source in self._sources):
                return local
        below = len(base.document.get("history") or ())
        for source in self._sources:
            history = source.document.get("history") or ()
            if not _begins_with(source, base) or history[below].get("created_by", "") != _command(recorded):
                continue
            if below == len(history) - 1:
                if base.id:
                    with self._store.database.write() as tx:
                        catalog.link_parent(tx, base.id, source.id)
                return source
            self._sources = [source]  # no jumping between sources, as Docker's caution has it
            return self._restored(base, source, recorded)
        return None

    def _restored(self, base: Base, source: Base, recorded: Document) -> Base:
        """Make the image of one step of a source's history, on `base`."""
        below = len(base.document.get("history") or ())
        rows = history_rows(source.document)
        layers = sum(not row.get("empty_layer") for row in rows[:below])
        diff_ids = list((base.document.get("rootfs") or {}).get("diff_ids") or ())
        if not rows[below].get("empty_layer"):
            diff_ids.append(source.document["rootfs"]["diff_ids"][layers])
        document = {
            "architecture": source.document.get("architecture"),
            "author": source.document.get("author"),
            "config": recorded,
            "container_config": run_config({}),
            "created": rows[below]["created"],
            "docker_version": ENGINE_VERSION,
            "history": [*history_rows(base.document), rows[below]],
            "os": source.document.get("os"),
            "os.features": source.document.get("os.features"),
            "os.version": source.document.get("os.version"),
            "rootfs": {"type": "layers"} | ({"diff_ids": diff_ids} if diff_ids else {}),
        }
        config = ImageConfig.parse(go_json({key: value for key, value in document.items() if value}))
        with self._store.lease() as lease:
            staged = lease.write(config.raw)
            with self._store.database.write() as tx:
                blobs = lease.commit(tx, [staged])
                top = _layer_of(tx, source, len(diff_ids))
                parent = catalog.find_by_id(tx, base.id)
                image = catalog.create_image(tx, config, blobs[config.id], top, parent=parent)
        return Base.of(self._store, image)


def _layer_of(tx: ReadTransaction, source: Base, count: int) -> int | None:
    """Return the key of the layer of a source that has this many below it, itself among them."""
    return catalog.chain(tx, source.layer)[count - 1][0] if count else None


def _is_ancestor(tx: ReadTransaction, ancestor: str, image: str) -> bool:
    return bool(
        tx.value(
            """WITH RECURSIVE up (key) AS (
                   SELECT parent FROM image WHERE id = ?2
                   UNION SELECT parent FROM image JOIN up USING (key) WHERE parent IS NOT NULL)
               SELECT 1 FROM image JOIN up USING (key) WHERE id = ?1""",
            (ancestor, image),
        )
    )


def _begins_with(source: Base, base: Base) -> bool:
    """Return whether a source's history goes on where that of `base` ends."""
    mine, below = source.document, base.document
    history = history_rows(mine)
    if not history:
        return False
    before = history_rows(below)
    layers = (below.get("rootfs") or {}).get("diff_ids") or []
    if not before and not layers:
        return True
    return (
        len(before) < len(history)
        and history[: len(before)] == before
        and (mine["rootfs"].get("diff_ids") or [])[: len(layers)] == layers
    )


def _command(recorded: Document) -> str:
    return " ".join(recorded["Cmd"] or ())


_SCALARS = ("AttachStdout", "AttachStderr", "User", "Tty")
_LISTS = ("Cmd", "Env", "Entrypoint")
_MAPS = ("Labels",)
_SETS = ("ExposedPorts", "Volumes")


def is_same(mine: Document, recorded: Document) -> bool:
    """Return whether the cache takes two container_configs for one: these fields count, no others do."""
    if mine.get("OpenStdin") or recorded.get("OpenStdin"):
        return False
    return (
        all((mine.get(field) or "") == (recorded.get(field) or "") for field in _SCALARS)
        and all((mine.get(field) or []) == (recorded.get(field) or []) for field in _LISTS)
        and all((mine.get(field) or {}) == (recorded.get(field) or {}) for field in _MAPS)
        and all(set(mine.get(field) or ()) == set(recorded.get(field) or ()) for field in _SETS)
    )
