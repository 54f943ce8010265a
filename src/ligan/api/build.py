"""Building: the classic builder, whose messages are the answer.

Source: engine 20.10, api/server/router/build; goldens b_build_messages and a_dangling_rebuild.
"""

from __future__ import annotations

import base64
import binascii
from urllib.request import getproxies

from ligan.api import answers, wire
from ligan.api.connections import end_with_client
from ligan.api.empty import NO_BUILDKIT
from ligan.api.registry import credentials_in
from ligan.api.streams import RequestBody, ResponseBody, run
from ligan.build.classic import ClassicRequest, build_tags
from ligan.build.classic_containers import StepFailed
from ligan.build.output import Output, StageDone, Text
from ligan.errors import Invalid, LiganError, Unsupported
from ligan.oci.documents import parse_json
from ligan.oci.gostruct import mapping, of, string, strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Route
    from ligan.build.output import Said
    from ligan.engine.role import Engine
    from ligan.remote.credentials import Credentials

_RED, _PLAIN = "\x1b[91m", "\x1b[0m"
_NUMBERS = {
    "memswap": "MemorySwap",
    "memory": "Memory",
    "cpushares": "CpuShares",
    "cpuperiod": "CpuPeriod",
    "cpuquota": "CpuQuota",
}
_TEXTS = {"cpusetcpus": "CpusetCpus", "cpusetmems": "CpusetMems", "cgroupparent": "CgroupParent"}


async def _build(call: Call) -> StreamResponse:
    request = _request(call)
    end_with_client(call.http)
    credentials = _credentials(call)
    remote, dockerfile = call.text("remote"), call.text("dockerfile") or "Dockerfile"
    answer = ResponseBody(call, answers.stream())
    body = None if remote else RequestBody(call)
    writer = _Writer(answer, quiet=call.on("q"), aux=call.api >= 30)

    def make(engine: Engine) -> str:
        output = Output(writer.write)
        try:
            return engine.build_classic(
                body if body is not None else remote,
                dockerfile,
                request,
                output,
                credentials,
                lambda: not answer.abandoned,
            )
        finally:
            output.flush()

    try:
        image = await run(call, make, answer, body)
    except LiganError as error:
        if not await writer.has_begun():
            raise
        await answer.send(_error(error))
    else:
        if call.on("q"):
            await answer.send(wire.stream_line({"stream": f"{image}\n"}))
    return answer.response


class _Writer:
    """Makes the answer of what a build says; a `quiet` one keeps it for the case of an error."""

    def __init__(self, answer: ResponseBody, *, quiet: bool, aux: bool) -> None:
        self._answer = answer
        self._quiet = quiet
        self._aux = aux
        self._kept: list[bytes] = []

    def write(self, messages: Sequence[Said]) -> None:
        lines = b"".join([self._line(said) for said in messages])
        if self._quiet:
            self._kept.append(lines)
        elif lines:
            self._answer.write(lines)

    def _line(self, said: Said) -> bytes:
        if isinstance(said, Text):
            text = f"{_RED}{said.text}{_PLAIN}" if said.is_error else said.text
            return wire.stream_line({"stream": text})
        if isinstance(said, StageDone):
            return wire.stream_line({"aux": {"ID": said.image}}) if self._aux else b""
        return wire.message_line(said)

    async def has_begun(self) -> bool:
        """Return whether an error is one more message: what was kept is said now."""
        kept = b"".join(self._kept)
        if kept:
            await self._answer.send(kept)
        return self._answer.response.prepared


def _error(error: LiganError) -> bytes:
    if not isinstance(error, StepFailed):
        return wire.stream_error(error)
    detail = {"code": error.status, "message": error.message}
    return wire.stream_line({"errorDetail": detail, "error": error.message})


def _request(call: Call) -> ClassicRequest:
    """Return what the parameters ask for. Raises Invalid."""
    _check(call)
    force_remove = call.on("forcerm")
    arguments = _document(call, "buildargs", "error reading build args")
    labels = _document(call, "labels", "error reading labels")
    request = ClassicRequest(
        tags=tuple(call.texts("t")),
        target=call.text("target"),
        arguments={
            name: None if value is None else string(value, name)
            for name, value in of(arguments, dict, "buildargs").items()
        }
        if arguments
        else {},
        labels=mapping(labels, "labels") or {},
        cache_from=tuple(
            strings(_document(call, "cachefrom", "error reading cache sources"), "cachefrom") or ()
        ),
        no_cache=call.on("nocache"),
        pull=call.on("pull"),
        remove=force_remove or not call.text("rm") or call.on("rm"),
        force_remove=force_remove,
        platform=call.text("platform") if call.api >= 32 else "",
        host_config=_host_config(call),
        proxies=getproxies(),
    )
    build_tags(request.tags)  # before anything is read
    return request


def _check(call: Call) -> None:
    """Raise Invalid, or Unsupported, for what no classic builder on Linux does."""
    version = call.text("version") or "1"
    if version == "2":
        raise Unsupported(NO_BUILDKIT)
    if version != "1":
        raise Invalid(f'invalid version "{version}"')
    if call.has("securityopt"):
        raise Invalid("The daemon on this platform does not support setting security options on build")
    isolation = call.text("isolation")
    if isolation not in ("", "default"):
        raise Invalid(f'Unsupported isolation: "{isolation}"')
    if call.on("squash"):
        raise Invalid("squash is only supported with experimental mode")


def _host_config(call: Call) -> dict[str, Any]:
    size = call.text("shmsize")
    if size and not _is_number(size):
        raise Invalid(f'strconv.ParseInt: parsing "{size}": invalid syntax')
    network = call.text("networkmode")
    return {
        **{field: _number(call.text(name)) for name, field in _NUMBERS.items()},
        **{field: call.text(name) for name, field in _TEXTS.items()},
        "Ulimits": _document(call, "ulimits", "error reading ulimit settings"),
        "ShmSize": int(size or 0),
        "ExtraHosts": call.texts("extrahosts"),
        "NetworkMode": network or "default",
        "Isolation": call.text("isolation"),
        "LogConfig": {"Type": "none", "Config": {}},
    }


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").removeprefix("+")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _number(text: str) -> int:
    """Return a number, or 0 for what is none: Docker says nothing of it."""
    return int(text) if _is_number(text.strip()) else 0


def _document(call: Call, key: str, what: str) -> Any:
    """Return a parameter that is JSON, None where it is not there. Raises Invalid."""
    text = call.text(key)
    if not text:
        return None
    try:
        return parse_json(text.encode("utf-8", "surrogateescape"), key)
    except Invalid as error:
        raise Invalid(f"{what}: {error.message}") from None


def _credentials(call: Call) -> dict[str, Credentials]:
    """Return what the header says, by registry; nothing for what cannot be read, as Docker."""
    header = call.http.headers.get("X-Registry-Config", "")
    try:
        document = parse_json(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)), "JSON")
        return {name: credentials_in(entry) for name, entry in document.items()}
    except (binascii.Error, ValueError, AttributeError, Invalid):
        return {}


ROUTES: list[Route] = [("POST", "/build", _build)]
