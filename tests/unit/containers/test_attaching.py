"""Waiting for a container that may never start."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from ligan.containers.attaching import LateAttachment
from ligan.containers.locking import Attaching, await_attaching
from ligan.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

NAME = "c" * 64


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path))
    os.makedirs(layout.container(NAME))
    return layout


def _late(layout: Layout) -> LateAttachment:
    return LateAttachment(layout.container(NAME), Attaching(layout, NAME), stdout=True, stderr=True)


def test_waiting_ends_when_the_container_is_removed(layout: Layout) -> None:
    late = _late(layout)
    assert not late.is_over
    shutil.rmtree(layout.container(NAME))
    assert not late.connect()
    assert list(late) == []
    late.close()


def test_waiting_ends_when_it_is_given_up(layout: Layout) -> None:
    late = _late(layout)
    late.close()
    assert not late.connect()


def test_start_waits_for_nobody_who_was_forgotten(layout: Layout) -> None:
    late = _late(layout)
    del late
    begin = time.monotonic()
    await_attaching(layout, NAME, 10.0)
    assert time.monotonic() - begin < 5
