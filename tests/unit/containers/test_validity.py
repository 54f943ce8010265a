"""What a new container must not ask for; the words are those of engine 20.10."""

from __future__ import annotations

from typing import Any

import pytest

from ligan.containers.validity import check_request
from ligan.errors import Invalid
from ligan.oci.hostconfig import host_config, networking_config
from ligan.oci.runconfig import run_config


def _check(
    config: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    endpoints: dict[str, Any] | None = None,
) -> list[str]:
    networks = networking_config({"EndpointsConfig": endpoints or {}})["EndpointsConfig"]
    return check_request(run_config(config or {}), host_config(host or {}), networks)


def test_nothing_is_wrong_with_nothing() -> None:
    assert _check() == []


def test_ports_published_on_the_hosts_network_are_told() -> None:
    warnings = _check(host={"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}})
    assert warnings == ["Published ports are discarded when using host network mode"]


_SHARED = {"NetworkMode": "container:web"}


@pytest.mark.parametrize(
    ("config", "host", "words"),
    [
        (
            {},
            {"NetworkMode": "container:"},
            "Invalid network mode: invalid container format container:<name|id>",
        ),
        ({"Hostname": "h"}, _SHARED, "conflicting options: hostname and the network mode"),
        ({}, _SHARED | {"Dns": ["1.1.1.1"]}, "conflicting options: dns and the network mode"),
        (
            {},
            _SHARED | {"ExtraHosts": ["a:1.1.1.1"]},
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        ({"MacAddress": "x"}, _SHARED, "conflicting options: mac-address and the network mode"),
        (
            {},
            _SHARED | {"PublishAllPorts": True},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {"ExposedPorts": {"80/tcp": {}}},
            _SHARED,
            "conflicting options: port exposing and the container type network mode",
        ),
        ({"Hostname": "h"}, {"UTSMode": "host"}, "conflicting options: hostname and the UTS mode"),
        (
            {},
            {"NetworkMode": "host", "Links": ["a"]},
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior",
        ),
        (
            {},
            {"AutoRemove": True, "RestartPolicy": {"Name": "always"}},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({}, {"ExtraHosts": ["a"]}, 'bad format for add-host: "a"'),
        ({}, {"ExtraHosts": ["a:b"]}, 'invalid IP address in add-host: "b"'),
        ({}, {"PortBindings": {"x/tcp": []}}, 'invalid port specification: "x"'),
        ({}, {"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}, 'invalid port specification: "x"'),
        ({}, {"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, 'invalid port specification: "99999"'),
        (
            {},
            {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
            "maximum retry count cannot be used with restart policy 'always'",
        ),
        (
            {},
            {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
            "maximum retry count cannot be negative",
        ),
        ({}, {"RestartPolicy": {"Name": "bogus"}}, "invalid restart policy 'bogus'"),
        ({}, {"Runtime": "bogus"}, "Unknown runtime specified bogus"),
        ({}, {"LogConfig": {"Type": "x"}}, 'error looking up logging plugin x: plugin "x" not found'),
        ({}, {"LogConfig": {"Config": {"x": "1"}}}, "unknown log opt 'x' for json-file log driver"),
        (
            {},
            {"LogConfig": {"Config": {"env-regex": "("}}},
            "error parsing regexp: missing ), unterminated subpattern at position 0: `(`",
        ),
        ({}, {"LogConfig": {"Config": {"mode": "x"}}}, "logger: logging mode not supported: x"),
        (
            {},
            {"LogConfig": {"Config": {"max-buffer-size": "1m"}}},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
    ],
)
def test_refused(config: dict[str, Any], host: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as error:
        _check(config, host)
    assert error.value.message == words


@pytest.mark.parametrize(
    ("endpoints", "words"),
    [
        ({"a": None}, "no EndpointSettings for a"),
        ({"a": {"IPAMConfig": {"IPv4Address": "1.2.3"}}}, "invalid IPv4 address: 1.2.3"),
        ({"a": {"IPAMConfig": {"IPv6Address": "1.2.3.4"}}}, "invalid IPv6 address: 1.2.3.4"),
    ],
)
def test_refused_networks(endpoints: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as error:
        _check(endpoints=endpoints)
    assert error.value.message == words


def test_what_docker_takes_is_taken() -> None:
    host = {
        "ExtraHosts": ["a:::1", "b:10.0.0.1", "c:host-gateway"],
        "PortBindings": {"80": [{"HostPort": ""}], "53/udp": [{"HostPort": "1000-1010"}], "1/tcp": None},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "LogConfig": {"Type": "local", "Config": {"max-size": "1m", "mode": "non-blocking"}},
    }
    assert _check(host=host, endpoints={"a": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}) == []
