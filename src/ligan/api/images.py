"""Images: list, inspect, history, tag, delete, prune, save, load and import."""

from __future__ import annotations

import logging
from urllib.request import getproxies

from ligan.api import answers, platforms, registry, wire
from ligan.api.streams import ClientGone, RequestBody, ResponseBody, run
from ligan.errors import Invalid, LiganError, NotFound, Unsupported
from ligan.images.importing import ImportRequest, open_url
from ligan.oci.reference import is_tag, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route
    from ligan.engine.role import Engine
    from ligan.images.inspect import HistoryEntry
    from ligan.images.staging import LoadProgress
    from ligan.insight.outcome import RemovalOutcome

_log = logging.getLogger(__name__)


async def _list(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    if call.api < 41 and call.has("filter"):
        filters.setdefault("reference", []).append(call.text("filter"))
    show_all, shared = call.on("all"), call.api >= 42 and call.on("shared-size")

    def rows(engine: Engine) -> list[Any]:
        images = engine.list_images(filters, show_all=show_all)
        sizes = {item.image.id: item.shared_size for item in engine.image_usage()} if shared else {}
        return [wire.image_row(image, call.api, sizes.get(image.id, -1)) for image in images]

    return answers.document(await call.engine.call(rows))


async def _inspect(call: Call) -> StreamResponse:
    platform = platforms.wanted(call, 49)

    def inspect(engine: Engine) -> dict[str, Any]:
        platforms.check(engine, call.name, platform)
        return engine.inspect_image(call.name)

    try:
        document = await call.engine.call(inspect)
    except (NotFound, Invalid) as error:
        # Docker says so up to engine 20.10 (golden g_inspect_format).
        kind = NotFound if isinstance(error, NotFound) else Invalid
        raise kind(f"no such image: {call.name}: {error.message}") from None
    return answers.document(wire.inspection(document, call.api))


async def _history(call: Call) -> StreamResponse:
    platform = platforms.wanted(call, 48)

    def history(engine: Engine) -> list[HistoryEntry]:
        platforms.check(engine, call.name, platform)
        return engine.history(call.name)

    entries = await call.engine.call(history)
    return answers.document(wire.history_rows(entries))


async def _tag(call: Call) -> StreamResponse:
    def tag(engine: Engine) -> None:
        try:
            target = _target(call)
        except Invalid:
            engine.inspect_image(call.name)  # what is missing is said before what the new name lacks
            raise
        engine.tag_image(call.name, target)

    await call.engine.call(tag, call.command)
    return answers.nothing(201)


def _target(call: Call) -> str:
    """Return the new name: where a tag is given apart, one in the repository does not count, nor a digest."""
    repository, tag = call.text("repo"), call.text("tag")
    if not repository or not tag:
        return repository
    reference = parse(repository)
    if not is_tag(tag):
        raise Invalid("invalid tag format")
    return f"{reference.repository}:{tag}"


async def _delete(call: Call) -> StreamResponse:
    force, prune = call.on("force"), not call.on("noprune")
    platform = platforms.wanted(call, 50, "platforms")

    def remove(engine: Engine) -> RemovalOutcome:
        platforms.check(engine, call.name, platform)
        return engine.remove_images([call.name], force=force, prune_parents=prune)

    outcome = await call.engine.call(remove, call.command)
    argument = outcome.arguments[0]
    if argument.error is not None:
        raise argument.error
    return answers.document(wire.removal_rows(argument.rows))


async def _prune(call: Call) -> StreamResponse:
    filters = wire.filters(call.text("filters"))
    outcome = await call.engine.call(lambda engine: engine.prune_images(filters), call.command)
    rows = wire.removal_rows(outcome.rows)
    return answers.document({"ImagesDeleted": rows or None, "SpaceReclaimed": outcome.diff_size})


async def _save(call: Call) -> StreamResponse:
    names = [call.name] if call.name else call.texts("names")
    platform = platforms.wanted(call, 48)
    if platform is not None:
        await call.engine.call(lambda engine: platforms.check_saved(engine, names, platform))
    body = ResponseBody(call, answers.stream("application/x-tar"))
    try:
        await run(call, lambda engine: engine.save(names, body), body)  # type: ignore[arg-type]  # typeshed: no RawIOBase is a BinaryIO
    except LiganError:
        if not body.response.prepared:
            raise
        body.cut()
        raise ConnectionAbortedError from None
    return body.response


async def _load(call: Call) -> StreamResponse:
    platforms.check_loadable(platforms.wanted(call, 48))
    source = RequestBody(call)
    answer = ResponseBody(call, answers.stream())
    report = _reporter(answer, quiet=call.on("quiet", default=True))
    try:
        outcome = await run(call, lambda engine: engine.load(source, report), answer, source)  # type: ignore[arg-type]  # as above
    except LiganError as error:
        await answer.send(wire.stream_error(error))
    else:
        for note in outcome.notes:
            _log.info("%s: %s", call.command, note)  # Docker's client would show it as the load's output
        if not outcome.images:
            await answer.send(wire.stream_line({}))
    return answer.response


def _reporter(answer: ResponseBody, *, quiet: bool) -> Callable[[LoadProgress | str], None]:
    """Return what tells the client how far a load is, in the engine's thread."""

    def report(progress: LoadProgress | str) -> None:
        if isinstance(progress, str):
            answer.write(wire.stream_line({"stream": f"{progress}\n"}))
        elif not quiet:
            answer.write(wire.progress_line(progress))
        elif answer.abandoned:
            raise ClientGone

    return report


async def _create(call: Call) -> StreamResponse:
    """Pull an image, or import a tar: from the body, or from what a URL names."""
    origin = call.text("fromSrc")
    if not origin or call.text("fromImage"):
        return await registry.pull(call)
    request = ImportRequest(
        reference=_target(call),
        message=call.text("message"),
        changes=tuple(call.texts("changes")),
        platform=call.text("platform"),
        source="" if origin == "-" else origin,
    )
    answer = ResponseBody(call, answers.stream())
    body = RequestBody(call) if origin == "-" else None

    def make(engine: Engine) -> str:
        if body is not None:
            return engine.import_image(body, request)
        with open_url(origin, getproxies()) as download:
            answer.write(wire.stream_line({"status": f"Downloading from {download.address}"}))
            download.watch(lambda current, size: answer.write(wire.import_line(current, size)))
            image = engine.import_image(download, request)
            if download.size < 0:
                answer.write(wire.stream_line({}))  # as Docker, after a bar that could not show the end
            return image

    try:
        image = await run(call, make, answer, body)
    except LiganError as error:
        if not answer.response.prepared:
            raise
        await answer.send(wire.stream_error(error))
    else:
        await answer.send(wire.stream_line({"status": image}))
    return answer.response


async def _search(call: Call) -> StreamResponse:
    raise Unsupported("searching Docker Hub is up to its page: no other registry can be searched")


ROUTES: list[Route] = [
    ("GET", "/images/json", _list),
    ("POST", "/images/prune", _prune),
    ("GET", "/images/get", _save),
    ("POST", "/images/load", _load),
    ("POST", "/images/create", _create),
    ("GET", "/images/search", _search),
    ("GET", "/images/{name}/json", _inspect),
    ("GET", "/images/{name}/history", _history),
    ("GET", "/images/{name}/get", _save),
    ("POST", "/images/{name}/tag", _tag),
    ("DELETE", "/images/{name}", _delete),
]
