"""What every handler answers with: bodies, and the headers that Docker sends with them."""

from __future__ import annotations

from aiohttp.web import Response, StreamResponse

from ligan import __version__
from ligan.api.router import API_VERSION, dotted
from ligan.api.wire import encode

HEADERS = {
    "Api-Version": dotted(API_VERSION),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Ligan/{__version__} (linux)",
}
_JSON = {"Content-Type": "application/json"}


def document(value: object, status: int = 200) -> Response:
    """Answer with a JSON document."""
    return Response(body=encode(value), status=status, headers=HEADERS | _JSON)


def nothing(status: int) -> Response:
    return Response(status=status, headers=HEADERS)


def stream(content_type: str = "application/json") -> StreamResponse:
    """Answer with bytes that are yet to come."""
    return StreamResponse(headers=HEADERS | {"Content-Type": content_type})
