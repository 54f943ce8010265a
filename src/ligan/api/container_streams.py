"""What goes on as long as a container does: waiting, attached streams, execs, logs, measurements."""

from __future__ import annotations

import asyncio
import time

from ligan.api import answers, wire
from ligan.api.bodies import integer, read_object, read_required
from ligan.api.connections import end_with_client
from ligan.api.hijack import MULTIPLEXED, RAW, STDERR, STDOUT, Hijacked, Refused, Streams, frame
from ligan.api.streams import ResponseBody, run
from ligan.containers.attaching import LateAttachment, pauses
from ligan.containers.execs import ExecRequest, escape_keys
from ligan.containers.log_details import check_readable, details
from ligan.containers.logs import LogRequest
from ligan.errors import Invalid, LiganError
from ligan.images.times import until_time
from ligan.oci.gostruct import boolean, string, strings, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.events import Feed
    from ligan.api.router import Call, Handler, Route
    from ligan.containers.attach import Attachment
    from ligan.containers.logs import LogLine
    from ligan.containers.rows import Ended
    from ligan.engine.role import Engine

_CONDITIONS = ("not-running", "next-exit", "removed")
_DETACH = "ctrl-p,ctrl-q"
_STATS_SECONDS = 1.0
_BATCH = 32 << 10


def wait_handler(feed: Feed) -> Handler:
    """Return the handler of `POST /containers/{name}/wait`: `feed` tells it of events."""

    async def handle(call: Call) -> StreamResponse:
        """Answer when the container ends, and say at once that this is what will be done."""
        condition = call.text("condition") or _CONDITIONS[0]
        if condition not in _CONDITIONS:
            if call.api >= 42:
                raise Invalid(f'invalid condition: "{condition}"')
            condition = _CONDITIONS[0]  # as engine 20.10
        end_with_client(call.http)
        response = answers.stream()
        with feed.listening() as key:
            before = await call.engine.call(lambda engine: engine.container_end(call.name))
            await response.prepare(call.http)
            status = await _exit_status(feed, before, condition, key)
        await response.write(wire.encode({"Error": None, "StatusCode": status}))
        return response

    return handle


async def _exit_status(feed: Feed, before: Ended, condition: str, key: int) -> int:
    """Return the exit status that meets the condition, of events after `key`."""
    status = before.exit_code
    if condition == "not-running" and not before.is_running:
        return status
    while batch := await feed.next(key):
        key = batch[-1].key
        for event in batch:
            if event.actor != before.id:
                continue
            if event.action == "die":
                status = int(event.attributes["exitCode"])
            if event.action == "destroy" or (event.action == "die" and condition != "removed"):
                return status
    raise ConnectionAbortedError("the daemon stops")


async def _attach(call: Call) -> StreamResponse:
    stdin, stdout, stderr = (call.on(name) for name in ("stdin", "stdout", "stderr"))

    def attach(engine: Engine) -> tuple[dict[str, Any], Attachment | None]:
        escape_keys(call.text("detachKeys"))
        document = engine.inspect_container(call.name)
        if not call.on("stream"):
            return document, None
        return document, engine.attach_container(call.name, stdin=stdin, stdout=stdout, stderr=stderr)

    async def is_over() -> bool:
        return await call.engine.call(lambda engine: engine.is_process_gone(document["Id"]))

    try:
        document, attachment = await call.engine.call(attach)
    except LiganError as error:
        return Refused(call, error)
    tty = bool(document["Config"]["Tty"])
    try:
        client = Hijacked(call, MULTIPLEXED if call.api >= 42 and not tty else RAW)
        if call.on("logs"):
            await _send_past(call, client, LogRequest(stdout=stdout, stderr=stderr), tty=tty)
        if attachment is not None:
            streams = Streams(
                stdin=stdin, stdout=stdout, stderr=stderr, tty=tty, detach_keys=_keys(call, tty)
            )
            if await _connected(attachment):
                await streams.relay(client, attachment.take(), is_over)
    finally:
        if attachment is not None:
            attachment.close()
    return client


def _keys(call: Call, tty: bool) -> bytes:
    """Return the keys that end a session: Docker looks for them on terminals only."""
    return escape_keys(call.text("detachKeys") or _DETACH) if tty else b""


async def _connected(attachment: Attachment) -> bool:
    """Wait until the container starts, if it has not; returns False where it is removed before."""
    if isinstance(attachment, LateAttachment):
        for pause in pauses():
            if attachment.try_connect():
                break
            if attachment.is_over:
                return False
            await asyncio.sleep(pause)
    return True


async def _send_past(call: Call, client: Hijacked, request: LogRequest, *, tty: bool) -> None:
    def read(engine: Engine) -> bytes:
        return b"".join([_log_bytes(line, tty=tty) for line in engine.container_logs(call.name, request)])

    await client.write(await call.engine.stream(read))


def _log_bytes(line: LogLine, *, tty: bool, stamped: bool = False, before: bytes = b"") -> bytes:
    text = before + line.text
    if stamped:
        text = line.stamp.encode() + b" " + text
    return text if tty else frame(STDOUT if line.stream == "stdout" else STDERR, text)


async def _logs(call: Call) -> StreamResponse:
    request = _log_request(call)
    stamped = call.on("timestamps")
    if not request.stdout and not request.stderr:
        raise Invalid("Bad parameters: you must choose at least one stream")
    document = await call.engine.call(lambda engine: engine.inspect_container(call.name))
    check_readable(document)
    tty = bool(document["Config"]["Tty"])
    before = details(document) if call.on("details") else b""
    end_with_client(call.http)
    response = answers.stream(MULTIPLEXED if call.api >= 42 and not tty else RAW)
    body = ResponseBody(call, response)
    await response.prepare(call.http)

    def tell(engine: Engine) -> None:
        waiting = bytearray()
        for line in engine.container_logs(call.name, request, lambda: not body.abandoned):
            waiting += _log_bytes(line, tty=tty, stamped=stamped, before=before)
            if request.follow or len(waiting) >= _BATCH:
                body.write(bytes(waiting))
                waiting.clear()
        if waiting:
            body.write(bytes(waiting))

    await run(call, tell, body)
    return response


def _log_request(call: Call) -> LogRequest:
    since, until = (_time(call.text(key)) for key in ("since", "until"))
    tail = call.text("tail")
    return LogRequest(
        stdout=call.on("stdout"),
        stderr=call.on("stderr"),
        since=since,
        until=until,
        tail=int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 19 else -1,
        follow=call.on("follow"),
    )


def _time(text: str) -> int:
    return until_time(text, time.time_ns()) if text and text != "0" else 0


async def _stats(call: Call) -> StreamResponse:
    stream, once = call.on("stream", default=True), call.on("one-shot")
    end_with_client(call.http)
    document = await _measured(call, None)
    if not stream:
        if not once and document["read"] != document["preread"]:
            await asyncio.sleep(_STATS_SECONDS)  # two measurements make a share of the processor
            document = await _measured(call, document)
        return answers.document(document)
    response = answers.stream()
    await response.prepare(call.http)
    while True:
        await response.write(wire.encode(document))
        await asyncio.sleep(_STATS_SECONDS)
        document = await _measured(call, document)


async def _measured(call: Call, previous: dict[str, Any] | None) -> dict[str, Any]:
    return await call.engine.call(lambda engine: engine.container_stats(call.name, previous=previous))


async def _create_exec(call: Call) -> StreamResponse:
    body = await read_required(call)
    request = ExecRequest(
        command=tuple(words(body.get("Cmd"), "Cmd") or ()),
        environment=tuple(strings(body.get("Env"), "Env") or ()),
        user=string(body.get("User"), "User"),
        working_dir=string(body.get("WorkingDir"), "WorkingDir"),
        tty=boolean(body.get("Tty"), "Tty"),
        stdin=boolean(body.get("AttachStdin"), "AttachStdin"),
        stdout=boolean(body.get("AttachStdout"), "AttachStdout"),
        stderr=boolean(body.get("AttachStderr"), "AttachStderr"),
        privileged=boolean(body.get("Privileged"), "Privileged"),
        detach_keys=string(body.get("DetachKeys"), "DetachKeys"),
    )
    exec_id = await call.engine.call(lambda engine: engine.create_exec(call.name, request), call.command)
    return answers.document({"Id": exec_id}, 201)


async def _start_exec(call: Call) -> StreamResponse:
    body = await read_object(call, optional=True) or {}
    document = await call.engine.call(lambda engine: engine.inspect_exec(call.name))
    if body.get("Detach"):
        await call.engine.stream(lambda engine: engine.start_exec(call.name, detach=True), call.command)
        return answers.nothing(200)
    tty, stdin = bool(document["ProcessConfig"]["tty"]), bool(document["OpenStdin"])
    client = Hijacked(call, MULTIPLEXED if call.api >= 42 and not tty else RAW)
    try:
        attachment = await call.engine.stream(lambda engine: engine.start_exec(call.name), call.command)
    except LiganError as error:
        # What the command would have printed (golden k_containers).
        text = f"{error.message}\r\n".encode()
        await client.write(text if tty else frame(STDOUT, text))
        return client
    assert attachment is not None
    streams = Streams(
        stdin=stdin,
        stdout=bool(document["OpenStdout"]),
        stderr=bool(document["OpenStderr"]),
        tty=tty,
        detach_keys=escape_keys(_DETACH) if tty else b"",
    )
    if not await streams.relay(client, attachment.take()):
        # Who asks for the exit status next must find it.
        await call.engine.stream(lambda engine: engine.wait_exec(call.name))
    return client


async def _inspect_exec(call: Call) -> StreamResponse:
    return answers.document(await call.engine.call(lambda engine: engine.inspect_exec(call.name)))


async def _resize_exec(call: Call) -> StreamResponse:
    height, width = integer(call, "h", 0) or 0, integer(call, "w", 0) or 0
    await call.engine.call(lambda engine: engine.resize_exec(call.name, height, width))
    return answers.nothing(200)


ROUTES: list[Route] = [
    ("POST", "/containers/{name}/attach", _attach),
    ("GET", "/containers/{name}/logs", _logs),
    ("GET", "/containers/{name}/stats", _stats),
    ("POST", "/containers/{name}/exec", _create_exec),
    ("POST", "/exec/{name}/start", _start_exec),
    ("GET", "/exec/{name}/json", _inspect_exec),
    ("POST", "/exec/{name}/resize", _resize_exec),
]
