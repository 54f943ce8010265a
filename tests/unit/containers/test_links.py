"""Links: names and variables, as engine 20.10 gives them."""

from __future__ import annotations

from ligan.containers.links import link_variables


def test_variables_of_a_link() -> None:
    config = {
        "ExposedPorts": {"53/udp": {}, "53/tcp": {}, "80/tcp": {}},
        "Env": ["PATH=/bin", "HOME=/", "A=1", "B"],
    }
    assert link_variables("/web/my-db", "172.17.0.2", config) == [
        "MY_DB_PORT=tcp://172.17.0.2:53",
        "MY_DB_PORT_53_TCP=tcp://172.17.0.2:53",
        "MY_DB_PORT_53_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_53_TCP_PORT=53",
        "MY_DB_PORT_53_TCP_PROTO=tcp",
        "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
        "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
        "MY_DB_PORT_53_UDP_PORT=53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_A=1",
    ]


def test_ports_that_follow_one_another_are_a_range_too() -> None:
    found = link_variables("/a/d", "1.2.3.4", {"ExposedPorts": {"82/tcp": {}, "80/tcp": {}, "81/tcp": {}}})
    assert found[:7] == [
        "D_PORT=tcp://1.2.3.4:80",
        "D_PORT_80_TCP_START=tcp://1.2.3.4:80",
        "D_PORT_80_TCP_ADDR=1.2.3.4",
        "D_PORT_80_TCP_PROTO=tcp",
        "D_PORT_80_TCP_PORT_START=80",
        "D_PORT_80_TCP_END=tcp://1.2.3.4:82",
        "D_PORT_80_TCP_PORT_END=82",
    ]
    assert link_variables("/a/d", "1.2.3.4", {}) == ["D_NAME=/a/d"]
