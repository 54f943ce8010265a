"""A team: threads that work beside the one that owns the store's database.

Hashing, copying, compressing and the network release Python's lock, so that
threads share the cores. The database, and whoever watches the progress, stay in
the thread that asked: what the others want said or done there, they send it.
"""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from threading import Thread, current_thread

from ligan.errors import Unavailable
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from ligan.store.store import Store

    Job = TypeVar("Job")
    Result = TypeVar("Result")

    Tell = Callable[[Any], None]
    """What a worker reports by. It does not return where the work is for nothing."""


_ASKED_EACH = 0.2
"""Seconds between two questions whether the work is still wanted."""


class _RoomRequest(Value):
    """A thread found the disk full, and waits for what the owner of the database can do."""

    wanted: int
    answer: SimpleQueue[bool]


class _Abandoned(Exception):
    """Another job has failed, or the caller gave up: the rest would be for nothing."""


class Team:
    """Threads for the jobs of one verb. Belongs to the thread that made it."""

    def __init__(
        self,
        store: Store,
        say: Callable[[Any], None],
        threads: int,
        *,
        in_order: bool = True,
        stop: Callable[[], None] | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        """`say` is told in this thread what the others report.

        Of several failures that of the first job counts, and with `in_order` a
        failure stops none of the jobs before it; else it stops all. `stop` is called where the rest is for
        nothing: it breaks off what the other threads wait for. That is so too where `is_wanted`, asked
        several times a second in this thread, says no.
        """
        self._store = store
        self._say = say
        self._threads = threads
        self._in_order = in_order
        self._stop = stop
        self._is_stopped = False
        self._is_wanted = is_wanted
        self._owner = current_thread()
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._pending: deque[int] = deque()
        self._failures: dict[int, BaseException] = {}
        self._abandoned = False
        self._working = 0

    def make_room(self, wanted: int) -> bool:
        """Do what Store.make_room does, from any thread."""
        if current_thread() is self._owner:
            return self._store.make_room(wanted)
        request = _RoomRequest(wanted, SimpleQueue())
        self._inbox.put(request)
        return request.answer.get()

    def check_wanted(self) -> None:
        """Raise Unavailable where nobody wants the work any more."""
        if self._is_wanted is not None and not self._is_wanted():
            raise Unavailable("nobody waits for this any more")

    def run(self, jobs: Sequence[Job], work: Callable[[Job, Tell], Result]) -> list[Result]:
        """Return what `work` made of each job, in their order. Raises what it raised."""
        if len(jobs) == 1 and self._is_wanted is None:
            return [work(jobs[0], self._say)]
        results: dict[int, Result] = {}

        def take(position: int) -> None:
            results[position] = work(jobs[position], lambda message: self._send(position, message))

        self._pending.extend(range(len(jobs)))
        threads = [Thread(target=self._work, args=(take,)) for _ in range(min(self._threads, len(jobs)))]
        for thread in threads:
            thread.start()
        self._working = len(threads)
        try:
            self._serve()
        except BaseException:
            self._abandoned = True
            self._pending.clear()
            self._break_off()
            self._serve()
            raise
        if self._failures:
            raise self._failures[min(self._failures)]
        return [results[position] for position in range(len(jobs))]

    def _send(self, position: int, message: Any) -> None:
        failed = self._failures
        if self._abandoned or (any(other < position for other in failed) if self._in_order else failed):
            raise _Abandoned
        self._inbox.put(message)

    def _serve(self) -> None:
        """Do what the threads want done in this one, until all of them have ended."""
        while self._working:
            message = self._next()
            if message is None:
                self._working -= 1
                if self._failures and not self._in_order:
                    self._break_off()
            elif isinstance(message, _RoomRequest):
                there_is_room = False
                try:
                    there_is_room = not self._abandoned and self._store.make_room(message.wanted)
                finally:
                    message.answer.put(there_is_room)
            elif not self._abandoned:
                self._say(message)

    def _next(self) -> Any:
        """Return what another thread wants said or done. Raises as check_wanted does."""
        while self._is_wanted is not None and not self._abandoned:
            try:
                return self._inbox.get(timeout=_ASKED_EACH)
            except Empty:
                self.check_wanted()
        return self._inbox.get()

    def _break_off(self) -> None:
        if self._stop is not None and not self._is_stopped:
            self._is_stopped = True  # what fails from now on fails for that
            self._stop()

    def _work(self, take: Callable[[int], None]) -> None:
        """Take jobs until none is left: the body of a thread."""
        while self._pending:
            try:
                position = self._pending.popleft()
            except IndexError:
                break  # another thread took the last one
            try:
                take(position)
            except _Abandoned:
                break
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that asked
                if not self._is_stopped:
                    self._failures[position] = error
                self._pending.clear()
        self._inbox.put(None)
