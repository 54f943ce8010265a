"""Indexes hold what dockerd 20.10.24 made of these layers; asked again where there is one."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import tarfile
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt
from ligan.layers.erofs import Index, NotIndexable
from ligan.layers.scan import scan_layer
from tests.support.dockerd import SYSTEM_PATH
from tests.support.erofs import differences, mounted, parsed, walked, write_index
from tests.support.tars import END, attributes, entry, extended, field, folder, link, opened, symlink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.erofs import Node, Tree

CHARACTER, BLOCK, FIFO = b"3", b"4", b"6"
CAPABILITY = {"security.capability": "\1\0\0\2\0\4" + "\0" * 14}
abc = entry("f", data=b"abc")


def set_in(
    member: bytes,
    mode: int | None = None,
    owner: tuple[int, int] = (0, 0),
    time: int = 0,
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """Return the member with these numbers in its header."""
    values = {
        108: (8, owner[0]),
        116: (8, owner[1]),
        136: (12, time),
        329: (8, device[0]),
        337: (8, device[1]),
    }
    if mode is not None:
        values[100] = 8, mode
    for start, (width, value) in values.items():
        octal = b"%0*o\0" % (width - 1, max(value, 0))
        if value < 0 or len(octal) > width:
            octal = (value & (1 << 8 * width) - 1 | 1 << 8 * width - 1).to_bytes(width, "big")
        member = field(start, octal, member)
    return member


# Each layer with its tree: mode, owner, time, count of links and what else there is of each path. Where
# Docker takes the time of the unpacking it says "now". The root is there if Docker changes it.
LAYERS: dict[str, tuple[list[bytes], list[str]]] = {
    "empty": (
        [],
        [],
    ),
    "kinds": (
        [
            set_in(abc, 0o4750, (1, 2), 10),
            entry("empty"),
            set_in(folder("d"), 0o1777, (3, 4), 20),
            set_in(entry("c", CHARACTER), 0o4666, time=30, device=(5000, (1 << 20) + 3)),
            set_in(entry("b", BLOCK), 0o660, device=(8, 300)),
            set_in(entry("p", FIFO), 0o2644, device=(1, 2)),
            set_in(symlink("s", "no/where"), 0o600, (5, 6), 40),
        ],
        [
            "b brw-rw---- 0:0 0 1 10082c",
            "c crwSrw-rw- 0:0 30 1 38803",
            "d drwxrwxrwt 3:4 20 2",
            "empty -rw-r--r-- 0:0 0 1",
            "f -rwsr-x--- 1:2 10 1 = abc",
            "p prw-r-Sr-- 0:0 0 1",
            "s lrwxrwxrwx 5:6 40 1 = no/where",
        ],
    ),
    "mode of other bits": (
        [set_in(abc, 0o107777)],
        [
            "f -rwsrwsrwt 0:0 0 1 = abc",
        ],
    ),
    "missing folders": (
        [set_in(entry("a/b/c"), owner=(5, 5), time=10)],
        [
            "a drwxr-xr-x 0:0 now 3",
            "a/b drwxr-xr-x 0:0 now 2",
            "a/b/c -rw-r--r-- 5:5 10 1",
        ],
    ),
    "folder after what is in it": (
        [entry("a/b"), set_in(folder("a"), 0o700, (1, 1), 10)],
        [
            "a drwx------ 1:1 10 2",
            "a/b -rw-r--r-- 0:0 0 1",
        ],
    ),
    "folder changed": (
        [
            attributes({"user.a": "1", "user.b": "1"}),
            set_in(folder("d"), 0o700, (1, 2), 10),
            entry("d/x"),
            attributes({"user.b": "2", "user.c": "1"}),
            set_in(folder("/d"), 0o711, (-1, 3), 20),
        ],
        [
            "d drwx--x--x 1:3 20 2 user.a=1 user.b=2 user.c=1",
            "d/x -rw-r--r-- 0:0 0 1",
        ],
    ),
    "root by a dot": (
        [set_in(folder("./"), 0o700, (1, 2), 10), abc],
        [
            "f -rw-r--r-- 0:0 0 1 = abc",
        ],
    ),
    "root by a slash": (
        [attributes({"user.a": "1"}), set_in(folder("/"), 0o700, (1, 2), 10), abc],
        [
            "/ drwx------ 1:2 10 2 user.a=1",
            "f -rw-r--r-- 0:0 0 1 = abc",
        ],
    ),
    "root by dots": (
        [abc, set_in(folder(".."), 0o700, (1, 2), 10)],
        [
            "/ drwx------ 1:2 10 2",
            "f -rw-r--r-- 0:0 0 1 = abc",
        ],
    ),
    "owners beyond 32 bits": (
        [set_in(abc, owner=(-1, (1 << 32) + 7)), set_in(entry("g"), owner=(-2, 1 << 31))],
        [
            "f -rw-r--r-- 0:7 0 1 = abc",
            "g -rw-r--r-- 4294967294:2147483648 0 1",
        ],
    ),
    "times": (
        [
            set_in(entry("before"), time=-5),
            set_in(symlink("link", "x"), time=-5),
            set_in(entry("2200"), time=7258118400),
            set_in(entry("2300"), time=10413792000),
            set_in(entry("huge"), time=1 << 62),
            set_in(symlink("huge-link", "x"), time=1 << 62),
            set_in(folder("d"), time=-5),
            set_in(entry("p", FIFO), time=-5),
            extended({"mtime": "1.123456789123"}),
            entry("fraction"),
            extended({"mtime": "-1.5"}),
            symlink("link-fraction", "x"),
        ],
        [
            "2200 -rw-r--r-- 0:0 7258118400 1",
            "2300 -rw-r--r-- 0:0 0 1",
            "before -rw-r--r-- 0:0 0 1",
            "d drw-r--r-- 0:0 0 2",
            "fraction -rw-r--r-- 0:0 1.123456789 1",
            "huge -rw-r--r-- 0:0 0 1",
            "huge-link lrwxrwxrwx 0:0 0 1 = x",
            "link lrwxrwxrwx 0:0 -5 1 = x",
            "link-fraction lrwxrwxrwx 0:0 -2.500000000 1 = x",
            "p prw-r--r-- 0:0 0 1",
        ],
    ),
    "hard links": (
        [set_in(abc, 0o4755, (1, 2), 10), set_in(link("d/h", "f"), 0o600, (7, 8), 20)],
        [
            "d drwxr-xr-x 0:0 now 2",
            "d/h -rw------- 7:8 20 2 = abc",
            "f -rw------- 7:8 20 2 = abc",
        ],
    ),
    "hard link to a symlink": (
        [set_in(symlink("s", "f"), owner=(1, 2), time=10), set_in(link("h", "s"), owner=(7, 8), time=20)],
        [
            "h lrwxrwxrwx 7:8 10 2 = f",
            "s lrwxrwxrwx 7:8 10 2 = f",
        ],
    ),
    "hard link with attributes to a symlink": (
        [symlink("s", "t" * 500), attributes({"trusted.a": "1", "user.b": "2"}), link("h", "s")],
        [
            "h lrwxrwxrwx 0:0 0 2 = tt..500 trusted.a=1",
            "s lrwxrwxrwx 0:0 0 2 = tt..500 trusted.a=1",
        ],
    ),
    "hard link to a device": (
        [entry("c", CHARACTER), attributes({"trusted.a": "1", "user.b": "2"}), set_in(link("h", "c"), 0o600)],
        [
            "c crw------- 0:0 0 2 trusted.a=1",
            "h crw------- 0:0 0 2 trusted.a=1",
        ],
    ),
    "hard link takes capabilities": (
        [attributes(CAPABILITY), abc, link("h", "f")],
        [
            "f -rw-r--r-- 0:0 0 2 = abc",
            "h -rw-r--r-- 0:0 0 2 = abc",
        ],
    ),
    "hard link keeps capabilities": (
        [attributes(CAPABILITY), abc, attributes(CAPABILITY), link("h", "f")],
        [
            "f -rw-r--r-- 0:0 0 2 = abc security.capability=\\x..20",
            "h -rw-r--r-- 0:0 0 2 = abc security.capability=\\x..20",
        ],
    ),
    "hard link with attributes": (
        [
            attributes({"user.a": "1", "user.b": "1"}),
            abc,
            entry("g"),
            attributes({"user.b": "2", "user.c": "1"}),
            link("h", "f"),
        ],
        [
            "f -rw-r--r-- 0:0 0 2 = abc user.a=1 user.b=2 user.c=1",
            "g -rw-r--r-- 0:0 0 1",
            "h -rw-r--r-- 0:0 0 2 = abc user.a=1 user.b=2 user.c=1",
        ],
    ),
    "hard link replaced": (
        [abc, link("h", "f"), link("i", "f"), entry("/h", data=b"de")],
        [
            "f -rw-r--r-- 0:0 0 2 = abc",
            "h -rw-r--r-- 0:0 0 1 = de",
            "i -rw-r--r-- 0:0 0 2 = abc",
        ],
    ),
    "replaced": (
        [
            abc,
            entry("d/e/x"),
            symlink("s", "f"),
            folder("/f"),
            entry("/d", data=b"de"),
            entry("/s"),
            entry("f/y"),
        ],
        [
            "d -rw-r--r-- 0:0 0 1 = de",
            "f drw-r--r-- 0:0 0 2",
            "f/y -rw-r--r-- 0:0 0 1",
            "s -rw-r--r-- 0:0 0 1",
        ],
    ),
    "whiteouts": (
        [set_in(entry("d/.wh.x"), 0o644, (4, 5)), entry(".wh.y"), entry("q/.wh..wh..opq")],
        [
            "d drwxr-xr-x 0:0 now 2",
            "d/x c--------- 4:5 now 1",
            "q drwxr-xr-x 0:0 now 2 trusted.overlay.opaque=y",
            "y c--------- 0:0 now 1",
        ],
    ),
    "opaque root": (
        [abc, entry(".wh..wh..opq")],
        [
            "/ drwxr-xr-x 0:0 now 2 trusted.overlay.opaque=y",
            "f -rw-r--r-- 0:0 0 1 = abc",
        ],
    ),
    "opaque folder with attributes": (
        [attributes({"user.a": "1"}), folder("d"), entry("d/.wh..wh..opq"), entry("d/x")],
        [
            "d drw-r--r-- 0:0 0 2 trusted.overlay.opaque=y user.a=1",
            "d/x -rw-r--r-- 0:0 0 1",
        ],
    ),
    "file after its whiteout": (
        [entry(".wh.f"), abc],
        [
            "f -rw-r--r-- 0:0 0 1 = abc",
        ],
    ),
    "through symlinks": (
        [folder("d"), symlink("l", "d"), entry("l/x"), set_in(folder("l/y/z"), time=10), link("l/h", "l/x")],
        [
            "d drw-r--r-- 0:0 0 3",
            "d/h -rw-r--r-- 0:0 0 2",
            "d/x -rw-r--r-- 0:0 0 2",
            "d/y drwxr-xr-x 0:0 now 3",
            "d/y/z drw-r--r-- 0:0 10 2",
            "l lrwxrwxrwx 0:0 0 1 = d",
        ],
    ),
    "folder's time falls on a file": (
        [set_in(folder("d"), time=10), set_in(entry("/d"), time=20)],
        [
            "d -rw-r--r-- 0:0 10 1",
        ],
    ),
    "folder's time falls behind a symlink": (
        [set_in(folder("t"), time=10), set_in(folder("d"), time=20), set_in(symlink("/d", "t"), time=30)],
        [
            "d lrwxrwxrwx 0:0 30 1 = t",
            "t drw-r--r-- 0:0 20 2",
        ],
    ),
    "folder's time comes back": (
        [set_in(folder("d"), time=10), entry("/d"), set_in(folder("../d"), time=20)],
        [
            "d drw-r--r-- 0:0 20 2",
        ],
    ),
    "folder's time falls on a hard link": (
        [set_in(folder("d"), time=10), entry("g"), link("/d", "g")],
        [
            "d -rw-r--r-- 0:0 10 2",
            "g -rw-r--r-- 0:0 10 2",
        ],
    ),
    "attributes": (
        [
            part
            for member in (abc, folder("d"), symlink("s", "f"), entry("p", FIFO), entry("c", CHARACTER))
            for part in (
                attributes(
                    {
                        "user.a": "1",
                        "trusted.b": "22",
                        "security.c": "333",
                        "other.d": "4",
                        "system.e": "5",
                        "user.f": "",
                    }
                ),
                member,
            )
        ],
        [
            "c crw-r--r-- 0:0 0 1 security.c=333 trusted.b=22",
            "d drw-r--r-- 0:0 0 2 security.c=333 trusted.b=22 user.a=1",
            "f -rw-r--r-- 0:0 0 1 = abc security.c=333 trusted.b=22 user.a=1",
            "p prw-r--r-- 0:0 0 1 security.c=333 trusted.b=22",
            "s lrwxrwxrwx 0:0 0 1 = f security.c=333 trusted.b=22",
        ],
    ),
    "names of any bytes": (
        [
            entry("n\udcff"),
            entry("é"),
            entry("n\U00010000"),
            symlink("s\udcff", "ab\udcff"),
            entry("!"),
            entry("a b"),
        ],
        [
            "! -rw-r--r-- 0:0 0 1",
            "a b -rw-r--r-- 0:0 0 1",
            "n\\U00010000 -rw-r--r-- 0:0 0 1",
            "n\\udcff -rw-r--r-- 0:0 0 1",
            "s\\udcff lrwxrwxrwx 0:0 0 1 = ab\\udcff",
            "\\xe9 -rw-r--r-- 0:0 0 1",
        ],
    ),
    "longest names": (
        [
            entry("n" * 255),
            entry("m" * 255 + "/" + "é" * 127),
            symlink("s", "t" * 4095),
            symlink("u", "v" * 448),
            symlink("w", "x" * 449),
        ],
        [
            "mm..255 drwxr-xr-x 0:0 now 2",
            "mm..510 -rw-r--r-- 0:0 0 1",
            "nn..255 -rw-r--r-- 0:0 0 1",
            "s lrwxrwxrwx 0:0 0 1 = tt..4095",
            "u lrwxrwxrwx 0:0 0 1 = vv..448",
            "w lrwxrwxrwx 0:0 0 1 = xx..449",
        ],
    ),
    "large attributes": (
        [
            attributes({"user.a": "x" * 1000, "user." + "n" * 250: "y"}),
            abc,
            attributes({"trusted.a": "z" * 600}),
            symlink("s", "t"),
        ],
        [
            "f -rw-r--r-- 0:0 0 1 = abc user.a=xx..1000 us..255=y",
            "s lrwxrwxrwx 0:0 0 1 = t trusted.a=zz..600",
        ],
    ),
    "old file and folder types": (
        [entry("c", b"\0", 5), entry("d/", b"\0")],
        [
            "c -rw-r--r-- 0:0 0 1 = xxxxx",
            "d drw-r--r-- 0:0 0 2",
        ],
    ),
}

NAMES, CASES = list(LAYERS), [(b"".join(layer) + END, tree) for layer, tree in LAYERS.values()]


def brief(data: bytes) -> str:
    text = ascii(data.decode("utf-8", "surrogateescape"))[1:-1]
    return text if len(text) <= 40 else f"{text[:2]}..{len(data)}"


def line(path: bytes, node: Node, *, timed: bool) -> str:
    seconds, below = divmod(node.time, 10**9)
    words = [
        brief(path) or "/",
        stat.filemode(node.mode),
        f"{node.uid}:{node.gid}",
        f"{seconds}.{below:09}".removesuffix(".000000000") if timed else "now",
        str(node.links),
    ]
    words += [f"{node.device:x}"] if node.device else []
    words += [f"= {brief(node.content)}"] if node.content else []
    words += [f"{brief(key.encode())}={brief(value)}" for key, value in sorted(node.xattrs.items())]
    return " ".join(words)


def shown(tree: Tree, like: list[str]) -> list[str]:
    """Return the lines of a tree, with the root and the times that the other has."""
    now = {text.split(" ", 1)[0] for text in like if " now " in text}
    lines = [line(path, node, timed=(brief(path) or "/") not in now) for path, node in sorted(tree.items())]
    return lines if any(text.startswith("/ ") for text in like) else lines[1:]


def index_of(tar: bytes) -> bytes:
    out = io.BytesIO()
    with opened(tar) as fd:
        assert write_index(fd, out) == len(out.getvalue())
    return out.getvalue()


def tree_of(tar: bytes) -> Tree:
    return parsed(index_of(tar), tar)


@pytest.mark.parametrize(("layer", "tree"), CASES, ids=NAMES)
def test_index_has_the_tree_that_docker_unpacks(layer: bytes, tree: list[str]) -> None:
    assert shown(tree_of(layer), tree) == tree


@pytest.mark.dockerd
@pytest.mark.parametrize(("layer", "tree"), CASES, ids=NAMES)
def test_docker_still_unpacks_so(dockerd: str, layer: bytes, tree: list[str]) -> None:
    def docker(*args: str, stdin: bytes = b"") -> str:
        environment = os.environ | {"DOCKER_HOST": dockerd, "PATH": SYSTEM_PATH}
        ran = subprocess.run(["docker", *args], input=stdin, capture_output=True, env=environment, check=True)
        return ran.stdout.decode().strip()

    image = docker("import", "-", stdin=layer)
    try:
        place = json.loads(docker("image", "inspect", image))[0]["GraphDriver"]["Data"]["UpperDir"]
        unpacked = walked(place)
    finally:
        docker("rmi", "--force", image)
    assert shown(unpacked, tree) == tree
    # Beyond the lines: which paths are one file, and what is in large ones.
    indexed = tree_of(layer)
    assert {path: (node.names, node.content) for path, node in indexed.items()} == {
        path: (node.names, node.content) for path, node in unpacked.items()
    }


@pytest.mark.root
@pytest.mark.parametrize("layer", [layer for layer, _ in CASES], ids=NAMES)
def test_mounted_index_shows_what_it_says(layer: bytes, tmp_path: Path) -> None:
    assert mounted_tree(layer, tmp_path) == tree_of(layer)


def mounted_tree(layer: bytes, folder: Path) -> Tree:
    (folder / "tar").write_bytes(layer)
    (folder / "index").write_bytes(index_of(layer))
    with mounted(f"{folder}/index", f"{folder}/tar", f"{folder}/mount") as place:
        return walked(place)


@pytest.mark.root
def test_base_images_look_as_unpacked_by_gnu_tar(base_images: str, tmp_path: Path) -> None:
    number = 0
    with tarfile.open(base_images) as archive:
        for member in archive:
            if not member.isreg() or not member.name.endswith("/layer.tar"):
                continue
            number += 1
            file = archive.extractfile(member)
            assert file is not None
            layer = file.read()
            work = tmp_path / str(number)
            (work / "unpacked").mkdir(parents=True)
            command = ["tar", "-xpPC", str(work / "unpacked"), "--delay-directory-restore", "--numeric-owner"]
            subprocess.run([*command, "--xattrs", "--xattrs-include=*"], input=layer, check=True)
            trees = walked(str(work / "unpacked")), mounted_tree(layer, work)
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                named = {os.fsencode(name) for name in tar.getnames()}
            for tree in trees:
                for path in tree.keys() - named:  # their time is that of the unpacking
                    tree[path] = replace(tree[path], time=0)
            assert differences(*trees) == {}
    assert number > 5


@pytest.mark.root
def test_folder_of_thousands_is_searched_by_the_kernel(tmp_path: Path) -> None:
    layer = b"".join(entry(f"d/{'n' * (n % 200)}{n:x}", size=n % 3) for n in range(5000)) + END
    tree = tree_of(layer)
    assert len(tree) == 5002
    assert mounted_tree(layer, tmp_path) == tree


def test_file_has_as_many_links_as_names() -> None:
    first = link("d/00000", "f")
    checksum = int(first[148:154], 8) - sum(b"00000")
    digits = [b"%05d" % n for n in range(66_000)]
    links = [b"d/" + n + first[7:148] + b"%06o\0 " % (checksum + sum(n)) + first[156:] for n in digits]
    tree = tree_of(abc + b"".join(links) + END)
    assert tree[b"f"].links == 66_001
    assert len(tree[b"d/00007"].names) == 66_001


@pytest.mark.root
def test_file_beyond_4_gib_is_read_to_its_end(tmp_path: Path) -> None:
    size = (5 << 30) + 100
    with open(tmp_path / "tar", "w+b") as tar, open(tmp_path / "index", "wb") as index:
        info = tarfile.TarInfo("large")
        info.size = size
        tar.write(info.tobuf())
        tar.truncate(512 + (size + 511) // 512 * 512)
        tar.seek(512 + size - 3)
        tar.write(b"end")
        tar.seek(0, os.SEEK_END)
        tar.write(entry("small", data=b"after") + END)
        tar.flush()
        write_index(tar.fileno(), index)
    with mounted(f"{tmp_path}/index", f"{tmp_path}/tar", f"{tmp_path}/mount") as place:
        with open(f"{place}/large", "rb") as large:
            assert os.pread(large.fileno(), 10, size - 5) == b"\0\0end"
        with open(f"{place}/small", "rb") as small:
            assert small.read() == b"after"


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            extended({"GNU.sparse.map": "0,3", "GNU.sparse.numblocks": "1", "GNU.sparse.size": "20"}) + abc,
            "sparse",
        ),
        (attributes({"system.posix_acl_access": "x"}) + folder("d"), "POSIX ACLs"),
        (attributes({"user.a": "x" * 65536}) + abc, "65536 bytes"),
        (attributes({f"user.{n}": "x" * 60_000 for n in range(5)}) + abc, "300"),
        (attributes({"user.a": "x" * 800}) + folder("/"), "the root has too many"),
        (abc + END + b"?", "ends within a block"),
    ],
)
def test_layer_that_an_index_cannot_hold_is_told(layer: bytes, reason: str) -> None:
    out = io.BytesIO()
    with opened(layer) as fd, pytest.raises(NotIndexable, match=reason):
        write_index(fd, out)
    assert not out.getvalue()


def test_tar_beyond_the_reach_of_block_numbers_is_told() -> None:
    with opened(END) as fd:
        os.truncate(fd, 512 << 32)
        with pytest.raises(NotIndexable, match="too large"):
            write_index(fd, io.BytesIO())


def test_bad_layer_is_refused_as_by_a_scan() -> None:
    with opened(link("h", "no") + END) as fd, pytest.raises(Corrupt, match="link /no /h: no such file"):
        write_index(fd, io.BytesIO())


def test_layer_is_scanned_and_indexed_in_one_walk() -> None:
    layer = entry("d/f", size=1000) + symlink("s", "12345") + link("d/h", "d/f") + entry("/s", size=10) + END
    with opened(layer) as fd:
        index = Index(os.fstat(fd).st_size)
        assert scan_layer(fd, inodes=index) == scan_layer(fd)
    assert index.finish() == index_of(layer)


def test_scan_ends_for_a_layer_that_an_index_cannot_hold() -> None:
    layer = attributes({"user.a": "x" * 65536}) + entry("f", size=7) + END
    with opened(layer) as fd:
        assert scan_layer(fd, inodes=Index(len(layer))).diff_size == 7


def test_markers_of_overlay_do_not_come_from_the_tar() -> None:
    # Docker would set them: a layer could so point into those below.
    hostile = attributes({"trusted.overlay.redirect": "/x", "trusted.overlay.opaque": "y", "trusted.a": "1"})
    assert tree_of(hostile + folder("d") + END)[b"d"].xattrs == {"trusted.a": b"1"}


def test_folder_above_an_entry_has_its_time() -> None:
    tree = tree_of(set_in(entry("a/b"), time=10) + set_in(entry("a/.wh.c"), time=20) + END)
    assert (tree[b"a"].time, tree[b"a/c"].time) == (10 * 10**9, 20 * 10**9)


def test_same_tar_makes_the_same_index_and_another_one_a_different_uuid() -> None:
    one, other = index_of(abc + END), index_of(entry("g", data=b"abc") + END)
    assert one == index_of(abc + END)
    assert one[1024 + 48 : 1024 + 64] != other[1024 + 48 : 1024 + 64] != bytes(16)


def test_index_needs_little_memory_for_each_entry() -> None:
    entries = 20_000
    layer = b"".join(entry(f"some/folder/of/files/{n // 40}/file-{n:08}") for n in range(entries)) + END
    with opened(layer) as fd, open(os.devnull, "wb") as out:
        tracemalloc.start()
        try:
            write_index(fd, out)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 600 * entries
