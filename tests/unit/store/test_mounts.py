from __future__ import annotations

import os
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from ligan.store.mounts import (
    detach,
    is_mounted,
    mounted_below,
    peers_of,
    unmount,
    unmount_below,
    unmount_place,
    unused_mounts,
)
from ligan.store.trees import remove_tree
from tests.support import mounts
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stores import Stock


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """A folder whose name mountinfo has to escape. What is mounted there must be gone in the end."""
    path = tmp_path / "a b\tc\nd\\e"
    path.mkdir()
    yield str(path)
    assert mounts.below(tmp_path) == []


def mount(path: str) -> str:
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path], check=True)
    return path


@pytest.mark.root
def test_mounts_are_found_whatever_their_names_and_taken_away(place: str) -> None:
    assert not is_mounted(place)
    mount(place)
    inner = mount(f"{place}/inner")
    mount(f"{place}/inner")
    assert is_mounted(place)
    assert mounted_below(place) == [inner, inner, place]
    assert mounted_below(inner) == [inner, inner]
    unmount(inner)
    assert mounted_below(place) == [place]
    unmount_below(place)
    assert mounted_below(place) == []


@pytest.mark.root
def test_a_mount_with_a_like_name_is_another(place: str) -> None:
    mount(f"{place}/x")
    mount(f"{place}/xy")
    unmount_below(f"{place}/x")
    assert mounted_below(place) == [f"{place}/xy"]
    unmount_below(place)


@pytest.mark.root
def test_a_mount_in_use_goes_all_the_same(place: str) -> None:
    mount(place)
    with open(f"{place}/file", "w") as file:
        unmount(place)
        file.write("it is still there for me")
    assert os.listdir(place) == []


@pytest.mark.root
def test_a_tree_is_unmounted_before_it_is_removed(place: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    os.makedirs(f"{place}/tree/point")
    subprocess.run(["mount", "--bind", str(tmp_path / "kept"), f"{place}/tree/point"], check=True)
    remove_tree(f"{place}/tree")
    assert os.listdir(place) == []
    assert os.listdir(tmp_path / "kept") == ["file"]


@pytest.mark.root
def test_to_unmount_what_is_not_mounted_is_done(place: str) -> None:
    unmount(place)
    unmount(f"{place}/missing")
    unmount_below(f"{place}/missing")
    detach(place)


@pytest.mark.root
def test_a_folder_for_mounts_that_nobody_uses_goes(stock: Stock) -> None:
    layout = stock.store.layout
    with stock.store.database.read() as tx:
        assert unused_mounts(tx, layout) == []
        mount(layout.mounts)
        mount(layout.mount_point("sha256:" + "0" * 64))
        assert unused_mounts(tx, layout) == ["sha256:" + "0" * 64]
    stock.store.recover()
    assert os.listdir(layout.mounts) == []
    assert mounts.below(layout.root) == []


@pytest.mark.root
def test_what_a_mount_is_to_others(place: str) -> None:
    mount(place)
    below = mount(os.path.join(place, "a b"))
    os.makedirs(os.path.join(below, "c"))
    os.symlink(os.path.join(below, "c"), os.path.join(place, "link"))
    try:
        for kind in ("private", "shared"):
            subprocess.run(["mount", f"--make-{kind}", below], check=True)
            point, peers = peers_of(os.path.join(place, "link"))
            assert (point, peers & {"shared", "slave"}) == (below, {kind} - {"private"})
        other = os.path.join(place, "other")
        os.mkdir(other)
        subprocess.run(["mount", "--bind", below, other], check=True)
        subprocess.run(["mount", "--make-slave", other], check=True)
        assert peers_of(os.path.join(other, "c")) == (other, {"slave"})
    finally:
        unmount_below(place)


@pytest.mark.root
def test_what_is_mounted_in_a_place_goes_with_it_and_is_let_go_of(place: str) -> None:
    mount(place)
    for number in range(10):
        mount(f"{place}/{number}")
    unmount_place(place)
    assert mounted_below(place) == []
    assert os.listdir(place) == []
    until(lambda: not _held_below(place), lambda: _held_below(place))


@pytest.mark.root
def test_a_place_goes_where_no_thread_and_no_descriptor_is_to_be_had(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise RuntimeError("can't start new thread")

    mount(place)
    for number in range(10):
        mount(f"{place}/{number}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr("_thread.start_new_thread", refuse)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 4, hard))
    try:
        unmount_place(place)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert mounted_below(place) == []
    assert _held_below(place) == []


@pytest.mark.root
def test_a_place_goes_without_taking_all_descriptors(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    most: list[int] = []
    monkeypatch.setattr("ligan.store.mounts._MOST_HELD", 3)

    def counted(path: str) -> None:
        most.append(_count())
        unmount(path)

    monkeypatch.setattr("ligan.store.mounts.unmount", counted)
    mount(place)
    for number in range(10):
        mount(f"{place}/{number}")
    before = _count()
    unmount_place(place)
    assert most == [before + 3]
    assert mounted_below(place) == []
    until(lambda: not _held_below(place), lambda: _held_below(place))


def _count() -> int:
    return len(os.listdir("/proc/self/fd"))


def _held_below(path: str) -> list[str]:
    """Return the names, as the kernel has them, of what this process has open there."""
    names = []
    for file in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{file}"))
        except FileNotFoundError:
            pass
    return [name for name in names if name.startswith(path) or name == "/"]
