from __future__ import annotations

import os
import re
from typing import Any

import pytest

from ligan.cli import run_values as values
from ligan.cli.output import Failure
from ligan.cli.run_files import lines
from ligan.cli.run_mounts import mount
from ligan.cli.run_ports import port_numbers, published
from ligan.containers.ports import parse_uint16


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
    assert [(key, place["HostIp"], place["HostPort"]) for key, place in published(spec)] == places


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
        published(spec)
    assert error.value.status == 125


@pytest.mark.parametrize(
    ("spec", "document"),
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
        (
            "type=bind,src=/a,dst=/b,bind-recursive=disabled",
            {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"NonRecursive": True}},
        ),
    ],
)
def test_mounts(spec: str, document: dict[str, Any]) -> None:
    assert mount(spec) == document


@pytest.mark.parametrize(
    ("parse", "spec", "words"),
    [
        (mount, "foo", "invalid field 'foo' must be a key=value pair"),
        (mount, "type=bind", "target is required"),
        (mount, "dst=/a,foo=b", "unexpected key 'foo' in 'foo=b'"),
        (mount, "dst=/a,readonly=x", "invalid value for readonly: x"),
        (mount, "dst=/a,ro=x", "invalid value for ro: x"),
        (mount, "", "EOF"),
        (mount, '"dst=/a', 'parse error on line 1, column 8: extraneous or missing " in quoted-field'),
        (mount, "type=tmpfs,dst=/a,bind-nonrecursive", "cannot mix 'bind-*' options with mount type 'tmpfs'"),
        (mount, "type=tmpfs,dst=/a,tmpfs-size=x", "invalid value for tmpfs-size: x"),
        (
            mount,
            "type=bind,src=/a,dst=/b,bind-recursive=writable",
            "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
        ),
        (parse_uint16, "70000", 'strconv.ParseUint: parsing "70000": value out of range'),
        (parse_uint16, "-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        (values.device_rule, "x 1:* rwm", "invalid device cgroup format 'x 1:* rwm'"),
        (values.device_rule, "c 1:3 x", "invalid device cgroup format 'c 1:3 x'"),
        (values.domain, "a b", "a b is not a valid domain"),
        (values.domain, "a..b", "a..b is not a valid domain"),
        (values.extra_host, "a:", 'invalid IP address in add-host: ""'),
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


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("/dev/a:/b:q", "bad mode specified: q"),
        ("/dev/a:/b:rr", "bad mode specified: rr"),
        (":/b", "bad format for path: :/b"),
        ("a", "a is not an absolute path"),
        ("/dev/a:b", "b is not an absolute path"),
    ],
)
def test_what_is_no_device(spec: str, words: str) -> None:
    with pytest.raises(Failure, match=f"^{re.escape(words)}$"):
        values.device(spec)


@pytest.mark.parametrize("text", ["92:d0:c6:0a:29:33", "92-D0-c6-0a-29-33", "92d0.c60a.2933"])
def test_hardware_addresses(text: str) -> None:
    assert values.mac_address(text) == text


@pytest.mark.parametrize("text", ["x", "92:d0:c6:0a:29", "92:d0:c6:0a:29:3g", "92:d0-c6:0a:29:33"])
def test_what_is_no_hardware_address(text: str) -> None:
    with pytest.raises(Failure, match=f"^{text} is not a valid mac address$"):
        values.mac_address(text)


def test_domains() -> None:
    assert [values.domain(text) for text in ("a.b-c.", " x ", ".")] == ["a.b-c", "x", "."]


def test_a_range_of_exposed_ports() -> None:
    assert port_numbers("80-82", "80-82/udp") == [80, 81, 82]
    with pytest.raises(Failure, match=r"error: empty string specified for ports$"):
        port_numbers("", "")


def test_restart_policies() -> None:
    assert values.restart_policy("on-failure:-1") == {"Name": "on-failure", "MaximumRetryCount": -1}
    with pytest.raises(Failure, match=r"maximum retry count must be an integer$"):
        values.restart_policy("on-failure:x")


def test_lines_of_files_of_variables(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "env")
    write(path, b"\xef\xbb\xbfA=1\r\n#x\n\n  B= x \nHOME\n")
    assert lines([path]) == ["A=1", "B= x ", "HOME"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A=1\nC =2\n", "variable 'C ' contains whitespaces"),
        (b" =x", "no variable name on line '=x'"),
        (b"\xff=1\n", "invalid utf8 bytes at line 1: [255 61 49]"),
    ],
)
def test_what_is_no_line_of_a_file_of_variables(
    content: bytes, words: str, tmp_path: os.PathLike[str]
) -> None:
    path = os.path.join(tmp_path, "env")
    write(path, content)
    with pytest.raises(Failure, match=f"^{re.escape(f'invalid env file ({path}): {words}')}$"):
        lines([path])


def test_a_folder_is_no_file_of_variables(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(Failure, match=r"is a directory$"):
        lines([os.fspath(tmp_path)])


def write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
