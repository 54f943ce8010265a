from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.containers import ports
from ligan.containers.ports import Port
from ligan.errors import Invalid

PROTOCOLS = st.sampled_from(ports.PROTOCOLS)
NUMBERS = st.integers(1, 65535)


@given(NUMBERS, PROTOCOLS)
def test_key_of_a_port_is_read_back(number: int, protocol: str) -> None:
    assert ports.parse_port(Port(number, protocol).key) == (number, protocol)


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "80/", "80/icmp", "a/tcp", "٣", "9" * 5000])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        ports.parse_port(text)


def test_bindings_and_what_is_exposed() -> None:
    host: dict[str, Any] = {
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080-8090"}], "53/udp": []},
        "PublishAllPorts": True,
    }
    assert ports.wanted_ports(host, ["443/tcp", "80/tcp"]) == [
        Port(53, "udp"),
        Port(80, "tcp", "127.0.0.1", 8080, 8090),
        Port(443, "tcp"),
    ]


@pytest.mark.parametrize("text", ["9-8", "0-5", "70000", "a"])
def test_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        ports.wanted_ports({"PortBindings": {"80/tcp": [{"HostPort": text}]}}, ())


@given(st.integers(1, 65500), st.integers(0, 20), st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_chosen_port_is_the_first_of_its_range_that_is_free(
    first: int, more: int, taken: set[int], busy: set[int]
) -> None:
    wanted = Port(80, "tcp", first=first, last=first + more)
    free = [first + step for step in range(more + 1) if step not in taken | busy]
    chosen = ports.choose(
        wanted, {("tcp", first + step) for step in taken}, lambda port: port.host_port - first not in busy
    )
    assert (chosen.host_port if chosen else None) == next(iter(free), None)


def test_port_of_any_number_is_dockers_first() -> None:
    chosen = ports.choose(Port(80, "tcp"), {("udp", 49153)}, lambda _port: True)
    assert chosen is not None
    assert chosen.host_port == 49153


def test_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        assert not ports.is_free(Port(80, "tcp", "127.0.0.1", host_port=number))
    assert ports.is_free(Port(80, "tcp", "127.0.0.1", host_port=number))
    with pytest.raises(Invalid, match="cannot publish on"):
        ports.is_free(Port(80, "tcp", "192.0.2.1", host_port=number))


def test_document_of_published_and_exposed_ports() -> None:
    published = [Port(80, "tcp", host_port=8080), Port(80, "tcp", "127.0.0.1", host_port=8081)]
    assert ports.document(published, ["80/tcp", "443/tcp"]) == {
        "443/tcp": None,
        "80/tcp": [
            {"HostIp": "0.0.0.0", "HostPort": "8080"},  # noqa: S104  # as Docker shows it
            {"HostIp": "127.0.0.1", "HostPort": "8081"},
        ],
    }
