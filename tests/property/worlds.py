"""Random stores and random requests, for the laws of deletes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from ligan.errors import LiganError
from ligan.oci.digest import ImageID
from tests.support import tars
from tests.support.stores import Stock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ligan.store.store import Policy

LAYERS = [
    tars.entry("file", data=letter.encode() * (512 << size)) + tars.END for size, letter in enumerate("abcde")
]
"""Layers of which any two sums differ: a wrong blob in a sum always shows."""

TAGS = ["app:1", "app:2", "app", "web:1", "team/web:1", "localhost:5000/app:1"]
DIGESTS = [f"app@sha256:{'0' * 64}", f"web@sha256:{'1' * 64}", f"web@sha256:{'2' * 64}"]
PINS = ["app:1", "app:*", "web*", "*/app:1", "app@*"]
STATES = ["running", "paused", "exited", "created"]


class ImageSpec(NamedTuple):
    """`layers` are indices of LAYERS, `parent` the index of an earlier image or None."""

    layers: tuple[int, ...]
    parent: int | None
    names: tuple[str, ...]
    containers: tuple[str, ...]
    pinned: bool


class World(NamedTuple):
    """`removed` are requests made earlier: what undo entries the store has, and whose they are."""

    images: tuple[ImageSpec, ...]
    pins: tuple[str, ...]
    compressed: bool
    removed: tuple[Removal, ...]


class Removal(NamedTuple):
    """Arguments are names, or indices of images that are given by ID."""

    arguments: tuple[str | int, ...]
    force: bool
    prune_parents: bool
    now: bool

    def names(self, images: Sequence[ImageID]) -> list[str]:
        return [item if isinstance(item, str) else _identity(images, item) for item in self.arguments]


def _identity(images: Sequence[ImageID], index: int) -> str:
    image = images[index % len(images)]
    return (image, image.hex, image.short)[index % 3]


REMOVALS = st.builds(
    Removal,
    st.lists(
        st.sampled_from(TAGS + DIGESTS) | st.integers(min_value=0, max_value=14), min_size=1, max_size=4
    ).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@st.composite
def _images(draw: st.DrawFn) -> tuple[ImageSpec, ...]:
    count = draw(st.integers(min_value=1, max_value=6))
    free = draw(st.permutations(TAGS + DIGESTS))
    images: list[ImageSpec] = []
    for index in range(count):
        parent = draw(st.none() | st.integers(min_value=0, max_value=index - 1)) if index else None
        below = images[parent].layers if parent is not None else ()
        added = draw(st.lists(st.integers(min_value=0, max_value=len(LAYERS) - 1), max_size=2))
        names = [free.pop() for _ in range(draw(st.integers(min_value=0, max_value=2))) if free]
        containers = draw(st.lists(st.sampled_from(STATES), max_size=1))
        pinned = draw(st.integers(min_value=0, max_value=9)) == 9
        images.append(ImageSpec(below + tuple(added), parent, tuple(names), tuple(containers), pinned))
    return tuple(images)


WORLDS = st.builds(
    World,
    _images(),
    st.lists(st.sampled_from(PINS), max_size=1).map(tuple),
    st.booleans(),
    st.lists(REMOVALS, max_size=2).map(tuple),
)

PRUNES = st.sampled_from(
    [{}, {"dangling": ["true"]}, {"dangling": ["false"]}, {"dangling": ["false"], "label": ["even"]}]
)


def make(stock: Stock, world: World) -> list[ImageID]:
    """Fill the store; returns its images, those too that earlier removals have taken."""
    images: list[ImageID] = []
    for index, spec in enumerate(world.images):
        parent = images[spec.parent] if spec.parent is not None else None
        layers = [LAYERS[layer] for layer in spec.layers]
        labels = {"even": "1"} if index % 2 == 0 else None
        images.append(
            stock.image(*layers, names=spec.names, parent=parent, step=f"step {index}", labels=labels)
        )
    if world.compressed and any(0 in spec.layers for spec in world.images):
        stock.compressed(LAYERS[0], b"compressed" * 11)
    for removal in world.removed:
        names = removal.names(images)
        stock.engine.remove_images(names, force=removal.force, prune_parents=removal.prune_parents)
    for index, (image, spec) in enumerate(zip(images, world.images, strict=True)):
        if index % 2 and image not in stock.images():  # stored again after its delete, with the same bytes
            stock.image(*[LAYERS[layer] for layer in spec.layers], step=f"step {index}")
    for index, (image, spec) in enumerate(zip(images, world.images, strict=True)):
        if image not in stock.images():
            continue
        for number, state in enumerate(spec.containers):
            stock.container(image, f"c{index}{number}", state)
        if spec.pinned:
            stock.engine.pin(image)
    for pattern in world.pins:
        with contextlib.suppress(LiganError):
            stock.engine.pin(pattern)
    return images


@contextlib.contextmanager
def filled(world: World, policy: Policy | None = None) -> Iterator[tuple[Stock, list[ImageID]]]:
    """Yield a store of this world and its images; afterwards the store must be sound."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- a fresh folder in it
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        context = opened(f"{folder}/store", policy) if policy else opened(f"{folder}/store")
        with context as stock:
            yield stock, make(stock, world)
