"""The engine as a whole: ping, version, info and disk usage."""

from __future__ import annotations

import time

from aiohttp.web import Response

from ligan.api import answers, container_wire, wire
from ligan.api.system_documents import info_document, version_document
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route
    from ligan.engine.role import Engine

_PING_HEADERS = {
    # The classic builder: clients up to 20.10 ask for BuildKit where this says 2.
    "Builder-Version": "1",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Content-Type": "text/plain; charset=utf-8",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}


async def _ping(call: Call) -> StreamResponse:
    if call.http.method == "HEAD":
        return Response(headers=answers.HEADERS | _PING_HEADERS | {"Content-Length": "0"})
    return Response(body=b"OK", headers=answers.HEADERS | _PING_HEADERS)


async def _options(call: Call) -> StreamResponse:
    """Docker answers this for every path, and with nothing."""
    return answers.nothing(200)


async def _version(call: Call) -> StreamResponse:
    return answers.document(version_document())


async def _info(call: Call) -> StreamResponse:
    facts = await call.engine.call(lambda engine: engine.info())
    return answers.document(info_document(facts, time.time_ns()))


async def _disk_usage(call: Call) -> StreamResponse:
    kinds = call.texts("type") if call.api >= 42 else []

    def usage(engine: Engine) -> dict[str, Any]:
        containers = [
            container_wire.row(item) for item in engine.list_containers({}, show_all=True, size=True)
        ]
        size = engine.disk_usage().layers_size
        volumes, cache = engine.volume_usage(), engine.build_cache()
        return wire.usage(engine.image_usage(), containers, volumes, cache, size, call.api, kinds)

    return answers.document(await call.engine.stream(usage))


_MOST_DIGITS = 18
"""Of a whole number: those of any number of bytes. Python reads no number of very many."""


async def _prune_cache(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    keep = call.text("keep-storage") or "0"
    if not (keep.isascii() and keep.isdigit()) or len(keep) > _MOST_DIGITS:
        raise Invalid(f"keep-storage is in bytes and expects an integer, got {keep}")
    everything = call.on("all")
    pruned = await call.engine.stream(
        lambda engine: engine.prune_build_cache(filters, everything=everything, keep=int(keep)), call.command
    )
    names = [record.id for record in pruned.removed]
    return answers.document({"CachesDeleted": names or None, "SpaceReclaimed": pruned.bytes})


ROUTES: list[Route] = [
    ("GET", "/_ping", _ping),
    ("HEAD", "/_ping", _ping),
    ("GET", "/version", _version),
    ("GET", "/info", _info),
    ("GET", "/system/df", _disk_usage),
    ("POST", "/build/prune", _prune_cache),
    ("OPTIONS", "/{name}", _options),
]
