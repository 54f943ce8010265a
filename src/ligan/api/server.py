"""One handler for every request: finds the route, and turns errors into Docker's answers."""

from __future__ import annotations

import logging
import pkgutil
from importlib import import_module
from urllib.parse import quote

from aiohttp import HttpVersion11
from aiohttp.web import Response

from ligan.api import (
    build,
    container_files,
    container_streams,
    containers,
    empty,
    images,
    registry,
    system,
    volumes,
    wire,
)
from ligan.api.answers import HEADERS
from ligan.api.errors import status_of
from ligan.api.router import Call, MovedPermanently, Router, VersionTooOld
from ligan.errors import LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse

    from ligan.api.bridge import Bridge
    from ligan.api.events import Feed
    from ligan.api.router import Route

_log = logging.getLogger(__name__)


class Api:
    """The Docker Engine API over one engine: what an aiohttp server calls for each request."""

    def __init__(self, engine: Bridge, feed: Feed) -> None:
        _import_all()
        self._engine = engine
        of_feed: list[Route] = [
            ("GET", "/events", feed.handle),
            ("POST", "/containers/{name}/wait", container_streams.wait_handler(feed)),
        ]
        modules = (
            system,
            images,
            registry,
            containers,
            container_streams,
            container_files,
            volumes,
            build,
            empty,
        )
        self._router = Router([*of_feed, *[route for module in modules for route in module.ROUTES]])

    async def __call__(self, http: BaseRequest) -> StreamResponse:
        """Answer a request. Raises nothing but what tells that the client is gone."""
        try:
            call = Call(http, self._engine)
            handler = self._router.find(call)
            await _ask_for_body(http)
            await call.read_form()
            return await handler(call)
        except MovedPermanently as moved:
            query = http.rel_url.raw_query_string
            location = quote(moved.location) + (f"?{query}" if query else "")
            return Response(status=301, headers=HEADERS | {"Location": location})
        except VersionTooOld as error:
            return _plain_text(error)
        except LiganError as error:
            return _answer(status_of(error), error.message)
        except ConnectionError:
            raise  # the client is gone
        except Exception:  # noqa: BLE001  # logged whole, and no client ever sees a traceback
            _log.exception("%s %s failed", http.method, http.path)
            return _answer(500, "internal error: the server's log has the details")


def _import_all() -> None:
    """Import what the engine would import at its first call of a verb.

    A daemon outlives an upgrade of its files: what it took in later would not fit what it has.
    """
    for package in map(import_module, _PACKAGES):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)


_PACKAGES = (
    "ligan.engine",
    "ligan.build",
    "ligan.containers",
    "ligan.insight",
    "ligan.images",
    "ligan.layers",
    "ligan.layers.snapshots",
    "ligan.store",
    "ligan.dockerfile",
    "ligan.oci",
)


async def _ask_for_body(http: BaseRequest) -> None:
    """Tell a client that sends a large body only when it is asked to, as curl, that it is wanted."""
    if http.headers.get("Expect", "").lower() == "100-continue" and http.version >= HttpVersion11:
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # it is no part of the answer


def _answer(status: int, text: str) -> Response:
    headers = HEADERS | {"Content-Type": "application/json"}
    return Response(body=wire.message(text), status=status, headers=headers)


def _plain_text(error: LiganError) -> Response:
    headers = HEADERS | {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Response(body=f"{error.message}\n".encode(), status=status_of(error), headers=headers)
