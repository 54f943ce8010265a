"""The one way from the asynchronous server to the synchronous engine.

A handler makes one call. Each worker thread has an engine of its own, since a
connection to the database belongs to the thread that opened it.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ligan.engine.role import Engine

    T = TypeVar("T")

SHORT_THREADS = 8
"""Calls that take milliseconds: they wait for the disk, or for another writer."""

STREAM_THREADS = 512
"""Loads, saves, imports, starts and stops: each holds its thread as long as its client or container takes."""


class Bridge:
    """Bounded threads, each with its engine."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._short = _Workers("engine", SHORT_THREADS, open_engine)
        self._stream = _Workers("stream", STREAM_THREADS, open_engine)

    async def call(self, verb: Callable[[Engine], T], command: str = "") -> T:
        """Run a verb that takes milliseconds; returns or raises what it does.

        `command` is what undo entries will say did it. The verb goes on if the caller is cancelled.
        """
        return await self._short.run(verb, command)

    async def stream(self, verb: Callable[[Engine], T], command: str = "") -> T:
        """Run a verb that takes as long as a client sends or reads, or as a container starts or stops."""
        return await self._stream.run(verb, command)

    def close(self, seconds: float | None = None) -> int:
        """Wait for the calls under way, for so many seconds at the most.

        Returns how many still go on then: the engines of all others are closed. They end with the process.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        return self._short.close(deadline) + self._stream.close(deadline)


class _Workers:
    """Threads that start when they are needed, up to a number, and stay."""

    def __init__(self, name: str, most: int, open_engine: Callable[[], Engine]) -> None:
        self._name = name
        self._most = most
        self._open_engine = open_engine
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[Engine], Any], str] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._idle = 0
        self._lock = Lock()

    async def run(self, verb: Callable[[Engine], T], command: str) -> T:
        future: Future[T] = Future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._most:
                # A daemon: at the exit of the process nothing may wait for a client.
                thread = Thread(target=self._work, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._calls.put((future, verb, command))
        return await asyncio.wrap_future(future)

    def close(self, deadline: float | None) -> int:
        for _thread in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return sum([thread.is_alive() for thread in self._threads])

    def _work(self) -> None:
        engine = None
        while (call := self._calls.get()) is not None:
            future, verb, command = call
            settle: Callable[[], object] = future.cancel
            if future.set_running_or_notify_cancel():
                try:
                    engine = engine or self._open_engine()
                    engine.command = command
                    settle = partial(future.set_result, verb(engine))
                except BaseException as error:  # noqa: BLE001  # raised again by the handler
                    settle = partial(future.set_exception, error)
            with self._lock:
                self._idle += 1  # before the caller knows: its next call finds this thread
            settle()
            del call, future, verb, settle  # they may hold a whole body
        if engine is not None:
            engine.close()
