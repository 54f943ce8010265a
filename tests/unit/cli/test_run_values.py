from __future__ import annotations

import re
from typing import Any

import pytest

from ligan.cli import run_values as values
from ligan.cli.output import Failure


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("50m", 50 << 20),
        ("1.5g", 3 << 29),
        ("1k", 1024),
        ("2KiB", 2048),
        ("3MB", 3 << 20),
        ("7b", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert values.byte_count(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid size: ''"),
        ("abc", "invalid size: 'abc'"),
        ("-1", "invalid size: '-1'"),
        ("5x", "invalid suffix: 'x'"),
        ("5bb", "invalid suffix: 'bb'"),
        ("1.2.3", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'),
    ],
)
def test_what_is_no_size(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        values.byte_count(text)


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        ("80", [("80/tcp", "", "")]),
        ("8080:80", [("80/tcp", "", "8080")]),
        ("127.0.0.1:8080:80/udp", [("80/udp", "127.0.0.1", "8080")]),
        ("[::1]:8080:80", [("80/tcp", "::1", "8080")]),
        ("127.0.0.1::80", [("80/tcp", "127.0.0.1", "")]),
        ("8000-8001:80-81", [("80/tcp", "", "8000"), ("81/tcp", "", "8001")]),
        ("8000-8009:80", [("80/tcp", "", "8000-8009")]),
    ],
)
def test_published_ports(spec: str, places: list[tuple[str, str, str]]) -> None:
    assert [(key, place["HostIp"], place["HostPort"]) for key, place in values.published(spec)] == places


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("x", "invalid containerPort: x"),
        ("80:", "no port specified: 80:<empty>"),
        ("x:80", "invalid hostPort: x"),
        ("80-81:90-93", "invalid ranges specified for container and host Ports: 90-93 and 80-81"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("80/foo", "invalid proto: foo"),
    ],
)
def test_what_cannot_be_published(spec: str, words: str) -> None:
    with pytest.raises(Failure, match=f"^{re.escape(words)}$") as error:
        values.published(spec)
    assert error.value.status == 125


@pytest.mark.parametrize(
    ("spec", "mount"),
    [
        ("type=bind,src=/a,dst=/b,ro", {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}),
        ("source=v,target=/b", {"Type": "volume", "Source": "v", "Target": "/b"}),
        (
            "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770",
            {
                "Type": "tmpfs",
                "Source": "",
                "Target": "/t",
                "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1770},
            },
        ),
        (
            "src=v,dst=/b,volume-nocopy,volume-label=a=b",
            {
                "Type": "volume",
                "Source": "v",
                "Target": "/b",
                "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}},
            },
        ),
    ],
)
def test_mounts(spec: str, mount: dict[str, Any]) -> None:
    assert values.mount(spec) == mount


@pytest.mark.parametrize(
    ("parse", "spec", "words"),
    [
        (values.mount, "foo", "invalid field 'foo' must be a key=value pair"),
        (values.mount, "type=bind", "target is required"),
        (values.mount, "dst=/a,foo=b", "unexpected key 'foo' in 'foo=b'"),
        (values.mount, "dst=/a,readonly=x", "invalid value for readonly: x"),
        (values.ulimit, "nofile", "invalid ulimit argument: nofile"),
        (values.ulimit, "bogus=1", "invalid ulimit type: bogus"),
        (
            values.ulimit,
            "nofile=10:5",
            "ulimit soft limit must be less than or equal to hard limit: 10 > 5",
        ),
        (values.nano_cpus, "a", "failed to parse a as a rational number"),
        (values.nano_cpus, "NaN", "failed to parse NaN as a rational number"),
        (values.nano_cpus, "0.0000000001", "value is too precise"),
        (values.network, "a=b", "invalid field key a"),
        (values.network, "alias=b", "network name/id is not specified"),
        (values.extra_host, "foo", 'bad format for add-host: "foo"'),
        (values.extra_host, "foo:1.2.3", 'invalid IP address in add-host: "1.2.3"'),
        (values.sysctl, "kernel.foo=1", "sysctl 'kernel.foo=1' is not allowed"),
        (values.variable, "=x", "invalid environment variable: =x"),
    ],
)
def test_words_for_what_a_flag_cannot_take(parse: Any, spec: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        parse(spec)


def test_fields_of_a_network() -> None:
    assert values.network("net") == ("net", {})
    assert values.network("name=net,alias=web,alias=db,ip=10.0.0.2") == (
        "net",
        {"Aliases": ["web", "db"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}},
    )


def test_hosts_may_have_either_mark() -> None:
    assert values.extra_host("a=1.2.3.4") == values.extra_host("a:1.2.3.4") == "a:1.2.3.4"
    assert values.extra_host("a:[::1]") == "a:::1"
    assert values.extra_host("a:host-gateway") == "a:host-gateway"


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw")),
    ],
)
def test_devices(spec: str, device: tuple[str, str, str]) -> None:
    assert tuple(values.device(spec).values()) == device
