"""Deciding a delete. PURE: facts and a request in, a plan or a Conflict out.

Follows engine 20.10's image_delete.go and image_prune.go, row by row. Two
deliberate differences (docs/compatibility.md): pins, and a prune that judges
an image as a whole before it takes a name from it.
"""

from __future__ import annotations

from ligan.errors import Conflict, LiganError, NotFound
from ligan.oci.digest import ChainID, ImageID, whole_id
from ligan.oci.reference import familiar, is_digest_reference, parse, repository_of
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ContainerFacts(Value):
    """A container that uses an image. Paused and restarting containers count as running."""

    id: str
    running: bool


class ImageFacts(Value):
    """What a decision must know of an image. `references` are canonical, in canonical order.

    `children` may be counted only as far as the decision can take children away.
    """

    id: ImageID
    parent: ImageID | None
    references: tuple[str, ...]
    children: int
    containers: tuple[ContainerFacts, ...]
    layer: int | None
    pins: tuple[str, ...] = ()


class LayerFacts(Value):
    """A live layer: `holders` counts its live children, images and containers; `size` is DiffSize.

    Holders may be counted only as far as the decision can take them away.
    """

    key: int
    chain_id: ChainID
    parent: int | None
    holders: int
    size: int


class RemovalFacts(Value):
    """The part of the store that a decision can reach: images by ID, layers by key."""

    images: Mapping[ImageID, ImageFacts]
    layers: Mapping[int, LayerFacts]


class RemovalRequest(Value):
    """One argument of a delete: by `reference` (canonical) if there is one, else by ID."""

    argument: str
    image: ImageID
    reference: str = ""
    force: bool = False
    prune_parents: bool = True


class Row(Value):
    """One row of Docker's answer. `name` is a familiar reference, an image ID or a chain ID."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


UNTAGGED = "Untagged"
DELETED = "Deleted"


class RemovalEvent(Value):
    """One of Docker's events: `action` is untag, of the canonical `name`, or delete."""

    action: str
    image: ImageID
    name: str


class RemovalPlan(Value):
    """What a delete does, complete: applying it takes no further decision.

    `rows` is Docker's answer, in order. `references` are canonical names with
    the image each pointed at; `events` are Docker's: untag with the name, or delete.
    `images` and `layers` stop living, in this order. `diff_size` is Docker's
    SpaceReclaimed, in bytes.
    """

    rows: tuple[Row, ...]
    references: tuple[tuple[str, ImageID], ...]
    events: tuple[RemovalEvent, ...]
    images: tuple[ImageID, ...]
    layers: tuple[int, ...]
    diff_size: int

    def __bool__(self) -> bool:
        return bool(self.rows)


class NoSuchImage(NotFound):
    """Nothing has this name or ID, or several images share the prefix."""

    def __init__(self, name: str, hint: str = "") -> None:
        super().__init__(f"No such image: {name}", hint)


class ImageInUse(Conflict):
    """An image cannot be deleted. `forceable` tells whether `-f` would do it."""

    def __init__(self, image: ImageID, reason: str, *, forceable: bool) -> None:
        how = "must be forced" if forceable else "cannot be forced"
        super().__init__(f"conflict: unable to delete {image.short} ({how}) - {reason}")
        self.image = image
        self.forceable = forceable


class ReferenceInUse(Conflict):
    """A container uses the only name of an image."""

    def __init__(self, argument: str, container: str, image: ImageID) -> None:
        super().__init__(
            f'conflict: unable to remove repository reference "{argument}" (must force) - '
            f"container {container[:12]} is using its referenced image {image.short}"
        )
        self.image = image
        self.forceable = True


def decide(facts: RemovalFacts, request: RemovalRequest) -> RemovalPlan:
    """Return what deleting one argument does, or raise ImageInUse or ReferenceInUse."""
    world = _World(facts)
    world.remove(request)
    return world.plan()


class Decision(Value):
    """One argument's rows, or the error that refuses it."""

    rows: tuple[Row, ...]
    error: LiganError | None


def decide_each(
    facts: RemovalFacts, requests: Iterable[RemovalRequest | LiganError]
) -> tuple[tuple[Decision, ...], RemovalPlan]:
    """Decide several arguments one after the other, each on what the ones before it leave.

    Returns a decision for each, and the one plan that does them all. An argument
    that already is an error (a name that nothing has) stays refused.
    """
    world = _World(facts)
    decisions = []
    for request in requests:
        before = len(world.rows)
        error: LiganError | None = None
        if isinstance(request, LiganError):
            error = request
        else:
            try:
                world.remove(request)
            except LiganError as conflict:
                error = conflict
        decisions.append(Decision(tuple(world.rows[before:]), error))
    return tuple(decisions), world.plan()


def decide_prune(facts: RemovalFacts, candidates: Iterable[ImageID], *, dangling_only: bool) -> RemovalPlan:
    """Return what a prune of these candidates does; what is in use stays whole.

    Candidates come in the order in which they are tried; descendants are tried
    before their ancestors whatever that order.
    """
    world = _World(facts)
    for image in sorted(candidates, key=world.generation, reverse=True):
        world.prune(image, dangling_only=dangling_only)
    return world.plan()


class _World:
    """The facts, changed step by step as the delete would change them."""

    def __init__(self, facts: RemovalFacts) -> None:
        self._facts = facts
        self._references: dict[ImageID, list[str]] = {}
        self._children: dict[ImageID, int] = {}
        self._holders: dict[int, int] = {}
        self.rows: list[Row] = []
        self._removed: list[tuple[str, ImageID]] = []
        self._events: list[RemovalEvent] = []
        self._images: dict[ImageID, None] = {}
        self._layers: list[int] = []
        self._generations: dict[ImageID, int] = {}

    def plan(self) -> RemovalPlan:
        layers = self._facts.layers
        return RemovalPlan(
            rows=tuple(self.rows),
            references=tuple(self._removed),
            events=tuple(self._events),
            images=tuple(self._images),
            layers=tuple(self._layers),
            diff_size=sum(layers[key].size for key in self._layers),
        )

    def generation(self, image: ImageID) -> int:
        """Count the ancestors of an image, within the facts."""
        chain: list[ImageID] = []
        node: ImageID | None = image
        while node is not None and node in self._facts.images and node not in self._generations:
            chain.append(node)
            node = self._facts.images[node].parent
        count = -1 if node is None else self._generations.get(node, -1)
        for member in reversed(chain):
            count += 1
            self._generations[member] = count
        return self._generations[image]

    def references(self, image: ImageID) -> list[str]:
        if image not in self._references:
            self._references[image] = list(self._facts.images[image].references)
        return self._references[image]

    def children(self, image: ImageID) -> int:
        return self._children.get(image, self._facts.images[image].children)

    def remove(self, request: RemovalRequest) -> None:
        image, force = request.image, request.force
        facts = self._facts.images[image]
        gone = request.reference and request.reference not in self.references(image)
        if gone or image in self._images:  # an argument before this one took it
            argument = request.argument
            raise NoSuchImage(whole_id(argument) or parse(argument).with_default_tag().familiar)
        if not request.reference:
            self._check_pins(facts, facts.references)
            if self._has_single_name(image):
                self._check(image, referenced=False, stopped=not force)
                self._untag_all(image)
            self._delete(image, force=force, prune=request.prune_parents)
            return
        self._check_pins(facts, self._names_with(image, request.reference))
        if not force and self._has_single_name(image) and facts.containers:
            raise ReferenceInUse(request.argument, facts.containers[0].id, image)
        self._untag(image, request.reference)
        if not self.references(image):
            self._delete_quietly(image, force=force, prune=request.prune_parents)

    def prune(self, image: ImageID, *, dangling_only: bool) -> None:
        facts = self._facts.images[image]
        # Docker would first take all names but the last from an image in use (moby #36295, #42761).
        if image in self._images or facts.containers or facts.pins or self.children(image):
            return
        names = self.references(image)
        if dangling_only and not all(is_digest_reference(name) for name in names):
            return
        for name in list(names):
            if name in names:
                self._untag(image, name)
        self._delete_quietly(image, force=False, prune=True)

    def _check_pins(self, facts: ImageFacts, names: Iterable[str]) -> None:
        """A pinned image keeps all its names; a pinned name stays, whatever other names the image has."""
        for pin in facts.pins:
            if pin == facts.id or any(matches_pin(pin, name) for name in names):
                raise ImageInUse(facts.id, f'image is pinned by "{pin}"', forceable=False)

    def _has_single_name(self, image: ImageID) -> bool:
        """Docker's isSingleReference: at most one tag, and all names in one repository."""
        names = self.references(image)
        tags = [name for name in names if not is_digest_reference(name)]
        return len(names) == 1 or (
            bool(names) and len(tags) <= 1 and len({repository_of(name) for name in names}) == 1
        )

    def _untag(self, image: ImageID, name: str) -> None:
        """Remove a name, and what goes with it, of which no event tells."""
        for other in self._names_with(image, name):
            self._drop_name(image, other)
        self._events.append(RemovalEvent("untag", image, name))

    def _names_with(self, image: ImageID, name: str) -> list[str]:
        """Return the name; with the last tag of a repository go its digests."""
        repository = repository_of(name)
        siblings = [
            other for other in self.references(image) if other != name and repository_of(other) == repository
        ]
        if is_digest_reference(name) or not all(is_digest_reference(other) for other in siblings):
            return [name]
        return [name, *siblings]

    def _untag_all(self, image: ImageID) -> None:
        for name in list(self.references(image)):
            self._drop_name(image, name)
            self._events.append(RemovalEvent("untag", image, name))

    def _drop_name(self, image: ImageID, name: str) -> None:
        self.references(image).remove(name)
        self._removed.append((name, image))
        self.rows.append(Row(UNTAGGED, familiar(name)))

    def _check(self, image: ImageID, *, referenced: bool, stopped: bool) -> None:
        """Raise the first conflict in Docker's order; the soft ones only if asked for."""
        facts = self._facts.images[image]
        if self.children(image):
            raise ImageInUse(image, "image has dependent child images", forceable=False)
        for container in facts.containers:
            if container.running:
                reason = f"image is being used by running container {container.id[:12]}"
                raise ImageInUse(image, reason, forceable=False)
        if facts.pins:
            raise ImageInUse(image, f'image is pinned by "{facts.pins[0]}"', forceable=False)
        if referenced and self.references(image):
            raise ImageInUse(image, "image is referenced in multiple repositories", forceable=True)
        if stopped and facts.containers:
            reason = f"image is being used by stopped container {facts.containers[0].id[:12]}"
            raise ImageInUse(image, reason, forceable=True)

    def _delete_quietly(self, image: ImageID, *, force: bool, prune: bool) -> None:
        """Delete the image unless something holds it."""
        if self._is_free(image, force=force):
            self._delete(image, force=force, prune=prune)

    def _is_free(self, image: ImageID, *, force: bool) -> bool:
        try:
            self._check(image, referenced=not force, stopped=not force)
        except ImageInUse:
            return False
        return True

    def _delete(self, image: ImageID, *, force: bool, prune: bool) -> None:
        """Delete the image, then each parent that nothing else holds."""
        self._check(image, referenced=not force, stopped=not force)
        self._delete_one(image)
        parent = self._facts.images[image].parent
        while prune and parent is not None and self._is_free(parent, force=False):
            self._delete_one(parent)
            parent = self._facts.images[parent].parent

    def _delete_one(self, image: ImageID) -> None:
        self._untag_all(image)
        facts = self._facts.images[image]
        self._images[image] = None
        self._events.append(RemovalEvent("delete", image, ""))
        self.rows.append(Row(DELETED, image))
        self.release(facts.layer)
        if facts.parent is not None:
            self._children[facts.parent] = self.children(facts.parent) - 1

    def release(self, key: int | None) -> None:
        """Take one holder from the layer; without any it stops living, and so on downward."""
        while key is not None:
            layer = self._facts.layers[key]
            self._holders[key] = self._holders.get(key, layer.holders) - 1
            if self._holders[key]:
                return
            self._layers.append(key)
            self.rows.append(Row(DELETED, layer.chain_id))
            key = layer.parent


def matches_pin(pattern: str, name: str) -> bool:
    """Return whether a pin's glob covers a canonical name, by its familiar form or its repository."""
    from fnmatch import fnmatchcase

    return fnmatchcase(familiar(name), pattern) or fnmatchcase(familiar(repository_of(name)), pattern)
