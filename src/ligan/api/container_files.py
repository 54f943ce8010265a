"""A container's files: what changed, in and out as tars, and as a new image."""

from __future__ import annotations

import base64
import json

from ligan.api import answers
from ligan.api.bodies import read_object
from ligan.api.streams import RequestBody, ResponseBody, run
from ligan.api.wire import change_rows
from ligan.containers.committing import CommitRequest
from ligan.errors import Invalid, LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route

_STAT = "X-Docker-Container-Path-Stat"


async def _changes(call: Call) -> StreamResponse:
    changes = await call.engine.stream(lambda engine: engine.container_changes(call.name))
    return answers.document(change_rows(changes) or None)


async def _export(call: Call) -> StreamResponse:
    body = ResponseBody(call, answers.stream("application/octet-stream"))
    try:
        await run(call, lambda engine: engine.export_container(call.name, body), body)  # type: ignore[arg-type]  # typeshed: no RawIOBase is a BinaryIO
    except LiganError:
        if not body.response.prepared:
            raise
        body.cut()
        raise ConnectionAbortedError from None
    return body.response


def _path(call: Call) -> str:
    path = call.text("path")
    if not call.has("path"):
        raise Invalid("missing parameter: 'path'")
    if not path:
        raise Invalid("bad parameter: 'path' cannot be empty")
    return path


def _encoded(stat: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(stat, separators=(",", ":")).encode()).decode()


async def _stat(call: Call) -> StreamResponse:
    path = _path(call)
    stat = await call.engine.call(lambda engine: engine.stat_in_container(call.name, path))
    answer = answers.nothing(200)
    answer.headers[_STAT] = _encoded(stat)
    return answer


async def _get(call: Call) -> StreamResponse:
    path = _path(call)
    response = answers.stream("application/x-tar")
    body = ResponseBody(call, response)

    def copy(engine: Any) -> None:
        response.headers[_STAT] = _encoded(engine.stat_in_container(call.name, path))
        engine.copy_from_container(call.name, path, body)

    try:
        await run(call, copy, body)
    except LiganError:
        if not response.prepared:
            raise
        body.cut()
        raise ConnectionAbortedError from None
    return response


async def _put(call: Call) -> StreamResponse:
    path, keep_kind = _path(call), call.on("noOverwriteDirNonDir")
    source = RequestBody(call)
    nothing = ResponseBody(call, answers.stream())
    await run(
        call,
        lambda engine: engine.copy_to_container(
            call.name,
            path,
            source,  # type: ignore[arg-type]  # as above
            no_overwrite_dir_non_dir=keep_kind,
        ),
        nothing,
        source,
    )
    return answers.nothing(200)


async def _commit(call: Call) -> StreamResponse:
    config = await read_object(call, optional=True)
    repository, tag = call.text("repo"), call.text("tag")
    request = CommitRequest(
        repository=repository,
        tag=tag,
        author=call.text("author"),
        comment=call.text("comment"),
        changes=tuple(call.texts("changes")),
        config=config,
        pause=call.on("pause", default=True),
    )
    image = await call.engine.stream(
        lambda engine: engine.commit_container(call.text("container"), request), call.command
    )
    return answers.document({"Id": image}, 201)


ROUTES: list[Route] = [
    ("GET", "/containers/{name}/changes", _changes),
    ("GET", "/containers/{name}/export", _export),
    ("HEAD", "/containers/{name}/archive", _stat),
    ("GET", "/containers/{name}/archive", _get),
    ("PUT", "/containers/{name}/archive", _put),
    ("POST", "/commit", _commit),
]
