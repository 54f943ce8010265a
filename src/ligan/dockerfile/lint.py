"""What BuildKit advises against: the rules that a Dockerfile alone decides, in its words.

Source: BuildKit, frontend/dockerfile/linter and dockerfile2llb/validations.go.
`# check=skip=Rule,…` at the top turns rules off, `error=true` makes faults of them.
"""

from __future__ import annotations

import re

from ligan.dockerfile.arguments import split_name, split_words
from ligan.dockerfile.faults import DockerfileError, quoted
from ligan.dockerfile.mounts import BOOLEANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ligan.dockerfile.lines import Reading
    from ligan.dockerfile.nodes import Instruction, Stage

    Warnings = Iterator[tuple[str, str, int]]

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_PREDEFINED_STAGES = ("context", "scratch")


def warnings_of(reading: Reading, stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the warnings as `docker build` lists them: `Rule: text (line 3)`.

    Raises DockerfileError for a `check` that is none, and where warnings are to be errors.
    """
    skipped, is_error = _check_of(dict(reading.directives).get("check", ""))
    if "all" in skipped:
        return ()
    found = [item for item in _warnings(reading, stages) if item[0] not in skipped]
    if found and is_error:
        rules = ", ".join(sorted({rule for rule, _text, _line in found}))
        raise DockerfileError(f"lint violation found for rules: {rules}")
    return tuple([f"{rule}: {text} (line {line})" for rule, text, line in found])


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


def _warnings(reading: Reading, stages: Sequence[Stage]) -> Warnings:
    for line, _text in reading.empty_continuations:
        yield "NoEmptyContinuation", "Empty continuation line", line
    for instruction in reading.instructions:
        yield from _of_words(instruction)
    yield from _of_names(stages)
    yield from _of_casing(stages)
    for stage in stages:
        yield from _of_stage(stage)


def _of_words(instruction: Instruction) -> Warnings:
    """Say what is seen while instructions are read."""
    if instruction.name == "MAINTAINER":
        text = "Maintainer instruction is deprecated in favor of using label"
        yield "MaintainerDeprecated", text, instruction.line
    if instruction.name != "FROM" or len(instruction.arguments) != 3:
        return
    _base, keyword, name = map(str, instruction.arguments)
    if name != name.lower():
        yield "StageNameCasing", f"Stage name '{name}' should be lowercase", instruction.line
    written, _rest = split_name(instruction.original)
    if _is_consistent(written) and keyword != (keyword.lower() if written.islower() else keyword.upper()):
        text = f"'{keyword}' and '{written}' keywords' casing do not match"
        yield "FromAsCasing", text, instruction.line


def _of_names(stages: Sequence[Stage]) -> Warnings:
    seen: set[str] = set()
    for stage in stages:
        if stage.name in _PREDEFINED_STAGES:
            text = f"Stage name should not use the same name as reserved stage {quoted(stage.name)}"
            yield "ReservedStageName", text, stage.instruction.line
        if stage.name and stage.name in seen:
            text = f"Duplicate stage name {quoted(stage.name)}, stage names should be unique"
            yield "DuplicateStageName", text, stage.instruction.line
        seen.add(stage.name)


def _of_casing(stages: Sequence[Stage]) -> Warnings:
    """Say which instructions are not in the case that most are in."""
    steps = [step for stage in stages for step in (stage.instruction, *stage.steps)]
    names = [split_name(step.original)[0] for step in steps]
    lower = sum(name.islower() for name in names)
    is_lower = lower > sum(name.isupper() for name in names)
    for step, name in zip(steps, names, strict=True):
        if name != (name.lower() if is_lower else name.upper()):
            case = "lowercase" if is_lower else "uppercase"
            text = f"Command '{name}' should match the case of the command majority ({case})"
            yield "ConsistentInstructionCasing", text, step.line


def _is_consistent(name: str) -> bool:
    return name in (name.lower(), name.upper())


def _of_stage(stage: Stage) -> Warnings:
    """Say what is seen while a stage is made."""
    once: dict[str, Instruction] = {}
    has_folder = has_shell = False
    for step in stage.steps:
        if step.name in ("ENV", "LABEL"):
            yield from _of_pairs(step)
        elif step.name == "ARG":
            yield from _of_secrets(step)
        elif step.name == "SHELL":
            has_shell = True
        elif step.name == "WORKDIR" and not has_folder:
            has_folder = True
            path = str(step.arguments[0])
            if not path.startswith(("/", "$", "'", '"')):  # what is expanded may be absolute
                text = (
                    f"Relative workdir {quoted(path)} can have unexpected results if the base image changes"
                )
                yield "WorkdirRelativePath", text, step.line
        elif step.name in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
            if step.name in once:
                text = (
                    f"Multiple {step.name} instructions should not be used in the same stage "
                    "because only the last one will be used"
                )
                yield "MultipleInstructionsDisallowed", text, once[step.name].line
            once[step.name] = step
            if step.name != "HEALTHCHECK" and not step.is_json and not has_shell:
                text = (
                    f"JSON arguments recommended for {step.name} to prevent unintended behavior "
                    "related to OS signals"
                )
                yield "JSONArgsRecommended", text, step.line


def _of_pairs(step: Instruction) -> Warnings:
    _name, rest = split_name(step.original)
    if "=" not in split_words(rest, "\\")[0]:
        text = f'"{step.name} key=value" should be used instead of legacy "{step.name} key value" format'
        yield "LegacyKeyValueFormat", text, step.line
    if step.name == "ENV":
        yield from _of_secrets(step)


def _of_secrets(step: Instruction) -> Warnings:
    for key in step.arguments[::2]:
        if key and _SECRET.search(key) and not _NO_SECRET.search(key):
            text = f"Do not use ARG or ENV instructions for sensitive data ({step.name} {quoted(key)})"
            yield "SecretsUsedInArgOrEnv", text, step.line
