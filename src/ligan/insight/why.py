"""Why: everything that holds an image, a layer, a blob or a part of the cache, and what would free it."""

from __future__ import annotations

from ligan.errors import NotFound
from ligan.images.catalog import former_names, resolve
from ligan.images.facts import is_running, removal_facts
from ligan.images.removal import NoSuchImage, RemovalFacts, RemovalRequest, decide_each
from ligan.insight.bytes import freed_bytes
from ligan.insight.plan import Stays
from ligan.oci.digest import ChainID, Digest, ImageID, is_hex
from ligan.oci.reference import InvalidReference, familiar, is_digest_reference, repository_of
from ligan.store.recover import leases_on
from ligan.store.trees import tree_size
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ligan.images.removal import ContainerFacts, ImageFacts, RemovalPlan
    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout


_SHORT_ID = 12
_QUOTE = "'\\''"  # within quotes, to a shell


class Holder(Value):
    """One thing that keeps an object.

    `kind` is tag, digest, child, container, pin, image, layer, undo, cache or sharing;
    `blocks` tells whether the object cannot be deleted while this holds it.
    """

    kind: str
    name: str
    detail: str
    blocks: bool


class FormerName(Value):
    """What an image was called, familiar, and until when (nanoseconds since 1970)."""

    name: str
    until: int


class Why(Value):
    """Everything that holds an object; no holder at all means that it is about to go.

    `kind` is image, layer, blob or cache. `commands` is the shortest list of
    commands that frees it, in order, and `bytes` is what the disk would gain by
    them if nothing were kept for undo: blobs and unpacked layers, to the byte.
    `detail` tells of what a part of the cache was made.
    """

    kind: str
    id: str
    holders: tuple[Holder, ...]
    former_names: tuple[FormerName, ...]
    commands: tuple[str, ...]
    bytes: int
    detail: str = ""


def why(tx: ReadTransaction, layout: Layout, name: str) -> Why:
    """Explain an image by name or ID, a layer by chain ID or diff ID, a blob by digest, a row of the cache.

    Prefixes of an ID will do while only one object has them; of a row's they have 12 digits at least. Raises
    NoSuchImage, or NotFound for what is none of them.
    """
    try:
        image = resolve(tx, name).image
    except (NoSuchImage, InvalidReference) as error:
        cached = _explain_cached(tx, layout, name)
        if cached is not None:
            return cached
        prefix = "sha256:" + name.removeprefix("sha256:")
        if not is_hex(prefix[7:]):
            raise
        found = _explain_layer(tx, prefix) or _explain_blob(tx, layout, prefix)
        if found is None:
            raise NotFound(f"No such image, layer or blob: {name}", error.hint) from None
        return found
    return _explain_image(tx, image.key, image.id)


def what_stays(tx: ReadTransaction, removal: RemovalPlan) -> tuple[Stays, ...]:
    """Return the images that a delete takes names from and leaves, and what holds each of them then."""
    left: dict[ImageID, list[str]] = {}
    going = set(removal.images)
    for name, image in removal.references:
        if image not in going:
            left.setdefault(image, []).append(familiar(name))
    return tuple(
        [
            Stays(image, tuple(names), tuple(_holders_after(tx, image, removal)))
            for image, names in left.items()
        ]
    )


def _holders_after(tx: ReadTransaction, image: ImageID, removal: RemovalPlan) -> Iterator[str]:
    key = tx.value("SELECT key FROM image WHERE id = ?", (image,))
    for name in tx.column("SELECT name FROM reference WHERE image = ? ORDER BY name", (key,)):
        if (name, image) not in removal.references:
            holder = _name_holder(name)
            yield f"{holder.kind} {holder.name}"
    for child in tx.column("SELECT id FROM image WHERE parent = ? ORDER BY key", (key,)):
        if child not in removal.images:
            yield f"child {ImageID(child).short}"
    for container in tx.column("SELECT id FROM container WHERE image = ? ORDER BY key", (key,)):
        yield f"container {container[:_SHORT_ID]}"


def _explain_image(tx: ReadTransaction, key: int, image: ImageID) -> Why:
    doomed = _descendants(tx, [key])
    facts = removal_facts(tx, doomed)
    target = facts.images[image]
    holders = [_name_holder(name) for name in target.references]
    holders += [
        Holder("child", ImageID(child).short, _label(tx, child_key), True)
        for child_key, child in tx.all("SELECT key, id FROM image WHERE parent = ? ORDER BY key", (key,))
    ]
    holders += [_container_holder(item.id, item.running) for item in target.containers]
    holders += [Holder("pin", pin, "", True) for pin in target.pins]
    holders += [
        _cache_holder(*row, blocks=False) for row in _cached(tx, [target.layer] if target.layer else [])
    ]
    ids = _ids(tx, doomed)
    holders += _sharing(tx, target, set(ids))
    freed = _freed(tx, facts, ids, [item.id for item in _containers(facts, ids)])
    return Why("image", image, tuple(holders), _former_names(tx, image), _commands(facts, ids, ()), freed)


def _explain_layer(tx: ReadTransaction, prefix: str) -> Why | None:
    rows = tx.all(
        """SELECT key, chain_id, diff_id FROM layer WHERE chain_id >= ?1 AND chain_id < ?1 || 'g'
           UNION SELECT key, chain_id, diff_id FROM layer WHERE diff_id >= ?1 AND diff_id < ?1 || 'g'""",
        (prefix,),
    )
    if not rows:
        return None
    if len({diff_id for _key, _chain, diff_id in rows}) > 1:
        raise _ambiguous(prefix)
    _key, chain_id, diff_id = rows[0]
    return _explain_layers(
        tx, "layer", Digest(chain_id if len(rows) == 1 else diff_id), [row[0] for row in rows]
    )


def _explain_blob(tx: ReadTransaction, layout: Layout, prefix: str) -> Why | None:
    rows = tx.all("SELECT key, digest FROM blob WHERE digest >= ?1 AND digest < ?1 || 'g' LIMIT 2", (prefix,))
    leases = leases_on(layout, prefix[7:])
    if len(rows) > 1:
        raise _ambiguous(prefix)
    if not rows:
        return Why("blob", Digest(prefix), _lease_holders(leases), (), (), 0) if leases else None
    key, digest = rows[0]
    image = tx.one("SELECT key, id FROM image WHERE config = ?", (key,))
    if image is not None:
        return _explain_image(tx, image[0], ImageID(image[1]))
    layers = tx.column("SELECT key FROM layer WHERE blob = ?", (key,))
    layers += tx.column(
        "SELECT layer.key FROM layer_blob JOIN layer USING (diff_id) WHERE layer_blob.blob = ?", (key,)
    )
    found = _explain_layers(tx, "blob", Digest(digest), layers)
    entries = tx.column("SELECT deletion FROM deletion_image WHERE config = ? ORDER BY deletion", (key,))
    if entries:
        found = found.replace(
            holders=found.holders + _undo_holders(tx, entries),
            former_names=_former_names(tx, digest),
            commands=(f"ligan reclaim {' '.join(map(str, entries))}",),
            bytes=freed_bytes(tx, entries=entries),
        )
    return found.replace(holders=found.holders + _lease_holders(leases))


def _ambiguous(prefix: str) -> NotFound:
    return NotFound(f"No such image, layer or blob: {prefix}", "Several have such an ID: give more digits.")


def _explain_layers(tx: ReadTransaction, kind: str, name: Digest, layers: Sequence[int]) -> Why:
    """Explain layers that stand or fall together: all with one chain ID, one diff ID or one blob."""
    above = _layers_above(tx, layers)
    images = tx.all(f"SELECT key, id FROM image WHERE layer IN ({_list(above)}) ORDER BY key")
    doomed = _descendants(tx, [key for key, _image in images])
    facts = removal_facts(tx, doomed)
    holders = [Holder("image", ImageID(image).short, _label(tx, key), True) for key, image in images]
    containers = tx.all(f"SELECT id, state FROM container WHERE layer IN ({_list(above)}) ORDER BY key")
    holders += [_container_holder(container, is_running(state)) for container, state in containers]
    cached = _cached(tx, above)
    holders += [_cache_holder(*row, blocks=True) for row in cached]
    holders += [
        Holder("layer", ChainID(chain).short, "stands on it", True)
        for chain in tx.column(
            f"SELECT chain_id FROM layer WHERE parent IN ({_list(layers)}) ORDER BY chain_id"
        )
    ]
    entries = tx.column(
        f"SELECT DISTINCT deletion FROM deletion_image WHERE layer IN ({_list(above)}) ORDER BY deletion"
    )
    ids = _ids(tx, doomed)
    on_layers = [container for container, _state in containers]
    commands = _commands(facts, ids, entries, on_layers, now=True)
    rows = [row for row, _description in cached]
    if rows:  # what images had too is no longer shared by then
        commands += (f"ligan builder prune -f {' '.join([f'--filter id={row}' for row in rows])}",)
    gone = [*[item.id for item in _containers(facts, ids)], *on_layers]
    freed = _freed(tx, facts, ids, gone, rows, entries)
    return Why(kind, name, (*holders, *_undo_holders(tx, entries)), (), commands, freed)


def _freed(
    tx: ReadTransaction,
    facts: RemovalFacts,
    doomed: Sequence[ImageID],
    containers: Iterable[str],
    cached: Iterable[str] = (),
    entries: Iterable[int] = (),
) -> int:
    """Return the bytes that the commands free: with the images go parents that nothing else holds."""
    unused = {image: facts.images[image].replace(containers=(), pins=()) for image in doomed}
    _decisions, removal = decide_each(
        RemovalFacts({**facts.images, **unused}, facts.layers), _requests(facts, doomed)
    )
    return freed_bytes(tx, images=removal.images, containers=containers, cached=cached, entries=entries)


def _former_names(tx: ReadTransaction, image: str) -> tuple[FormerName, ...]:
    return tuple(FormerName(familiar(name), until) for name, until in former_names(tx, image))


def _name_holder(name: str) -> Holder:
    return Holder("digest" if is_digest_reference(name) else "tag", familiar(name), "", True)


def _container_holder(container: str, running: bool) -> Holder:
    return Holder("container", container[:12], "running" if running else "stopped", True)


def _explain_cached(tx: ReadTransaction, layout: Layout, name: str) -> Why | None:
    """Explain a row of the build cache. Nothing holds one but a build that runs."""
    if len(name) < _SHORT_ID:
        return None
    rows = tx.all(
        "SELECT id, description, layer FROM build_cache WHERE id >= ?1 AND id < ?1 || '~' LIMIT 2",
        (name,),
    )
    if len(rows) != 1:
        return None
    [(row, description, layer)] = rows
    if layer is None:
        freed, sharing = tree_size(layout.cache(row)), []
    else:
        above = _layers_above(tx, [layer])
        images = tx.all(f"SELECT key, id FROM image WHERE layer IN ({_list(above)}) ORDER BY key")
        sharing = [
            Holder("sharing", ImageID(image).short, _label(tx, image_key), False)
            for image_key, image in images
        ]
        freed = freed_bytes(tx, cached=[row])
    everything = "-a " if sharing else ""
    commands = (f"ligan builder prune -f {everything}--filter id={row}",)
    return Why("cache", row, tuple(sharing), (), commands, freed, one_line(description))


def one_line(text: str) -> str:
    """Return a step's text as a table can hold it: that of a document has several lines."""
    return " ".join(text.split())


def _cached(tx: ReadTransaction, layers: Sequence[int]) -> list[tuple[str, str]]:
    """Return ID and description of the rows of the build cache that hold one of the layers."""
    return tx.all(f"SELECT id, description FROM build_cache WHERE layer IN ({_list(layers)}) ORDER BY key")


def _cache_holder(row: str, description: str, *, blocks: bool) -> Holder:
    return Holder("cache", row[:_SHORT_ID], one_line(description), blocks)


def _undo_holders(tx: ReadTransaction, entries: Iterable[int]) -> tuple[Holder, ...]:
    return tuple(
        Holder("undo", str(entry), tx.value("SELECT command FROM deletion WHERE key = ?", (entry,)), True)
        for entry in entries
    )


def _lease_holders(leases: Iterable[str]) -> tuple[Holder, ...]:
    return tuple(
        Holder("lease", lease, f"process {lease.partition('-')[0]} is storing it", True) for lease in leases
    )


def _sharing(tx: ReadTransaction, target: ImageFacts, doomed: set[ImageID]) -> list[Holder]:
    """Return the images not built from this one that stand on a layer of it: those bytes stay."""
    rows = tx.all(
        """WITH RECURSIVE
           below (key, parent) AS (
               SELECT key, parent FROM layer WHERE key = ?1
               UNION ALL SELECT layer.key, layer.parent FROM layer JOIN below ON layer.key = below.parent),
           above (key) AS (
               SELECT key FROM below WHERE parent IS NULL
               UNION ALL SELECT layer.key FROM layer JOIN above ON layer.parent = above.key WHERE live)
           SELECT image.id, (SELECT min(name) FROM reference WHERE reference.image = image.key)
           FROM image JOIN above ON image.layer = above.key ORDER BY 2 IS NULL, 2, 1""",
        (target.layer,),
    )
    return [
        Holder("sharing", ImageID(image).short, familiar(name) if name else "<none>", False)
        for image, name in rows
        if image not in doomed
    ]


def _label(tx: ReadTransaction, key: int) -> str:
    """Return what people call an image: its names, or what it was called last."""
    names = tx.column("SELECT name FROM reference WHERE image = ? ORDER BY name", (key,))
    if names:
        return ", ".join(map(familiar, names))
    former = former_names(tx, tx.value("SELECT id FROM image WHERE key = ?", (key,)))
    return f"<none>, was {familiar(former[0][0])}" if former else "<none>"


def _list(keys: Iterable[int]) -> str:
    return ",".join(map(str, keys)) or "NULL"


def _descendants(tx: ReadTransaction, images: Sequence[int]) -> list[int]:
    """Return the images and all built from them, leaves first."""
    return tx.column(
        f"""WITH RECURSIVE down (key, depth) AS (
               SELECT key, 0 FROM image WHERE key IN ({_list(images)})
               UNION SELECT image.key, depth + 1 FROM image JOIN down ON image.parent = down.key)
           SELECT key FROM down GROUP BY key ORDER BY max(depth) DESC, key DESC"""
    )


def _layers_above(tx: ReadTransaction, layers: Sequence[int]) -> list[int]:
    """Return the layers and all that stand on them."""
    return tx.column(
        f"""WITH RECURSIVE above (key) AS (
               SELECT key FROM layer WHERE key IN ({_list(layers)})
               UNION SELECT layer.key FROM layer JOIN above ON layer.parent = above.key)
           SELECT key FROM above"""
    )


def _ids(tx: ReadTransaction, keys: Iterable[int]) -> list[ImageID]:
    return [ImageID(tx.value("SELECT id FROM image WHERE key = ?", (key,))) for key in keys]


def _commands(
    facts: RemovalFacts,
    doomed: Sequence[ImageID],
    entries: Sequence[int],
    others: Iterable[str] = (),
    *,
    now: bool = False,
) -> tuple[str, ...]:
    """Return the shortest list of commands that removes the images, given leaves first.

    Untagged parents go with their last child, and digests with the last tag of their
    repository, so that only leaves and other names are arguments. `others` are
    containers on the layers, whose images may be gone.
    """
    images = [facts.images[image] for image in doomed]
    pins = sorted({pin.replace("'", _QUOTE) for image in images for pin in image.pins})
    commands = [f"ligan unpin '{pin}'" for pin in pins]
    containers = dict.fromkeys([*(item.id for item in _containers(facts, doomed)), *others])
    if containers:
        commands.append(f"ligan rm -f {' '.join(container[:12] for container in containers)}")
    arguments = [request.argument for request in _requests(facts, doomed)]
    if arguments:
        commands.append(f"ligan rmi {'--now ' if now else ''}{' '.join(arguments)}")
    if entries:
        commands.append(f"ligan reclaim {' '.join(map(str, entries))}")
    return tuple(commands)


def _containers(facts: RemovalFacts, images: Iterable[ImageID]) -> list[ContainerFacts]:
    return [container for image in images for container in facts.images[image].containers]


def _requests(facts: RemovalFacts, doomed: Iterable[ImageID]) -> list[RemovalRequest]:
    """Return the arguments of the `rmi` that removes these images, as few as can be."""
    requests = []
    for image in [facts.images[key] for key in doomed]:
        tagged = {repository_of(name) for name in image.references if not is_digest_reference(name)}
        requests += [
            RemovalRequest(familiar(name), image.id, name)
            for name in image.references
            if not is_digest_reference(name) or repository_of(name) not in tagged
        ]
        if not image.references and not image.children:
            requests.append(RemovalRequest(image.id.short, image.id))
    return requests
