from __future__ import annotations

from typing import TYPE_CHECKING

from ligan.cli.progress import Lines

if TYPE_CHECKING:
    import pytest


def test_each_layer_keeps_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines(80)
    lines.show("a", "Loading layer", 1, 10)
    lines.show("b", "Loading layer", 2, 10)
    lines.show("a", "Loading layer", 10, 10)
    lines.print("Loaded image: x")
    lines.show("a", "Loading layer", 1, 10)
    first = "\n\x1b[1A\x1b[2K\ra: Loading layer       1B/10B\r\x1b[1B"
    assert capfd.readouterr().out == (
        f"{first}"
        "\n\x1b[1A\x1b[2K\rb: Loading layer       2B/10B\r\x1b[1B"
        "\x1b[2A\x1b[2K\ra: Loading layer      10B/10B\r\x1b[2B"
        f"Loaded image: x\n{first}"
    )
