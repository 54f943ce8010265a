"""A Dockerfile's parts as text again."""

from __future__ import annotations

from ligan.dockerfile.words import SPACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.dockerfile.nodes import Dockerfile, Instruction

_LONG = 16_000  # characters; a reader takes 65,535 bytes


def printed(dockerfile: Dockerfile) -> str:
    """Return a text that parses to the same parts, but for the numbers of lines, comments and warnings."""
    return "".join(
        [
            *[f"# {name}={value}\n" for name, value in dockerfile.directives],
            *[_printed(instruction, dockerfile.escape) for instruction in _instructions(dockerfile)],
        ]
    )


def _instructions(dockerfile: Dockerfile) -> Iterator[Instruction]:
    yield from dockerfile.arguments
    for stage in dockerfile.stages:
        yield stage.instruction
        yield from stage.steps


def _printed(instruction: Instruction, escape: str) -> str:
    line, documents = (
        instruction.original,
        [f"{heredoc.content}{heredoc.name}\n" for heredoc in instruction.heredocs],
    )
    if instruction.name == "ONBUILD":
        # Its text has the spaces at its end, and its documents with their tabs.
        first, *rest = str(instruction.arguments[0]).split("\n", 1)
        line += first[len(first.rstrip(SPACE)) :]
        documents = [f"{text}\n" for text in rest]
    if line.endswith(escape) and line[-2:-1] != escape:
        line += "\f"  # so that it does not continue
    return "".join([f"{escape}\n".join(_pieces(line, escape)), "\n", *documents])


def _pieces(line: str, escape: str) -> Iterator[str]:
    """Yield the parts of a line, none too long, that a continuation can join."""
    start = 0
    for at in range(_LONG, len(line)) if len(line) > _LONG else ():
        if at - start >= _LONG and line[at - 1] != escape and line[at] not in f"#{SPACE}{escape}":
            yield line[start:at]
            start = at
    yield line[start:]
