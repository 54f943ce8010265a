"""Signals by name or number, as Docker takes them. Pure.

Source: engine 20.10, pkg/signal (signal.go, signal_linux.go).
"""

from __future__ import annotations

import signal

from ligan.errors import Invalid

_REALTIME = {
    **{f"RTMIN+{step}": signal.SIGRTMIN + step for step in range(1, 16)},
    **{f"RTMAX-{step}": signal.SIGRTMAX - step for step in range(1, 15)},
}
_ALIASES = {"CLD": signal.SIGCHLD, "IOT": signal.SIGABRT, "POLL": signal.SIGIO, "STKFLT": 16}


def is_supported(number: int) -> bool:
    """Return whether Docker sends that signal on Linux: one that has a name."""
    return 0 < number < 32 or signal.SIGRTMIN <= number <= signal.SIGRTMAX


def parse_signal(text: str) -> int:
    """Return the number of `KILL`, `sigkill`, `RTMIN+3` or `9`. Raises Invalid in Docker's words.

    As for Docker any number but 0 is one: ask `is_supported` before it is sent.
    """
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) < 1 << 63:
        number = int(text)
        if number == 0:
            raise Invalid(f"Invalid signal: {text}")
        return number
    name = text.upper().removeprefix("SIG")
    named = getattr(signal, f"SIG{name}", None) if name.isalnum() else None
    if isinstance(named, signal.Signals):
        return int(named)
    number = _REALTIME.get(name) or _ALIASES.get(name, 0)
    if not number:
        raise Invalid(f"Invalid signal: {text}")
    return int(number)
