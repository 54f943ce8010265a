"""Waiting for a container that may never start."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ligan.containers import attaching
from ligan.containers.attach import await_accepted, open_attach_socket
from ligan.containers.attaching import LateAttachment
from ligan.containers.locking import Attaching, await_attaching
from ligan.store.layout import Layout
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "c" * 64


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path))
    os.makedirs(layout.container(NAME))
    return layout


def _late(layout: Layout) -> LateAttachment:
    return LateAttachment(layout.container(NAME), Attaching(layout, NAME), stdout=True, stderr=True)


def test_waiting_ends_when_the_container_is_removed(layout: Layout) -> None:
    late = _late(layout)
    assert not late.is_over
    shutil.rmtree(layout.container(NAME))
    assert not late.connect()
    assert list(late) == []
    late.close()


def test_waiting_ends_when_it_is_given_up(layout: Layout) -> None:
    late = _late(layout)
    late.close()
    assert not late.connect()


def test_start_waits_for_nobody_who_was_forgotten(layout: Layout) -> None:
    late = _late(layout)
    del late
    begin = time.monotonic()
    await_attaching(layout, NAME, 10.0)
    assert time.monotonic() - begin < 5


@pytest.fixture
def conmon(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that is attached to, by an address that is short wherever the tests run."""
    monkeypatch.chdir(layout.container(NAME))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind("attach")
        listening.listen()
        listening.setblocking(False)
        yield listening


def test_a_start_waits_until_all_who_attached_are_accepted(layout: Layout, conmon: socket.socket) -> None:
    lates = [_late(layout) for _ in range(3)]
    assert all(late.connect() for late in lates)
    waiting = threading.Thread(target=await_accepted, args=(os.getpid(), SECONDS))
    waiting.start()
    for _ in lates:
        waiting.join(0.05)
        assert waiting.is_alive()
        conmon.accept()[0].close()
    waiting.join(SECONDS / 2)
    assert not waiting.is_alive()
    for late in lates:
        late.close()


def test_who_reads_and_who_writes_have_one_socket(
    layout: Layout, conmon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two, each would be sent all output, and conmon would take the end of one for the end of stdin."""
    late = _late(layout)
    writer = threading.Thread(target=late.write, args=(b"typed",))
    opened = threading.Semaphore(0)

    def open_while_the_other_comes(folder: str) -> object:
        connection = open_attach_socket(folder)
        opened.release()
        if threading.current_thread() is not writer:
            writer.start()
            opened.acquire()  # our own
            opened.acquire(timeout=0.2)  # the other's, which may not come
        return connection

    monkeypatch.setattr(attaching, "open_attach_socket", open_while_the_other_comes)
    assert late.connect()
    writer.join()
    with conmon.accept()[0] as client:
        client.settimeout(5)
        assert client.recv(100) == b"typed"
        with pytest.raises(BlockingIOError):
            conmon.accept()
    late.close()


def test_what_is_closed_while_it_connects_is_closed_in_the_end(
    layout: Layout, conmon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _late(layout)
    closer = threading.Thread(target=late.close)

    def open_while_the_other_closes(folder: str) -> object:
        connection = open_attach_socket(folder)
        closer.start()
        closer.join(timeout=0.2)
        return connection

    monkeypatch.setattr(attaching, "open_attach_socket", open_while_the_other_closes)
    late.connect()
    closer.join()
    with conmon.accept()[0] as client:
        client.settimeout(5)
        assert client.recv(100) == b""


def test_waiting_ends_with_the_run_that_was_missed(layout: Layout) -> None:
    """As of a container that has ended between a look at it and the attaching."""
    late = _late(layout)
    late.take_rest()
    assert list(late) == []


def test_what_is_left_of_a_run_comes_after_what_was_read(layout: Layout, conmon: socket.socket) -> None:
    late = _late(layout)
    assert late.connect()
    with conmon.accept()[0] as client:
        for packet in (b"\x02one", b"\x03two", b"\x02three"):
            client.send(packet)
        shown = iter(late)
        assert next(shown) == (2, b"one")
        client.shutdown(socket.SHUT_WR)
        late.take_rest()
    assert list(shown) == [(3, b"two"), (2, b"three")]
    late.close()
