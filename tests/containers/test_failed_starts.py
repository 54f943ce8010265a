"""Starts that come to nothing by a fault of Ligan's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.containers import runtime
from ligan.containers.rows import NoSuchContainer

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("of the test")

    monkeypatch.setattr(runtime, "launch", fail)


def test_fault_is_kept_in_the_row(home: Home) -> None:
    container = home.create("true")
    with pytest.raises(RuntimeError):
        home.engine.start_container(container)
    row = home.row(container)
    assert (row.state, row.exit_code, row.error) == ("created", 128, "internal error: RuntimeError")


def test_who_waits_for_the_removal_need_not_wait_for_ever(home: Home) -> None:
    container = home.create("true", AutoRemove=True)
    with pytest.raises(RuntimeError):
        home.engine.start_container(container)
    with pytest.raises(NoSuchContainer):
        home.row(container)
    assert home.events(container)[-1] == "destroy"
