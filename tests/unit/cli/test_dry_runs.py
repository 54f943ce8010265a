"""`--dry-run` of verbs on containers, volumes and networks: what it says is what the deed says and frees."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from ligan.build.cache import add
from ligan.containers.creating import CreateRequest
from ligan.engine.embedded import EmbeddedEngine
from ligan.images.catalog import resolve
from ligan.store.store import Store
from tests.support.containers import found, image, make, set_state
from tests.support.stores import HOUR

if TYPE_CHECKING:
    from tests.support.stores import Stock
    from tests.unit.cli.conftest import CommandLine

FREED = re.compile(r"\nFreed at once:  (\d+) bytes \(\S+\)\nKept for undo:  (\d+) bytes \(\S+\)\n$")
TABLES = (
    "container",
    "container_volume",
    "volume",
    "network",
    "image",
    "layer",
    "blob",
    "outbox",
    "event",
    "build_cache",
)


@pytest.fixture
def full(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> Stock:
    """A store with an unused image, a cache, stopped containers that have written, volumes and a network."""
    monkeypatch.setattr(EmbeddedEngine, "close", lambda _engine: None)
    image(stock, "app")
    image(stock, "unused", files={"other": b"o" * 700})
    image(stock, "gone", files={"cached": b"c" * 900})
    for name in ("unused", "gone"):
        _cache(stock, name)
    stock.engine.remove_images(["gone"], now=True)
    stock.engine.create_volume("left", "", {}, {})
    _write(f"{stock.store.layout.volume_data('left')}/file", 300)
    for name in ("one", "two"):
        volumes: dict[str, object] = {"/anonymous": {}}
        container = stock.engine.create_container(
            CreateRequest(name=name, config={"Image": "app", "Volumes": volumes})
        )
        _write(f"{stock.store.layout.container(container.id)}/log", 500)
    stock.engine.create_network({"Name": "own", "Driver": "bridge"})
    return stock


def _cache(stock: Stock, name: str) -> None:
    """Keep the top layer of an image as what a step has made."""
    with stock.store.database.write() as tx:
        layer = resolve(tx, name).image.layer
        assert layer is not None
        add(tx, name, None, layer, f"RUN {name}", stock.store.now())


def _write(path: str, size: int) -> None:
    with open(path, "wb") as file:
        file.write(bytes(size))


def _disk(stock: Stock) -> int:
    """Return the bytes of all files that a delete may take away."""
    layout = stock.store.layout
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for top in (layout.blobs, layout.containers, layout.volumes)
        for folder, _folders, names in os.walk(top)
        for name in names
    )


def _rows(stock: Stock) -> dict[str, list[object]]:
    with stock.store.database.read() as tx:
        return {table: tx.all(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


@pytest.mark.parametrize(
    "words",
    [
        ["rm", "one"],
        ["rm", "-v", "two", "one"],
        ["rm", "nosuch", "one"],
        ["container", "prune", "-f"],
        ["container", "prune", "-f", "--filter", "label=nobody"],
        ["volume", "rm", "left"],
        ["volume", "prune", "-af"],
        ["network", "rm", "own", "bridge"],
        ["network", "prune", "-f"],
        ["system", "prune", "-f"],
        ["system", "prune", "-af"],
        ["system", "prune", "-f", "--filter", "label=nobody"],
        ["system", "prune", "-af", "--volumes", "--now"],
    ],
)
def test_it_says_and_counts_what_the_deed_does(full: Stock, ligan: CommandLine, words: list[str]) -> None:
    before, disk = _rows(full), _disk(full)
    dry = ligan(*words, "--dry-run", engine=full.engine)  # type: ignore[arg-type]  # a real one
    assert (_rows(full), _disk(full)) == (before, disk)
    bytes_told = FREED.search(dry.out)
    assert bytes_told is not None
    deed = ligan(*words, engine=full.engine)  # type: ignore[arg-type]  # a real one
    assert (dry.status, dry.out[: bytes_told.start()]) == (deed.status, deed.out)
    assert int(bytes_told[1]) == disk - _disk(full)


@pytest.mark.parametrize("words", [["rm", "one"], ["system", "prune", "-af", "--now"]], ids=" ".join)
def test_what_is_due_or_waits_to_go_is_not_counted(
    full: Stock, ligan: CommandLine, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image(full, "last", files={"last": b"l" * 400})
    full.engine.remove_images(["unused"])  # its layer is in the cache too
    with monkeypatch.context() as patched:
        patched.setattr(Store, "sweep", lambda _store: None)  # as if it were killed before that
        full.engine.remove_images(["last"], now=True)
    full.now += 24 * HOUR
    dry = ligan(*words, "--dry-run", engine=full.engine)  # type: ignore[arg-type]  # a real one
    told = FREED.search(dry.out)
    assert told is not None
    disk = _disk(full)
    assert ligan(*words, engine=full.engine).status == 0  # type: ignore[arg-type]  # a real one
    assert int(told[1]) == disk - _disk(full)


def test_nobody_is_asked(full: Stock, ligan: CommandLine) -> None:
    status, out, _err = ligan("system", "prune", "--dry-run", engine=full.engine)  # type: ignore[arg-type]
    assert (status, "[y/N]" in out) == (0, False)


def test_a_container_that_runs_is_not_killed(full: Stock, ligan: CommandLine) -> None:
    container = make(full, "runs")
    set_state(full, container, "running", pid=os.getpid(), pid_started=0, boot_id="elsewhere")
    # Whoever looks at it finds that it has ended; a rehearsal that comes between must not.
    with full.engine.rehearsal():
        set_state(full, container, "running", pid=os.getpid(), pid_started=0, boot_id="elsewhere")
        full.engine.remove_container("runs", force=True)
    assert found(full, "runs").state != "running"
    full.engine.remove_container("runs")


def test_an_error_inside_takes_all_back(full: Stock) -> None:
    before = _rows(full)
    with pytest.raises(ZeroDivisionError), full.engine.rehearsal():  # noqa: PT012 - what is done before counts
        full.engine.prune_containers({})
        raise ZeroDivisionError
    assert _rows(full) == before
    full.engine.prune_containers({})
    assert full.engine.list_containers({}, show_all=True) == []
