from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from ligan.api.bridge import SHORT_THREADS, Bridge
from ligan.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.engine.role import Engine


class FakeEngine:
    """Knows the thread that opened it, as a connection to a database does."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.command = ""
        self.closed = False

    def close(self) -> None:
        assert threading.current_thread() is self.thread
        self.closed = True


@pytest.fixture
def engines() -> list[FakeEngine]:
    return []


@pytest.fixture
def bridge(engines: list[FakeEngine]) -> Iterator[Bridge]:
    def open_engine() -> Engine:
        engines.append(FakeEngine())
        return cast("Engine", engines[-1])

    bridge = Bridge(open_engine)
    yield bridge
    bridge.close()


def test_a_call_runs_in_the_thread_of_its_engine(bridge: Bridge) -> None:
    def verb(engine: Any) -> tuple[bool, str]:
        return engine.thread is threading.current_thread(), engine.command

    assert asyncio.run(bridge.call(verb, "DELETE /images/a")) == (True, "DELETE /images/a")
    assert asyncio.run(bridge.stream(verb)) == (True, "")


def test_a_thread_is_used_again(bridge: Bridge, engines: list[FakeEngine]) -> None:
    async def calls() -> None:
        for _ in range(20):
            await bridge.call(lambda engine: None)

    asyncio.run(calls())
    assert len(engines) == 1


def test_calls_beyond_the_threads_wait_for_one(bridge: Bridge, engines: list[FakeEngine]) -> None:
    together = threading.Barrier(SHORT_THREADS)

    def verb(engine: object) -> int:
        return together.wait(timeout=20)

    async def calls() -> list[int]:
        return await asyncio.gather(*[bridge.call(verb) for _ in range(2 * SHORT_THREADS)])

    assert sorted(asyncio.run(calls())) == sorted([*range(SHORT_THREADS)] * 2)
    assert len(engines) == SHORT_THREADS


def test_short_calls_do_not_wait_for_streams(bridge: Bridge) -> None:
    over = threading.Event()

    async def calls() -> str:
        streams = [asyncio.create_task(bridge.stream(lambda _engine: over.wait(20))) for _ in range(40)]
        answer = await bridge.call(lambda _engine: "short")
        over.set()
        assert all(await asyncio.gather(*streams))
        return answer

    assert asyncio.run(calls()) == "short"


def test_an_error_reaches_the_caller_and_the_thread_goes_on(
    bridge: Bridge, engines: list[FakeEngine]
) -> None:
    def refuse(engine: object) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict, match=r"^no$"):
        asyncio.run(bridge.call(refuse))
    assert asyncio.run(bridge.call(lambda engine: "yes")) == "yes"


def test_a_store_that_cannot_be_opened_is_tried_again() -> None:
    answers: list[object] = [Unavailable("no disk"), FakeEngine]

    def open_engine() -> Engine:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return cast("Engine", FakeEngine())

    bridge = Bridge(open_engine)
    with pytest.raises(Unavailable, match=r"^no disk$"):
        asyncio.run(bridge.call(lambda engine: None))
    assert asyncio.run(bridge.call(lambda engine: "there")) == "there"
    bridge.close()


def test_close_waits_and_closes_every_engine_in_its_thread(bridge: Bridge, engines: list[FakeEngine]) -> None:
    begun, done = threading.Event(), threading.Event()

    def verb(engine: object) -> None:
        begun.set()
        done.wait(20)

    async def leave_one_behind() -> None:
        task = asyncio.create_task(bridge.call(verb))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()

    asyncio.run(leave_one_behind())
    asyncio.run(bridge.stream(lambda engine: None))
    threading.Timer(0.05, done.set).start()
    bridge.close()
    assert done.is_set()
    assert [engine.closed for engine in engines] == [True, True]


def test_close_leaves_behind_what_does_not_end(bridge: Bridge, engines: list[FakeEngine]) -> None:
    begun, over = threading.Event(), threading.Event()

    def verb(engine: object) -> None:
        begun.set()
        over.wait(20)

    async def leave_one_behind() -> None:
        task = asyncio.create_task(bridge.stream(verb))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()

    asyncio.run(leave_one_behind())
    asyncio.run(bridge.call(lambda engine: None))
    assert bridge.close(1) == 1  # which the thread that has nothing to do need not wait for
    assert [engine.closed for engine in engines] == [False, True]
    over.set()


def test_a_call_that_was_given_up_before_its_turn_is_not_made(bridge: Bridge) -> None:
    over = threading.Event()
    made: list[object] = []

    async def calls() -> None:
        busy = [asyncio.create_task(bridge.call(lambda _engine: over.wait(20))) for _ in range(SHORT_THREADS)]
        await asyncio.sleep(0)
        late = asyncio.create_task(bridge.call(made.append))
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait([late])
        over.set()
        await asyncio.gather(*busy)

    asyncio.run(calls())
    bridge.close()
    assert made == []
