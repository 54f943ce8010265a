"""What every snapshot driver promises. `test_snapshots.py` runs it against each of them."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import tarfile
import traceback
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NotFound, Unavailable
from ligan.layers.snapshots import Snapshots
from ligan.store import failpoints
from ligan.store.mounts import detach, is_mounted
from ligan.store.reclaim import release_tree
from ligan.store.trees import tree_size
from tests.support import mounts
from tests.support.stores import Stock, check_store
from tests.support.trees import (
    PLACES,
    LayerTar,
    check_same,
    described,
    expected,
    of_image,
    outlines,
    outlines_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = "n" * 255


def base() -> bytes:
    """A layer with one of everything."""
    tar = LayerTar()
    tar.folder("bin").add("bin/su", b"s" * 5000, mode=0o4755).add("bin/sh", b"sh", mode=0o755)
    tar.link("bin/bash", "bin/sh", 0o755).symlink("bin/awk", "../usr/awk").symlink("gone", "/nowhere/at/all")
    tar.folder("etc", 0o2750, owner=(0, 70_000)).add("etc/passwd", b"root\n").add("etc/shadow", b"", mode=0)
    tar.folder("tmp", 0o1777).folder("var", attributes={"user.of": "var"}).folder("var/deep").folder(
        "var/deep/er"
    )
    tar.add("var/deep/er/file", b"deep", owner=(1234, 4_000_000_000))
    tar.add("null", kind=tarfile.CHRTYPE, mode=0o666, device=(1, 3))
    tar.add("disk", kind=tarfile.BLKTYPE, mode=0o660, device=(259, 70_000))
    tar.add("pipe", kind=tarfile.FIFOTYPE, mode=0o600)
    tar.add(LONG, b"long name").folder("many")
    for number in range(40):
        tar.add(f"many/{number}-{LONG[:100]}", b"%d" % number * 100)
    tar.add("attributes", b"a", attributes={"user.one": "1", "user.two": "zwei", "trusted.three": "3"})
    tar.symlink("link-" + "l" * 90, "t" * 700).folder("opaque").add("opaque/old", b"old").folder("opaque/sub")
    tar.add("opaque/sub/old", b"old").folder("late").add("late/old", b"old").folder("becomes-file")
    tar.add("becomes-file/x", b"x").add("becomes-folder", b"f").symlink("becomes-real", "etc")
    return tar.done()


def middle() -> bytes:
    tar = LayerTar()
    tar.folder("bin").add("bin/.wh.su").add(".wh.gone").folder("etc", 0o700)
    tar.folder("opaque").add("opaque/.wh..wh..opq").add("opaque/new", b"new").folder("opaque/sub", 0o711)
    tar.folder("late").add("late/new", b"new").add("late/.wh..wh..opq")
    tar.add("becomes-file", b"now a file").folder("becomes-folder").add("becomes-folder/x", b"x")
    tar.folder("becomes-real").add("becomes-real/x", b"real").add(".wh.many").add("twice", b"2")
    tar.link("twice-too", "twice")
    return tar.done()


def top() -> bytes:
    tar = LayerTar()
    tar.add("gone", b"back again").folder("bin").add("bin/su", b"again", mode=0o4711).folder("many")
    tar.add("many/one", b"1").folder("opaque").add("opaque/.wh.new").folder("late").add("late/.wh.sub")
    tar.folder("var", attributes={"user.of": "var"}).folder("var/deep").add("var/deep/.wh.er")
    return tar.done()


LAYERS = [base(), middle(), top()]


class SnapshotSuite:
    """Tests of one driver. Every test begins and ends with the same mounts, and with a sound store."""

    driver: str
    layers = LAYERS
    owner = 0

    @pytest.fixture(autouse=True)
    def _nothing_stays_mounted(self, tmp_path: object) -> Iterator[None]:
        yield
        assert mounts.below(tmp_path) == []

    @pytest.fixture
    def stock(self, store_root: str) -> Iterator[Stock]:
        stock = Stock(store_root)
        yield stock
        with stock.store.database.read() as tx:
            containers = tx.column("SELECT id FROM container")
        for container in containers:
            self.snapshots(stock).unmount(container)
        stock.store.close()

    def snapshots(self, stock: Stock) -> Snapshots:
        stock.store.policy = stock.store.policy.replace(storage_driver=self.driver)
        return Snapshots(stock.store)

    def container(self, stock: Stock, *layers: bytes, name: str = "c") -> tuple[str, int | None]:
        """Make a container on an image of these layers; returns its ID, and the key of its top layer."""
        image = stock.image(*layers)
        layer = stock.row(image).layer
        container = stock.container(image, name)
        self.snapshots(stock).create(container, layer)
        return container, layer

    def test_the_tree_is_what_gnu_tar_makes_of_the_layers(self, stock: Stock, tmp_path: str) -> None:
        container, layer = self.container(stock, *self.layers)
        snapshots = self.snapshots(stock)
        wanted = expected(self.layers, os.path.join(tmp_path, "oracle"))
        merged = snapshots.mount(container)
        check_same(of_image(described(merged)), of_image(wanted))
        status = os.stat(merged)
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o755, self.owner, self.owner)
        with snapshots.view(layer) as view:
            check_same(described(view), wanted)

    @pytest.mark.parametrize("count", [1, 2])
    def test_each_stack_shows_its_own_layers(self, stock: Stock, tmp_path: str, count: int) -> None:
        container, layer = self.container(stock, *self.layers[:count])
        snapshots = self.snapshots(stock)
        wanted = expected(self.layers[:count], os.path.join(tmp_path, "oracle"))
        check_same(of_image(described(snapshots.mount(container))), of_image(wanted))
        with snapshots.view(layer) as view:
            check_same(described(view), wanted)

    def test_what_is_below_a_container_is_told_as_it_is_mounted(self, stock: Stock) -> None:
        for layers in ([], self.layers[:1], self.layers, [*self.layers[:2], self.layers[0]]):
            image = stock.image(*layers)
            snapshots, layer = self.snapshots(stock), stock.row(image).layer
            with (
                snapshots.view(layer, with_places=True) as view,
                snapshots.below(layer, self.driver) as below,
            ):
                check_same(outlines_of(below), outlines(view))

    def test_what_is_below_cannot_be_told_without_its_files(self, stock: Stock) -> None:
        _container, layer = self.container(stock, *self.layers)
        snapshots, layout = self.snapshots(stock), stock.store.layout
        files = layout.layers if os.listdir(layout.layers) else layout.blobs
        opened = os.listdir("/proc/self/fd")
        os.rename(files, f"{files}-away")
        with (
            pytest.raises(Unavailable, match="no such file or directory"),
            snapshots.below(layer, self.driver),
        ):
            pass
        os.rename(f"{files}-away", files)
        assert os.listdir("/proc/self/fd") == opened

    def test_a_layer_that_comes_twice_is_seen_once(self, stock: Stock, tmp_path: str) -> None:
        layers = [self.layers[0], self.layers[1], self.layers[0]]
        container, _layer = self.container(stock, *layers)
        wanted = expected(layers, os.path.join(tmp_path, "oracle"))
        check_same(of_image(described(self.snapshots(stock).mount(container))), of_image(wanted))

    def test_an_image_without_layers_is_an_empty_folder(self, stock: Stock) -> None:
        container, layer = self.container(stock)
        snapshots = self.snapshots(stock)
        assert layer is None
        merged = snapshots.mount(container)
        assert sorted(described(merged)) == sorted(PLACES)
        with open(f"{merged}/file", "w") as file:
            file.write("1")
        with snapshots.view(None) as view:
            assert os.listdir(view) == []

    def test_places_for_mounts_are_in_folders_as_the_image_has_them(self, stock: Stock) -> None:
        tar = (
            LayerTar(self.owner, self.owner)
            .folder("etc", 0o2750)
            .add("etc/hosts", b"of the image", mode=0o600)
        )
        tar.symlink("dev", "/tmp").add("proc", b"a file").folder("sys", 0o555)  # noqa: S108 - a link's text
        container, _layer = self.container(stock, tar.done(), LayerTar(self.owner, self.owner).done())
        merged = self.snapshots(stock).mount(container)
        found = {path: facts[0] for path, facts in described(merged).items()}
        assert (found["etc"], found["sys"]) == ("0o42750", "0o40555")
        assert {found[path] for path in ("dev", "dev/pts", "dev/shm", "proc")} == {"0o40755"}
        assert {found[path] for path in (".dockerenv", "dev/console", "etc/hosts")} == {"0o100755"}
        assert (os.path.getsize(f"{merged}/etc/hosts"), os.readlink(f"{merged}/etc/mtab")) == (
            0,
            "/proc/mounts",
        )
        assert self.snapshots(stock).size(container) == 0

    def test_what_a_container_changes_is_its_own(self, stock: Stock) -> None:
        first, layer = self.container(stock, *self.layers, name="first")
        second, _ = self.container(stock, *self.layers, name="second")
        snapshots = self.snapshots(stock)
        one, other = snapshots.mount(first), snapshots.mount(second)
        before = described(other)
        assert snapshots.size(first) == 0
        with open(f"{one}/bin/sh", "r+b") as file:
            file.write(b"changed")
        os.link(f"{one}/bin/su", f"{one}/bin/sudo")
        os.unlink(f"{one}/etc/passwd")
        os.mkdir(f"{one}/new")
        os.symlink("12345", f"{one}/new/link")
        changed = described(one)
        check_same(described(other), before)
        with snapshots.view(layer, with_places=True) as view:
            check_same(described(view), before)
        snapshots.unmount(first)
        check_same(described(snapshots.mount(first)), changed)
        assert snapshots.size(second) == 0
        assert snapshots.size(first) == len("changed") + len("again") + len("12345")

    def test_mounting_and_unmounting_again_changes_nothing(self, stock: Stock) -> None:
        container, layer = self.container(stock, *self.layers)
        snapshots = self.snapshots(stock)
        root = stock.store.layout.root
        assert snapshots.mount(container) == snapshots.mount(container)
        mounted = mounts.below(root)
        assert snapshots.create(container, layer) == snapshots.create(container, layer)
        snapshots.mount(container)
        assert mounts.below(root) == mounted
        for _ in range(2):
            snapshots.unmount(container)
            assert mounts.below(root) == []
        snapshots.unmount("0" * 64)

    def test_a_container_that_is_not_there_is_not_mounted(self, stock: Stock) -> None:
        with pytest.raises(NotFound, match="No such container: 00"):
            self.snapshots(stock).mount("0" * 64)

    def test_mounting_makes_what_a_crash_left_unmade(self, stock: Stock) -> None:
        image = stock.image(*self.layers)
        container = stock.container(image, "c")
        assert "gone" in os.listdir(self.snapshots(stock).mount(container))

    def test_inspect_tells_where_the_files_are(self, stock: Stock) -> None:
        container, layer = self.container(stock, *self.layers)
        snapshots = self.snapshots(stock)
        merged = snapshots.mount(container)
        answer = snapshots.graph_driver(container, layer)
        assert answer["Name"] == self.driver
        if self.driver == "vfs":
            assert answer["Data"] is None
            return
        data = answer["Data"]
        assert data["MergedDir"] == merged
        top, between, bottom = data["LowerDir"].split(":")
        assert os.path.exists(f"{bottom}/disk")
        assert os.listdir(f"{between}/becomes-folder") == ["x"]
        assert os.path.exists(f"{top}/many/one")
        os.mkdir(f"{merged}/mine")
        assert os.listdir(data["UpperDir"]) == ["mine"]
        assert os.path.isdir(data["WorkDir"])

    def test_the_deepest_image_can_be_mounted(self, stock: Stock) -> None:
        tars = [LayerTar(self.owner, self.owner).add(f"file-{number}", b"x").done() for number in range(120)]
        container, layer = self.container(stock, *tars)
        snapshots = self.snapshots(stock)
        assert {f"file-{number}" for number in range(120)} <= set(os.listdir(snapshots.mount(container)))
        with snapshots.view(layer) as view:
            assert len(os.listdir(view)) == 120

    def test_a_removed_container_leaves_neither_mount_nor_file(self, stock: Stock) -> None:
        first, _ = self.container(stock, *self.layers, name="first")
        second, _ = self.container(stock, *self.layers, name="second")
        snapshots = self.snapshots(stock)
        root = stock.store.layout.root
        kept = snapshots.mount(second)
        tree = described(kept)
        shared = mounts.below(root)
        snapshots.mount(first)
        remove(stock, first)
        assert not os.path.exists(stock.store.layout.container(first))
        assert mounts.below(root) == shared
        check_same(described(kept), tree)
        remove(stock, second)
        assert mounts.below(root) == []
        assert os.listdir(stock.store.layout.containers) == []

    def test_the_books_have_the_bytes_on_disk_and_a_plan_tells_them(self, stock: Stock) -> None:
        container, _layer = self.container(stock, *self.layers)
        self.snapshots(stock).mount(container)
        assert _booked(stock) == _on_disk(stock)
        remove(stock, container)
        before = _on_disk(stock)
        with stock.store.database.read() as tx:
            [image] = tx.column("SELECT id FROM image")
        kept = stock.engine.plan_removal([image])
        assert kept.recoverable == before
        stock.engine.remove_images([image])
        assert stock.store.held_by_undo() == stock.engine.plan_reclaim(drop_all=True) == before
        stock.engine.undo()
        again = stock.container(image, "again")
        self.snapshots(stock).mount(again)
        assert _on_disk(stock) == before  # nothing had to be made anew
        remove(stock, again)
        plan = stock.engine.plan_removal([image], now=True)
        assert stock.engine.remove_images([image], now=True).report.freed == plan.freed == before
        assert _on_disk(stock) == _booked(stock) == 0

    def test_several_processes_at_once(self, stock: Stock) -> None:
        image = stock.image(*self.layers)
        containers = [stock.container(image, f"c{number}") for number in range(4)]
        root = stock.store.layout.root

        def work(container: str) -> None:
            mine = Stock(root)
            snapshots = self.snapshots(mine)
            for turn in range(5):
                merged = snapshots.mount(container)
                assert sorted(os.listdir(f"{merged}/opaque")) == ["sub"]
                with open(f"{merged}/turn-{turn}", "w") as file:
                    file.write(container)
                assert len([name for name in os.listdir(merged) if name.startswith("turn-")]) == turn + 1
                snapshots.unmount(container)
                mine.store.recover()
            mine.store.close()

        children = [fork(work, container) for container in containers]
        assert [ended(child) for child in children] == [0] * 4
        with stock.store.database.read() as tx:
            assert tx.value("SELECT count(*) FROM layer_blob WHERE compressor = 'erofs'") in (
                0,
                len(self.layers),
            )

    points = (
        "ingest.opened",
        "ingest.written",
        "ingest.synced",
        "commit.linked",
        "tree.written",
        "tree.renamed",
        "snapshot.copied",
        "snapshot.lowers",
        "snapshot.mounted",
        "snapshot.unmounted",
        "recover.unlinked",
    )

    @pytest.mark.parametrize("nth", [1, 2])
    @pytest.mark.parametrize("point", points)
    def test_killed_at(self, stock: Stock, point: str, nth: int) -> None:
        image = stock.image(*self.layers)
        container = stock.container(image, "c")
        root = stock.store.layout.root

        def work(identity: str) -> None:
            mine = Stock(root)
            failpoints.arm(f"{point}=kill@{nth}")
            snapshots = self.snapshots(mine)
            snapshots.mount(identity)
            with snapshots.view(mine.row(image).layer):
                pass
            snapshots.unmount(identity)
            mine.store.recover()
            mine.store.close()

        assert ended(fork(work, container)) in (0, -signal.SIGKILL)
        stock.store.recover()
        if not is_mounted(stock.store.layout.merged(container)):
            assert mounts.below(root) == []
        assert os.listdir(stock.store.layout.ingest) == []
        check_store(root)
        merged = self.snapshots(stock).mount(container)
        assert sorted(os.listdir(f"{merged}/opaque")) == ["sub"]
        remove(stock, container)
        assert mounts.below(root) == []

    def test_a_full_disk_is_told_and_leaves_nothing(self, stock: Stock) -> None:
        image = stock.image(*self.layers)
        container = stock.container(image, "c")
        snapshots = self.snapshots(stock)
        point = "ingest.opened" if self.driver == "erofs" else "tree.written"
        if self.driver == "vfs":
            return
        failpoints.arm(f"{point}=enospc")
        try:
            with pytest.raises(Exception, match="no space left on device"):
                snapshots.mount(container)
        finally:
            failpoints.disarm()
        assert os.listdir(stock.store.layout.ingest) == []
        snapshots.mount(container)


class StackedSuite(SnapshotSuite):
    """What the drivers promise that stack layers with overlay."""

    def test_no_file_of_a_layer_can_be_written_to(self, stock: Stock) -> None:
        _container, layer = self.container(stock, *self.layers)
        with self.snapshots(stock).view(layer) as view, pytest.raises(OSError, match="Read-only") as failure:
            os.mkdir(f"{view}/x")
        assert failure.value.errno == errno.EROFS

    def test_layers_are_shared(self, stock: Stock) -> None:
        first, _ = self.container(stock, *self.layers, name="first")
        second, _ = self.container(stock, *self.layers[:2], name="second")
        snapshots = self.snapshots(stock)
        snapshots.mount(first)
        root = stock.store.layout.root
        count = len(mounts.below(root))
        snapshots.mount(second)
        assert len(mounts.below(root)) == count + 1
        snapshots.unmount(first)
        second_alone = mounts.below(root)
        snapshots.unmount(second)
        snapshots.mount(second)
        assert len(mounts.below(root)) == len(second_alone)

    def test_a_wrong_unmount_loses_only_the_sharing(self, stock: Stock) -> None:
        first, _ = self.container(stock, *self.layers, name="first")
        second, _ = self.container(stock, *self.layers, name="second")
        snapshots = self.snapshots(stock)
        one = snapshots.mount(first)
        tree = described(one)
        folder = stock.store.layout.mounts
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            detach(f"{folder}/{name}")
        check_same(described(one), tree)
        other = snapshots.mount(second)
        check_same(described(other), tree)
        snapshots.unmount(first)
        check_same(described(other), tree)

    def test_what_nobody_unmounted_goes_with_the_layer(self, stock: Stock) -> None:
        container, _ = self.container(stock, *self.layers)
        self.snapshots(stock).mount(container)
        detach(stock.store.layout.merged(container))  # and die before the layers
        with stock.store.database.write() as tx:
            tx.execute("DELETE FROM container")
            [image] = tx.column("SELECT id FROM image")
            release_tree(tx, stock.store.layout.container_name(container))
        stock.engine.remove_images([image], now=True)
        assert mounts.below(stock.store.layout.root) == []
        assert _on_disk(stock) == 0

    def test_a_root_with_any_name_will_do(self, tmp_path: str) -> None:
        root = os.path.join(tmp_path, "a,b:c\\d e\n" + "f" * 100)
        stock = Stock(root)
        container, layer = self.container(stock, *self.layers)
        snapshots = self.snapshots(stock)
        assert "gone" in os.listdir(snapshots.mount(container))
        with snapshots.view(layer) as view:
            assert "gone" in os.listdir(view)
        remove(stock, container)
        stock.store.close()
        check_store(root)

    def test_a_container_cannot_see_marks_of_overlay_in_a_layer(self, stock: Stock) -> None:
        tar = LayerTar().folder("a", attributes={"trusted.overlay.opaque": "y"}).done()
        below = LayerTar().folder("a").add("a/b", b"b").done()
        container, _ = self.container(stock, below, tar)
        assert os.listdir(self.snapshots(stock).mount(container) + "/a") == ["b"]

    def test_a_sparse_file_is_whole(self, stock: Stock, tmp_path: str) -> None:
        path = os.path.join(tmp_path, "sparse")
        with open(path, "wb") as file:
            file.seek(1 << 20)
            file.write(b"end")
            file.truncate(3 << 20)
        pack = ["tar", "-cS", "--posix", "--owner=0", "--group=0", "-C", str(tmp_path), "sparse"]
        tar = subprocess.run(pack, check=True, capture_output=True).stdout
        container, _ = self.container(stock, tar)
        merged = self.snapshots(stock).mount(container)
        with open(path, "rb") as one, open(f"{merged}/sparse", "rb") as other:
            assert one.read() == other.read()


def remove(stock: Stock, container: str) -> None:
    """Remove a container as its verb does: the row, with its folder for the sweep."""
    with stock.store.database.write() as tx:
        tx.execute("DELETE FROM container WHERE id = ?", (container,))
        release_tree(tx, stock.store.layout.container_name(container))
    stock.store.sweep()


def _booked(stock: Stock) -> int:
    with stock.store.database.read() as tx:
        return int(tx.value("SELECT COALESCE(SUM(size + COALESCE(unpacked, 0)), 0) FROM blob"))


def _on_disk(stock: Stock) -> int:
    return stock.disk_bytes() + tree_size(stock.store.layout.layers)


def fork(work: Callable[[str], None], argument: str) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work(argument)
    except BaseException:  # noqa: BLE001 - the rest of the program is the parent's
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
