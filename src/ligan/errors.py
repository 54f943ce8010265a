"""The closed set of error kinds.

Every error that Ligan raises on purpose is a `LiganError` of one of these
kinds; concrete errors live beside the code that raises them. An edge (CLI,
API, registry) maps the *kind* to its status and prints `str(error)`.
"""

from __future__ import annotations


class LiganError(Exception):
    """An error with a message for people, and what they can do next.

    `hint` is a whole sentence, or several lines, without a trailing newline;
    empty where the message says all. Edges print it apart from the message,
    so that the message stays Docker's.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Invalid(LiganError):
    """The request itself is wrong: HTTP 400."""


class NotFound(LiganError):
    """Something named does not exist: HTTP 404."""


class Conflict(LiganError):
    """The state of the store forbids it: HTTP 409."""


class Unauthorized(LiganError):
    """Credentials are missing or wrong: HTTP 401."""


class Forbidden(LiganError):
    """Refused whoever asks: HTTP 403."""


class Unsupported(LiganError):
    """Understood, and not possible on this host or input: HTTP 501."""


class Busy(LiganError):
    """Another process holds what is needed; trying again can succeed: HTTP 409."""


class NoSpace(LiganError):
    """The disk is full even after dropping all undo entries: HTTP 507."""


class Corrupt(LiganError):
    """Bytes on disk or from outside are not what they claim to be: HTTP 500."""


class Unavailable(LiganError):
    """A part of the environment does not answer or cannot be written: HTTP 503."""
