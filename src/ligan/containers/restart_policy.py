"""Docker's restart policies: whether a container that has ended is started again, and when. Pure.

Source: engine 20.10, restartmanager/restartmanager.go.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SECOND = 10**9

FIRST_WAIT = SECOND // 10
"""Nanoseconds before the first restart."""

LONGEST_WAIT = 60 * SECOND

STEADY_AFTER = 10 * SECOND
"""A run of so many nanoseconds makes the waits begin anew."""


def wants_restart(
    host_config: Mapping[str, Any], *, exit_code: int, restarts: int, stopped_by_hand: bool
) -> bool:
    """Return whether a container that ended so is started again."""
    policy = host_config.get("RestartPolicy") or {}
    if stopped_by_hand:
        return False
    match policy.get("Name"):
        case "always" | "unless-stopped":
            return True
        case "on-failure":
            most = policy.get("MaximumRetryCount") or 0
            return exit_code != 0 and (most == 0 or restarts < most)
    return False


def wants_start_at_boot(
    host_config: Mapping[str, Any], *, exit_code: int, restarts: int, stopped_by_hand: bool
) -> bool:
    """Return whether a container that does not run is started when the daemon is.

    `always` starts even what was stopped by hand (engine 20.10, daemon/daemon.go, restore).
    """
    name = (host_config.get("RestartPolicy") or {}).get("Name")
    if name == "always":
        return True
    return wants_restart(host_config, exit_code=exit_code, restarts=restarts, stopped_by_hand=stopped_by_hand)


def wait_before(restarts: int, ran_for: int, last_wait: int) -> int:
    """Return the nanoseconds to wait, after a run of `ran_for` nanoseconds and a last wait.

    The waits double from one short run to the next, up to a minute.
    """
    if ran_for >= STEADY_AFTER or restarts == 0 or last_wait == 0:
        return FIRST_WAIT
    return min(2 * last_wait, LONGEST_WAIT)
