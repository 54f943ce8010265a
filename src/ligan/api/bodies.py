"""JSON bodies of requests, read as Docker's server reads them."""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.documents import MAX_DOCUMENT_SIZE, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.api.router import Call


async def read_document(call: Call) -> bytes:
    """Return the whole body. Raises Invalid for one that is too large."""
    body = bytearray()
    async for chunk in call.http.content.iter_any():
        body += chunk
        if len(body) > MAX_DOCUMENT_SIZE:
            raise Invalid("http: request body too large")
    return bytes(body)


async def read_object(call: Call, *, optional: bool = False) -> dict[str, Any] | None:
    """Return the JSON object in the body; None for null, or for no body where that is `optional`.

    Raises Invalid for another content type, and for what is no JSON object.
    """
    body = await read_document(call)
    if not body:
        if optional:
            return None
        raise Invalid("EOF")
    kind = call.http.headers.get("Content-Type", "")
    if call.http.content_type != "application/json":
        raise Invalid(f"Content-Type specified ({kind}) must be 'application/json'")
    document = parse_json(body, "JSON")
    if document is not None and not isinstance(document, dict):
        raise Invalid(f"invalid JSON: an object was expected, not {str(document)[:40]}")
    return document


async def read_required(call: Call) -> dict[str, Any]:
    """Return the JSON object in the body; null is an empty one."""
    return await read_object(call) or {}


def integer(call: Call, key: str, default: int | None = None) -> int | None:
    """Return a parameter that is a number. Raises Invalid in the words of Go's strconv."""
    text = call.text(key)
    if not text:
        return default
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise Invalid(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
