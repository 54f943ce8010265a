"""What the command line says apart from Docker's output: errors, hints, Ligan's own words."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

USAGE_STATUS = 125
INTERRUPTED_STATUS = 130
BROKEN_PIPE_STATUS = 141
INTERNAL_STATUS = 70


class Failure(Exception):
    """The command line itself refuses, as docker's client does before it asks its daemon."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def write(text: str) -> None:
    """Write to standard output, in UTF-8 whatever the locale; bytes of arguments pass unchanged."""
    _write(sys.stdout, text)


def write_error(text: str) -> None:
    """Write to standard error, after all that standard output was given."""
    sys.stdout.flush()
    _write(sys.stderr, text)
    sys.stderr.flush()


def note(text: str) -> None:
    """Say something that docker would not, each line marked as Ligan's."""
    write_error("".join([f"ligan: {line}\n" for line in text.splitlines()]))


def _write(stream: TextIO, text: str) -> None:
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, out of somebody's JSON
        data = text.encode("utf-8", "replace")
    stream.buffer.write(data)
