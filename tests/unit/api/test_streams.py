from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from ligan.api.bridge import Bridge
from ligan.api.streams import ClientGone, RequestBody, ResponseBody, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ligan.api.router import Call


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge(lambda: cast("Any", SimpleNamespace(close=lambda: None)))
    yield bridge
    bridge.close()


class Response:
    """Takes what is written, as slowly as it is told to."""

    def __init__(self) -> None:
        self.prepared = False
        self.sent: list[bytes] = []
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def prepare(self, http: object) -> None:
        self.prepared = True

    async def write(self, data: bytes) -> None:
        await self.is_open.wait()
        self.sent.append(data)


def request(bridge: Bridge) -> tuple[Call, StreamReader]:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = Mock()  # a connection that is open
    content = StreamReader(protocol, 1 << 16, loop=loop)
    http = SimpleNamespace(content=content, transport=None)
    return cast("Call", SimpleNamespace(http=http, engine=bridge, command="")), content


def with_body(
    bridge: Bridge, feed: Callable[[StreamReader], None], verb: Callable[[RequestBody], Any]
) -> Any:
    """Run a verb on a body to which `feed` gives its bytes."""

    async def work() -> Any:
        call, content = request(bridge)
        body, answer = RequestBody(call), ResponseBody(call, cast("Any", Response()))
        asyncio.get_running_loop().call_later(0.01, feed, content)
        return await run(call, lambda _engine: verb(body), answer, body)

    return asyncio.run(work())


def whole(content: StreamReader) -> None:
    content.feed_data(b"abc")
    content.feed_data(b"def")
    content.feed_eof()


def test_a_body_is_read_in_pieces_to_its_end(bridge: Bridge) -> None:
    def verb(body: RequestBody) -> list[bytes]:
        return [body.read(2), body.read(1), body.readall(), body.read(5), body.read(5)]

    assert with_body(bridge, whole, verb) == [b"ab", b"c", b"def", b"", b""]


def test_a_body_fills_a_buffer(bridge: Bridge) -> None:
    def verb(body: RequestBody) -> tuple[int | None, bytes]:
        buffer = bytearray(4)
        return body.readinto(buffer), bytes(buffer)

    assert with_body(bridge, whole, verb) == (4, b"abcd")


def test_a_verb_need_not_read_the_body(bridge: Bridge) -> None:
    assert with_body(bridge, whole, lambda _body: "done") == "done"


def test_a_body_that_breaks_off_is_no_end(bridge: Bridge) -> None:
    def feed(content: StreamReader) -> None:
        content.feed_data(b"abc")
        content.set_exception(ConnectionResetError())

    def verb(body: RequestBody) -> None:
        while True:
            assert body.read(2), "that looked like an end"

    with pytest.raises(ClientGone):
        with_body(bridge, feed, verb)


def test_an_answer_begins_with_its_first_byte(bridge: Bridge) -> None:
    async def work() -> tuple[bool, bool, list[bytes]]:
        call, _content = request(bridge)
        response = Response()
        answer = ResponseBody(call, cast("Any", response))
        await run(call, lambda _engine: None, answer)
        before = response.prepared
        await run(call, lambda _engine: answer.write(b"x"), answer)
        return before, response.prepared, response.sent

    assert asyncio.run(work()) == (False, True, [b"x"])


def test_what_was_written_may_be_used_again(bridge: Bridge) -> None:
    async def work() -> list[bytes]:
        call, _content = request(bridge)
        response = Response()
        answer = ResponseBody(call, cast("Any", response))

        def verb(_engine: object) -> None:
            buffer = bytearray(b"one")
            answer.write(buffer)
            buffer[:] = b"two"
            answer.write(memoryview(buffer))
            buffer[:] = b"---"

        await run(call, verb, answer)
        return response.sent

    assert asyncio.run(work()) == [b"one", b"two"]


def test_an_engine_waits_for_a_slow_client(bridge: Bridge) -> None:
    async def work() -> tuple[bool, list[bytes]]:
        call, _content = request(bridge)
        response = Response()
        response.is_open.clear()
        answer = ResponseBody(call, cast("Any", response))
        task = asyncio.create_task(run(call, lambda _engine: answer.write(b"x"), answer))
        while not response.prepared:
            await asyncio.sleep(0)
        waited = not task.done()
        response.is_open.set()
        await task
        return waited, response.sent

    assert asyncio.run(work()) == (True, [b"x"])


def test_a_verb_ends_when_its_client_goes(bridge: Bridge) -> None:
    begun, gone, ended = threading.Event(), threading.Event(), threading.Event()

    async def work() -> None:
        call, _content = request(bridge)
        body, answer = RequestBody(call), ResponseBody(call, cast("Any", Response()))

        def verb(_engine: object) -> None:
            begun.set()
            try:
                with pytest.raises(ClientGone):
                    body.read(1)
                with pytest.raises(ClientGone):
                    answer.write(b"x")
                gone.set()
            finally:
                ended.set()

        task = asyncio.create_task(run(call, verb, answer, body))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait, 20)

    asyncio.run(work())
    assert gone.is_set()
