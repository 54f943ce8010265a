"""Prometheus metrics, on a listener of their own: who may read numbers need not be able to delete images."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.api.bridge import Bridge
    from ligan.api.events import Feed

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 120, 600)

_HEADS = {
    "_ping",
    "auth",
    "build",
    "commit",
    "containers",
    "distribution",
    "events",
    "images",
    "info",
    "networks",
    "plugins",
    "swarm",
    "system",
    "version",
    "volumes",
}
_TAILS = {"create", "df", "get", "history", "json", "load", "prune", "push", "search", "tag"}
_STREAMS = {"events", "images/create", "images/get", "images/load", "images/{name}/get"}


class Metrics:
    """Counts requests as they go, and asks the engine when it is asked."""

    def __init__(self, engine: Bridge, feed: Feed) -> None:
        self._engine = engine
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "ligan_requests", "Answered requests.", ("method", "verb", "status"), registry=registry
        )
        self._seconds = Histogram(
            "ligan_request_seconds",
            "Time from a request's headers to the end of its answer; streams apart.",
            ("verb",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._streams = Gauge(
            "ligan_streams_running", "Loads, saves, imports and event streams under way.", registry=registry
        )
        listeners = Gauge("ligan_event_listeners", "Clients that follow events.", registry=registry)
        listeners.set_function(lambda: feed.listeners)
        self._stored = {
            "Images": Gauge("ligan_images", "Images, intermediate ones too.", registry=registry),
            "BlobBytes": Gauge("ligan_blob_bytes", "Bytes of all blobs on disk.", registry=registry),
            "UndoBytes": Gauge("ligan_undo_bytes", "Bytes that only undo entries hold.", registry=registry),
        }

    def begin(self, path: str) -> None:
        if verb_of(path) in _STREAMS:
            self._streams.inc()

    def end(self, method: str, path: str, status: int, seconds: float) -> None:
        verb = verb_of(path)
        self._requests.labels(_method(method), verb, str(status)).inc()
        if verb in _STREAMS:
            self._streams.dec()
        else:
            self._seconds.labels(verb).observe(seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /metrics`, and nothing else."""
        if request.path != "/metrics":
            return web.Response(status=404, text="page not found\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"}, text="method not allowed\n")
        facts = await self._engine.call(lambda engine: engine.info())
        for name, value in {"Images": facts["Images"], **facts["Ligan"]}.items():
            if name in self._stored:
                self._stored[name].set(value)
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def verb_of(path: str) -> str:
    """Return what a path is about, without names: one of few words, whatever clients ask for."""
    parts = path.strip("/").split("/")
    if parts[0][:1] == "v" and parts[0][1:2].isdigit():
        parts = parts[1:]
    if not parts or parts[0] not in _HEADS:
        return "other"
    head, rest = parts[0], parts[1:]
    if not rest:
        return head
    if rest[-1] not in _TAILS:
        return f"{head}/{{name}}"
    return f"{head}/{rest[-1]}" if len(rest) == 1 else f"{head}/{{name}}/{rest[-1]}"


def _method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
