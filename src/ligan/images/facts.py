"""Reading the facts of a delete, and writing what was decided."""

from __future__ import annotations

from ligan.images.catalog import remember_name
from ligan.images.events import labels_of, record
from ligan.images.removal import (
    ContainerFacts,
    ImageFacts,
    LayerFacts,
    RemovalFacts,
    RemovalPlan,
    matches_pin,
)
from ligan.oci.digest import ChainID, ImageID
from ligan.oci.reference import familiar
from ligan.store import failpoints
from ligan.store.reclaim import forget_image, release_blob, release_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout


_RUNNING_STATES = ("running", "paused", "restarting")


def _layers_sql(most: int) -> str:
    """Return the query of layers, whose holders are counted up to `most` of each kind; -1 counts all.

    A decision about n images takes at most n holders of a kind from a layer: to
    count further would make a delete cost what stands on its base.
    """
    return f"""
        SELECT layer.key, chain_id, parent, size,
               (SELECT count(*) FROM (SELECT 1 FROM layer child
                                      WHERE child.parent = layer.key AND child.live LIMIT {most}))
             + (SELECT count(*) FROM (SELECT 1 FROM image WHERE image.layer = layer.key LIMIT {most}))
             + (SELECT count(*) FROM (SELECT 1 FROM container
                                      WHERE container.layer = layer.key LIMIT {most}))
             + (SELECT count(*) FROM (SELECT 1 FROM build_cache
                                      WHERE build_cache.layer = layer.key LIMIT {most}))
        FROM layer
    """


def removal_facts(tx: ReadTransaction, targets: Iterable[int]) -> RemovalFacts:
    """Return the images with their ancestors, and every layer below them.

    For one image the ancestors end at the first that its delete cannot pass: one
    with a name or with another child. Several deletes can pass any together.
    """
    images: dict[ImageID, ImageFacts] = {}
    seen: set[int] = set()
    targets = list(targets)
    for target in targets:
        key: int | None = target
        while key is not None and key not in seen:
            seen.add(key)
            facts, parent = _image_facts(tx, key, len(targets) + 1)
            images[facts.id] = facts
            passable = key == target or (facts.children == 1 and not facts.references)
            key = parent if passable or len(targets) > 1 else None
    tops = {facts.layer for facts in images.values() if facts.layer is not None}
    return RemovalFacts(images, {layer.key: layer for layer in _layers_below(tx, tops, len(images) + 1)})


def _image_facts(tx: ReadTransaction, key: int, most: int) -> tuple[ImageFacts, int | None]:
    """Return the facts of an image, its children counted up to `most`, and the key of its parent."""
    image_id, parent, parent_id, layer, children = tx.one(
        """SELECT image.id, image.parent, parent.id, image.layer,
                  (SELECT count(*) FROM (SELECT 1 FROM image child
                                         WHERE child.parent = image.key LIMIT ?2))
           FROM image LEFT JOIN image parent ON parent.key = image.parent WHERE image.key = ?1""",
        (key, most),
    )
    names = tuple(tx.column("SELECT name FROM reference WHERE image = ? ORDER BY name", (key,)))
    facts = ImageFacts(
        id=ImageID(image_id),
        parent=parent_id and ImageID(parent_id),
        references=names,
        children=children,
        containers=tuple(
            _container(*row)
            for row in tx.all("SELECT id, state FROM container WHERE image = ? ORDER BY key", (key,))
        ),
        layer=layer,
        pins=_matching(patterns(tx), image_id, names),
    )
    return facts, parent


def _container(container: str, state: str) -> ContainerFacts:
    return ContainerFacts(container, is_running(state))


def is_running(state: str) -> bool:
    """Return whether a container in this state blocks deletes as a running one does."""
    return state in _RUNNING_STATES


def patterns(tx: ReadTransaction) -> list[str]:
    """Return every pin's glob or image ID."""
    return tx.column("SELECT pattern FROM pin ORDER BY pattern")


def _matching(pins: list[str], image_id: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        pattern
        for pattern in pins
        if pattern == image_id or any(matches_pin(pattern, name) for name in names)
    )


def _layers_below(tx: ReadTransaction, tops: Iterable[int], most: int) -> list[LayerFacts]:
    rows = tx.all(
        f"""WITH RECURSIVE up (key) AS (
               SELECT value FROM json_each(?1) UNION SELECT layer.parent FROM layer JOIN up USING (key)
               WHERE layer.parent IS NOT NULL)
           {_layers_sql(most)} WHERE key IN up""",
        ("[" + ",".join(map(str, tops)) + "]",),
    )
    return [_layer(*row) for row in rows]


def _layer(key: int, chain_id: str, parent: int | None, size: int, holders: int) -> LayerFacts:
    return LayerFacts(key, ChainID(chain_id), parent, holders, size)


def all_facts(tx: ReadTransaction) -> RemovalFacts:
    """Return the facts of every image and layer: what a prune needs."""
    names: dict[int, list[str]] = {}
    for name, image in tx.all("SELECT name, image FROM reference ORDER BY name"):
        names.setdefault(image, []).append(name)
    containers: dict[int, list[ContainerFacts]] = {}
    for image, container, state in tx.all(
        "SELECT image, id, state FROM container WHERE image IS NOT NULL ORDER BY key"
    ):
        containers.setdefault(image, []).append(_container(container, state))
    children = dict(tx.all("SELECT parent, count(*) FROM image WHERE parent IS NOT NULL GROUP BY parent"))
    pins = patterns(tx)
    images = {}
    for key, image_id, parent, layer in tx.all(
        """SELECT image.key, image.id, parent.id, image.layer
           FROM image LEFT JOIN image parent ON parent.key = image.parent"""
    ):
        images[ImageID(image_id)] = ImageFacts(
            ImageID(image_id),
            parent and ImageID(parent),
            tuple(names.get(key, ())),
            children.get(key, 0),
            tuple(containers.get(key, ())),
            layer,
            _matching(pins, image_id, names.get(key, ())) if pins else (),
        )
    layers = {row[0]: _layer(*row) for row in tx.all(f"{_layers_sql(-1)} WHERE layer.live")}
    return RemovalFacts(images, layers)


def apply(tx: WriteTransaction, layout: Layout, plan: RemovalPlan, now: int, deletion: int | None) -> None:
    """Do what was decided: rows, former names, events, and the undo entry's part.

    With `deletion` (the key of an undo entry) all stays restorable; without,
    rows that nothing else holds go, and their files enter the outbox.
    """
    event_labels = [labels_of(tx, event.image) if event.name else {} for event in plan.events]
    for name, image in plan.references:
        _remove_reference(tx, name, image, now, deletion)
    released = [_remove_image(tx, image, deletion) for image in plan.images]
    tx.execute_many("UPDATE layer SET live = 0 WHERE key = ?", [(key,) for key in plan.layers])
    if deletion is None:
        for config, layer in released:
            release_blob(tx, layout, config)
            release_layer(tx, layout, layer)
        for image in plan.images:
            forget_image(tx, image)
    for event, labels in zip(plan.events, event_labels, strict=True):
        attributes = labels | {"reference": familiar(event.name)} if event.name else {}
        record(tx, now, event.action, event.image, attributes)
    failpoints.hit("removal.rows")


def _remove_reference(
    tx: WriteTransaction, name: str, image: ImageID, now: int, deletion: int | None
) -> None:
    if deletion is not None:
        tx.execute(
            """INSERT INTO deletion_reference (deletion, name, image, since)
               SELECT ?, name, ?, since FROM reference WHERE name = ?""",
            (deletion, image, name),
        )
    tx.execute("DELETE FROM reference WHERE name = ?", (name,))
    remember_name(tx, name, image, now)


IMAGE_COLUMNS = """id, config, layer, created_s, created_ns, os, architecture, variant, labels,
                   built_locally, last_tagged, last_used"""


def _remove_image(tx: WriteTransaction, image: ImageID, deletion: int | None) -> tuple[int, int | None]:
    """Remove the row, into the undo entry if there is one; returns its config and top layer."""
    key, config, layer = tx.one("SELECT key, config, layer FROM image WHERE id = ?", (image,))
    if deletion is not None:
        tx.execute(
            f"""INSERT INTO deletion_image (deletion, parent, {IMAGE_COLUMNS})
                SELECT ?,
                       COALESCE((SELECT id FROM image above WHERE above.key = image.parent), lost_parent),
                       {IMAGE_COLUMNS}
                FROM image WHERE key = ?""",
            (deletion, key),
        )
    tx.execute("UPDATE container SET image = NULL WHERE image = ?", (key,))
    tx.execute("DELETE FROM image WHERE key = ?", (key,))
    return config, layer
