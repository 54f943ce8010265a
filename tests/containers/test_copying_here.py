"""`ligan cp`: which name a copy gets, there and here, is docker's."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.homes import Home

pytestmark = pytest.mark.root


@pytest.fixture
def files(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The working directory: d/f, d/sub/g, d/l -> f, dl -> d, a file."""
    folder = os.path.join(tmp_path, "here")
    os.makedirs(f"{folder}/d/sub")
    for name in ("d/f", "d/sub/g", "file"):
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(name)
    os.symlink("f", f"{folder}/d/l")
    os.symlink("d", f"{folder}/dl")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def box(home: Home) -> Home:
    """A container "box" with /d of a, sub/b, l -> a, ls -> sub; made, and not running."""
    script = "mkdir -p /d/sub /n; echo a >/d/a; echo b >/d/sub/b; ln -s a /d/l; ln -s sub /d/ls"
    home.run("sh", "-c", script, name="box")
    return home


def copy(home: Home, *words: str, stdin: bytes = b"") -> tuple[int, str]:
    command = [sys.executable, "-m", "ligan", "--root", home.root, "cp", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stderr.decode()


def inside(home: Home, path: str) -> list[str]:
    """Return what is at a path of the container, below its parent."""
    tar = io.BytesIO()
    home.engine.copy_from_container("box", path, tar)
    with tarfile.open(fileobj=io.BytesIO(tar.getvalue())) as archive:
        return sorted(archive.getnames())


def here(path: str) -> list[str]:
    if not os.path.isdir(path) or os.path.islink(path):
        return [path] if os.path.lexists(path) else []
    return sorted([path, *[name for entry in os.listdir(path) for name in here(f"{path}/{entry}")]])


_TREE = ["f", "l", "sub", "sub/g"]


@pytest.mark.parametrize(
    ("flags", "source", "target", "found", "names"),
    [
        ((), "d", "/n", "/n/d", ["d", *[f"d/{name}" for name in _TREE]]),
        ((), "d", "/new", "/new", ["new", *[f"new/{name}" for name in _TREE]]),
        ((), "d/.", "/n", "/n", ["n", *[f"n/{name}" for name in _TREE]]),
        ((), "d/.", "/new", "/new", ["new", *[f"new/{name}" for name in _TREE]]),
        ((), "dl", "/n", "/n/dl", ["dl"]),
        ((), "dl/", "/n", "/n/dl", ["dl", *[f"dl/{name}" for name in _TREE]]),
        (("-L",), "dl", "/n", "/n/dl", ["dl", *[f"dl/{name}" for name in _TREE]]),
        ((), "file", "/n/", "/n/file", ["file"]),
        ((), "file", "/n/other", "/n/other", ["other"]),
        ((), "file", "relative", "/relative", ["relative"]),
    ],
)
def test_copies_into_a_container(
    box: Home, files: str, flags: tuple[str, ...], source: str, target: str, found: str, names: list[str]
) -> None:
    assert copy(box, *flags, source, f"box:{target}") == (0, "")
    assert inside(box, found) == names


_BOX = ["a", "l", "ls", "sub", "sub/b"]


@pytest.mark.parametrize(
    ("flags", "source", "target", "found"),
    [
        ((), "/d", "d", ["d/d", *[f"d/d/{name}" for name in _BOX]]),
        ((), "/d", "new", ["new", *[f"new/{name}" for name in _BOX]]),
        ((), "/d/.", "new", ["new", *[f"new/{name}" for name in _BOX]]),
        ((), "/d/a", "d/sub/", ["d/sub/a"]),
        ((), "/d/a", "file", ["file"]),
        ((), "/d/l", "link", ["link"]),
        ((), "/d/ls/", "new", ["new", "new/b"]),
        (("-L",), "/d/ls", "new", ["new", "new/b"]),
        (("-L",), "/d/ls", "d", ["d/ls", "d/ls/b"]),
    ],
)
def test_copies_out_of_a_container(
    box: Home, files: str, flags: tuple[str, ...], source: str, target: str, found: list[str]
) -> None:
    before = here(".")
    assert copy(box, *flags, f"box:{source}", target) == (0, "")
    added = [name.removeprefix("./") for name in here(".") if name not in before]
    assert added == found or found == ["file"]
    with open(f"{files}/file", encoding="ascii") as file:
        assert file.read() == ("a\n" if target == "file" else "file")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("file", "box:/no/", "no such directory"),
        ("file", "box:/no/x", "Error response from daemon: Could not find the file /no in container box"),
        ("d", "box:/d/a", "cannot copy directory"),
        ("nope", "box:/n", "lstat {}/nope: no such file or directory"),
        ("box:/d/a", "no/", "no such directory"),
        ("box:/d/a", "no/x", 'invalid output path: directory "{}/no" does not exist'),
        ("box:/d/a", "file/", "stat {}/file/: not a directory"),
        ("box:/d", "file", "cannot copy directory"),
        ("box:/nope", ".", "Error response from daemon: Could not find the file /nope in container box"),
        ("none:/x", ".", "Error response from daemon: No such container: none"),
        ("box:/a", "box:/b", "copying between containers is not supported"),
        ("a", "b", "must specify at least one container source"),
        ("-", "box:/d/a", 'destination "box:/d/a" must be a directory'),
    ],
)
def test_what_cannot_be_copied(box: Home, files: str, source: str, target: str, words: str) -> None:
    before = here(".")
    assert copy(box, source, target) == (1, words.format(files) + "\n")
    assert here(".") == before


def test_a_tar_goes_in(box: Home, files: str) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add("d")
    assert copy(box, "-", "box:/n", stdin=tar.getvalue()) == (0, "")
    assert inside(box, "/n/d") == ["d", *[f"d/{name}" for name in _TREE]]
