"""What dockerd 20.10.24 answered to `docker import` of these layers; asked again where there is one."""

from __future__ import annotations

import os
import subprocess
import tracemalloc

import pytest

from ligan.errors import Corrupt
from ligan.layers.scan import LayerScan, path_in_layer, scan_layer
from tests.support.dockerd import SYSTEM_PATH
from tests.support.tars import (
    END,
    ZEROS,
    attributes,
    entry,
    extended,
    field,
    folder,
    link,
    opened,
    record,
    symlink,
)

FAILED = "Error processing tar file(exit status 1): "
TWICE = "Error processing tar file(duplicates of file paths not supported): "
HEADER = f"{FAILED}archive/tar: invalid tar header"
TRUNCATED = f"{FAILED}unexpected EOF"

CHARACTER, BLOCK, FIFO = b"3", b"4", b"6"
abc = entry("x", data=b"abc")

GB = 1 << 30


def sparse(text: bytes, data: bytes, size: int) -> bytes:
    """Return a sparse file in PAX form 1.0, whose map begins the data."""
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": str(size),
    }
    return extended(records) + entry("q", data=text + bytes(-len(text) % 512) + data)


def sparse_map(runs: str, count: int, data: bytes, size: int) -> bytes:
    """Return a sparse file in PAX form 0.1, whose map is a record."""
    records = {"GNU.sparse.map": runs, "GNU.sparse.numblocks": str(count), "GNU.sparse.size": str(size)}
    return extended(records) + entry("q", data=data)


# Each layer with its size, or the error. The end of the archive is added.
UNPACKED: dict[str, tuple[list[bytes], int | str]] = {
    "each inode once": ([folder("d"), entry("d/f", size=100), symlink("s", "d/f"), link("h", "d/f")], 103),
    "devices": ([entry("c", CHARACTER), entry("b", BLOCK), entry("p", FIFO)], 0),
    "old file and folder types": ([entry("c", b"\0", 5), entry("d/", b"\0")], 5),
    "links and folders have no data": ([abc, link("h", "x", 600), entry("d", b"5", 600)], 3),
    "unknown type": ([entry("c", b"D", 5)], f"{FAILED}unhandled tar header type 68"),
    "contiguous file": ([entry("c", b"7", 5)], f"{FAILED}unhandled tar header type 55"),
    "names of any bytes": ([entry("n\udcff", size=3), symlink("s\udcff", "ab\udcff"), symlink("é", "é")], 8),
    # Names cannot lead out of the layer, so nothing is refused for trying.
    "dotdot stays inside": ([entry("../x", size=3), entry("a/../../../y", size=4), entry("/z", size=5)], 12),
    "link to outside stays inside": ([entry("x", size=3), link("h", "../../x")], 3),
    "link to an absolute name": ([entry("x", size=3), link("h", "/x")], 3),
    "symlink to outside": ([symlink("s", "../../../etc/passwd"), symlink("t", "/etc/passwd")], 30),
    "the root": ([folder("./"), entry("./a", size=2)], 2),
    "a file named as the root": ([entry("./", size=2), entry("a", size=2)], 2),
    "the root by its slash": ([folder("/"), folder(".."), folder("../.."), entry("a", size=2)], 2),
    "a file by the root's slash": ([entry("/", size=2)], f"{FAILED}unlinkat .//: device or resource busy"),
    "an empty name": ([entry("", size=3)], 0),
    # One name twice is refused, unless it is written in two ways.
    "same file twice": ([entry("x", size=3), entry("x", size=7)], TWICE),
    "same folder twice": ([folder("d"), folder("./d")], TWICE),
    "file replaced": ([entry("x", size=3), entry("/x", size=7)], 7),
    "file replaced by another way up": ([entry("x", size=3), entry("../x", size=7)], 7),
    "linked file replaced": ([entry("x", size=3), link("h", "x"), entry("/x", size=7)], 10),
    "both names replaced": ([abc, link("h", "x"), entry("/x", size=7), entry("/h", size=1)], 8),
    "file replaced by a link": ([entry("x", size=9), entry("y", size=7), link("/x", "y")], 7),
    "folder replaced by a file": ([folder("d"), entry("d/f", size=100), entry("/d", size=7)], 7),
    "unnamed folder replaced": ([entry("d/e/x", size=100), entry("d", size=7)], 7),
    "file replaced by a folder": ([entry("d", size=99), folder("/d"), entry("d/x", size=7)], 7),
    "symlink replaced": (
        [folder("d"), entry("d/x", size=9), symlink("l", "d"), folder("/l"), entry("l/y", size=7)],
        16,
    ),
    # Docker sets the times of folders last, by their names.
    "folder within one replaced": (
        [folder("d"), folder("d/e"), entry("/d")],
        f"{FAILED}chtimes /d/e: not a directory",
    ),
    "folder gone with its parent": (
        [folder("d/e"), entry("/d"), folder("../d")],
        f"{FAILED}chtimes /d/e: no such file or directory",
    ),
    "folder replaced by a dangling symlink": (
        [folder("d"), symlink("/d", "no")],
        f"{FAILED}chtimes /d: no such file or directory",
    ),
    "folder replaced by a symlink to a file": ([folder("d"), abc, symlink("/d", "x")], 4),
    "folder replaced by a symlink through a file": (
        [folder("d"), abc, symlink("/d", "x/../x")],
        f"{FAILED}chtimes /d: not a directory",
    ),
    "folder replaced by a loop": (
        [folder("d"), symlink("/d", "d")],
        f"{FAILED}chtimes /d: too many levels of symbolic links",
    ),
    "whiteout in a folder's form": ([folder("d/.wh.x")], 0),
    "whiteout in a folder's form, replaced": ([folder(".wh.x"), entry("x"), entry("/x", size=3)], 3),
    "folder made anew": ([folder("d/e"), entry("/d"), folder("../d"), folder("/d/e")], 0),
    # Links, hard and soft.
    "link to nothing": ([link("h", "no")], f"{FAILED}link /no /h: no such file or directory"),
    "link to itself": ([abc, link("x", "x")], f"{FAILED}link /x /x: no such file or directory"),
    "link to a folder": ([folder("d"), link("h", "d")], f"{FAILED}link /d /h: operation not permitted"),
    "link to the root": ([link("h", "")], f"{FAILED}link / /h: operation not permitted"),
    "link below a file": ([abc, link("h", "x/y")], f"{FAILED}link /x/y /h: not a directory"),
    "link to a symlink": ([entry("f", size=3), symlink("s", "f"), link("h", "s")], 4),
    "link through a symlink": ([folder("d"), entry("d/f", size=3), symlink("s", "d"), link("h", "s/f")], 4),
    "link through a dangling symlink": (
        [symlink("s", "no"), link("h", "s/x")],
        f"{FAILED}link /s/x /h: no such file or directory",
    ),
    "linked symlink replaced": ([symlink("s", "12345"), link("h", "s"), entry("/s", size=2)], 7),
    "link to a whiteout": ([entry(".wh.x"), link("h", "x")], 0),
    "symlink to nothing": ([symlink("s", "")], f"{FAILED}symlink  /s: no such file or directory"),
    "longest symlink": ([symlink("s", "n" * 4095)], 4095),
    "too long a symlink": (
        [symlink("s", "n" * 4096)],
        f"{FAILED}symlink {'n' * 4096} /s: file name too long",
    ),
    # Paths through symlinks and files.
    "through a symlink": ([folder("d"), symlink("l", "d"), entry("l/x", size=7)], 8),
    "through an absolute symlink": ([folder("d"), symlink("l", "/d"), entry("l/x", size=7)], 9),
    "through a symlink upwards": (
        [folder("a/b"), symlink("a/b/l", "../../../../a"), entry("a/b/l/x", size=7)],
        20,
    ),
    "through a symlink with dotdot": ([folder("a/b"), symlink("l", "a/b/.."), entry("l/x", size=7)], 13),
    "through symlinks in turn": (
        [folder("a"), symlink("b", "a"), symlink("c", "b"), entry("c/x", size=7)],
        9,
    ),
    "folders made behind a symlink": ([folder("a"), symlink("b", "a"), entry("b/q/r/x", size=7)], 8),
    "in a dangling symlink": (
        [symlink("l", "no"), entry("l/x", size=7)],
        f"{FAILED}open /l/x: no such file or directory",
    ),
    "below a dangling symlink": (
        [folder("q"), symlink("q/l", "a/b"), entry("q/l/x/y/z")],
        f"{FAILED}mkdir /q/l: file exists",
    ),
    "folder in a dangling symlink": (
        [symlink("b", "no"), folder("b/q")],
        f"{FAILED}mkdir /b/q: no such file or directory",
    ),
    "through a symlink to a file": (
        [entry("f"), symlink("l", "f"), entry("l/x")],
        f"{FAILED}open /l/x: not a directory",
    ),
    "through a loop": (
        [symlink("l", "l"), entry("l/x/y")],
        f"{FAILED}open /l/x/y: too many levels of symbolic links",
    ),
    "file below a file": ([entry("f"), entry("f/x/y")], f"{FAILED}open /f/x/y: not a directory"),
    "folder below a file": ([entry("f"), folder("f/x")], f"{FAILED}mkdir /f/x: not a directory"),
    "symlink below a file": ([entry("f"), symlink("f/x", "t")], f"{FAILED}symlink t /f/x: not a directory"),
    "link below a file's name": ([entry("f"), link("f/x", "f")], f"{FAILED}link /f /f/x: not a directory"),
    "device below a file": ([entry("f"), entry("f/x", CHARACTER)], f"{FAILED}not a directory"),
    "whiteout below a file": (
        [entry("f"), entry("f/.wh.x")],
        f'{FAILED}failed to mknod("/f/x", S_IFCHR, 0): not a directory',
    ),
    "longest name": ([entry("n" * 255, size=3), entry("m" * 255 + "/x", size=4)], 7),
    "too long a name": ([entry("é" * 128)], f"{FAILED}open /{'é' * 128}: file name too long"),
    "too long a folder": ([entry("n" * 256 + "/f")], f"{FAILED}open /{'n' * 256}/f: file name too long"),
    "too long a path": (
        [entry("/".join(["n" * 200] * 21))],
        f"{FAILED}open /{'/'.join(['n' * 200] * 21)}: file name too long",
    ),
    # Whiteouts become devices, which count nothing and can be replaced.
    "whiteouts": ([entry(".wh.x", size=50), folder("d/.wh.y"), entry("d/.wh..wh..opq", size=4)], 0),
    "whiteout in a folder of its own": ([entry("q/r/.wh..wh..opq", size=4), entry("q/r/x", size=1)], 1),
    "file after its whiteout": ([entry(".wh.x"), entry("x", size=5)], 5),
    "whiteouts of Aufs": ([entry(".wh..wh.plnk", size=4), entry(".wh.plnk", size=4)], 0),
    "longest whiteout": ([entry(".wh." + "n" * 255, size=4)], 0),
    "file before its whiteout": (
        [entry("x"), entry(".wh.x")],
        f'{FAILED}failed to mknod("/x", S_IFCHR, 0): file exists',
    ),
    "same whiteout twice": (
        [entry(".wh.x"), entry(".wh.x")],
        f'{FAILED}failed to mknod("/x", S_IFCHR, 0): file exists',
    ),
    "whiteout of nothing": ([entry(".wh.")], f'{FAILED}failed to mknod("/", S_IFCHR, 0): file exists'),
    "whiteout of the folder": ([entry("d/.wh..")], f'{FAILED}failed to mknod("/d", S_IFCHR, 0): file exists'),
    "whiteout of its parent": ([entry("d/.wh...")], f'{FAILED}failed to mknod("/", S_IFCHR, 0): file exists'),
    "below a whiteout": ([entry(".wh.x"), entry("x/y")], f"{FAILED}open /x/y: not a directory"),
    # Extended headers.
    "size record": ([extended({"size": "3"}) + field(124, b"00000000000\0", abc)], 3),
    "size record with a sign": ([extended({"size": "+3"}) + field(124, b"00000000000\0", abc)], 3),
    "negative size record": ([extended({"size": "-3"}), abc], HEADER),
    "size record in letters": ([extended({"size": "zz"}), abc], HEADER),
    "empty path record": ([extended({"path": ""}), abc, entry("/x", size=2)], 2),
    "path record": ([extended({"path": "y"}), abc, entry("/y", size=2)], 2),
    "only the last extended header counts": (
        [extended({"path": "y"}), extended({"mtime": "1"}), abc, entry("y", size=2)],
        5,
    ),
    "a long name beats a path record": (
        [entry("././@LongLink", b"L", data=b"l\0"), extended({"path": "y"}), abc, entry("/l", size=2)],
        2,
    ),
    "records of a global header do not count": (
        [extended({"size": "1", "path": "z"}, b"g"), abc, entry("y", size=4)],
        7,
    ),
    "global header drops the extended one before it": (
        [extended({"path": "y"}), extended({"a": "b"}, b"g"), abc, entry("/x", size=4)],
        4,
    ),
    "record too long": ([extended(b"99 path=x\n"), abc], HEADER),
    "record without a newline": ([extended(b"9 path=xy"), abc], HEADER),
    "record without a keyword": ([extended(b"11 =bcdefg\n"), abc], HEADER),
    "record without an equals sign": ([extended(b"9 abcdef\n"), abc], HEADER),
    "record length with a sign": ([extended(b"+9 ab=cd\n"), abc], 3),
    "record length with zeros": ([extended(b"009 a=cd\n"), abc], 3),
    "NUL in a path record": ([extended({"path": "a\0b"}), abc], HEADER),
    "time record": ([extended({"mtime": "-1.5", "atime": "-1."}), abc], 3),
    "time record in letters": ([extended({"mtime": "1.5x"}), abc], HEADER),
    "time record without seconds": ([extended({"mtime": ".5"}), abc], HEADER),
    "too long an extended header": (
        [extended({"comment": "y" * 1_100_000}), abc],
        f"{FAILED}archive/tar: header field too long",
    ),
    # Extended attributes: what the kernel neither supports nor permits is left out, the rest is an error.
    "attributes": ([attributes({"user.a": "1", "security.b": "2", "trusted.c": "3"}), abc], 3),
    "unsupported attributes": ([attributes({"a": "1", "other.b": "2", "system.c": "3"}), abc], 3),
    "attribute of users on a symlink": ([attributes({"user.": "1"}), symlink("s", "t")], 1),
    "attributes of the first folder": ([attributes({"user.": "1"}), folder("./")], 0),
    "attributes of a whiteout": ([attributes({"user.": "1"}), entry(".wh.x")], 0),
    "attribute without a name": ([attributes({"": "1"}), abc], f"{FAILED}numerical result out of range"),
    "empty attribute without a name": ([attributes({"": ""}), abc], 3),
    "longest attribute's name": ([attributes({"user." + "é" * 125: "1"}), abc], 3),
    "too long an attribute's name": (
        [attributes({"user." + "é" * 126: "1"}), abc],
        f"{FAILED}numerical result out of range",
    ),
    "too long an attribute": ([attributes({"a": "1" * 65537}), abc], f"{FAILED}argument list too long"),
    "attribute without its own name": ([attributes({"user.": "1"}), abc], f"{FAILED}invalid argument"),
    "trusted attribute of a symlink": (
        [attributes({"trusted.": "1"}), symlink("s", "t")],
        f"{FAILED}invalid argument",
    ),
    "attribute of the root": ([attributes({"user.": "1"}), folder("/")], f"{FAILED}invalid argument"),
    "attribute of a link": ([abc, attributes({"user.": "1"}), link("h", "x")], f"{FAILED}invalid argument"),
    "capabilities": ([attributes({"security.capability": "\1\0\0\2" + "\0" * 16}), abc], 3),
    "capabilities of a namespace": ([attributes({"security.capability": "\1\0\0\3" + "\0" * 20}), abc], 3),
    "capabilities cut": (
        [attributes({"security.capability": "\1\0\0\2" + "\0" * 15}), abc],
        f"{FAILED}invalid argument",
    ),
    "capabilities of an old form": (
        [attributes({"security.capability": "\1\0\0\1" + "\0" * 8}), abc],
        f"{FAILED}invalid argument",
    ),
    # Sparse files count in full, and Docker does not know the old kind.
    "sparse": ([sparse(b"2\n0\n3\n10\n2\n", b"abcde", 20)], 20),
    "sparse, all hole": ([sparse(b"0\n", b"", 10 * GB)], 10 * GB),
    "sparse, data missing": (
        [sparse(b"2\n0\n3\n10\n9\n", b"abcde", 20)],
        f"{FAILED}archive/tar: sparse file references non-existent data",
    ),
    "sparse, data left over": (
        [sparse(b"2\n0\n3\n10\n1\n", b"abcde", 20)],
        f"{FAILED}archive/tar: sparse file contains unreferenced data",
    ),
    "sparse, runs overlap": ([sparse(b"2\n0\n3\n1\n2\n", b"abcde", 20)], HEADER),
    "sparse, run beyond the end": ([sparse(b"2\n0\n3\n19\n2\n", b"abcde", 20)], HEADER),
    "sparse, negative offset": ([sparse(b"2\n-1\n3\n10\n2\n", b"abcde", 20)], HEADER),
    "sparse, negative size": ([sparse(b"0\n", b"", -20)], HEADER),
    "sparse, map ends early": ([sparse(b"3\n0\n", b"", 20)], TRUNCATED),
    "sparse, map in letters": ([sparse(b"x\n0\n", b"", 20)], HEADER),
    "sparse 0.1": ([sparse_map("0,3,10,2", 2, b"abcde", 20)], 20),
    "sparse 0.1, odd map": ([sparse_map("0,3,10", 2, b"abcde", 20)], HEADER),
    "sparse 0.1, wrong count": ([sparse_map("0,3,10,2", 3, b"abcde", 20)], HEADER),
    "sparse 0.1, no map": ([extended({"GNU.sparse.numblocks": "0", "GNU.sparse.size": "20"}), abc], 3),
    "sparse 0.0": (
        [
            extended(
                record("GNU.sparse.size", "20")
                + record("GNU.sparse.numblocks", "1")
                + record("GNU.sparse.offset", "5")
                + record("GNU.sparse.numbytes", "3")
            ),
            abc,
        ],
        20,
    ),
    "sparse 0.0, out of order": (
        [extended({"GNU.sparse.numbytes": "3", "GNU.sparse.offset": "0"}), abc],
        HEADER,
    ),
    "sparse of a version to come": (
        [extended({"GNU.sparse.major": "2", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "77"}), abc],
        3,
    ),
    "sparse folder": (
        [extended({"GNU.sparse.map": "0,0", "GNU.sparse.numblocks": "1"}), folder("d")],
        HEADER,
    ),
    # Headers.
    "wrong checksum": ([b"y" + abc[1:]], HEADER),
    "negative size": ([field(124, b"\xff" * 12, abc)], HEADER),
    "size beyond the end": ([field(124, b"77777777777\0", abc)], TRUNCATED),
    "largest size": ([field(124, b"\x80\0\0\0\x7f" + b"\xff" * 7, abc)], TRUNCATED),
    "size of 65 bits": ([field(124, b"\x80\0\0\x01" + b"\xff" * 8, abc)], HEADER),
    "owner in letters": ([field(108, b"abcdefg\0", abc)], HEADER),
    "negative owner in base 256": ([field(108, b"\xff" * 8, abc)], 3),
    "device in letters": ([field(329, b"zzzzzzz\0", abc)], HEADER),
    "time in letters": ([field(136, b"zzzzzzzzzzz\0", abc)], HEADER),
    "not a tar": ([b"not a tar" * 100], HEADER),
}

# Each layer whole, with its size or the error.
ENDINGS: dict[str, tuple[bytes, int | str]] = {
    "empty": (b"", 0),
    "only the end": (END, 0),
    "no end": (abc, 3),
    "one block of zeros": (abc + ZEROS, 3),
    "half of the end": (abc + ZEROS + bytes(100), TRUNCATED),
    "part of a block of zeros": (abc + bytes(100), TRUNCATED),
    "header after one block of zeros": (abc + ZEROS + entry("y", size=3), HEADER),
    "header after the end": (abc + END + entry("y", size=3), 3),
    "garbage after the end": (abc + END + b"garbage" * 300, 3),
    "part of a header": (abc + b"abc", TRUNCATED),
    "data cut": (entry("x", size=300)[:515], TRUNCATED),
    "data missing": (abc[:512], TRUNCATED),
    "padding cut": (abc[:515], 3),
    "extended header at the end": (abc + extended({"path": "y"}), 3),
    "extended header before the end": (abc + extended({"path": "y"}) + END, 3),
    "long name before the end": (abc + entry("././@LongLink", b"L", data=b"abc") + END, 3),
    "extended header cut": (abc + extended({"path": "y"})[:515], TRUNCATED),
}

CASES = [
    *((b"".join(layer) + END, answer) for layer, answer in UNPACKED.values()),
    *ENDINGS.values(),
]
NAMES = [*UNPACKED, *ENDINGS]


def scan(layer: bytes) -> int | str:
    try:
        with opened(layer) as fd:
            return scan_layer(fd).diff_size
    except Corrupt as error:
        return str(error)


@pytest.mark.parametrize(("layer", "answer"), CASES, ids=NAMES)
def test_layer_is_measured_or_refused_as_docker_does(layer: bytes, answer: int | str) -> None:
    assert scan(layer) == answer


@pytest.mark.dockerd
@pytest.mark.parametrize(("layer", "answer"), CASES, ids=NAMES)
def test_docker_still_answers_so(dockerd: str, layer: bytes, answer: int | str) -> None:
    def docker(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | {"DOCKER_HOST": dockerd, "PATH": SYSTEM_PATH}
        return subprocess.run(
            ["docker", *args], input=stdin, capture_output=True, env=environment, check=False
        )

    imported = docker("import", "-", stdin=layer)
    if imported.returncode:
        assert imported.stderr.decode().strip() == f"Error response from daemon: {answer}".strip()
        return
    image = imported.stdout.decode().strip()
    try:
        assert int(docker("image", "inspect", "-f", "{{.Size}}", image).stdout) == answer
    finally:
        docker("rmi", "--force", image)


def test_old_gnu_sparse_file_is_refused_as_docker_does() -> None:
    member = field(386, b"00000000005\0" + b"00000000003\0", field(483, b"00000000024\0", abc))
    assert scan(field(156, b"S", member) + END) == f"{FAILED}unhandled tar header type 83"


def test_marker_of_an_opaque_file_is_refused() -> None:
    # Docker marks the file, to no effect.
    assert scan(entry("f") + entry("f/.wh..wh..opq") + END) == f"{FAILED}not a directory"


def test_layer_within_a_file_is_scanned_alone() -> None:
    layer = folder("d") + entry("d/f", size=1000) + symlink("s", "d")
    with opened(b"before" + layer + b"after") as fd:
        assert scan_layer(fd, 6, len(layer)) == LayerScan(diff_size=1001, entries=3)
        with pytest.raises(Corrupt, match="unexpected EOF"):
            scan_layer(fd, 6, 1500)


def test_symlinks_that_multiply_do_not_hang() -> None:
    multiplied = [symlink(f"l{n}", f"l{n - 1}/../" * 50 + f"l{n - 1}") for n in range(1, 40)]
    layer = folder("l0") + b"".join(multiplied) + entry("l39/x") + END
    assert scan(layer) == f"{FAILED}open /l39/x: too many levels of symbolic links"


def test_folders_nested_deeply_can_be_replaced() -> None:
    layer = entry("a/" * 2000 + "x", size=5) + entry("a", size=1) + END
    assert scan(layer) == 1


def test_scan_needs_little_memory_for_each_entry() -> None:
    entries = 20_000
    layer = b"".join(entry(f"some/folder/of/files/{n // 40}/file-{n:08}", size=0) for n in range(entries))
    with opened(layer + END) as fd:
        tracemalloc.start()
        try:
            assert scan_layer(fd).entries == entries
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 400 * entries


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b", "a/b"),
        ("a/b/", "a/b"),
        ("./a", "a"),
        ("/a", "a"),
        ("//a//b", "a/b"),
        ("a/./b/../c", "a/c"),
        ("../../a", "a"),
        ("a/../..", ""),
        (".", ""),
        ("", ""),
        ("/", ""),
        ("..a/...", "..a/..."),
        (".wh.a", ".wh.a"),
        ("a\udcff", "a\udcff"),
    ],
)
def test_path_in_layer_never_leaves_the_root(name: str, path: str) -> None:
    assert path_in_layer(name) == path
