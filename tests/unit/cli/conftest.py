"""Running commands in this process."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ligan.cli.main import main

if TYPE_CHECKING:
    from ligan.store.store import Policy
    from tests.support.fake_engine import FakeEngine


class Result(NamedTuple):
    status: int
    out: str
    err: str


class CommandLine:
    """Runs commands in this process, on the engine of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.engine: FakeEngine | None = None
        self.opened: list[tuple[str, Policy, str]] = []
        self._monkeypatch = monkeypatch
        self._capture = capture
        monkeypatch.setattr("ligan.engine.embedded.open_engine", self._open)

    def _open(self, root: str, policy: Policy, *, command: str) -> FakeEngine:
        assert self.engine is not None, "this command was not to open an engine"
        self.opened.append((root, policy, command))
        return self.engine

    def __call__(self, *words: str, engine: FakeEngine | None = None, stdin: bytes = b"") -> Result:
        self.engine = engine
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(list(words))
        captured = self._capture.readouterr()
        return Result(status, captured.out, captured.err)


@pytest.fixture
def ligan(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: object
) -> CommandLine:
    """Run commands: `ligan("images", "-q", engine=engine)` -> status, out, err."""
    for name in ("LIGAN_UNDO_WINDOW", "LIGAN_UNDO_DISK_LIMIT", "LIGAN_UNDO_BUDGET", "LIGAN_MAX_LAYER_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ligan.cli.settings.SYSTEM_FILE", f"{tmp_path}/config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LIGAN_ROOT", f"{tmp_path}/root")
    monkeypatch.delenv("LIGAN_DEBUG", raising=False)
    monkeypatch.delenv("LIGAN_FAILPOINTS", raising=False)
    return CommandLine(monkeypatch, capfd)
