"""What the command line says apart from Docker's output: errors, hints, Ligan's own words."""

from __future__ import annotations

import os
import sys

USAGE_STATUS = 125
INTERRUPTED_STATUS = 130
BROKEN_PIPE_STATUS = 141
INTERNAL_STATUS = 70


class Failure(Exception):
    """The command line itself refuses, as docker's client does before it asks its daemon."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Unwritable(Failure):
    """Standard output cannot be written to: a full disk, say."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"write /dev/stdout: {(error.strerror or str(error)).lower()}")


def write(text: str) -> None:
    """Write to standard output, in UTF-8 whatever the locale; bytes of arguments pass unchanged.

    Raises BrokenPipeError where nobody reads any more, else Unwritable.
    """
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, out of somebody's JSON
        data = text.encode("utf-8", "replace")
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise output_error(error) from None


def flush() -> None:
    """Make all that was written reach its reader. Raises as write does."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise output_error(error) from None


def output_error(error: OSError) -> BrokenPipeError | Unwritable:
    """Return what to raise where standard output, or standard error, could not be written to."""
    return error if isinstance(error, BrokenPipeError) else Unwritable(error)


def discard() -> None:
    """Drop what standard output still holds: Python would try to write it once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_error(text: str) -> None:
    """Write to standard error, after all that standard output was given."""
    flush()
    sys.stderr.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stderr.flush()


def legible(text: str) -> str:
    """Return a message without what would steer a terminal: it may quote what a registry or an archive says.

    Bytes of arguments that are no UTF-8 pass unchanged.
    """
    return "".join(
        [
            char if char.isprintable() or char in "\n\t" or "\udc80" <= char <= "\udcff" else "\ufffd"
            for char in text
        ]
    )


def note(text: str) -> None:
    """Say something that docker would not, each line marked as Ligan's."""
    if text:
        write_error("".join([f"ligan: {line}\n" for line in text.splitlines()]))
