"""Laws of reading and writing tar archives, with Python's tarfile and a plain model as the measure."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.errors import Corrupt, LiganError
from ligan.layers.scan import path_in_layer, scan_layer
from ligan.layers.tar import members
from ligan.layers.tar_write import END, header, padding
from tests.support.tars import entry, folder, link, opened, symlink

if TYPE_CHECKING:
    from collections.abc import Sequence

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from(
    "/.\udc80\udcff"
)
names = st.text(characters, min_size=1, max_size=20) | st.builds(
    lambda text, times: text * times, st.text(characters, min_size=1, max_size=40), st.integers(1, 30)
)
kinds = st.sampled_from("0123456")
small = st.integers(0, 0o7777777)


@st.composite
def tar_infos(draw: st.DrawFn, text: st.SearchStrategy[str] = names) -> tarfile.TarInfo:
    info = tarfile.TarInfo(draw(text))
    info.type = draw(kinds).encode()
    info.linkname = draw(text) if info.type in b"12" else ""
    info.size = draw(st.integers(0, 1500)) if info.type == b"0" else 0
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(small), draw(small)
    info.mtime = draw(st.integers(0, (1 << 33) - 1))
    if info.type in b"34":
        info.devmajor, info.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, 1 << 20))
    return info


def written_by_tarfile(infos: Sequence[tarfile.TarInfo], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(b"d" * info.size))
    return buffer.getvalue()


def facts(info: tarfile.TarInfo, name: str | None = None) -> tuple[object, ...]:
    device = (info.devmajor, info.devminor) if info.type in b"34" else (0, 0)
    owner = (info.uid, info.gid, info.mode, info.mtime)
    return (
        info.name if name is None else name,
        info.type.decode(),
        info.linkname,
        info.size,
        *owner,
        *device,
    )


def facts_read(archive: bytes) -> list[tuple[object, ...]]:
    with opened(archive) as fd:
        return [
            (
                m.name,
                m.type,
                m.linkname,
                m.size,
                m.uid,
                m.gid,
                m.mode,
                m.mtime // 10**9,
                m.devmajor,
                m.devminor,
            )
            for m in members(fd)
        ]


def as_tarfile_names(info: tarfile.TarInfo) -> str:
    """Return the name that tarfile writes: a folder's ends in a slash."""
    return f"{info.name}/" if info.isdir() and not info.name.endswith("/") else info.name


@given(st.lists(tar_infos()), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_what_tarfile_writes_is_read_equally(infos: list[tarfile.TarInfo], form: int) -> None:
    archive = written_by_tarfile(infos, form)
    assert facts_read(archive) == [facts(info, as_tarfile_names(info)) for info in infos]
    with opened(archive) as fd:
        assert all(archive[m.offset :][: m.stored] == b"d" * m.size for m in members(fd))


ustar_names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=99)


@given(st.lists(tar_infos(ustar_names)))
def test_what_tarfile_writes_as_ustar_is_read_equally(infos: list[tarfile.TarInfo]) -> None:
    archive = written_by_tarfile(infos, tarfile.USTAR_FORMAT)
    assert facts_read(archive) == [facts(info, as_tarfile_names(info)) for info in infos]


@given(st.lists(tar_infos()))
def test_what_is_written_is_read_equally_by_tarfile_and_by_us(infos: list[tarfile.TarInfo]) -> None:
    archive = b""
    for info in infos:
        archive += header(
            info.name,
            info.size,
            int(info.mtime),
            info.mode,
            info.type.decode(),
            info.uid,
            info.gid,
            info.linkname,
            devmajor=info.devmajor,
            devminor=info.devminor,
        )
        archive += b"d" * info.size + padding(info.size)
    archive += END
    assert facts_read(archive) == [facts(info) for info in infos]
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
        theirs = [(i.name.rstrip("/"), i.linkname, i.size, i.mtime) for i in tar.getmembers()]
    assert theirs == [(i.name.rstrip("/"), i.linkname, i.size, i.mtime) for i in infos]


parts = st.sampled_from("abc")
paths = st.builds(
    lambda above, mark, base: "/".join([*above, mark + base]),
    st.lists(parts, max_size=2),
    st.sampled_from(["", "", "", ".wh."]),
    parts,
)
# A name may come twice if it is written in another way.
ways_up = st.integers(0, 200).map(lambda times: "../" * times)
entries = st.tuples(st.sampled_from("0125"), ways_up, paths, paths, st.integers(0, 3000))


class Model:
    """The folder a layer is unpacked into, as flat tables of paths. Its symlinks lead nowhere."""

    def __init__(self) -> None:
        self.inodes: dict[str, list[int]] = {}  # each a size, and whether it is a symlink
        self.folders = {""}
        self.named: list[str] = []  # the folders that have entries, whose times are set last

    def size(self) -> int:
        return sum({id(inode): inode[0] for inode in self.inodes.values()}.values())

    def exists(self, path: str) -> bool:
        return path in self.folders or path in self.inodes

    def remove(self, path: str) -> None:
        for table in (self.folders, self.inodes):
            for gone in [p for p in table if p == path or p.startswith(f"{path}/")]:
                if isinstance(table, set):
                    table.remove(gone)
                else:
                    del table[gone]

    def add(self, kind: str, path: str, target: str, size: int) -> bool:
        """Unpack one entry; say whether it can be."""
        folder_path, _, base = path.rpartition("/")
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        if any(p in self.inodes for p in above):
            return False
        self.folders.update(above)
        if base.startswith(".wh."):
            self.remove(path)
            hidden = f"{folder_path}/{base[4:]}".lstrip("/")
            possible = not self.exists(hidden)
            self.inodes.setdefault(hidden, [0, False])
            return possible
        if kind == "5":
            self.named.append(path)
            if path not in self.folders:
                self.remove(path)
                self.folders.add(path)
            return True
        self.remove(path)
        if kind == "1":
            if target not in self.inodes:
                return False
            self.inodes[path] = self.inodes[target]
        elif kind == "2":
            self.inodes[path] = [len(f"nowhere/{target}"), True]
        else:
            self.inodes[path] = [size, False]
        return True

    def can_be_finished(self) -> bool:
        """Say whether what is now at the folders' names can be given their times."""
        return all(path in self.folders or not self.inodes.get(path, [0, True])[1] for path in self.named)


@settings(max_examples=300)
@given(st.lists(entries, max_size=25, unique_by=lambda entry: entry[1] + entry[2]))
def test_layer_is_measured_or_refused_as_a_naive_unpacking_is(
    layer: list[tuple[str, str, str, str, int]],
) -> None:
    model = Model()
    archive = b""
    complete = Model()
    for kind, up, path, target, size in layer:
        possible = model.add(kind, path, target, size)
        name = up + path
        if kind == "0":
            member = entry(name, size=size)
        elif kind == "1":
            member = link(name, target)
        else:
            member = symlink(name, f"nowhere/{target}") if kind == "2" else folder(name)
        if not possible:
            with opened(archive + member + END) as fd, pytest.raises(Corrupt):
                scan_layer(fd)
            break
        archive += member
        complete.add(kind, path, target, size)
    with opened(archive + END) as fd:
        if complete.can_be_finished():
            assert scan_layer(fd).diff_size == complete.size()
        else:
            with pytest.raises(Corrupt, match="chtimes"):
                scan_layer(fd)


@given(names)
def test_path_in_layer_is_settled_and_inside(name: str) -> None:
    path = path_in_layer(name)
    assert path_in_layer(path) == path
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert path_in_layer(f"/{name}") == path


@settings(max_examples=300)
@given(st.lists(tar_infos(), min_size=1, max_size=6), st.sampled_from([0, 1, 2]), st.data())
def test_damage_raises_nothing_but_our_errors(
    infos: list[tarfile.TarInfo], form: int, data: st.DataObject
) -> None:
    try:
        archive = bytearray(written_by_tarfile(infos, form))
    except ValueError:  # USTAR cannot hold every name
        archive = bytearray(written_by_tarfile(infos, tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(archive) - 1))
        archive[at] ^= data.draw(st.integers(1, 255))
        if data.draw(st.booleans()):  # let the damage pass the checksum
            block = at // 512 * 512
            archive[block + 148 : block + 156] = b" " * 8
            archive[block + 148 : block + 156] = b"%06o\0 " % sum(archive[block : block + 512])
    cut = data.draw(st.integers(0, len(archive)) | st.just(len(archive)))
    with opened(bytes(archive[:cut])) as fd:
        try:
            scan = scan_layer(fd)
        except LiganError:
            return
        assert scan.entries == len(list(members(fd)))
