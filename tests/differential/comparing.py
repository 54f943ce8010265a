"""What must be the same in two answers, and where Ligan differs on purpose (docs/compatibility.md)."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.support import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.differential.scripts import Step


class Answer(NamedTuple):
    status: int
    stdout: str
    stderr: str
    saved: bytes | None = None


class Difference(NamedTuple):
    """Where Ligan answers better than Docker. `level` maps either answer to what both must share."""

    reason: str
    applies: Callable[[Step], bool]
    level: Callable[[Answer], Answer]


def _every(_step: Step) -> bool:
    return True


def _rewrite(pattern: str, text: str) -> Callable[[Answer], Answer]:
    """Replace every line that `pattern` matches by `text`, or drop it if that is empty."""
    line = re.compile(rf"^(?:{pattern})\n?", re.MULTILINE)
    text = f"{text}\n" if text else ""
    return lambda answer: answer._replace(
        stdout=line.sub(text, answer.stdout), stderr=line.sub(text, answer.stderr)
    )


BETTER = (
    Difference(
        "Ligan's own words go to stderr, each line marked: hints, untagged images loaded, how to undo",
        _every,
        _rewrite("ligan: (?!internal error).*", ""),
    ),
    Difference(
        "save of an unknown full ID says what every other verb says, not where the engine keeps its files",
        lambda step: step.argv[0] == "save",
        _rewrite(
            "Error response from daemon: (failed to get digest|No such image:) sha256:.*", "No such image"
        ),
    ),
)
OLD_CLIENT = (
    Difference(
        "before version 23 docker's own CLI has other words for a missing image than the engine",
        _every,
        _rewrite("Error.*[Nn]o such image: .*", "No such image"),
    ),
    Difference(
        "before version 25 the repository is not named",
        _every,
        _rewrite(".*: repository name .*must be lowercase", "must be lowercase"),
    ),
)


def differences(client_version: str) -> tuple[Difference, ...]:
    """Return what to overlook beside a docker CLI of this version."""
    return BETTER if int(client_version.partition(".")[0]) >= 25 else (*BETTER, *OLD_CLIENT)


def comparable(step: Step, answer: Answer, overlooked: Iterable[Difference]) -> str:
    """Return as text all of `answer` that two engines must have in common."""
    for difference in overlooked:
        if difference.applies(step):
            answer = difference.level(answer)
    normal = {
        "images": normalise.listing,
        "inspect": normalise.inspection,
        "image": normalise.pruning if "prune" in step.argv else normalise.inspection,
    }.get(step.argv[0], str)
    parts = [f"exit status {answer.status}", normal(answer.stdout), normalise.data_paths(answer.stderr)]
    if answer.saved is not None:
        parts.append(normalise.saved(answer.saved))
    return "\n".join(part.rstrip("\n") for part in parts)


def unlikeness(step: Step, first: Answer, second: Answer, overlooked: Sequence[Difference]) -> str:
    """Return a diff from Docker's answer to Ligan's, empty if they agree."""
    docker, ligan = (comparable(step, answer, overlooked).splitlines() for answer in (first, second))
    return "\n".join(difflib.unified_diff(docker, ligan, "docker", "ligan", lineterm="", n=1))
