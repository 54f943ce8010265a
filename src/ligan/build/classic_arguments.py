"""Build arguments: which are allowed where, and what they are worth.

Source: engine 20.10, builder/dockerfile/buildargs.go.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Values = Mapping[str, str | None]

PREDEFINED = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")
    for name in (upper, upper.lower())
)
"""Arguments that are allowed everywhere, and that the cache does not see unless they are declared."""


class Arguments:
    """The arguments of one build: `given` with the request, declared before the first FROM and in stages."""

    def __init__(self, given: Values) -> None:
        self._given = given
        self._before: dict[str, str | None] = {}
        self._declared: set[str] = set()

    def declare_before(self, name: str, default: str | None) -> None:
        """Note an ARG before the first FROM."""
        self._before[name] = default
        self._declared.add(name)

    def before(self) -> dict[str, str]:
        """Return what FROM, and an ARG before it, can refer to."""
        return self._values(self._before)

    def stage(self) -> StageArguments:
        """Return the arguments of a new stage: none but the predefined ones."""
        return StageArguments(self)

    def unused(self) -> list[str]:
        """Return the names that were given and that no ARG declares, sorted."""
        return sorted(set(self._given) - self._declared - PREDEFINED)

    def _values(self, declared: Values) -> dict[str, str]:
        values = {}
        for name in sorted({*declared, *PREDEFINED}):
            value = self._given.get(name)
            if value is None:
                value = declared.get(name)
            if value is None:
                value = self._before.get(name)
            if value is not None:
                values[name] = value
        return values


class StageArguments:
    """The arguments that a stage has declared so far."""

    def __init__(self, whole: Arguments) -> None:
        self._whole = whole
        self._declared: dict[str, str | None] = {}

    def declare(self, name: str, default: str | None) -> None:
        """Note an ARG."""
        self._declared[name] = default
        self._whole._declared.add(name)

    def beside(self, environment: Sequence[str]) -> list[str]:
        """Return `name=value` of each that the environment does not hide, sorted."""
        hidden = {entry.partition("=")[0] for entry in environment}
        values = self._whole._values(self._declared)
        return [f"{name}={value}" for name, value in values.items() if name not in hidden]

    def seen_by_cache(self, variables: Sequence[str]) -> list[str]:
        """Return those of `beside` that a RUN is recorded with."""
        return [
            entry
            for entry in variables
            if (name := entry.partition("=")[0]) in self._declared or name not in PREDEFINED
        ]
