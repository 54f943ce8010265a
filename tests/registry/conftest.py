"""A registry for each test, whose disk and index must agree when it has stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import serving_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ligan_registry import Registry


@pytest.fixture
def registry_root(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "registry")


@pytest.fixture
def registry(registry_root: str) -> Iterator[Registry]:
    with serving_registry(registry_root) as registry:
        yield registry


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for all tests that do not mind what others have pushed."""
    with serving_registry(str(tmp_path_factory.mktemp("shared") / "registry")) as registry:
        yield registry
