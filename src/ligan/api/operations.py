"""The life of the daemon: one a root, from its lock to a stop that leaves nothing behind."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import resource
import signal
import socket
import sys

import uvloop

from ligan.api import journal
from ligan.api.bridge import Bridge
from ligan.api.connections import Connection, Server
from ligan.api.events import Feed
from ligan.api.front import Front
from ligan.api.guard import Guard
from ligan.api.listen import TlsFiles, open_listeners, parse_address, tls_context
from ligan.containers.supervising import Supervisor
from ligan.engine.embedded import open_engine
from ligan.errors import Busy, LiganError
from ligan.remote.endpoint import RemoteSettings
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ligan.api.connections import Handler
    from ligan.api.listen import Listener
    from ligan.engine.embedded import EmbeddedEngine
    from ligan.store.layout import Layout
    from ligan.store.store import Policy

    MakeHandler = Callable[[Bridge, Feed], Handler]

UNDO_SECONDS = 60.0
"""How often the daemon looks for undo entries that are due. Every writing verb looks, too."""

_ROLLBACK_SECONDS = 10.0
"""Left by a stop to calls whose request was broken off: one that waits for a silent server takes longer."""

_FILES = 1 << 16

_log = logging.getLogger("ligan.daemon")


class Tunables(Value):
    """What SIGHUP reads again."""

    policy: Policy
    log_level: str = "info"
    remote: RemoteSettings = RemoteSettings()


class Settings(Value):
    """What the command line decided.

    `addresses` are values of `-H`; `tls` asks clients on TCP for certificates;
    `names` are names of this host that clients use; `metrics` is HOST:PORT or
    empty; `stop_seconds` is what a stop leaves to requests under way. `environ`
    is read for what systemd passes.
    """

    root: str
    addresses: tuple[str, ...]
    environ: Mapping[str, str]
    tls: TlsFiles | None = None
    insecure: bool = False
    group: str = ""
    names: tuple[str, ...] = ()
    metrics: str = ""
    stop_seconds: float = 10.0
    log_format: str = "text"


def run(settings: Settings, make_handler: MakeHandler, read_tunables: Callable[[], Tunables]) -> None:
    """Serve until SIGTERM or SIGINT, and until what was under way then has ended.

    Refuses by raising a LiganError, before anything listens: Busy where a daemon serves this root.
    """
    tunables = read_tunables()
    journal.start(tunables.log_level, settings.log_format, sys.stderr)
    _raise_file_limit()
    engine = open_engine(settings.root, tunables.policy)
    engine.remote = tunables.remote
    try:
        lock = _lock_root(engine.store.layout)
        try:
            engine.store.recover()
            daemon = _Daemon(settings, make_handler, read_tunables, engine)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(daemon.serve(lock))
        finally:
            os.close(lock)
    finally:
        engine.close()


def _listen(settings: Settings) -> list[Listener]:
    tls = settings.tls is not None
    return open_listeners(
        [parse_address(text, tls=tls) for text in settings.addresses],
        settings.environ,
        group=settings.group,
        tls=tls,
        insecure=settings.insecure,
    )


def _lock_root(layout: Layout) -> int:
    """Return a descriptor that keeps other daemons from this root until it is closed."""
    lock = os.open(layout.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, addresses = os.pread(lock, 1 << 16, 0).decode().partition(" ")
        os.close(lock)
        raise Busy(
            f"a daemon already serves {layout.root}: "
            f"process {pid or 'unknown'}, on {addresses or 'no address yet'}",
            "Use that one (DOCKER_HOST), stop it, or name another store with --root.",
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _describe(lock: int, listeners: Sequence[Listener]) -> None:
    """Say in the lock's file who serves, and where."""
    os.pwrite(lock, f"{os.getpid()} {', '.join(map(str, listeners))}".encode(), 0)


def _raise_file_limit() -> None:
    """A connection is a descriptor; the soft limit that a shell gives is below MAX_CONNECTIONS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def notify(environ: Mapping[str, str], state: str) -> None:
    """Tell systemd how far the service is, if it asked (sd_notify(3))."""
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
        except OSError as error:
            _log.warning("cannot notify the service manager: %s", error)


async def drop_due_entries(bridge: Bridge, seconds: float = UNDO_SECONDS) -> None:
    """Free what undo entries hold as their time is over; goes on until it is cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            freed = await bridge.call(lambda engine: engine.reclaim(), "ligan serve")
        except LiganError as error:
            _log.error("cannot drop undo entries that are due: %s", error.message)
        else:
            if freed:
                _log.info("dropped undo entries that were due: %d bytes", freed)


class _Daemon:
    """Serves until it is told to stop. `engine` is the one of this thread."""

    def __init__(
        self,
        settings: Settings,
        make_handler: MakeHandler,
        read_tunables: Callable[[], Tunables],
        engine: EmbeddedEngine,
    ) -> None:
        self._settings = settings
        self._make_handler = make_handler
        self._read_tunables = read_tunables
        self._engines = [engine]
        self._supervisor = Supervisor(lambda: self._open_engine().store, _log.error)
        self._stopping = asyncio.Event()

    async def serve(self, lock: int) -> None:
        """On return nothing is listening, and nothing under way."""
        self._handle_signals()
        settings = self._settings
        context = tls_context(settings.tls) if settings.tls else None
        listeners = _listen(settings)
        bridge = Bridge(self._open_engine)
        feed = Feed(self._engines[0])
        front = Front(self._make_handler(bridge, feed), Guard(settings.names), feed)
        server = Server(front)
        timer = asyncio.create_task(drop_due_entries(bridge))
        self._supervisor.start()
        try:
            _describe(lock, listeners)
            for listener in listeners:
                await listener.serve(server, context)
            if settings.metrics:
                listeners += await _serve_metrics(settings, bridge, feed, front)
            _log.info("listening on %s", ", ".join(map(str, listeners)))
            notify(settings.environ, "READY=1")
            await self._stopping.wait()
        finally:
            notify(settings.environ, "STOPPING=1")
            for listener in listeners:
                listener.close()
            timer.cancel()
            feed.close()
            await _finish(front, server, settings.stop_seconds)
            left = await asyncio.to_thread(bridge.close, _ROLLBACK_SECONDS)
            if left:
                _log.warning("%d calls do not end: the next start removes what they leave", left)
            await asyncio.to_thread(self._supervisor.close)
            _log.info("stopped")

    def _open_engine(self) -> EmbeddedEngine:
        """Open an engine for a thread of the bridge."""
        first = self._engines[0]
        engine = open_engine(self._settings.root, first.store.policy)
        engine.remote = first.remote
        engine.watched_by = self._supervisor.add
        self._engines.append(engine)
        return engine

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _stop(self, number: int) -> None:
        if self._stopping.is_set():
            _log.warning("told to stop twice: stopping at once")
            os._exit(128 + number)  # as if killed, which every store survives
        _log.info("stopping: requests under way have %g s", self._settings.stop_seconds)
        self._stopping.set()

    def _reload(self) -> None:
        try:
            tunables = self._read_tunables()
            journal.set_level(tunables.log_level)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with the file, the daemon goes on
            _log.error("settings stay as they were: %s", error)  # the reader's words say all
            return
        for engine in self._engines:
            engine.set_policy(tunables.policy)
            engine.remote = tunables.remote
        _log.info("settings read again")


async def _serve_metrics(settings: Settings, bridge: Bridge, feed: Feed, front: Front) -> list[Listener]:
    from ligan.api.metrics import Metrics

    metrics = Metrics(bridge, feed)
    front.count_in(metrics)
    listeners = open_listeners([parse_address(settings.metrics)], settings.environ, insecure=True)
    for listener in listeners:
        await listener.serve(Server(Front(metrics.handle, Guard(settings.names), feed)), None)
    return listeners


async def _finish(front: Front, server: Server, seconds: float) -> None:
    """Let requests end within `seconds`, then break them off. On return there is none."""
    await asyncio.sleep(0)  # what has come in by now is let begin
    for connection in server.connections:
        if isinstance(connection, Connection):
            connection.finish()
    if front.running:
        await asyncio.wait(front.running, timeout=seconds)
    if front.running:
        _log.warning("breaking off %d requests", len(front.running))
        for task in front.running:
            task.cancel()
        await asyncio.wait(front.running)
    await server.shutdown(0)
