"""Containers: made, started and stopped, listed and removed."""

from __future__ import annotations

from ligan.api import answers, container_wire, wire
from ligan.api.bodies import integer, read_object, read_required
from ligan.containers.creating import CreateRequest
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Handler, Route
    from ligan.engine.role import Engine


async def _create(call: Call) -> StreamResponse:
    body = await read_object(call)
    if body is None:
        raise Invalid("Config cannot be empty in order to create a container")
    host_config = body.pop("HostConfig", None) or {}
    networking = body.pop("NetworkingConfig", None) or {}
    if call.api < 44:
        _check_endpoints(networking)
    request = CreateRequest(
        name=call.text("name"),
        config=body,
        host_config=host_config,
        networking=networking,
        platform=call.text("platform") if call.api >= 41 else "",
    )
    created = await call.engine.call(lambda engine: engine.create_container(request), call.command)
    return answers.document({"Id": created.id, "Warnings": list(created.warnings)}, 201)


def _check_endpoints(networking: object) -> None:
    """Raise Invalid for several networks: before API 1.44 a container is made with one."""
    endpoints = networking.get("EndpointsConfig") if isinstance(networking, dict) else None
    if isinstance(endpoints, dict) and len(endpoints) > 1:
        raise Invalid(f"Container cannot be connected to network endpoints: {', '.join(endpoints)}")


async def _list(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    limit = integer(call, "limit", 0) or 0
    show_all, size = call.on("all"), call.on("size")
    for key in ("before", "since"):
        if call.has(key):
            filters.setdefault(key, []).append(call.text(key))
    containers = await call.engine.call(
        lambda engine: engine.list_containers(filters, show_all=show_all, limit=limit, size=size)
    )
    return answers.document([container_wire.row(container) for container in containers])


async def _inspect(call: Call) -> StreamResponse:
    size = call.on("size")
    document = await call.engine.call(lambda engine: engine.inspect_container(call.name, size=size))
    return answers.document(container_wire.inspection(document, call.api))


async def _start(call: Call) -> StreamResponse:
    if await read_object(call, optional=True):
        raise Invalid(
            "starting container with non-empty request body was deprecated since API v1.22 "
            "and removed in v1.24"
        )
    started = await call.engine.stream(lambda engine: engine.start_container(call.name), call.command)
    return answers.nothing(204 if started else 304)


async def _stop(call: Call) -> StreamResponse:
    timeout = integer(call, "t")
    stopped = await call.engine.stream(lambda engine: engine.stop_container(call.name, timeout), call.command)
    return answers.nothing(204 if stopped else 304)


async def _restart(call: Call) -> StreamResponse:
    timeout = integer(call, "t")
    await call.engine.stream(lambda engine: engine.restart_container(call.name, timeout), call.command)
    return answers.nothing(204)


async def _kill(call: Call) -> StreamResponse:
    signal = call.text("signal") or "KILL"
    await call.engine.stream(lambda engine: engine.kill_container(call.name, signal), call.command)
    return answers.nothing(204)


def _plain(verb: Callable[[Engine, str], None]) -> Handler:
    async def handle(call: Call) -> StreamResponse:
        await call.engine.stream(lambda engine: verb(engine, call.name), call.command)
        return answers.nothing(204)

    return handle


async def _rename(call: Call) -> StreamResponse:
    new_name = call.text("name")
    await call.engine.call(lambda engine: engine.rename_container(call.name, new_name), call.command)
    return answers.nothing(204)


async def _resize(call: Call) -> StreamResponse:
    height, width = integer(call, "h", 0) or 0, integer(call, "w", 0) or 0
    await call.engine.call(lambda engine: engine.resize_container(call.name, height, width))
    return answers.nothing(200)


async def _update(call: Call) -> StreamResponse:
    changes = await read_required(call)
    warnings = await call.engine.call(
        lambda engine: engine.update_container(call.name, changes), call.command
    )
    return answers.document({"Warnings": warnings or None})


async def _remove(call: Call) -> StreamResponse:
    force, volumes, link = call.on("force"), call.on("v"), call.on("link")
    await call.engine.stream(
        lambda engine: engine.remove_container(call.name, force=force, volumes=volumes, link=link),
        call.command,
    )
    return answers.nothing(204)


async def _prune(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    outcome = await call.engine.stream(lambda engine: engine.prune_containers(filters), call.command)
    return answers.document(
        {"ContainersDeleted": list(outcome.containers) or None, "SpaceReclaimed": outcome.size}
    )


async def _top(call: Call) -> StreamResponse:
    arguments = call.text("ps_args") or "-ef"
    return answers.document(await call.engine.call(lambda engine: engine.container_top(call.name, arguments)))


ROUTES: list[Route] = [
    ("POST", "/containers/create", _create),
    ("POST", "/containers/prune", _prune),
    ("GET", "/containers/json", _list),
    ("GET", "/containers/{name}/json", _inspect),
    ("GET", "/containers/{name}/top", _top),
    ("POST", "/containers/{name}/start", _start),
    ("POST", "/containers/{name}/stop", _stop),
    ("POST", "/containers/{name}/restart", _restart),
    ("POST", "/containers/{name}/kill", _kill),
    ("POST", "/containers/{name}/pause", _plain(lambda engine, name: engine.pause_container(name))),
    ("POST", "/containers/{name}/unpause", _plain(lambda engine, name: engine.unpause_container(name))),
    ("POST", "/containers/{name}/rename", _rename),
    ("POST", "/containers/{name}/resize", _resize),
    ("POST", "/containers/{name}/update", _update),
    ("DELETE", "/containers/{name}", _remove),
]
