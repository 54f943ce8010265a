from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.golden import Replay
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def replay(
    tmp_path: object, store_root: str, base_images: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Replay]]:
    """Start a scenario: `replay("a_dangling_rebuild")`. At its end nothing may be left of containers."""
    monkeypatch.setenv("LIGAN_BRIDGE", "false")  # as the daemon of the goldens
    yield lambda scenario: Replay(scenario, str(tmp_path), base_images, monkeypatch)
    Home(store_root).close()
