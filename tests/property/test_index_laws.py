"""Laws of indexes: what is parsed from one is what a naive unpacking of the same tar would make."""

from __future__ import annotations

import io
import stat
import tarfile
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.errors import Corrupt
from tests.support.erofs import parsed, write_index
from tests.support.tars import END, attributes, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPABILITY = "security.capability"
FORMATS = {
    "0": stat.S_IFREG,
    "2": stat.S_IFLNK,
    "3": stat.S_IFCHR,
    "4": stat.S_IFBLK,
    "5": stat.S_IFDIR,
    "6": stat.S_IFIFO,
}


@dataclass(frozen=True)
class Entry:
    """One member of a tar. Names may come twice if they are written in another way, by going up first."""

    kind: str
    ups: int
    path: str
    target: str
    size: int
    mode: int
    uid: int
    gid: int
    time: int
    xattrs: dict[str, str]

    def encoded(self) -> bytes:
        info = tarfile.TarInfo("../" * self.ups + self.path)
        info.type, info.size = self.kind.encode(), self.size if self.kind == "0" else 0
        info.linkname = {"1": self.target, "2": f"nowhere/{self.target}"}.get(self.kind, "")
        info.mode, info.uid, info.gid, info.mtime = self.mode, self.uid, self.gid, self.time
        member = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        member += b"x" * info.size + bytes(-info.size % 512)
        return attributes(self.xattrs) + member if self.xattrs else member


names = st.sampled_from([*"aaaabbb", "n" * 100, "é", "\udcff", "!", "z.y"])
paths = st.builds(
    lambda above, mark, name: "/".join([*above, mark + name]),
    st.lists(names, max_size=2),
    st.sampled_from(["", "", "", "", ".wh."]),
    names,
) | st.builds(lambda above: "/".join([*above, ".wh..wh..opq"]), st.lists(names, max_size=2))
xattrs = st.dictionaries(
    st.sampled_from(["user.a", "user.bb", "trusted.c", "security.d", "other.e", "trusted.overlay.opaque"])
    | st.just(CAPABILITY),
    st.text("xy", min_size=1, max_size=5) | st.just("long" * 100),
    max_size=3,
).map(lambda found: {name: "\1\0\0\2" + "\0" * 16 if name == CAPABILITY else found[name] for name in found})
numbers = st.integers(0, 0o7777777)
entries = st.builds(
    Entry,
    kind=st.sampled_from("00001112345566"),
    ups=st.integers(0, 300),
    path=paths,
    target=paths | st.builds(lambda name, times: name * times, names, st.integers(1, 30)),
    size=st.integers(0, 1500),
    mode=st.integers(0, 0o7777),
    uid=numbers,
    gid=numbers,
    time=st.integers(0, 0o77777777777),
    xattrs=st.just({}) | xattrs,
)


@dataclass
class File:
    mode: int
    uid: int = 0
    gid: int = 0
    time: int = 0
    content: bytes = b""
    xattrs: dict[str, bytes] = field(default_factory=dict)

    def is_a(self, *formats: int) -> bool:
        return stat.S_IFMT(self.mode) in formats

    def set_as_docker_does(self, made: Entry) -> None:
        self.uid, self.gid = made.uid, made.gid
        if not self.is_a(stat.S_IFDIR):
            self.xattrs.pop(CAPABILITY, None)
        for name, value in made.xattrs.items():
            if name.startswith("user.") and not self.is_a(stat.S_IFREG, stat.S_IFDIR):
                continue
            if not name.startswith(("other.", "trusted.overlay.")):
                self.xattrs[name] = value.encode()
        if made.kind != "1" or not self.is_a(stat.S_IFLNK):
            self.time = made.time
        if not self.is_a(stat.S_IFLNK):
            self.mode = stat.S_IFMT(self.mode) | made.mode


class Unpacked:
    """A folder into which a layer is unpacked: a flat table of paths. Its symlinks lead nowhere."""

    def __init__(self) -> None:
        self.files = {"": File(stat.S_IFDIR | 0o755)}
        self.named: list[Entry] = []

    def add(self, made: Entry) -> bool:
        """Unpack one entry; say whether it can be. If not, what is there is of no use."""
        path, kind = made.path, made.kind
        parts = path.split("/")
        for above in ("/".join(parts[:n]) for n in range(1, len(parts))):
            if not self.files.setdefault(above, File(stat.S_IFDIR | 0o755, time=made.time)).is_a(
                stat.S_IFDIR
            ):
                return False
        parent, base = "/".join(parts[:-1]), parts[-1]
        if base.startswith(".wh."):
            if base == ".wh..wh..opq":
                self.files[parent].xattrs["trusted.overlay.opaque"] = b"y"
                return True
            hidden = "/".join([*parts[:-1], base[4:]])
            whiteout = File(stat.S_IFCHR, made.uid, made.gid, made.time)
            return self.files.setdefault(hidden, whiteout) is whiteout
        before = self.files.get(path)
        if kind == "5":
            self.named.append(made)
        if before is None or kind != "5" or not before.is_a(stat.S_IFDIR):
            for gone in [name for name in self.files if f"{name}/".startswith(f"{path}/")]:
                del self.files[gone]
            new = self.new(made)
            if new is None:
                return False
            self.files[path] = new
        self.files[path].set_as_docker_does(made)
        return True

    def new(self, made: Entry) -> File | None:
        if made.kind == "1":
            target = self.files.get(made.target)
            return None if target is None or target.is_a(stat.S_IFDIR) else target
        if made.kind == "2":
            return File(
                stat.S_IFLNK | 0o777, content=f"nowhere/{made.target}".encode("utf-8", "surrogateescape")
            )
        return File(FORMATS[made.kind], content=b"x" * made.size if made.kind == "0" else b"")

    def set_times(self) -> bool:
        """Set the times of folders by their names; say whether they can be."""
        for made in self.named:
            there = self.files.get(made.path)
            if there is None or there.is_a(stat.S_IFLNK):
                return False
            there.time = made.time
        return True

    def lines(self) -> Iterator[tuple[object, ...]]:
        paths: dict[int, set[bytes]] = {}
        for path, file in self.files.items():
            paths.setdefault(id(file), set()).add(path.encode("utf-8", "surrogateescape"))
        for path, file in self.files.items():
            facts = file.mode, file.uid, file.gid, file.time * 10**9, file.xattrs, paths[id(file)]
            yield path.encode("utf-8", "surrogateescape"), *facts, len(file.content), file.content[:60]


def indexed(tar: bytes) -> Iterator[tuple[object, ...]]:
    out = io.BytesIO()
    with opened(tar) as fd:
        write_index(fd, out)
    for path, node in parsed(out.getvalue(), tar, shorten=bytes).items():
        facts = node.mode, node.uid, node.gid, node.time, node.xattrs, node.names
        yield path, *facts, len(node.content), node.content[:60]


@settings(max_examples=200)
@given(st.lists(entries, max_size=25, unique_by=lambda made: "../" * made.ups + made.path))
def test_index_is_what_a_naive_unpacking_makes(layer: list[Entry]) -> None:
    tar, model = b"", Unpacked()
    refused = None
    for made in layer:
        trial = deepcopy(model)
        if trial.add(made):
            model = trial
            tar += made.encoded()
        else:
            refused = refused or tar + made.encoded() + END
    if refused:
        with opened(refused) as fd, pytest.raises(Corrupt):
            write_index(fd, io.BytesIO())
    if model.set_times():
        assert sorted(indexed(tar + END)) == sorted(model.lines())
    else:
        with opened(tar + END) as fd, pytest.raises(Corrupt, match="chtimes"):
            write_index(fd, io.BytesIO())
