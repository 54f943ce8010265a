"""What BuildKit advises against: the rules that a Dockerfile alone decides, in its words.

Source: BuildKit, frontend/dockerfile/linter and dockerfile2llb/validations.go.
`# check=skip=Rule,…` at the top turns rules off, `error=true` makes faults of them.
"""

from __future__ import annotations

import re

from ligan.dockerfile.arguments import split_name, split_words
from ligan.dockerfile.faults import DockerfileError, quoted
from ligan.dockerfile.flags import suggestion
from ligan.dockerfile.mounts import BOOLEANS
from ligan.dockerfile.nodes import Advice
from ligan.dockerfile.words import Noted, expand
from ligan.errors import Invalid
from ligan.oci.reference import parse as parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ligan.dockerfile.lines import Reading
    from ligan.dockerfile.nodes import Dockerfile, Instruction, Stage

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_PREDEFINED_STAGES = ("context", "scratch")
PREDEFINED = (
    *(f"{side}{part}" for side in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")),
    "TARGETSTAGE",
)
"""Arguments that are there before any ARG."""


def advised(dockerfile: Dockerfile, reading: Reading) -> Dockerfile:
    """Return a file with what it had better not say, in BuildKit's order.

    Raises DockerfileError for a `check` that is none.
    """
    skipped, is_binding = _check_of(dict(dockerfile.directives).get("check", ""))
    whole = dockerfile.replace(skipped=skipped, is_binding=is_binding)
    return whole.replace(
        advice=tuple([item for item in _advice(dockerfile, reading) if is_told(whole, item)])
    )


def is_told(dockerfile: Dockerfile, advice: Advice) -> bool:
    """Return whether the file does not ask to be spared a rule."""
    return not dockerfile.skipped & {"all", advice.rule}


def check_advice(dockerfile: Dockerfile, advice: Sequence[Advice]) -> None:
    """Raise DockerfileError where the file says that advice is to be taken, and there is some."""
    if advice and dockerfile.is_binding:
        rules = ", ".join(sorted({item.rule for item in advice}))
        raise DockerfileError(f"lint violation found for rules: {rules}")


def undefined(step: Instruction, name: str, known: Iterable[str]) -> Advice:
    """Return what is to be said of a variable that has no value, where those `known` have one."""
    nearest = suggestion(f"${name}", [f"${other}" for other in known])
    return _about(step, "UndefinedVar", f"Usage of undefined variable '${name}'{nearest}")


def rule_url(rule: str) -> str:
    """Return where BuildKit's manual explains a rule."""
    name = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", rule).lower()
    return f"https://docs.docker.com/go/dockerfile/rule/{name}/"


def _check_of(value: str) -> tuple[frozenset[str], bool]:
    skipped: frozenset[str] = frozenset()
    is_error = False
    for option in value.partition(" ")[0].split(";", 2) if value else ():
        key, equals, text = option.partition("=")
        if not equals:
            raise DockerfileError(f"failed to parse check options: invalid check option {quoted(option)}")
        if key == "skip":
            skipped = frozenset([rule.strip() for rule in text.split(",")])
        elif key == "error":
            if text not in BOOLEANS:
                raise DockerfileError(
                    f"failed to parse check options: failed to parse check option {quoted(option)}: "
                    f"strconv.ParseBool: parsing {quoted(text)}: invalid syntax"
                )
            is_error = BOOLEANS[text]
        elif key != "experimental":
            raise DockerfileError(f"failed to parse check options: invalid check option {quoted(key)}")
    return skipped, is_error


def _advice(dockerfile: Dockerfile, reading: Reading) -> Iterator[Advice]:
    for line, _text in reading.empty_continuations:
        yield Advice("NoEmptyContinuation", "Empty continuation line", line, line)
    for instruction in reading.instructions:
        yield from _of_words(instruction)
    yield from _of_names(dockerfile.stages)
    yield from _of_casing(dockerfile.stages)
    yield from _of_bases(dockerfile)
    for stage in dockerfile.stages:
        yield from _of_platform(stage)
        yield from _of_stage(stage)


def _about(step: Instruction, rule: str, text: str) -> Advice:
    return Advice(rule, text, step.line, step.end)


def _of_words(instruction: Instruction) -> Iterator[Advice]:
    """Say what is seen while instructions are read."""
    if instruction.name == "MAINTAINER":
        text = "Maintainer instruction is deprecated in favor of using label"
        yield _about(instruction, "MaintainerDeprecated", text)
    if instruction.name != "FROM" or len(instruction.arguments) != 3:
        return
    _base, keyword, name = map(str, instruction.arguments)
    if name != name.lower():
        yield _about(instruction, "StageNameCasing", f"Stage name '{name}' should be lowercase")
    written, _rest = split_name(instruction.original)
    if _is_consistent(written) and keyword != (keyword.lower() if written.islower() else keyword.upper()):
        text = f"'{keyword}' and '{written}' keywords' casing do not match"
        yield _about(instruction, "FromAsCasing", text)


def _of_names(stages: Sequence[Stage]) -> Iterator[Advice]:
    seen: set[str] = set()
    for stage in stages:
        if stage.name in _PREDEFINED_STAGES:
            text = f"Stage name should not use the same name as reserved stage {quoted(stage.name)}"
            yield _about(stage.instruction, "ReservedStageName", text)
        if stage.name and stage.name in seen:
            text = f"Duplicate stage name {quoted(stage.name)}, stage names should be unique"
            yield _about(stage.instruction, "DuplicateStageName", text)
        seen.add(stage.name)


def _of_casing(stages: Sequence[Stage]) -> Iterator[Advice]:
    """Say which instructions are not in the case that most are in."""
    steps = [step for stage in stages for step in (stage.instruction, *stage.steps)]
    names = [split_name(step.original)[0] for step in steps]
    lower = sum(name.islower() for name in names)
    is_lower = lower > sum(name.isupper() for name in names)
    for step, name in zip(steps, names, strict=True):
        if name != (name.lower() if is_lower else name.upper()):
            case = "lowercase" if is_lower else "uppercase"
            text = f"Command '{name}' should match the case of the command majority ({case})"
            yield _about(step, "ConsistentInstructionCasing", text)


def _is_consistent(name: str) -> bool:
    return name in (name.lower(), name.upper())


def _of_bases(dockerfile: Dockerfile) -> Iterator[Advice]:
    """Say what FROM makes of arguments that nobody declares, or gives no value."""
    values = dict.fromkeys(PREDEFINED, "x")
    declared = set(PREDEFINED)
    for instruction in dockerfile.arguments:
        for name, default in zip(instruction.arguments[::2], instruction.arguments[1::2], strict=True):
            declared.add(str(name))
            if default is not None:
                values[str(name)] = _expanded(default, values, dockerfile.escape)[0]
    for stage in dockerfile.stages:
        base, missing = _expanded(stage.base, values, dockerfile.escape)
        missing |= _expanded(stage.platform, values, dockerfile.escape)[1]
        for name in sorted(missing - declared):
            text = f"FROM argument '{name}' is not declared{suggestion(name, declared)}"
            yield _about(stage.instruction, "UndefinedArgInFrom", text)
        try:
            parse_reference(base)
        except Invalid:
            text = f"Default value for ARG {stage.base} results in empty or invalid base image name"
            yield _about(stage.instruction, "InvalidDefaultArgInFrom", text)


def _expanded(word: str, values: Mapping[str, str], escape: str) -> tuple[str, set[str]]:
    """Return a word with its variables, and the names of those that have no value."""
    missing: set[str] = set()
    try:
        text = expand(word, Noted(values, missing), escape, classic=False)
    except Invalid:
        return "x", set()  # the build itself fails by it
    return text, missing


def _of_platform(stage: Stage) -> Iterator[Advice]:
    platform = stage.platform
    if platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        text = (
            f"Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
        )
        yield _about(stage.instruction, "RedundantTargetPlatform", text)
    elif platform and "$" not in platform and not any(part in stage.name for part in platform.split("/")[:2]):
        text = f"FROM --platform flag should not use constant value {quoted(platform)}"
        yield _about(stage.instruction, "FromPlatformFlagConstDisallowed", text)


def _of_ports(step: Instruction) -> Iterator[Advice]:
    for port in map(str, step.arguments):
        _address, colon, rest = port.rpartition(":")
        protocol = rest.partition("/")[2]
        if "$" in port:
            continue  # what a variable stands for is told nowhere in the file
        if protocol != protocol.lower():
            text = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield _about(step, "ExposeProtoCasing", text)
        if colon:
            text = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            yield _about(step, "ExposeInvalidFormat", text)


def _of_stage(stage: Stage) -> Iterator[Advice]:
    """Say what is seen while a stage is made."""
    once: dict[str, Instruction] = {}
    has_folder = has_shell = False
    for step in stage.steps:
        if step.name in ("ENV", "LABEL"):
            yield from _of_pairs(step)
        elif step.name == "ARG":
            yield from _of_secrets(step)
        elif step.name == "EXPOSE":
            yield from _of_ports(step)
        elif step.name == "SHELL":
            has_shell = True
        elif step.name == "WORKDIR" and not has_folder:
            has_folder = True
            path = str(step.arguments[0])
            if not path.startswith(("/", "$", "'", '"')):  # what is expanded may be absolute
                text = (
                    f"Relative workdir {quoted(path)} can have unexpected results if the base image changes"
                )
                yield _about(step, "WorkdirRelativePath", text)
        elif step.name in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
            if step.name in once:
                text = (
                    f"Multiple {step.name} instructions should not be used in the same stage "
                    "because only the last one will be used"
                )
                yield _about(once[step.name], "MultipleInstructionsDisallowed", text)
            once[step.name] = step
            if step.name != "HEALTHCHECK" and not step.is_json and not has_shell:
                text = (
                    f"JSON arguments recommended for {step.name} to prevent unintended behavior "
                    "related to OS signals"
                )
                yield _about(step, "JSONArgsRecommended", text)


def _of_pairs(step: Instruction) -> Iterator[Advice]:
    _name, rest = split_name(step.original)
    if "=" not in split_words(rest, "\\")[0]:
        text = f'"{step.name} key=value" should be used instead of legacy "{step.name} key value" format'
        yield _about(step, "LegacyKeyValueFormat", text)
    if step.name == "ENV":
        yield from _of_secrets(step)


def _of_secrets(step: Instruction) -> Iterator[Advice]:
    for key in step.arguments[::2]:
        if key and _SECRET.search(key) and not _NO_SECRET.search(key):
            text = f"Do not use ARG or ENV instructions for sensitive data ({step.name} {quoted(key)})"
            yield _about(step, "SecretsUsedInArgOrEnv", text)
