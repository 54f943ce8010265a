"""A registry's folder and index of a test's own, which must agree when it is over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.registry.index.database import open_index
from ligan.registry.recovery import open_registry
from tests.support.ligan_registry import check_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.registry.index.database import Index
    from ligan.registry.storage.filesystem import FilesystemStorage


@pytest.fixture
def storage(tmp_path: os.PathLike[str]) -> Iterator[FilesystemStorage]:
    root = os.path.join(tmp_path, "registry")
    yield open_registry(root)
    check_registry(root)


@pytest.fixture
def index(storage: FilesystemStorage) -> Iterator[Index]:
    index = open_index(storage.index)
    yield index
    index.close()
