"""`RUN --mount`: what is mounted, and the words for what cannot be."""

from __future__ import annotations

import pytest

from ligan.dockerfile.mounts import Mount, check_mount, parse_mount
from ligan.errors import Invalid


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/a", Mount("bind", target="/a")),
        ("type=bind,from=b,source=c,dst=/d,rw", Mount("bind", "b", "c", "/d", read_only=False)),
        ("TYPE=Cache,target=/a", Mount("cache", target="/a", read_only=False)),
        (
            "type=cache,id=i,destination=/a,sharing=LOCKED,ro,mode=0750,uid=1,gid=2",
            Mount("cache", target="/a", id="i", sharing="locked", mode=0o750, uid=1, gid=2),
        ),
        ("type=tmpfs,target=/a,size=1.5m", Mount("tmpfs", target="/a", size=1_572_864, read_only=False)),
        ("type=secret,id=i,required,env=E", Mount("secret", id="i", required=True, env="E")),
        ("type=ssh,required=false,readwrite=0", Mount("ssh")),
        ('"target=/a,b","src=""c"""', Mount("bind", source='"c"', target="/a,b")),
    ],
)
def test_mounts(text: str, mount: Mount) -> None:
    assert parse_mount(text, None) == mount


def test_values_are_expanded() -> None:
    assert parse_mount("type=$t,target=/$t", lambda word: word.replace("$t", "cache")).target == "/cache"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "failed to parse csv mounts: EOF"),
        ('a"b', 'failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted field'),
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("sources=a", "unexpected key 'sources' in 'sources=a' (did you mean source?)"),
        ("type=cash", 'unsupported mount type "cash" (did you mean cache?)'),
        ("type=cache,sharing=x", 'unsupported sharing value "x"'),
        ("ro=maybe", "invalid value for ro: maybe"),
        ("required", "unexpected key 'required' for mount type 'bind'"),
        ("size=1", "unexpected key 'size' for mount type 'bind'"),
        ("type=tmpfs,size=x", "invalid value for size: x"),
        ("type=cache,mode=8", "invalid value 8 for mode"),
        ("type=cache,uid=4294967296", "invalid value 4294967296 for uid"),
        ("gid=1", 'gid not allowed for "bind" type mounts'),
        ("sharing=shared", "invalid cache sharing set for bind mount"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("type=secret,id=a,src=b", "both source and id can't be set"),
    ],
)
def test_what_cannot_be_mounted(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_mount(text, None)
    assert caught.value.message == message


def test_most_of_a_modern_mount_is_read_later() -> None:
    check_mount("type=$t,foo,from=b$", classic=False)
    with pytest.raises(Invalid, match="doesn't support variable expansion"):
        check_mount("from=$b", classic=False)
    with pytest.raises(Invalid, match="unsupported mount type"):
        check_mount("type=$t", classic=True)
