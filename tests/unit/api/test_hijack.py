"""Connections that were taken over end with their client, also where no byte is to be written."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from ligan.api import hijack
from tests.support.waiting import SECONDS


class Watched:
    """Stands for the HTTP connection, whose handler is cancelled when it is told."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost.set()


async def _session(server: socket.socket) -> tuple[Watched, asyncio.StreamReader]:
    loop = asyncio.get_running_loop()
    watched, reader = Watched(), asyncio.StreamReader()
    given: Any = watched
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, server)
    protocol = hijack._Session(reader, given, transport)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    return watched, reader


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hijack, "_LOOK_SECONDS", 0.001)


def test_handler_is_told_that_its_client_is_gone() -> None:
    async def scene() -> bytes:
        server, client = socket.socketpair()
        watched, reader = await _session(server)
        client.sendall(b"last words")
        client.close()
        words = await reader.read()
        await asyncio.wait_for(watched.lost.wait(), SECONDS)
        return words

    assert asyncio.run(scene()) == b"last words"


def test_client_that_sends_no_more_still_reads() -> None:
    async def scene() -> bool:
        server, client = socket.socketpair()
        with client:
            watched, reader = await _session(server)
            client.shutdown(socket.SHUT_WR)
            assert await reader.read() == b""
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watched.lost.wait(), 0.05)
        await asyncio.wait_for(watched.lost.wait(), SECONDS)
        return True

    assert asyncio.run(scene())
