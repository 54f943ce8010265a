"""Healthchecks: what is asked, what the answers mean, and the process that asks.

Source: engine 20.10, daemon/health.go and container/health.go.
"""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


SECOND = 10**9

_INTERVAL = 30 * SECOND
_TIMEOUT = 30 * SECOND
_RETRIES = 3
_LOG_ENTRIES = 5

OUTPUT_BYTES = 4096
"""How much of what a check prints is kept."""


class Check(Value):
    """A healthcheck, defaults filled in; durations in nanoseconds."""

    command: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int

    def wait(self, status: str, age: int) -> int:
        """Return how long to wait for the next check of a container that has run for `age`."""
        is_starting = status == "starting" and age < self.start_period
        return self.start_interval if is_starting else self.interval


class Answer(Value):
    """What a check has said. Times are nanoseconds since 1970; the status is -1 for none in time."""

    start: int
    end: int
    status: int
    output: str


def check_of(config: Mapping[str, Any]) -> Check | None:
    """Return the healthcheck of a container's configuration, or None."""
    document = config.get("Healthcheck") or {}
    test = document.get("Test") or ()
    if not test or test[0] not in ("CMD", "CMD-SHELL"):
        return None
    command = test[1:]
    if test[0] == "CMD-SHELL":
        command = [*(config.get("Shell") or ("/bin/sh", "-c")), *command[:1]]
    return Check(
        command=tuple(command),
        interval=document.get("Interval") or _INTERVAL,
        timeout=document.get("Timeout") or _TIMEOUT,
        start_period=document.get("StartPeriod") or 0,
        start_interval=document.get("StartInterval") or document.get("Interval") or _INTERVAL,
        retries=document.get("Retries") or _RETRIES,
    )


def at_start(config: Mapping[str, Any], health: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return State.Health of a container that starts; None where nothing is checked."""
    if check_of(config) is None:
        return None
    return {"Status": "starting", "FailingStreak": 0, "Log": (health or {}).get("Log") or []}


def at_end(health: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return State.Health once nobody checks any more: Docker calls that unhealthy."""
    return {**health, "Status": "unhealthy"} if health else None


def after(health: Mapping[str, Any], check: Check, answer: Answer, started: int) -> dict[str, Any]:
    """Return State.Health after an answer; `started` is when the container was."""
    from ligan.oci.times import rfc3339nano

    status, streak = health["Status"], health["FailingStreak"]
    if answer.status == 0:
        status, streak = "healthy", 0
    elif status != "starting" or answer.start - started >= check.start_period:
        streak += 1
        if streak >= check.retries:
            status = "unhealthy"
    entry = {
        "Start": rfc3339nano(*divmod(answer.start, SECOND)),
        "End": rfc3339nano(*divmod(answer.end, SECOND)),
        "ExitCode": answer.status,
        "Output": answer.output,
    }
    log = [*health["Log"], entry][-_LOG_ENTRIES:]
    return {"Status": status, "FailingStreak": streak, "Log": log}
