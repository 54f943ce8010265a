from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.golden import Replay

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def replay(
    tmp_path: object, store_root: str, base_images: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Replay]:
    """Start a scenario: `replay("a_dangling_rebuild")`. Its store is checked when the test is over."""
    return lambda scenario: Replay(scenario, str(tmp_path), base_images, monkeypatch)
