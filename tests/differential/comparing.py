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


class Numbering:
    """The IDs that one engine has told, each known by when it came up first; a short one as the whole one.

    What else depends on chance and time is left out: names that nobody gave, how long ago something was,
    and the widths of columns that follow from that.
    """

    _ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
    _AGE = re.compile(r"Less than a second|About an? (?:minute|hour)|\d+ (?:second|minute)s?")
    _NAME = re.compile(r"\b[a-z]{3,}_[a-z]{2,}\d?\b")

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def read(self, answer: Answer) -> Answer:
        return answer._replace(stdout=self._plain(answer.stdout), stderr=self._plain(answer.stderr))

    def _plain(self, text: str) -> str:
        text = self._NAME.sub("NAME", self._AGE.sub("AGE", text))
        text = self._ID.sub(lambda found: f"ID{self._number(found[0])}/{len(found[0])}", text)
        return re.sub(" {2,}", "  ", text)

    def _number(self, digits: str) -> int:
        return self._numbers.setdefault(digits[:12], len(self._numbers))


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
        "what docker's client says of itself, Ligan says of itself",
        lambda step: step.argv[0] in ("run", "create"),
        _rewrite("ligan: (Error .*)", r"docker: \1"),
    ),
    Difference(
        "help is named by who gives it",
        lambda step: step.argv[0] in ("run", "create"),
        _rewrite("Run '(?:ligan|docker) (.*)", r"Run '\1"),
    ),
    Difference(
        "Ligan's own words go to stderr, each line marked: hints, untagged images loaded, how to undo",
        _every,
        _rewrite("ligan: (?!internal error).*", ""),
    ),
    Difference(
        "which of an image's containers is named is chance with Docker, and with Ligan the oldest",
        lambda step: step.argv[0] == "rmi",
        _rewrite(r"(Error.*) container \S+ is using (.*)", r"\1 a container is using \2"),
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
    Difference(
        "before version 23 what is missing is sometimes missed by the client itself",
        _every,
        _rewrite("Error(?: response from daemon)?: (No such .*)", r"Error: \1"),
    ),
    Difference(
        "before version 28 an error of run ends with a full stop",
        lambda step: step.argv[0] == "run",
        _rewrite(r"(docker: Error.*[^.\n])\.?$", r"\1"),
    ),
    Difference(
        "help of run is pointed to in other words, and after a blank line",
        lambda step: step.argv[0] == "run",
        _rewrite(r"(?:Run|See) '(?:docker )?run --help'.*|", ""),
    ),
    Difference(
        "before version 23 a client may say that it did not wait for what never started",
        lambda step: step.argv[0] == "run",
        _rewrite('time=".*" level=error msg="error waiting for container: .*', ""),
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
        "container": normalise.pruning,
        "volume": normalise.pruning,
        "diff": normalise.pruning,
    }.get(step.argv[0], str)
    parts = [f"exit status {answer.status}", normal(answer.stdout), normalise.data_paths(answer.stderr)]
    if answer.saved is not None:
        parts.append(normalise.saved(answer.saved))
    return "\n".join(part.rstrip("\n") for part in parts)


def unlikeness(step: Step, first: Answer, second: Answer, overlooked: Sequence[Difference]) -> str:
    """Return a diff from Docker's answer to Ligan's, empty if they agree."""
    docker, ligan = (comparable(step, answer, overlooked).splitlines() for answer in (first, second))
    return "\n".join(difflib.unified_diff(docker, ligan, "docker", "ligan", lineterm="", n=1))
