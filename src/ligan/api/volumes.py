"""Volumes and networks."""

from __future__ import annotations

from ligan.api import answers, wire
from ligan.api.bodies import read_required
from ligan.oci.gostruct import boolean, mapping, string
from ligan.oci.hostconfig import endpoint_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route


async def _list(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    volumes = await call.engine.call(lambda engine: engine.list_volumes(filters))
    return answers.document({"Volumes": volumes, "Warnings": None})


async def _create(call: Call) -> StreamResponse:
    body = await read_required(call)
    name, driver = string(body.get("Name"), "Name"), string(body.get("Driver"), "Driver") or "local"
    options, labels = mapping(body.get("DriverOpts"), "DriverOpts"), mapping(body.get("Labels"), "Labels")
    volume = await call.engine.call(
        lambda engine: engine.create_volume(name, driver, options or {}, labels or {}), call.command
    )
    return answers.document(volume, 201)


async def _inspect(call: Call) -> StreamResponse:
    return answers.document(await call.engine.call(lambda engine: engine.inspect_volume(call.name)))


async def _remove(call: Call) -> StreamResponse:
    force = call.on("force")
    await call.engine.call(lambda engine: engine.remove_volume(call.name, force=force), call.command)
    return answers.nothing(204)


async def _prune(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    if call.api < 42:
        # Named volumes go too, as they did before API 1.42 knew the filter.
        filters.setdefault("all", ["true"])
    names, size = await call.engine.stream(lambda engine: engine.prune_volumes(filters), call.command)
    return answers.document({"VolumesDeleted": names, "SpaceReclaimed": size})


async def _list_networks(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    return answers.document(await call.engine.call(lambda engine: engine.list_networks(filters)))


async def _create_network(call: Call) -> StreamResponse:
    body = await read_required(call)
    network, warning = await call.engine.call(lambda engine: engine.create_network(body), call.command)
    return answers.document({"Id": network, "Warning": warning}, 201)


async def _inspect_network(call: Call) -> StreamResponse:
    return answers.document(await call.engine.call(lambda engine: engine.inspect_network(call.name)))


async def _remove_network(call: Call) -> StreamResponse:
    await call.engine.stream(lambda engine: engine.remove_network(call.name), call.command)
    return answers.nothing(204)


async def _connect(call: Call) -> StreamResponse:
    body = await read_required(call)
    container = string(body.get("Container"), "Container")
    endpoint = endpoint_settings(body.get("EndpointConfig"))
    await call.engine.stream(
        lambda engine: engine.connect_network(call.name, container, endpoint), call.command
    )
    return answers.nothing(200)


async def _disconnect(call: Call) -> StreamResponse:
    body = await read_required(call)
    container = string(body.get("Container"), "Container")
    force = boolean(body.get("Force"), "Force")
    await call.engine.stream(
        lambda engine: engine.disconnect_network(call.name, container, force=force), call.command
    )
    return answers.nothing(200)


async def _prune_networks(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    names = await call.engine.stream(lambda engine: engine.prune_networks(filters), call.command)
    return answers.document({"NetworksDeleted": names or None})


ROUTES: list[Route] = [
    ("GET", "/volumes", _list),
    ("POST", "/volumes/create", _create),
    ("POST", "/volumes/prune", _prune),
    ("GET", "/volumes/{name}", _inspect),
    ("DELETE", "/volumes/{name}", _remove),
    ("GET", "/networks", _list_networks),
    ("POST", "/networks/create", _create_network),
    ("POST", "/networks/prune", _prune_networks),
    ("GET", "/networks/{name}", _inspect_network),
    ("DELETE", "/networks/{name}", _remove_network),
    ("POST", "/networks/{name}/connect", _connect),
    ("POST", "/networks/{name}/disconnect", _disconnect),
]
