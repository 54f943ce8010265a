"""Files of containers that do not run, seen from outside."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Conflict, Invalid, NotFound, Unavailable
from ligan.layers.diff import overlay_changes
from tests.support import mounts
from tests.support.containers import events, image, make, names_in
from tests.support.trees import LayerTar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.layers.stack import Stack, Tree
    from tests.support.stores import Stock

FILES = {"etc/passwd": b"root", "srv/www/index.html": b"hello", "tmp/x": b""}


@pytest.fixture(autouse=True)
def _app(stock: Stock) -> Iterator[None]:
    image(stock, "app", files=FILES)
    yield
    assert mounts.below(stock.store.layout.root) == []


def _tar(*names: str, link: tuple[str, str] | None = None) -> io.BytesIO:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"data"))
        if link:
            member = tarfile.TarInfo(link[0])
            member.type, member.linkname = tarfile.SYMTYPE, link[1]
            archive.addfile(member)
    target.seek(0)
    return target


def _out(stock: Stock, path: str) -> bytes:
    target = io.BytesIO()
    stock.engine.copy_from_container("web", path, target)
    return target.getvalue()


def test_out(stock: Stock) -> None:
    make(stock, "web")
    assert names_in(_out(stock, "/etc/passwd")) == ["passwd"]
    assert names_in(_out(stock, "srv/www")) == ["www", "www/index.html"]
    assert names_in(_out(stock, "/srv/www/.")) == [".", "./index.html"]
    assert events(stock)[-1][0] == "archive-path"


def test_status(stock: Stock) -> None:
    make(stock, "web")
    status = stock.engine.stat_in_container("web", "/etc/passwd")
    assert list(status) == ["name", "size", "mode", "mtime", "linkTarget"]
    assert (status["name"], status["size"], status["linkTarget"]) == ("passwd", 4, "")


def test_what_is_not_there(stock: Stock) -> None:
    make(stock, "web")
    for call in (
        lambda: stock.engine.stat_in_container("web", "/nosuch"),
        lambda: _out(stock, "/nosuch"),
        lambda: stock.engine.copy_to_container("web", "/nosuch", _tar("x")),
    ):
        with pytest.raises(NotFound) as error:
            call()
        assert error.value.message == "Could not find the file /nosuch in container web"


def test_changes_of_a_container_that_is_removed_meanwhile(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(stock, "web")

    def late(upper: str, lower: Stack | Tree) -> dict[str, str]:
        stock.engine.remove_container("web")
        return overlay_changes(upper, lower)

    monkeypatch.setattr("ligan.layers.diff.overlay_changes", late)
    with pytest.raises(NotFound, match="No such container: "):
        stock.engine.container_changes("web")


@pytest.mark.root
@pytest.mark.parametrize("made_by", ["erofs", "overlay", "vfs"])
def test_changes_are_of_the_driver_that_the_container_has(stock: Stock, made_by: str) -> None:
    # Overlay shows what is hidden by a whiteout of a folder that comes again in the same layer; vfs does not.
    below = LayerTar().folder("a").add("a/old").done()
    name = stock.image(below, LayerTar().add(".wh.a").folder("a").add("a/new").done())
    stock.store.policy = stock.store.policy.replace(storage_driver=made_by)
    container, changed = make(stock, "of", of=name, Cmd=["x"]), {}
    if made_by != "vfs":
        folder = f"{stock.store.layout.upper(container.id)}/a"
        os.mkdir(folder)
        os.mknod(f"{folder}/old", stat.S_IFCHR, 0)
        changed = {"/a": "C", "/a/old": "D"}
    for chosen in ("erofs", "overlay", "vfs"):
        stock.store.policy = stock.store.policy.replace(storage_driver=chosen)
        assert stock.engine.container_changes("of") == changed


def test_changes_of_a_container_whose_files_are_gone(stock: Stock) -> None:
    upper = stock.store.layout.upper(make(stock, "web").id)
    os.rename(upper, f"{upper}-away")
    with pytest.raises(Unavailable, match="/upper: no such file or directory"):
        stock.engine.container_changes("web")


def test_in(stock: Stock) -> None:
    make(stock, "web")
    stock.engine.copy_to_container("web", "/srv/www", _tar("new"))
    assert stock.engine.stat_in_container("web", "/srv/www/new")["size"] == 4
    assert [(kind, path) for path, kind in stock.engine.container_changes("web").items()] == [
        ("C", "/srv"),
        ("C", "/srv/www"),
        ("A", "/srv/www/new"),
    ]
    assert events(stock)[-1][0] == "extract-to-dir"
    with pytest.raises(Invalid, match="extraction point is not a directory"):
        stock.engine.copy_to_container("web", "/etc/passwd", _tar("new"))


def test_links_stay_inside(stock: Stock) -> None:
    make(stock, "web")
    stock.engine.copy_to_container("web", "/", _tar(link=("out", "/etc")))
    stock.engine.copy_to_container("web", "/", _tar(link=("up", "../../../../srv/www")))
    stock.engine.copy_to_container("web", "/out", _tar("ours"))
    assert names_in(_out(stock, "/etc/ours")) == ["ours"]
    assert not os.path.exists("/etc/ours")
    assert names_in(_out(stock, "/up/index.html")) == ["index.html"]
    assert stock.engine.stat_in_container("web", "/out")["linkTarget"] == "/etc"


def test_kinds_are_kept_where_that_is_asked(stock: Stock) -> None:
    make(stock, "web")
    with pytest.raises(Conflict):
        stock.engine.copy_to_container("web", "/", _tar("srv"), no_overwrite_dir_non_dir=True)
    stock.engine.copy_to_container("web", "/", _tar("srv"))
    assert stock.engine.stat_in_container("web", "/srv")["size"] == 4


@pytest.mark.root
def test_volumes_and_binds_are_seen(stock: Stock, tmp_path: object) -> None:
    folder = f"{tmp_path}/bound"
    os.mkdir(folder)
    with open(f"{folder}/file", "wb") as file:
        file.write(b"bound")
    make(stock, "web", host={"Binds": ["data:/srv/www", f"{folder}:/tmp:ro", f"{folder}/file:/etc/passwd"]})
    stock.engine.copy_to_container("web", "/srv/www", _tar("new"))
    assert sorted(os.listdir(stock.store.layout.volume_data("data"))) == ["index.html", "new"]
    assert names_in(_out(stock, "/tmp/.")) == [".", "./file"]  # noqa: S108 - a path in the container
    assert stock.engine.stat_in_container("web", "/etc/passwd")["size"] == 5
    with pytest.raises(Invalid, match="mounted volume is marked read-only"):
        stock.engine.copy_to_container("web", "/tmp", _tar("new"))  # noqa: S108
    target = io.BytesIO()
    stock.engine.export_container("web", target)
    assert "tmp/file" not in names_in(target.getvalue()), "an export is of the container's own files"


@pytest.mark.root
def test_a_read_only_root_is_written_in_its_volumes_only(stock: Stock) -> None:
    make(stock, "web", host={"Binds": ["data:/srv"], "ReadonlyRootfs": True})
    stock.engine.copy_to_container("web", "/srv", _tar("new"))
    with pytest.raises(Invalid, match="container rootfs is marked read-only"):
        stock.engine.copy_to_container("web", "/tmp", _tar("new"))  # noqa: S108


def test_export(stock: Stock) -> None:
    make(stock, "web")
    target = io.BytesIO()
    stock.engine.export_container("web", target)
    assert set(FILES) <= set(names_in(target.getvalue()))
    assert events(stock)[-1][0] == "export"


def test_nothing_has_changed_at_first(stock: Stock) -> None:
    make(stock, "web")
    assert stock.engine.container_changes("web") == {}


def test_the_working_folder_is_there_before_the_first_start(stock: Stock) -> None:
    """As dockerd 20.10.24 makes it, which `docker diff` then shows."""
    make(stock, "web", WorkingDir="/srv/new/folder/")
    assert [(kind, path) for path, kind in stock.engine.container_changes("web").items()] == [
        ("C", "/srv"),
        ("A", "/srv/new"),
        ("A", "/srv/new/folder"),
    ]
    stock.engine.copy_to_container("web", "/srv/new/folder", _tar("x"))


def test_a_file_in_the_place_of_the_working_folder_stays(stock: Stock) -> None:
    make(stock, "web", WorkingDir="/etc/passwd/x")
    assert stock.engine.stat_in_container("web", "/etc/passwd")["size"] == 4
