"""The classic builder: every step is an image on the one before it, and the images are the cache.

Source: engine 20.10, builder/dockerfile; goldens a_dangling_rebuild, b_build_intermediates and
b_build_messages.
"""

from __future__ import annotations

from contextlib import contextmanager

from ligan.build.classic_arguments import Arguments
from ligan.build.classic_cache import Cache
from ligan.build.classic_containers import Containers
from ligan.build.classic_images import SCRATCH, Base
from ligan.build.classic_stage import Stage
from ligan.build.folder_tree import FolderTree
from ligan.build.output import StageDone, Text
from ligan.dockerfile.nodes import Instruction
from ligan.dockerfile.words import expand
from ligan.errors import Invalid, LiganError, NotFound
from ligan.images import catalog
from ligan.images.events import labels_of, record
from ligan.layers.snapshots import Snapshots
from ligan.oci.digest import ImageID
from ligan.oci.platform import normalise
from ligan.oci.platform import parse as parse_platform
from ligan.oci.reference import parse
from ligan.remote.progress import Message
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ligan.build.output import Output
    from ligan.build.trees import Tree
    from ligan.dockerfile.nodes import Dockerfile
    from ligan.dockerfile.nodes import Stage as StageNode
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.store.store import Store

    Pull = Callable[[str, str], object]
    """Pulls an image by its name, for a platform or, where that is empty, for this machine's."""

NO_BASE = "scratch"


class ClassicRequest(Value):
    """What to build, in Docker's terms. `host_config` are the limits of what runs, Docker's document.

    `arguments` of None are declared, and have the value of their ARG. `proxies` are for what is fetched:
    scheme -> address.
    """

    tags: tuple[str, ...] = ()
    target: str = ""
    arguments: Mapping[str, str | None] = {}
    labels: Mapping[str, str] = {}
    cache_from: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False
    remove: bool = True
    force_remove: bool = False
    platform: str = ""
    host_config: Mapping[str, Any] = {}
    proxies: Mapping[str, str] | None = None


def build(
    store: Store,
    dockerfile: Dockerfile,
    tree: Tree,
    request: ClassicRequest,
    output: Output,
    pull: Pull,
    is_wanted: Callable[[], bool] = lambda: True,
) -> ImageID:
    """Build the stages of a Dockerfile; returns the ID of the last one's image, which has the request's tags.

    Whatever ends it, the images of the steps before stay, and the container of a command that failed.
    Raises Invalid for the request, before anything is said; StepFailed for a command that fails, Cancelled
    where `is_wanted` says no.
    """
    references = build_tags(request.tags)
    stages = _wanted_stages(dockerfile, request)
    builder = Builder(store, dockerfile, tree, request, output, pull, is_wanted)
    image = builder.build(stages)
    output.say(f"Successfully built {image.short}\n")
    _tag(store, image, references, output)
    output.flush()
    return image


def build_tags(names: Sequence[str]) -> list[Reference]:
    """Return the names of a build's image, each once. Raises Invalid."""
    references = []
    for name in names:
        if not name:
            continue
        reference = parse(name)
        if reference.digest:
            raise Invalid("build tag cannot contain a digest")
        references.append(reference.with_default_tag())
    return list(dict.fromkeys(references))


def _wanted_stages(dockerfile: Dockerfile, request: ClassicRequest) -> list[StageNode]:
    """Return the stages up to the target, with the labels of the request at the end of the last.

    Raises Invalid.
    """
    stages = list(dockerfile.stages)
    if request.target:
        names = [stage.name.lower() for stage in stages]
        if request.target.lower() not in names:
            raise Invalid(f"failed to reach build target {request.target} in Dockerfile")
        stages = stages[: names.index(request.target.lower()) + 1]
    labels = [_label(key, request.labels[key]) for key in sorted(request.labels)]
    return [*stages[:-1], stages[-1].replace(steps=(*stages[-1].steps, *labels))]


def _label(key: str, value: str) -> Instruction:
    """Return a LABEL that is taken as it is: nothing of it is expanded."""
    return Instruction("LABEL", f"LABEL {key}={value}", (), (key, value), True, (), 0, 0)


def _tag(store: Store, image: ImageID, references: Sequence[Reference], output: Output) -> None:
    for reference in references:
        now = store.now()
        with store.database.write() as tx:
            row = catalog.resolve(tx, image).image
            catalog.set_reference(tx, reference, row, now)
            tx.execute("UPDATE image SET last_tagged = ? WHERE key = ?", (now, row.key))
            record(tx, now, "tag", image, labels_of(tx, image), name=reference.familiar)
        output.say(f"Successfully tagged {reference.familiar}\n")


class Builder:
    """One build: what its stages share."""

    def __init__(
        self,
        store: Store,
        dockerfile: Dockerfile,
        tree: Tree,
        request: ClassicRequest,
        output: Output,
        pull: Pull,
        is_wanted: Callable[[], bool],
    ) -> None:
        self.store = store
        self.snapshots = Snapshots(store)
        self.dockerfile = dockerfile
        self.escape = dockerfile.escape
        self.tree = tree
        self.request = request
        self.output = output
        self.arguments = Arguments(request.arguments)
        self.cache = Cache(store, request.cache_from, off=request.no_cache)
        self.containers = Containers(
            store,
            self.snapshots,
            output,
            request.host_config,
            keep=not request.remove,
            is_wanted=is_wanted,
        )
        self._pull = pull
        self._platform = parse_platform(request.platform) if request.platform else None
        self._done: list[tuple[str, str]] = []
        self._step = 1
        self._steps = 0

    def build(self, stages: Sequence[StageNode]) -> ImageID:
        if self.dockerfile.warnings:
            self.output.add(Text("\n".join(self.dockerfile.warnings) + "\n", is_error=True))
        self._steps = len(self.dockerfile.arguments) + len(stages) + sum(len(item.steps) for item in stages)
        for instruction in self.dockerfile.arguments:
            self._announce(instruction)
            self._declare(instruction)
        image = ""
        for node in stages:
            image = self._build_stage(node)
        unused = self.arguments.unused()
        if unused:
            names = " ".join(unused)
            self.output.say(f"[Warning] One or more build-args [{names}] were not consumed\n")
        if not image:
            raise Invalid("No image was generated. Is your Dockerfile empty?")
        return ImageID(image)

    def _announce(self, instruction: Instruction) -> None:
        self.output.say(f"Step {self._step}/{self._steps} : {instruction.original.strip()}", "\n")
        self._step += 1

    def _declare(self, instruction: Instruction) -> None:
        """Note an ARG before the first FROM."""
        for name, default in zip(instruction.arguments[::2], instruction.arguments[1::2], strict=True):
            assert name is not None
            values = self.arguments.before()
            value = None if default is None else expand(default, values, self.escape)
            self.arguments.declare_before(expand(name, values, self.escape), value)

    def _build_stage(self, node: StageNode) -> str:
        """Build one stage; returns the ID of its image, empty for a `FROM scratch` without steps."""
        if node.name and any(name == node.name.lower() for name, _image in self._done):
            raise Invalid(f"{node.name} stage name already used")
        self._announce(node.instruction)
        self.cache.begin_stage()
        stage = Stage(self, self._from(node))
        stage.run_triggers()
        self.output.say(f" ---> {stage.base.short}\n")
        for instruction in node.steps:
            self.containers.check_wanted()
            self._announce(instruction)
            stage.run(instruction)
            self.output.say(f" ---> {stage.base.short}\n")
        if stage.base.id:
            self.output.add(StageDone(stage.base.id))
        self._done.append((node.name.lower(), stage.base.id))
        return stage.base.id

    def _from(self, node: StageNode) -> Base:
        values = self.arguments.before()
        platform = self._platform
        if node.platform:
            wanted = expand(node.platform, values, self.escape)
            try:
                platform = parse_platform(wanted)
            except Invalid as error:
                raise Invalid(f"failed to parse platform {wanted}: {error}") from None
        name = expand(node.base, values, self.escape)
        if not name:
            raise Invalid(f"base name ({node.base}) should not be blank")
        for done, image in self._done:
            if done and done == name.lower():
                return self._image(image)
        return SCRATCH if name == NO_BASE else self.base(name, platform)

    @contextmanager
    def open_source(self, name: str) -> Iterator[Tree]:
        """Yield what a COPY copies from: the context, or with `--from` the files of a stage or image."""
        if not name:
            yield self.tree
            return
        try:
            base = self._source(name)
        except LiganError as error:
            raise Invalid(f"invalid from flag value {name}: {error.message}") from None
        with self.snapshots.view(base.layer) as root, FolderTree(root) as tree:
            yield tree

    def _source(self, name: str) -> Base:
        """Return the image of `--from`: of a stage by its name or number, or of a name."""
        for done, image in self._done:
            if done and done == name.lower():
                return self._image(image)
        digits = name.removeprefix("-").removeprefix("+")
        if digits.isascii() and digits.isdigit() and len(digits) < 19:
            index = int(name)
            if index == len(self._done):
                raise Invalid("refers to current build stage")
            if not 0 <= index < len(self._done):
                raise Invalid("index out of bounds")
            return self._image(self._done[index][1])
        return self.base(name, self._platform)

    def _image(self, image: str) -> Base:
        """Return a stage's image, which for one from scratch without steps is none."""
        if not image:
            return SCRATCH
        with self.store.database.read() as tx:
            return Base.of(self.store, catalog.resolve(tx, image).image)

    def base(self, name: str, platform: Platform | None) -> Base:
        """Return an image by its name, of whatever platform if it is here, else pulled; so with `--pull`."""
        found = None if self.request.pull else self._here(name)
        if found is not None:
            return found
        self.output.flush()
        self._pull(parse(name).with_default_tag().canonical, str(platform or ""))
        found = self._here(name)
        if found is None:
            raise NotFound(f"No such image: {name}")
        if platform is not None:
            self._warn_of_platform(name, platform, found)
        return found

    def _here(self, name: str) -> Base | None:
        """Return the image of this name, or None where there is none."""
        try:
            with self.store.database.read() as tx:
                return Base.of(self.store, catalog.resolve(tx, name).image)
        except (NotFound, Invalid):
            return None  # a pull says what is wrong with it

    def _warn_of_platform(self, name: str, wanted: Platform, found: Base) -> None:
        """Say so where a registry gave an image of another platform."""
        parts = [str(found.document.get(field) or "") for field in ("os", "architecture", "variant")]
        actual = normalise(*parts)
        if not actual.satisfies(wanted):
            self.output.report(
                Message(
                    f"\nWARNING: Pulled image with specified platform ({wanted}), but the resulting image's "
                    f"configured platform ({actual}) does not match.\n"
                    "This is most likely caused by a bug in the build system that created the fetched image "
                    f"({name}).\nPlease notify the image author to correct the configuration."
                )
            )
