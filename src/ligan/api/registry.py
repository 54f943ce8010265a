"""What asks a registry: pull, push, login, and what a name means there."""

from __future__ import annotations

import base64
import binascii
import json

from ligan.api import answers, platforms, wire
from ligan.api.bodies import read_document
from ligan.api.connections import end_with_client
from ligan.api.streams import ResponseBody, run
from ligan.errors import Invalid, LiganError, Unauthorized
from ligan.oci.digest import Digest
from ligan.oci.documents import parse_json, whole_characters
from ligan.oci.reference import DEFAULT_DOMAIN, LEGACY_DOMAIN, is_tag, parse
from ligan.remote.credentials import Credentials
from ligan.remote.faults import LoginRefused
from ligan.remote.pull import pullable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route
    from ligan.engine.role import Engine
    from ligan.oci.reference import Reference
    from ligan.remote.progress import Message

_HEADER = "X-Registry-Auth"


async def pull(call: Call) -> StreamResponse:
    """Answer `POST /images/create?fromImage=`."""
    reference = _with_tag(call.text("fromImage").removesuffix(":"), call.text("tag"))
    pullable(reference.canonical)
    credentials = _credentials(call) or Credentials()
    platform = call.text("platform") if call.api >= 32 else ""
    answer = ResponseBody(call, answers.stream())
    return await _stream(
        call,
        lambda engine, report: engine.pull(
            reference.canonical,
            report,
            credentials,
            platform=platform,
            is_wanted=lambda: not answer.abandoned,
        ),
        answer,
    )


async def _push(call: Call) -> StreamResponse:
    credentials = _credentials(call)
    if credentials is None:
        credentials = await _credentials_of_body(call)
    reference = parse(call.name)
    if call.text("tag"):
        reference = _with_tag(call.name, call.text("tag"))
    platform = platforms.wanted(call, 46)

    def push(engine: Engine, report: Callable[[Message], None]) -> None:
        platforms.check(engine, reference.familiar, platform)
        engine.push(reference.canonical, report, credentials)

    return await _stream(call, push, ResponseBody(call, answers.stream()))


async def _stream(
    call: Call, verb: Callable[[Engine, Callable[[Message], None]], object], answer: ResponseBody
) -> StreamResponse:
    """Run a verb whose messages are the answer. An error after the first of them is one of them."""
    end_with_client(call.http)  # a registry may be silent for long, and nothing is written meanwhile

    def report(message: Message) -> None:
        answer.write(wire.message_line(message))

    try:
        await run(call, lambda engine: verb(engine, report), answer)
    except LiganError as error:
        if not answer.response.prepared:
            raise
        await answer.send(wire.stream_error(error))
    return answer.response


def _with_tag(name: str, tag: str) -> Reference:
    """Return a name with the tag, or the digest, that came apart from it."""
    reference = parse(name)
    if not tag:
        return reference
    try:
        digest = Digest.parse(tag)
    except Invalid:
        if not is_tag(tag):
            raise Invalid("invalid tag format") from None
        return reference.replace(tag=tag, digest="")
    return reference.replace(tag="", digest=digest)


def _credentials(call: Call) -> Credentials | None:
    """Return what the header says, nobody's for what cannot be read, or None where there is none."""
    header = call.http.headers.get(_HEADER)
    if not header:
        return None
    try:
        raw = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        return credentials_in(parse_json(raw, _HEADER))
    except (binascii.Error, ValueError, Invalid):
        return Credentials()


async def _credentials_of_body(call: Call) -> Credentials:
    body = await read_document(call)
    try:
        return credentials_in(whole_characters(json.loads(body)))
    except (ValueError, RecursionError, Invalid) as error:
        reason = error if body.strip() else "EOF"
        raise Invalid(f"Bad parameters and missing {_HEADER}: {reason}") from None


def credentials_in(document: Any) -> Credentials:
    """Raises Invalid for what is no AuthConfig. To Docker's server, as to all of Go's, case is nothing."""
    if not isinstance(document, dict):
        raise Invalid("not an object")
    members = {name.lower(): value for name, value in document.items()}
    fields = {
        name: members.get(name.replace("_", "")) or ""
        for name in ("username", "password", "identity_token", "registry_token")
    }
    if not all(isinstance(value, str) for value in fields.values()):
        raise Invalid("not strings")
    return Credentials(**fields)


async def _login(call: Call) -> StreamResponse:
    body = await read_document(call)
    try:
        document = whole_characters(json.loads(body))
        credentials = credentials_in(document)
    except (ValueError, RecursionError, Invalid) as error:
        raise Invalid(str(error) if body.strip() else "EOF") from None
    addresses = [value for name, value in document.items() if name.lower() == "serveraddress"]
    domain = _domain(addresses[-1] if addresses else "")
    try:
        token = await call.engine.stream(lambda engine: engine.login(domain, credentials))
    except LoginRefused as error:
        raise Unauthorized(error.message) from None
    return answers.document({"IdentityToken": token, "Status": "Login Succeeded"})


def _domain(address: object) -> str:
    """Return the canonical domain of what a client calls a registry, perhaps by a URL."""
    text = address if isinstance(address, str) else ""
    domain = text.partition("://")[2] or text
    domain = domain.partition("/")[0]
    return DEFAULT_DOMAIN if domain in ("", LEGACY_DOMAIN) else domain


async def _distribution(call: Call) -> StreamResponse:
    credentials = _credentials(call) or Credentials()
    found = await call.engine.stream(lambda engine: engine.inspect_remote(call.name, credentials))
    platforms = [
        {"architecture": item.architecture, "os": item.os}
        | ({"variant": item.variant} if item.variant else {})
        for item in found.platforms
    ]
    descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    return answers.document({"Descriptor": descriptor, "Platforms": platforms})


ROUTES: list[Route] = [
    ("POST", "/images/{name}/push", _push),
    ("GET", "/distribution/{name}/json", _distribution),
    ("POST", "/auth", _login),
]
