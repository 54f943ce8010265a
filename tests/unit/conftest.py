"""What the tests of single modules share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stores import Stock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stock(tmp_path: object) -> Iterator[Stock]:
    """An empty store with its engine, which must be sound when the test is over."""
    with opened(f"{tmp_path}/store") as stock:
        yield stock
