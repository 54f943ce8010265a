"""The life of a registry's server: one a folder, from its lock to a stop that leaves nothing under way."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import resource
import signal
import time

import uvloop
from aiohttp import web

from ligan.errors import LiganError, Unavailable
from ligan.registry.answers import fault
from ligan.registry.http import RegistryApi
from ligan.registry.index.database import open_index
from ligan.registry.recovery import begin, lock_registry, open_registry
from ligan.registry.storage.filesystem import FilesystemStorage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.registry.keeping import UndoPolicy
    from ligan.registry.verifying import Report, Verification

LEASE_CHECK_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_CUT_SECONDS = 0.1
"""How long aiohttp tries to end what has been given its time already; 0 would be for ever."""

_PROGRESS_SECONDS = 2.0
_READ_BUFFER = 256 << 10
_FILES = 1 << 16

_log = logging.getLogger("ligan.registry")


def serve(root: str, host: str, port: int, stop_seconds: float, policy: UndoPolicy) -> None:
    """Serve until SIGTERM or SIGINT, and until what was under way then has ended.

    Refuses by raising a LiganError, before anything listens: Busy where a server has this folder. One that
    another registry has filled is taken in before anything listens, and what it has changed since, after.
    """
    storage = open_registry(root)
    lock = lock_registry(storage)
    try:
        index = open_index(storage.index)
        try:
            verification = begin(index, storage, time.time_ns(), _logging_progress())
        finally:
            index.close()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(storage, host, port, stop_seconds, policy, verification))
    finally:
        os.close(lock)


class _Front:
    """The outermost handler: answers to the last byte, and knows what is under way.

    aiohttp's own way to stop would read nothing more, and break off uploads.
    """

    def __init__(self, api: RegistryApi) -> None:
        self._api = api
        self.running: set[asyncio.Task[object]] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            response = await self._api(request)
            # aiohttp would do both after this call, which must last as long as the answer does.
            await response.prepare(request)
            await response.write_eof()
        finally:
            self.running.discard(task)
        return response


class _Connection(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request with the registry's shape of an error."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("the answer cannot be finished")
        if status >= 500:
            _log.error("%s %s failed", request.method, request.path, exc_info=exc)
        response = (
            fault(status, "UNSUPPORTED", "bad request")
            if status < 500
            else fault(status, "UNKNOWN", "internal error")
        )
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


async def _serve(
    storage: FilesystemStorage,
    host: str,
    port: int,
    stop_seconds: float,
    policy: UndoPolicy,
    verification: Verification,
) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    api = RegistryApi(storage, policy, verification)
    front = _Front(api)
    server = _Server(
        front,
        access_log=None,
        keepalive_timeout=_IDLE_SECONDS,
        read_bufsize=_READ_BUFFER,
        auto_decompress=False,  # a registry stores what it is sent
    )
    timer = asyncio.create_task(_look_after(api))
    try:
        try:
            listening = await loop.create_server(server, host, port)
        except OSError as error:
            code = error.errno or 0  # uvloop's own words name the address once more
            reason = os.strerror(code) if code in errno.errorcode else error.strerror or error
            raise Unavailable(f"cannot listen on {host}:{port}: {str(reason).lower()}") from error
        _log.info("listening on %s", ", ".join(_address(each) for each in listening.sockets))
        if not all(is_loopback(each.getsockname()[0]) for each in listening.sockets):
            _log.warning(
                "whoever reaches this address can push and delete: only a proxy can ask for passwords"
            )
        await stopping.wait()
        listening.close()
        if front.running:
            await asyncio.wait(front.running, timeout=stop_seconds)
    finally:
        timer.cancel()
        server.pre_shutdown()  # who asks for nothing now is let go
        await server.shutdown(_CUT_SECONDS)
        api.close()
    _log.info("stopped")


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    return ipaddress.ip_address(host).is_loopback


def _address(listening: object) -> str:
    host, port = listening.getsockname()[:2]  # type: ignore[attr-defined]  # uvloop's sockets have no type
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _logging_progress() -> Report:
    """Return what logs how far the taking in of a folder is, now and then."""
    last = time.monotonic()

    def report(done: int, repositories: int, manifests: int) -> None:
        nonlocal last
        if done == repositories or time.monotonic() - last > _PROGRESS_SECONDS:
            last = time.monotonic()
            _log.info("took in %d of %d repositories, %d manifests", done, repositories, manifests)

    return report


async def _look_after(api: RegistryApi) -> None:
    """Make sure that the index is right, and then free what leases and undo keep when their time is over."""
    try:
        taken = await api.verify()
    except LiganError as error:
        _log.error("cannot compare the folder with its index, so nothing is freed: %s", error.message)
        return
    _log.info(
        "verified: another registry has added %d manifests, deleted %d, and changed %d tags",
        taken.new,
        taken.gone,
        taken.moved,
    )
    while True:
        try:
            freed = await api.release_expired()
        except LiganError as error:
            _log.error("cannot free what leases and undo kept: %s", error.message)
        else:
            if freed:
                _log.info("freed what leases and undo kept: %d bytes", freed)
        await asyncio.sleep(LEASE_CHECK_SECONDS)
