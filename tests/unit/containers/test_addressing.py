from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.containers import addressing
from ligan.errors import Conflict, Invalid

ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)


def test_first_subnet_is_that_of_dockers_bridge() -> None:
    assert str(addressing.free_subnet([])) == "172.17.0.0/16"


def test_subnets_that_this_host_has_routes_to_are_left_alone() -> None:
    taken = addressing.host_subnets(ROUTES)
    assert [str(subnet) for subnet in taken] == ["172.17.0.0/16"]
    assert str(addressing.free_subnet(taken)) == "172.18.0.0/16"


def test_smaller_subnets_come_when_the_large_ones_are_taken() -> None:
    taken = [IPv4Network("172.16.0.0/12")]
    assert str(addressing.free_subnet(taken)) == "192.168.0.0/20"
    with pytest.raises(Conflict, match="non-overlapping IPv4 address pool"):
        addressing.free_subnet([*taken, IPv4Network("192.168.0.0/16")])


def test_hardware_address_is_dockers() -> None:
    assert addressing.hardware_address("172.17.0.2") == "02:42:ac:11:00:02"


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0/8/8", "::/64", "a"])
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="invalid CIDR address"):
        addressing.parse_subnet(text)


def test_gateway_is_the_first_address_or_the_one_asked_for() -> None:
    subnet = IPv4Network("10.1.0.0/24")
    assert str(addressing.gateway_of(subnet, "")) == "10.1.0.1"
    assert str(addressing.gateway_of(subnet, "10.1.0.9")) == "10.1.0.9"
    with pytest.raises(Invalid, match="no matching subnet for gateway"):
        addressing.gateway_of(subnet, "10.2.0.1")


@given(st.integers(0, 2**32 - 1), st.integers(24, 30), st.sets(st.integers(0, 255)))
def test_free_address_is_the_lowest_that_nobody_has(base: int, prefix: int, offsets: set[int]) -> None:
    subnet = IPv4Network((base, prefix), strict=False)
    hosts = [str(address) for address in subnet.hosts()]
    taken = {hosts[offset] for offset in offsets if offset < len(hosts)}
    left = [host for host in hosts if host not in taken]
    if left:
        assert addressing.free_address(subnet, taken) == left[0]
    else:
        with pytest.raises(Conflict):
            addressing.free_address(subnet, taken)


@given(st.lists(st.integers(0, 40), max_size=20))
def test_free_subnets_never_overlap(removed: list[int]) -> None:
    taken: list[IPv4Network] = []
    for index in removed:
        taken.append(addressing.free_subnet(taken))
        if index < len(taken):
            del taken[index]
    assert not any(one.overlaps(other) for one in taken for other in taken if one is not other)
