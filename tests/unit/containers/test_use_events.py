"""Events of the volumes and networks that a run uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ligan.containers import network
from ligan.containers.use_events import record_end, record_start
from tests.support.containers import events, image, make

if TYPE_CHECKING:
    from tests.support.stores import Stock


def test_volumes_and_networks_of_a_run_are_told(stock: Stock) -> None:
    image(stock, "app")
    network.ensure_built_in(stock.store)
    container = make(stock, host={"NetworkMode": "none", "Binds": ["vol:/data:ro", "/etc:/other"]})
    with stock.store.database.write() as tx:
        record_start(tx, stock.now, container)
        record_end(tx, stock.now, container)
    used = {"container": container.id, "driver": "local"}
    assert events(stock, "volume")[1:] == [
        ("mount", {**used, "destination": "/data", "propagation": "", "read/write": "false"}),
        ("unmount", used),
    ]
    connected = {"container": container.id, "name": "none", "type": "null"}
    assert events(stock, "network") == [("connect", connected), ("disconnect", connected)]


def test_a_step_of_a_build_is_not_told(stock: Stock) -> None:
    image(stock, "app")
    container = make(stock, host={"NetworkMode": "host"}).replace(purpose="build")
    with stock.store.database.write() as tx:
        record_start(tx, stock.now, container)
        record_end(tx, stock.now, container)
    assert events(stock, "network") == []
