"""A Dockerfile's text as stages of checked instructions."""

from __future__ import annotations

from ligan.dockerfile.arguments import SURROGATE
from ligan.dockerfile.checks import check, stage_name
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.flags import flags_of
from ligan.dockerfile.lines import Reading, read
from ligan.dockerfile.lint import advised
from ligan.dockerfile.nodes import Dockerfile, Instruction, Stage
from ligan.errors import Invalid


def parse(text: str | bytes, *, classic: bool, name: str = "Dockerfile") -> Dockerfile:
    """Return what a Dockerfile says. `name` is that of the file, for errors.

    Each byte that is not UTF-8, be it a surrogate already, is read as the
    replacement character, as which Go records it. Raises DockerfileError in Docker's words: those of 20.10
    for a classic parse, with the name of the file or the line in them; else
    BuildKit's, where `faults.excerpt` shows the lines.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    text = SURROGATE.sub("\ufffd", text)
    if not text:
        raise DockerfileError(
            f"the Dockerfile ({name}) cannot be empty" if classic else "the Dockerfile cannot be empty"
        )
    try:
        reading = read(text, classic=classic)
    except DockerfileError as error:
        if not classic:
            raise
        raise DockerfileError(f"failed to parse {name}: {error}", error.line, error.end) from None
    arguments: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in reading.instructions:
        _check(instruction, classic)
        if instruction.name == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.name == "ARG":
            arguments.append(instruction)
        else:
            raise DockerfileError("no build stage in current context", instruction.line, instruction.end)
    if not stages:
        # 20.10 crashes here; its words are those for a Dockerfile that makes no image.
        raise DockerfileError(
            "No image was generated. Is your Dockerfile empty?"
            if classic
            else "dockerfile contains no stages to build"
        )
    made = tuple([_stage(instruction, steps, classic) for instruction, steps in stages])
    whole = Dockerfile(text, reading.escape, reading.directives, tuple(arguments), made)
    if classic:
        return whole.replace(warnings=_classic_warnings(reading))
    return advised(whole, reading)


def parse_trigger(text: str, *, classic: bool) -> Instruction:
    """Return the instruction that an ONBUILD of a base image left. Raises DockerfileError.

    A modern one is read as a file of its own; only one instruction may be there.
    """
    reading = read(text, classic=classic)
    if len(reading.instructions) != 1:
        raise DockerfileError("onbuild trigger should be a single expression")
    [instruction] = reading.instructions
    try:
        check(instruction, classic=classic)
    except Invalid as error:
        raise DockerfileError(error.message, instruction.line, instruction.end) from None
    if instruction.name == "FROM":
        raise DockerfileError("*instructions.Stage is not a command type", instruction.line, instruction.end)
    return instruction


def _check(instruction: Instruction, classic: bool) -> None:
    try:
        check(instruction, classic=classic)
    except Invalid as error:
        place = f"line {instruction.line}" if classic else f"on line {instruction.line}"
        message = f"dockerfile parse error {place}: {error}"
        raise DockerfileError(message, instruction.line, instruction.end) from None


def _stage(instruction: Instruction, steps: list[Instruction], classic: bool) -> Stage:
    platform = flags_of(instruction, classic=classic).one("platform")
    return Stage(str(instruction.arguments[0]), stage_name(instruction), platform, instruction, tuple(steps))


def _classic_warnings(reading: Reading) -> tuple[str, ...]:
    """Return the lines that 20.10 prints to stderr before the first step."""
    if not reading.empty_continuations:
        return ()
    return (
        *[
            f"[WARNING]: Empty continuation line found in:\n    {line}"
            for _, line in reading.empty_continuations
        ],
        "[WARNING]: Empty continuation lines will become errors in a future release.",
    )
