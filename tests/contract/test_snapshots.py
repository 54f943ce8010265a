"""The three snapshot drivers, each against the suite of what all of them promise."""

from __future__ import annotations

import io
import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid, Unsupported
from ligan.images.importing import ImportRequest
from ligan.layers.snapshots import Snapshots
from ligan.layers.snapshots.chain import chain
from ligan.layers.snapshots.probing import probe
from ligan.oci.digest import ImageID
from tests.contract.snapshot_suite import LAYERS, SnapshotSuite, StackedSuite, ended, fork, remove
from tests.support import archives, mounts
from tests.support.stores import Stock, opened
from tests.support.trees import LayerTar, check_same, described, expected, of_image

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@pytest.fixture
def stock(tmp_path: object) -> Iterator[Stock]:
    """An empty store, which must be sound when the test is over."""
    with opened(f"{tmp_path}/store") as stock:
        yield stock


@pytest.mark.root
class TestErofs(StackedSuite):
    driver = "erofs"

    def test_a_layer_that_cannot_be_indexed_is_unpacked(self, stock: Stock, tmp_path: str) -> None:
        odd = LayerTar().add("odd", b"odd").done()[:-1]
        container, _ = self.container(stock, LAYERS[0], odd)
        assert "odd" in os.listdir(self.snapshots(stock).mount(container))


@pytest.mark.root
class TestOverlay(StackedSuite):
    driver = "overlay"


@pytest.mark.root
class TestVfs(SnapshotSuite):
    driver = "vfs"


@pytest.mark.root
def test_the_best_driver_is_found_by_trying(stock: Stock) -> None:
    choice = probe(stock.store)
    assert (choice.driver == "erofs") == (choice.why == "")
    assert choice.driver != "vfs"
    assert mounts.below(stock.store.layout.root) == []
    assert os.listdir(stock.store.layout.ingest) == []


def test_a_driver_of_no_such_name_is_refused(stock: Stock) -> None:
    stock.store.policy = stock.store.policy.replace(storage_driver="aufs")
    with pytest.raises(Invalid, match="no such storage driver: aufs; there are erofs, overlay, vfs"):
        Snapshots(stock.store)


@pytest.fixture
def own_folder() -> Iterator[str]:
    """A folder that a user who is not root may write to, whoever may enter pytest's."""
    with TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


def test_without_root_a_container_has_a_copy(own_folder: str) -> None:
    """The layers belong to the user, as nobody else's files could be made."""
    user = os.geteuid() or NOBODY
    layers = [
        LayerTar(user, user).folder("a").add("a/b", b"b", mode=0o4755).symlink("c", "/a/b").done(),
        LayerTar(user, user).folder("a").add("a/.wh.b").add("a/d", b"d").done(),
    ]

    def work(_nothing: str) -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        stock = Stock(os.path.join(own_folder, "root"))
        image = stock.image(*layers)
        container = stock.container(image, "c")
        snapshots = Snapshots(stock.store)
        assert snapshots.choice.driver == "vfs"
        assert snapshots.choice.why == "only root can mount layers"
        merged = snapshots.mount(container)
        wanted = expected(layers, os.path.join(own_folder, "oracle"))
        check_same(of_image(described(merged)), of_image(wanted))
        snapshots.unmount(container)
        stock.store.close()

    assert ended(fork(work, "")) == 0


def test_a_file_of_somebody_else_is_refused_without_root(own_folder: str) -> None:
    def work(_nothing: str) -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setuid(NOBODY)
        stock = Stock(os.path.join(own_folder, "root"))
        container = stock.container(stock.image(LayerTar(0, 0).add("a").done()), "c")
        with pytest.raises(
            Unsupported, match="cannot give a file to 0:0: operation not permitted"
        ) as failure:
            Snapshots(stock.store).mount(container)
        assert "uidmap" in failure.value.hint
        assert os.listdir(stock.store.layout.ingest) == []
        stock.store.close()

    assert ended(fork(work, "")) == 0


@pytest.mark.root
@pytest.mark.parametrize("way", ["load", "import", "load of what undo holds"])
def test_what_came_in_is_ready_to_run(stock: Stock, way: str) -> None:
    """Its layers have been indexed in the walk that checked them: only mounting is left to do."""
    stock.store.policy = stock.store.policy.replace(storage_driver="erofs")
    item = archives.image("a", "2023-01-01T00:00:00Z", add=LAYERS[0])
    image: str = item.id
    if way == "import":
        image = stock.engine.import_image(io.BytesIO(LAYERS[0]), ImportRequest())
    else:
        stock.engine.load(io.BytesIO(archives.docker_archive([archives.Item(item)])), lambda _progress: None)
    if way == "load of what undo holds":
        stock.engine.remove_images([image])
        stock.engine.load(io.BytesIO(archives.docker_archive([archives.Item(item)])), lambda _progress: None)
    with stock.store.database.read() as tx:
        [layer] = chain(tx, tx.value("SELECT layer FROM image WHERE id = ?", (image,)))
    assert layer.index
    assert not layer.unpacked
    container = stock.container(ImageID(image), "c")
    snapshots = Snapshots(stock.store)
    assert "bin" in os.listdir(snapshots.mount(container))
    snapshots.unmount(container)
    remove(stock, container)
    stock.engine.remove_images([image], now=True)
    stock.engine.reclaim(drop_all=True)
    assert stock.disk_bytes() == 0
