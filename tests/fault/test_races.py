"""Processes work on one store at random and some are killed: nothing fails, and nothing is left over."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NotFound
from ligan.images import inspect, save
from ligan.oci.digest import Digest
from ligan.store.blobs import MissingBlob
from tests.support import faults
from tests.support.stores import Stock, check_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def race(seed: int, seconds: int) -> None:
    with TemporaryDirectory(dir=faults.MEMORY) as folder:
        root = os.path.join(folder, "root")
        run = subprocess.run(
            [sys.executable, "-m", "tests.support.races", root, str(seed), str(seconds)],
            cwd=faults.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"seed {seed}:\n{run.stdout}{run.stderr}"
        faults.run(root, "repair")
        check_store(root)
        assert os.listdir(os.path.join(root, "ingest")) == []
        assert os.listdir(os.path.join(root, "trash")) == []


def test_processes_race() -> None:
    race(seed=os.getpid(), seconds=6)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_processes_race_for_long(seed: int) -> None:
    race(seed, seconds=60)


READING: dict[str, Callable[[Stock], object]] = {
    "inspect": lambda stock: stock.engine.inspect_image("b:1"),
    "history": lambda stock: stock.engine.history("b:1"),
    "raw config": lambda stock: stock.engine.inspect_raw_config("b:1"),
    "save": lambda stock: stock.engine.save(["b:1"], io.BytesIO()),
    "check of save": lambda stock: stock.engine.check_save(["b:1"]),
}


@pytest.fixture
def pair(store_root: str) -> Iterator[tuple[Stock, Stock]]:
    """Two processes' views of one store."""
    one, other = Stock(store_root), Stock(store_root)
    faults.load(one)
    yield one, other
    one.store.close()
    other.store.close()


@pytest.mark.parametrize("verb", READING)
def test_what_is_deleted_while_it_is_read_is_absent_and_not_damaged(
    verb: str, pair: tuple[Stock, Stock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader's transaction still sees the image when the other's sweep has taken its files away."""
    reader, other = pair
    _before_files_are_read(monkeypatch, lambda: faults.rmi_now(other))
    with pytest.raises(NotFound, match=r"No such image|reference does not exist"):
        READING[verb](reader)


@pytest.mark.parametrize("verb", READING)
def test_a_file_missing_for_good_is_damage(verb: str, pair: tuple[Stock, Stock]) -> None:
    reader, _other = pair
    path = reader.store.layout.blob(Digest(faults.B.id))
    os.rename(path, path + ".away")
    with pytest.raises(MissingBlob, match="cannot be read"):
        READING[verb](reader)
    os.rename(path + ".away", path)


def _before_files_are_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something once, in the middle of a reading verb: between its rows and its files."""
    read_config = inspect.read_config
    pending = [act]

    def interrupted(*arguments: object) -> object:
        while pending:
            pending.pop()()
        return read_config(*arguments)  # type: ignore[arg-type]  # passed on as they came

    for module in (inspect, save):
        monkeypatch.setattr(module, "read_config", interrupted)
