from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.cli.progress import Lines
from ligan.oci.gosize import bar

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("current", "total", "width", "text"),
    [
        (0, 0, 200, ""),
        (20, 0, 200, "     20B"),
        (0, 100, 200, f"[>{' ' * 50}]       0B/100B"),
        (50, 100, 200, f"[{'=' * 25}>{' ' * 25}]      50B/100B"),
        (100, 100, 200, f"[{'=' * 50}>]     100B/100B"),
        (2_130_000, 2_130_000, 200, f"[{'=' * 50}>]   2.13MB/2.13MB"),
        (150, 100, 200, f"[{'=' * 50}>]     150B"),
        (50, 100, 110, "     50B/100B"),
    ],
)
def test_bars_are_dockers(current: int, total: int, width: int, text: str) -> None:
    assert bar(current, total, width) == text


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
