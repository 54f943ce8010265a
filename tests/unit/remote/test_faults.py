"""Docker's table of what registries refuse."""

from __future__ import annotations

import json

import pytest

from ligan.errors import Forbidden, Invalid, LiganError, NotFound, Unauthorized, Unavailable
from ligan.oci.reference import parse
from ligan.remote.faults import Refusal, Unreachable, may_pass, pull_error, refusal

NAME = parse("127.0.0.1:5000/team/app:v1")


def document(code: str, message: str = "", detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


@pytest.mark.parametrize(
    ("code", "message", "words", "kind"),
    [
        ("MANIFEST_UNKNOWN", "manifest unknown", "manifest unknown: manifest unknown", NotFound),
        ("NAME_UNKNOWN", "no such", "name unknown: no such", NotFound),
        ("BLOB_UNKNOWN", "gone", "blob unknown: gone", NotFound),
        ("DENIED", "no", "denied: no", Forbidden),
        ("UNAUTHORIZED", "authentication required", "unauthorized: authentication required", Unauthorized),
        ("TOOMANYREQUESTS", "slow down", "toomanyrequests: slow down", Unavailable),
        ("MANIFEST_INVALID", "bad", "manifest invalid: bad", Invalid),
        ("WHAT_IS_THIS", "huh", "unknown: huh", Unavailable),
    ],
)
def test_code_becomes_words_and_a_kind(code: str, message: str, words: str, kind: type[LiganError]) -> None:
    error = refusal(404, document(code, message, detail={"Tag": "v1"}))
    assert error.message == words
    assert isinstance(error, kind)
    assert not error.is_bare


@pytest.mark.parametrize(
    ("code", "standard"),
    [
        ("MANIFEST_UNKNOWN", "manifest unknown"),
        ("NAME_UNKNOWN", "repository name not known to registry"),
        ("DENIED", "requested access to the resource is denied"),
    ],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_code_without_anything_else_is_shown_alone(code: str, standard: str, is_empty: bool) -> None:
    error = refusal(404, document(code, "" if is_empty else standard))
    assert error.message == code.lower().replace("_", " ")
    assert pull_error(error, NAME) is error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("MANIFEST_UNKNOWN", "manifest for 127.0.0.1:5000/team/app:v1 not found: manifest unknown: text"),
        ("NAME_UNKNOWN", "repository 127.0.0.1:5000/team/app not found: name unknown: text"),
        (
            "DENIED",
            "pull access denied for 127.0.0.1:5000/team/app, repository does not exist "
            "or may require 'docker login': denied: text",
        ),
    ],
)
def test_pull_says_what_is_missing(code: str, words: str) -> None:
    error = pull_error(refusal(404, document(code, "text", "detail")), NAME)
    assert (type(error), error.message) == (NotFound, words)


def test_pull_names_what_hub_has_familiarly() -> None:
    error = pull_error(refusal(404, document("MANIFEST_UNKNOWN", "text", 1)), parse("alpine:3.10"))
    assert error.message.startswith("manifest for alpine:3.10 not found: ")


def test_pull_passes_other_errors_on() -> None:
    for error in (Unreachable("x"), refusal(400, document("UNSUPPORTED", "x", 1)), Invalid("y")):
        assert pull_error(error, NAME) is error


def test_several_errors_are_listed() -> None:
    body = json.dumps({"errors": [{"code": "DENIED"}, {"code": "UNKNOWN", "message": "two"}]}).encode()
    error = refusal(403, body)
    assert error.message == "errors:\ndenied\nunknown: two\n"
    assert error.code == "DENIED"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "error parsing HTTP 404 response body: unexpected end of JSON input: \"\""),
        (
            b"<html>no</html>",
            "error parsing HTTP 404 response body: invalid character '<' looking for beginning of value: "
            '"<html>no</html>"',
        ),
        (b"{}", 'error parsing HTTP 404 response body: no error details found in HTTP response body: "{}"'),
    ],
)  # fmt: skip
def test_body_that_says_nothing_is_shown(body: bytes, words: str) -> None:
    error = refusal(404, body)
    assert error.message == words
    assert isinstance(error, NotFound)


def test_401_without_a_reason_is_about_authentication() -> None:
    assert refusal(401, b"nope").message == "unauthorized: authentication required"


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "unauthorized: why"), (429, "toomanyrequests: why"), (400, "unknown: why")],
)
def test_irregular_details_are_the_reason(status: int, words: str) -> None:
    assert refusal(status, b'{"details": "why"}').message == words


def test_status_of_a_server_that_fails_is_named() -> None:
    assert refusal(500, b"secret").message == "received unexpected HTTP status: 500 Internal Server Error"
    assert refusal(599, b"").message == "received unexpected HTTP status: 599"


def test_what_steers_a_terminal_is_not_shown() -> None:
    assert refusal(403, document("DENIED", "\x1b[31mred\x07", 1)).message == "denied: \ufffd[31mred\ufffd"


@pytest.mark.parametrize(("status", "passes"), [(429, True), (503, True), (404, False), (501, False)])
def test_what_may_pass_is_tried_again(status: int, passes: bool) -> None:
    error = refusal(status, b"")
    assert isinstance(error, Refusal)
    assert may_pass(error) is passes
