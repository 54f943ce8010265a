"""What the tests of single modules share."""

from __future__ import annotations

import os
import time
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


@pytest.fixture
def in_zone() -> Iterator[None]:
    """The local zone is two hours east of UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "XYZ-2"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()
