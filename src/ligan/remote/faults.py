"""What registries refuse and get wrong, in Docker's words.

The codes and their standard messages are those of the distribution project's
API (errcode, api/v2); how they become text is what its client, which Docker
uses, makes of them.
"""

from __future__ import annotations

from ligan.errors import Corrupt, Forbidden, Invalid, LiganError, NotFound, Unauthorized, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ligan.oci.reference import Reference


class RemoteError(LiganError):
    """A registry, or the way to one, failed. Its subclasses are of the usual kinds too."""

    def within(self, operation: str) -> Self:
        """Return the error itself, said to have ended that operation."""
        return self.saying(f"{operation}: {self.message}")

    def saying(self, message: str) -> Self:
        """Return the error itself, in other words."""
        self.message = message
        self.args = (message,)
        return self


class Unreachable(RemoteError, Unavailable):
    """No connection could be made."""


class Interrupted(RemoteError, Unavailable):
    """A connection broke off or stood still. Trying again can succeed."""


class BadAnswer(RemoteError, Corrupt):
    """What was answered is not what it claims to be, or no answer to what was asked."""


class NoCredentials(RemoteError, Unauthorized):
    """The registry wants a name and a password, and none are known."""

    words = "no basic auth credentials"


class Refusal(RemoteError):
    """The registry refused, and said why.

    `code` is its error code, or empty. `is_bare` where it gave nothing beyond
    the code and its standard message: Docker then shows the code alone.
    """

    def __init__(self, message: str, status: int, code: str = "", *, is_bare: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.is_bare = is_bare


class NotThere(Refusal, NotFound):
    """The repository, manifest or blob is not known to the registry."""


class AccessRefused(Refusal, Forbidden):
    """The registry does not allow it to these credentials."""


class LoginRefused(Refusal, Unauthorized):
    """The registry does not take these credentials."""


class Failing(Refusal, Unavailable):
    """The registry cannot serve the request now, or at all."""


class RefusedInput(Refusal, Invalid):
    """The registry takes what was sent for wrong."""


_STANDARD = {
    "UNKNOWN": "unknown error",
    "UNSUPPORTED": "The operation is unsupported.",
    "UNAUTHORIZED": "authentication required",
    "DENIED": "requested access to the resource is denied",
    "UNAVAILABLE": "service unavailable",
    "TOOMANYREQUESTS": "too many requests",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "SIZE_INVALID": "provided length did not match content length",
    "NAME_INVALID": "invalid repository name",
    "TAG_INVALID": "manifest tag did not match URI",
    "NAME_UNKNOWN": "repository name not known to registry",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNVERIFIED": "manifest failed signature verification",
    "MANIFEST_BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
}
"""The codes that Docker knows, each with its standard message."""

_KINDS: dict[str, type[Refusal]] = {
    "NAME_UNKNOWN": NotThere,
    "MANIFEST_UNKNOWN": NotThere,
    "BLOB_UNKNOWN": NotThere,
    "BLOB_UPLOAD_UNKNOWN": NotThere,
    "DENIED": AccessRefused,
    "UNAUTHORIZED": LoginRefused,
    "DIGEST_INVALID": RefusedInput,
    "SIZE_INVALID": RefusedInput,
    "NAME_INVALID": RefusedInput,
    "TAG_INVALID": RefusedInput,
    "MANIFEST_INVALID": RefusedInput,
    "MANIFEST_UNVERIFIED": RefusedInput,
    "MANIFEST_BLOB_UNKNOWN": RefusedInput,
    "BLOB_UPLOAD_INVALID": RefusedInput,
}
_STATUS_KINDS: dict[int, type[Refusal]] = {401: LoginRefused, 403: AccessRefused, 404: NotThere}

PASSING = (429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""

_MOST_SHOWN = 1024
"""Characters of an answer that is shown as it came."""


def refusal(status: int, body: bytes) -> Refusal:
    """Return the error that an answer of this status is, whatever its body."""
    if not 400 <= status < 500:
        return Failing(f"received unexpected HTTP status: {status} {_phrase(status)}".rstrip(), status)
    try:
        return _of_document(status, body)
    except ValueError as error:
        if status == 401:
            return LoginRefused(f"unauthorized: {_STANDARD['UNAUTHORIZED']}", status, "UNAUTHORIZED")
        shown = _quoted(body)
        message = f"error parsing HTTP {status} response body: {error}: {shown}"
        return _STATUS_KINDS.get(status, Failing)(message, status)


def may_pass(error: RemoteError) -> bool:
    """Return whether the same request may succeed later."""
    return isinstance(error, Interrupted) or (isinstance(error, Refusal) and error.status in PASSING)


def _phrase(status: int) -> str:
    from http.client import responses

    return responses.get(status, "")


def _of_document(status: int, body: bytes) -> Refusal:
    """Raises ValueError for a body that is no document of errors."""
    import json

    start = body.lstrip()[:1].decode("latin-1")
    if not start:
        raise ValueError("unexpected end of JSON input")
    if start not in '{["tfn-0123456789':
        raise ValueError(f"invalid character {printable(start)!r} looking for beginning of value")
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the document is bad, not the program
    if isinstance(details := document.get("details"), str) and details:
        code = {401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}.get(status, "UNKNOWN")
        return _coded(status, code, details, is_bare=False)
    errors = document.get("errors")
    if not errors or not isinstance(errors, list) or not all(isinstance(item, dict) for item in errors):
        raise ValueError("no error details found in HTTP response body")
    refusals = [_of_item(status, item) for item in errors]
    first = refusals[0]
    if len(refusals) > 1:
        first.saying("errors:\n" + "".join(f"{item.message}\n" for item in refusals))
    return first


def _of_item(status: int, item: dict[str, Any]) -> Refusal:
    code = item.get("code")
    if not isinstance(code, str) or code not in _STANDARD:
        code = "UNKNOWN"
    message = item.get("message")
    text = message if isinstance(message, str) else ""
    is_bare = item.get("detail") is None and text in ("", _STANDARD[code])
    return _coded(status, code, text, is_bare=is_bare)


def _coded(status: int, code: str, message: str, *, is_bare: bool) -> Refusal:
    words = code.replace("_", " ").lower()
    text = words if is_bare else f"{words}: {printable(message)}"
    return _KINDS.get(code, Failing)(text, status, code, is_bare=is_bare)


def printable(text: str) -> str:
    """Return the text without what would steer a terminal."""
    return "".join([char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text])


def _quoted(body: bytes) -> str:
    import json

    text = body.decode("utf-8", "replace")
    return json.dumps(text[:_MOST_SHOWN] + ("…" if len(text) > _MOST_SHOWN else ""), ensure_ascii=False)


def pull_error(error: LiganError, reference: Reference) -> LiganError:
    """Return what Docker says where a pull of the reference ended in this error.

    Three codes become a 404 with the name of what is missing; the same codes
    without a detail stay as they are (engine 20.10, TranslatePullError).
    """
    if not isinstance(error, Refusal) or error.is_bare:
        return error
    name = reference.familiar_repository
    if error.code == "DENIED":
        prefix = f"pull access denied for {name}, repository does not exist or may require 'docker login'"
    elif error.code == "MANIFEST_UNKNOWN":
        prefix = f"manifest for {reference.familiar} not found"
    elif error.code == "NAME_UNKNOWN":
        prefix = f"repository {name} not found"
    else:
        return error
    return NotFound(f"{prefix}: {error.message.removeprefix('errors:').strip()}")


def push_error(error: RemoteError) -> RemoteError:
    """Return what Docker says where a push ended in this error: not at what, where credentials lack.

    (engine 20.10, distribution/errors.go, retryOnError.)
    """
    return error.saying(NoCredentials.words) if isinstance(error, NoCredentials) else error
