"""Binds, mounts and volumes-from, parsed; the words are those of dockerd 20.10.24."""

from __future__ import annotations

import pytest

from ligan.containers import mounts
from ligan.containers.mounts import Mount
from ligan.errors import Invalid


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/h:/c", Mount("bind", "/h", "/c", propagation="rprivate")),
        ("/h/../x:/c/:ro", Mount("bind", "/x", "/c", mode="ro", rw=False, propagation="rprivate")),
        ("/h:/c:rw,shared,z", Mount("bind", "/h", "/c", mode="rw,shared,z", propagation="shared")),
        ("data:/c", Mount("volume", "", "/c", name="data", copy=True)),
        ("data:/c:nocopy", Mount("volume", "", "/c", name="data", mode="nocopy")),
        ("data://c:ro", Mount("volume", "", "/c", name="data", mode="ro", rw=False, copy=True)),
        ("/anonymous", Mount("volume", "", "/anonymous", copy=True)),
    ],
)
def test_binds(raw: str, expected: Mount) -> None:
    assert mounts.parse_bind(raw) == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "invalid volume specification: ''"),
        (":/c", "invalid volume specification: ':/c'"),
        ("/c:rw", "invalid volume specification: '/c:rw'"),
        ("/a:/b:ro:/c", "invalid volume specification: '/a:/b:ro:/c'"),
        ("/a:/b:bogus", "invalid mode: bogus"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        (
            "data:/",
            "invalid volume specification: 'data:/': invalid mount config for type \"volume\": "
            "invalid specification: destination can't be '/'",
        ),
        (
            "/a:b",
            "invalid volume specification: '/a:b': invalid mount config for type \"bind\": "
            "invalid mount path: 'b' mount path must be absolute",
        ),
        (
            "data:/b:shared",
            "invalid volume specification: 'data:/b:shared': invalid mount config for type \"volume\": "
            "field BindOptions must not be specified",
        ),
        (
            "/a:/b:nocopy",
            "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": "
            "field VolumeOptions must not be specified",
        ),
    ],
)
def test_bad_binds(raw: str, words: str) -> None:
    with pytest.raises(Invalid) as error:
        mounts.parse_bind(raw)
    assert error.value.message == words


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"Type": "bind", "Source": "/", "Target": "/c", "ReadOnly": True},
            Mount("bind", "/", "/c", rw=False, propagation="rprivate", must_exist=True),
        ),
        (
            {
                "Type": "bind",
                "Source": "/",
                "Target": "/c",
                "BindOptions": {"Propagation": "rslave", "NonRecursive": True},
            },
            Mount("bind", "/", "/c", propagation="rslave", must_exist=True, recursive=False),
        ),
        ({"Type": "volume", "Target": "/c"}, Mount("volume", "", "/c", copy=True)),
        (
            {"Type": "volume", "Source": "v", "Target": "/c", "VolumeOptions": {"NoCopy": True}},
            Mount("volume", "", "/c", name="v"),
        ),
        (
            {"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"SizeBytes": 3 << 20, "Mode": 0o1770}},
            Mount("tmpfs", "", "/c", options="mode=1770,size=3m"),
        ),
    ],
)
def test_mounts(document: dict[str, object], expected: Mount) -> None:
    assert mounts.parse_mount(document) == expected


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"Type": "bind", "Source": "/x"}, 'for type "bind": field Target must not be empty'),
        ({"Target": "/c"}, 'for type "": mount type unknown'),
        ({"Type": "bind", "Target": "/c"}, 'for type "bind": field Source must not be empty'),
        (
            {"Type": "bind", "Source": "/no/such", "Target": "/c"},
            'for type "bind": bind source path does not exist: /no/such',
        ),
        (
            {"Type": "volume", "Target": "/c", "ReadOnly": True},
            'for type "volume": must not set ReadOnly mode when using anonymous volumes',
        ),
        (
            {"Type": "tmpfs", "Source": "x", "Target": "/c"},
            'for type "tmpfs": field Source must not be specified',
        ),
        (
            {"Type": "bind", "Source": "/", "Target": "/c", "BindOptions": {"Propagation": "x"}},
            'for type "bind": invalid propagation mode: x',
        ),
    ],
)
def test_bad_mounts(document: dict[str, object], words: str) -> None:
    with pytest.raises(Invalid) as error:
        mounts.parse_mount(document)
    assert error.value.message == f"invalid mount config {words}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("web", ("web", True)), ("web:ro", ("web", False)), ("web:rw", ("web", True)), ("web:z", ("web", True))],
)
def test_volumes_from(spec: str, expected: tuple[str, bool]) -> None:
    assert mounts.parse_volumes_from(spec) == expected


@pytest.mark.parametrize("spec", ["", "web:bogus", "web:shared", "web:nocopy"])
def test_bad_volumes_from(spec: str) -> None:
    with pytest.raises(Invalid):
        mounts.parse_volumes_from(spec)


def test_what_lies_on_top_is_mounted_later() -> None:
    found = {path: Mount("tmpfs", "", path) for path in ("/a/b/c", "/a", "/a/b", "/b")}
    assert [mount.destination for mount in mounts.in_order(found)] == ["/a", "/b", "/a/b", "/a/b/c"]


def test_stored_mounts_come_back() -> None:
    mount = Mount("volume", "/x", "/c", name="v", driver="local", mode="z", copy=True)
    assert [Mount(**item) for item in mounts.stored((mount,))] == [mount]
