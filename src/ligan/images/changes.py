"""`--change` of import and commit: Dockerfile instructions applied to the run settings of an image. Pure.

Docker parses all of them, refuses what may not be a change, then applies one
after another (engine 20.10, builder/dockerfile, BuildFromConfig; STOPSIGNAL is
allowed since 23). Errors are in its words.
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_ALLOWED = (
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)


def apply_changes(config: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return the config (of `oci.runconfig.run_config`) with the changes. Raises Invalid."""
    if not changes:
        return dict(config)
    from ligan.dockerfile.checks import check
    from ligan.dockerfile.lines import read
    from ligan.dockerfile.settings import State, apply, expanded

    reading = read("\n".join(changes), classic=True)
    for instruction in reading.instructions:
        if instruction.name not in _ALLOWED:
            raise Invalid(f"{instruction.name.lower()} is not a valid change command")
    for instruction in reading.instructions:
        check(instruction, classic=True)
    state = State(config, classic=True)
    for instruction in reading.instructions:
        apply(state, expanded(instruction, state.environment, reading.escape, classic=True))
    return state.config
