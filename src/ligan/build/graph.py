"""What a Dockerfile's stages depend on: which of them a target needs, and what each is called. Pure."""

from __future__ import annotations

from ligan.dockerfile.faults import DockerfileError, quoted
from ligan.dockerfile.flags import flags_of, suggestion
from ligan.dockerfile.words import expand
from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ligan.dockerfile.nodes import Dockerfile, Instruction, Stage
    from ligan.dockerfile.words import Variables

SCRATCH = "scratch"
"""The name of no image at all."""

HOST_NETWORK, INSECURE = "network.host", "security.insecure"
"""What `--allow` can grant."""

_COUNTED = ("ADD", "COPY", "RUN", "WORKDIR")
"""Instructions that are vertices of their own: the others only change the image's settings."""


def context_key(name: str) -> str:
    """Return what a further context goes by: of an image's names the familiar one, without `:latest`."""
    from ligan.oci.reference import parse

    try:
        return parse(name).with_default_tag().familiar.removesuffix(":latest")
    except Invalid:
        return name


class StagePlan(Value):
    """A stage that is needed. `base` is expanded, `below` the stage it stands on, None for an image.

    `needs` are the stages that it copies from or mounts. `label` is what comes before a step's number,
    `steps` how many numbers there are without those of triggers.
    """

    index: int
    stage: Stage
    base: str
    below: int | None
    platform: str
    needs: frozenset[int]
    label: str
    steps: int


class Graph(Value):
    """The stages that `target` needs, each after those it depends on, by their places in the Dockerfile.

    `every` has those too that only a trigger of a base image could need. `arguments` are the values of the
    ARGs before the first FROM, `names` those of all stages.
    """

    stages: Mapping[int, StagePlan]
    every: Sequence[StagePlan]
    target: int
    arguments: Mapping[str, str]
    names: tuple[str, ...]

    def find(self, name: str, before: int) -> int | None:
        """Return the stage before another one that a name or a number means, the last of several."""
        return _find(self.names, name, before)


def plan(
    dockerfile: Dockerfile,
    given: Mapping[str, str],
    predefined: Mapping[str, str],
    target: str,
    contexts: Collection[str],
) -> Graph:
    """Return what the target needs, the last stage where it is empty. Raises DockerfileError, or Invalid.

    `given` are --build-arg, `predefined` the arguments that are there unasked; a stage whose key is in
    `contexts` is replaced by what that names.
    """
    arguments = _global_arguments(dockerfile, given, predefined)
    stages = _Stages(dockerfile, arguments, contexts)
    index = stages.target(target)
    every = [stages.plan(number) for number in range(len(dockerfile.stages))]
    wanted: set[int] = set()
    pending = [index]
    while pending:
        number = pending.pop()
        if number not in wanted:
            wanted.add(number)
            found = every[number]
            pending += found.needs
            if found.below is not None:
                pending.append(found.below)
    names = tuple(stage.name for stage in dockerfile.stages)
    return Graph({number: every[number] for number in sorted(wanted)}, every, index, arguments, names)


def _find(names: Sequence[str], name: str, before: int) -> int | None:
    """Return the last stage of this name, or else of this number, before another one."""
    for number in range(before - 1, -1, -1):
        if names[number] and names[number].lower() == name.lower():
            return number
    return int(name) if name.isdecimal() and name.isascii() and int(name) < before else None


def _global_arguments(
    dockerfile: Dockerfile, given: Mapping[str, str], predefined: Mapping[str, str]
) -> dict[str, str]:
    """Return the values of what is declared before the first FROM, and of what is predefined."""
    values = dict(predefined)
    for instruction in dockerfile.arguments:
        for key, value in pairs(instruction):
            if key in given:
                values[key] = given[key]
            elif value is not None:
                values[key] = expanded(instruction, value, values, dockerfile.escape)
    return values


def pairs(instruction: Instruction) -> list[tuple[str, str | None]]:
    """Return the keys and values of an ARG, ENV or LABEL."""
    words = instruction.arguments
    return [(words[at] or "", words[at + 1]) for at in range(0, len(words), 2)]


def expanded(instruction: Instruction, word: str, values: Variables, escape: str) -> str:
    """Return a word with its variables. Raises DockerfileError with the lines of the instruction."""
    try:
        return expand(word, values, escape, classic=False)
    except Invalid as error:
        raise DockerfileError(error.message, instruction.line, instruction.end) from None


class _Stages:
    """The stages of a Dockerfile, and how their names resolve."""

    def __init__(
        self, dockerfile: Dockerfile, arguments: Mapping[str, str], contexts: Collection[str]
    ) -> None:
        self._stages = dockerfile.stages
        self._names = [stage.name.lower() for stage in dockerfile.stages]
        self._escape = dockerfile.escape
        self._arguments = arguments
        self._contexts = contexts

    def _is_context(self, name: str) -> bool:
        return bool(self._contexts) and context_key(name) in self._contexts

    def target(self, name: str) -> int:
        if not name:
            return len(self._stages) - 1
        found = _find(self._names, name, len(self._stages))
        if found is None:
            nearest = suggestion(name, filter(None, self._names), any_case=True)
            raise Invalid(f"target stage {quoted(name)} could not be found{nearest}")
        return found

    def plan(self, number: int) -> StagePlan:
        stage = self._stages[number]
        base = expanded(stage.instruction, stage.base, self._arguments, self._escape)
        if not base:
            said = f"base name ({stage.base}) should not be blank"
            raise DockerfileError(said, stage.instruction.line, stage.instruction.end)
        platform = expanded(stage.instruction, stage.platform, self._arguments, self._escape)
        is_stage = base.lower() in self._names and not self._is_context(base)
        below = _find(self._names, base, number) if is_stage else None
        counted = sum(step.name in _COUNTED for step in stage.steps)
        return StagePlan(
            index=number,
            stage=stage,
            base=base,
            below=below,
            platform=platform,
            needs=frozenset(self._sources(stage, number)),
            label="" if len(self._stages) == 1 else f"{stage.name or f'stage-{number}'} ",
            steps=counted + (below is None and base != SCRATCH),
        )

    def _sources(self, stage: Stage, number: int) -> list[int]:
        found = []
        for step in stage.steps:
            for name in sources_of(step):
                source = self.source(name, number, step)
                if source is not None:
                    found.append(source)
        return found

    def source(self, name: str, number: int, step: Instruction) -> int | None:
        """Return the stage that a `--from` or `from=` means, None for an image or a context."""
        if self._is_context(name):
            return None
        found = _find(self._names, name, number)
        if found is None and name.isdecimal():
            raise DockerfileError(f"invalid stage index {name}", step.line, step.end)
        return found


def sources_of(step: Instruction) -> list[str]:
    """Return what an instruction copies from, or mounts: names of stages, images and contexts."""
    flags = flags_of(step, classic=False)
    if step.name == "RUN":
        names = [_field(text, "from") for text in flags.many("mount")]
    else:
        names = [flags.one("from")] if step.name in ("COPY", "ADD") else []
    return [name for name in names if name]


def check_allowed(step: Instruction, allowed: Collection[str]) -> None:
    """Raise Invalid for a RUN that wants more than the one who builds has granted (`--allow`)."""
    if step.name != "RUN":
        return
    flags = flags_of(step, classic=False)
    for is_wanted, name in (
        (flags.one("network") == "host", HOST_NETWORK),
        (flags.one("security") == "insecure", INSECURE),
    ):
        if is_wanted and name not in allowed:
            raise Invalid(f"{name} is not allowed", f"Allow it: --allow {name}")


def needs_context(step: Instruction) -> bool:
    """Return whether an instruction takes anything from the build context."""
    flags = flags_of(step, classic=False)
    if step.name == "RUN":
        return any(
            _field(text, "type") in ("", "bind") and not _field(text, "from") for text in flags.many("mount")
        )
    return step.name in ("COPY", "ADD") and not flags.one("from")


def _field(text: str, name: str) -> str:
    """Return a field of a `--mount` that is not expanded: names of stages never are."""
    fields = [field.partition("=") for field in text.split(",")]
    return next((value for key, _equals, value in fields if key.strip('"').lower() == name), "").strip('"')
