"""The one way from the asynchronous server to the synchronous engine.

A handler makes one call. Each worker thread has an engine of its own, since a
connection to the database belongs to one thread; all of them share the store.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ligan.engine.role import Engine

    T = TypeVar("T")

SHORT_THREADS = 8
"""Calls that take milliseconds: they wait for the disk, or for another writer."""

STREAM_THREADS = 32
"""Loads, saves and imports: each holds its thread as long as its client takes."""


class Bridge:
    """Bounded threads, each with its engine."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open_engine = open_engine
        self._local = threading.local()
        self._engines: list[Engine] = []
        self._lock = threading.Lock()
        self._short = ThreadPoolExecutor(SHORT_THREADS, "engine", self._start)
        self._stream = ThreadPoolExecutor(STREAM_THREADS, "stream", self._start)

    async def call(self, verb: Callable[[Engine], T]) -> T:
        """Run a verb that takes milliseconds; returns or raises what it does."""
        return await asyncio.get_running_loop().run_in_executor(self._short, self._run, verb)

    async def stream(self, verb: Callable[[Engine], T]) -> T:
        """Run a verb that reads or writes a stream."""
        return await asyncio.get_running_loop().run_in_executor(self._stream, self._run, verb)

    def close(self) -> None:
        """Wait for the calls under way, then close every engine."""
        self._short.shutdown()
        self._stream.shutdown()
        for engine in self._engines:
            engine.close()

    def _start(self) -> None:
        engine = self._open_engine()
        self._local.engine = engine
        with self._lock:
            self._engines.append(engine)

    def _run(self, verb: Callable[[Engine], T]) -> T:
        return verb(self._local.engine)
