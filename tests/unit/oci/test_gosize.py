from __future__ import annotations

import pytest

from ligan.oci.gosize import bar


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
