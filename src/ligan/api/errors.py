"""Kinds of errors -> HTTP status: the one table of this edge."""

from __future__ import annotations

from ligan import errors
from ligan.containers.failures import RuntimeFailed
from ligan.errors import LiganError
from ligan.remote.faults import RemoteError

_STATUS: dict[type[LiganError], int] = {
    errors.Invalid: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Busy: 409,
    errors.Corrupt: 500,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
    errors.NoSpace: 507,
    RuntimeFailed: 500,
    RemoteError: 500,  # whatever a registry refuses; of what it lacks `pull_error` makes a 404
}


def status_of(error: LiganError) -> int:
    """Return the HTTP status of an error by its kind."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


class PageNotFound(errors.NotFound):
    """No such path, or no such method on it: Docker tells neither apart."""

    def __init__(self) -> None:
        super().__init__("page not found")
