"""netavark is called by one process at a time: of two that make the same chain, the second fails."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ligan.containers import netavark
from ligan.errors import Unavailable
from ligan.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

_FAKE = """\
#!/bin/sh
mkdir "$0.busy" || exit 1
sleep 0.01
rmdir "$0.busy"
"""


def test_calls_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "netavark"
    program.write_text(_FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(netavark, "_MACHINE_LOCK", str(tmp_path / "lock"))
    layout = Layout(str(tmp_path))

    def call(number: int) -> None:
        netavark.setup(layout, f"/namespace/{number}", f"c{number}", [], [])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, range(12)))  # raises NetworkFailed where two meet


@pytest.mark.parametrize("names", [False, True])
def test_missing_backend_is_named(names: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(netavark, "_FOLDERS", ())
    with pytest.raises(Unavailable, match="netavark is not installed") as raised:
        netavark.check_backend(names=names)
    assert "apt-get install netavark" in (raised.value.hint or "")
