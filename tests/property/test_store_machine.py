"""The engine against a model of a few dictionaries that follows Docker's rules word by word."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ligan.errors import LiganError
from ligan.store import fsck
from tests.support.stores import HOUR, Stock

if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.insight.outcome import UndoOutcome
    from ligan.oci.digest import ImageID

TAGS = ("app:1", "app:2", "web:1", "team/web:1")
DIGESTS = (f"app@sha256:{'1' * 64}", f"web@sha256:{'2' * 64}")
LAYERS = ("one", "two two", "three three three")


class Entry(NamedTuple):
    """What one command removed."""

    until: int
    names: dict[str, ImageID]
    images: dict[ImageID, ImageID | None]


class Refused(Exception):
    """The model refuses, in Docker's words."""


def repository(name: str) -> str:
    return name.partition("@")[0].rpartition(":")[0] if "@" not in name else name.partition("@")[0]


class Docker:
    """Docker's names and images. `parents` maps each image to its parent."""

    def __init__(self) -> None:
        self.parents: dict[ImageID, ImageID | None] = {}
        self.names: dict[str, ImageID] = {}
        self.containers: dict[str, tuple[ImageID, str]] = {}
        self.pins: set[str] = set()
        self.entries: list[Entry] = []

    def names_of(self, image: ImageID) -> list[str]:
        return [name for name, other in self.names.items() if other == image]

    def is_single(self, image: ImageID) -> bool:
        names = self.names_of(image)
        tags = [name for name in names if "@" not in name]
        return len(names) == 1 or (
            bool(names) and len(tags) <= 1 and len({repository(name) for name in names}) == 1
        )

    def using(self, image: ImageID, *, running: bool | None = None) -> list[str]:
        return [
            state
            for other, state in self.containers.values()
            if other == image and (running is None or (state == "running") == running)
        ]

    def conflict(self, image: ImageID, *, referenced: bool, stopped: bool) -> str:
        if image in self.parents.values():
            return "image has dependent child images"
        if self.using(image, running=True):
            return "image is being used by running container"
        if self.pins & set(self.names_of(image)):
            return "image is pinned"
        if referenced and self.names_of(image):
            return "image is referenced in multiple repositories"
        if stopped and self.using(image):
            return "image is being used by stopped container"
        return ""

    def remove_name(self, name: str, force: bool) -> None:
        if name not in self.names:
            raise Refused("No such image")
        image = self.names[name]
        going = [name]
        others = [other for other in self.names_of(image) if repository(other) == repository(name)]
        if "@" not in name and [other for other in others if "@" not in other] == [name]:
            going += [other for other in others if "@" in other]
        if self.pins & set(going):
            raise Refused("image is pinned")
        if not force and self.is_single(image) and self.using(image):
            raise Refused("(must force) - container")
        for other in going:
            del self.names[other]
        if not self.names_of(image) and not self.conflict(image, referenced=not force, stopped=not force):
            self.delete(image)

    def remove_image(self, image: ImageID, force: bool) -> None:
        if self.pins & set(self.names_of(image)):
            raise Refused("image is pinned")
        conflict = self.conflict(image, referenced=not force and not self.is_single(image), stopped=not force)
        if conflict:
            raise Refused(conflict)
        self.delete(image)

    def delete(self, image: ImageID) -> None:
        for name in self.names_of(image):
            del self.names[name]
        parent = self.parents.pop(image)
        if parent is not None and not self.conflict(parent, referenced=True, stopped=True):
            self.delete(parent)

    def prune(self, dangling: bool) -> None:
        """Until nothing changes: so the order in which images are tried does not matter."""
        for image in list(self.parents):
            tags = [name for name in self.names_of(image) if "@" not in name]
            kept = self.conflict(image, referenced=False, stopped=True)
            if image in self.parents and not kept and not (dangling and tags):
                self.delete(image)
                self.prune(dangling)
                return

    def snapshot(self) -> tuple[dict[str, ImageID], dict[ImageID, ImageID | None]]:
        return dict(self.names), dict(self.parents)


class Plain(NamedTuple):
    """An image to make. `parent` picks one of those that are there."""

    layers: list[str]
    names: list[str]
    parent: int | None


INDICES = st.integers(min_value=0, max_value=5)
LAYER_LISTS = st.lists(st.sampled_from(LAYERS), max_size=2)
NAME_LISTS = st.lists(st.sampled_from(TAGS + DIGESTS), max_size=3, unique=True)
PARENTS = st.none() | INDICES


def _answer(ask: Callable[[], UndoOutcome]) -> UndoOutcome | str:
    """Return what the engine does, or says."""
    try:
        return ask()
    except LiganError as error:
        return str(error)


def has_images(machine: StoreMachine) -> bool:
    return bool(machine.docker.parents)


class StoreMachine(RuleBasedStateMachine):
    """Each rule does the same to the store and to the model."""

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- a fresh folder in it
        self.folder = tempfile.mkdtemp(dir=memory)
        self.stock = Stock(f"{self.folder}/store")
        self.docker = Docker()
        self.made = 0

    def teardown(self) -> None:
        self.stock.store.close()
        shutil.rmtree(self.folder)

    @invariant()
    def the_store_is_sound(self) -> None:
        assert fsck.check(self.stock.store.database, self.stock.store.layout) == []

    @invariant()
    def names_and_images_are_dockers(self) -> None:
        assert self.stock.names() == self.docker.names
        rows = self.stock.dump()["image"]
        assert {row[0]: row[2] for row in rows} == self.docker.parents

    def _both(self, act: Callable[[], str], model: Callable[[], None], *, keeps: bool) -> None:
        """Do a delete to both, compare their refusals, and note what an undo entry must hold."""
        names, parents = self.docker.snapshot()
        refused = ""
        try:
            model()
        except Refused as error:
            refused = str(error)
        message = act()
        assert (refused in message) if refused else not message, (refused, message)
        self._drop_due()
        gone_names = {name: names[name] for name in names.keys() - self.docker.names.keys()}
        gone_images = {image: parents[image] for image in parents.keys() - self.docker.parents.keys()}
        if keeps and (gone_names or gone_images):
            until = self.stock.now + self.stock.store.policy.window
            self.docker.entries.append(Entry(until, gone_names, gone_images))

    def _drop_due(self) -> None:
        self.docker.entries = [entry for entry in self.docker.entries if entry.until > self.stock.now]

    def _remove(self, argument: str, *, force: bool, now: bool) -> str:
        outcome = self.stock.engine.remove_images([argument], force=force, now=now)
        error = outcome.arguments[0].error
        return str(error) if error else ""

    def _pick(self, index: int) -> ImageID:
        images = list(self.docker.parents)
        return images[index % len(images)]

    @initialize(images=st.lists(st.builds(Plain, LAYER_LISTS, NAME_LISTS, PARENTS), min_size=2, max_size=5))
    def fill(self, images: list[Plain]) -> None:
        for image in images:
            self.create(image)

    @rule(image=st.builds(Plain, LAYER_LISTS, NAME_LISTS, PARENTS))
    def create(self, image: Plain) -> None:
        parent = self._pick(image.parent) if image.parent is not None and self.docker.parents else None
        names = [name for name in image.names if "@" not in name or name not in self.docker.names]
        self.made += 1
        made = self.stock.image(*image.layers, names=names, parent=parent, step=str(self.made))
        self.docker.parents[made] = parent
        self.docker.names |= dict.fromkeys(names, made)

    @rule(index=INDICES, name=st.sampled_from(TAGS))
    @precondition(has_images)
    def tag(self, index: int, name: str) -> None:
        image = self._pick(index)
        self.stock.engine.tag_image(image, name)
        self.docker.names[name] = image

    @rule(name=st.sampled_from(TAGS + DIGESTS), force=st.booleans(), now=st.booleans())
    def remove_name(self, name: str, force: bool, now: bool) -> None:
        self._both(
            lambda: self._remove(name, force=force, now=now),
            lambda: self.docker.remove_name(name, force),
            keeps=not now,
        )

    @rule(index=INDICES, force=st.booleans(), now=st.booleans())
    @precondition(has_images)
    def remove_image(self, index: int, force: bool, now: bool) -> None:
        image = self._pick(index)
        self._both(
            lambda: self._remove(image, force=force, now=now),
            lambda: self.docker.remove_image(image, force),
            keeps=not now,
        )

    @rule(dangling=st.booleans(), now=st.booleans())
    def prune(self, dangling: bool, now: bool) -> None:
        filters = {"dangling": ["true" if dangling else "false"]}

        def act() -> str:
            self.stock.engine.prune_images(filters, now=now)
            return ""

        self._both(act, lambda: self.docker.prune(dangling), keeps=not now)

    @rule()
    def undo(self) -> None:
        self._drop_due()
        if not self.docker.entries:
            return
        entry = self.docker.entries[-1]
        taken = [
            name
            for name in entry.names
            if self.docker.names.get(name, entry.names[name]) != entry.names[name]
        ]
        images = entry.images.keys() | self.docker.parents.keys()
        lost = [name for name, image in entry.names.items() if image not in images]
        planned, done = _answer(self.stock.engine.plan_undo), _answer(self.stock.engine.undo)
        assert planned == done
        if isinstance(done, str):
            assert taken or lost
            return
        assert not taken
        assert not lost
        self.docker.entries.pop()
        self.docker.names |= entry.names
        for image in entry.images:
            self.docker.parents.setdefault(image, None)
        for image, parent in entry.images.items():
            if self.docker.parents[image] is None and parent in self.docker.parents:
                self.docker.parents[image] = parent

    @rule()
    def reclaim(self) -> None:
        self.stock.engine.reclaim(drop_all=True)
        self.docker.entries.clear()
        assert self.stock.disk_bytes() == self.stock.book_bytes()

    @rule(index=INDICES, state=st.sampled_from(["running", "exited"]))
    @precondition(has_images)
    def run(self, index: int, state: str) -> None:
        self.made += 1
        image = self._pick(index)
        container = self.stock.container(image, f"c{self.made}", state)
        self.docker.containers[container] = (image, state)

    @rule()
    @precondition(lambda machine: machine.docker.containers)
    def remove_container(self) -> None:
        container, _use = self.docker.containers.popitem()
        self.stock.remove_container(container)

    @rule(name=st.sampled_from(TAGS))
    def pin(self, name: str) -> None:
        if name in self.docker.names:
            self.stock.engine.pin(name)
            self.docker.pins.add(name)

    @rule(name=st.sampled_from(TAGS))
    def unpin(self, name: str) -> None:
        if name in self.docker.pins:
            self.stock.engine.unpin(name)
            self.docker.pins.remove(name)

    @rule(hours=st.sampled_from([1, 25]))
    def wait(self, hours: int) -> None:
        self.stock.now += hours * HOUR


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=80, stateful_step_count=30)
