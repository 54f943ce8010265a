"""A daemon for each test of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.serving import Daemon, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def daemon(store_root: str) -> Iterator[Daemon]:
    """`ligan serve` on an empty store, which must be sound when the daemon has stopped."""
    with serving(store_root) as daemon:
        yield daemon
