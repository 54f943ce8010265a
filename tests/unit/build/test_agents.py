"""Whoever speaks to a step's socket speaks to the user's agent."""

from __future__ import annotations

import os
import socket
import stat
import threading
from typing import TYPE_CHECKING

from ligan.build.agents import ForwardedAgent

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def ask(question: bytes) -> bytes:
    """Return what the socket here answers, until its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect("agent")
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(100):
            answer += data
    return answer


def test_questions_and_answers_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, steps = tmp_path / "users", tmp_path / ("deep" * 30)  # longer than an address can be
    users.mkdir()
    steps.mkdir()
    with socket.socket(socket.AF_UNIX) as agent:
        monkeypatch.chdir(users)
        agent.settimeout(10)
        agent.bind("agent")
        agent.listen()

        def answer() -> None:
            for _ in range(2):
                client, _address = agent.accept()
                with client:
                    client.sendall(b"answer to " + client.recv(100))

        thread = threading.Thread(target=answer)
        thread.start()
        with ForwardedAgent(str(steps), str(users / "agent"), 0o640, os.getuid(), os.getgid()) as forwarded:
            assert stat.S_IMODE(os.stat(forwarded.path).st_mode) == 0o640
            monkeypatch.chdir(steps)
            assert [ask(b"one"), ask(b"two")] == [b"answer to one", b"answer to two"]
        thread.join()


def test_an_agent_that_is_gone_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ForwardedAgent(".", "gone", 0o600, os.getuid(), os.getgid()):
        assert ask(b"") == b""
