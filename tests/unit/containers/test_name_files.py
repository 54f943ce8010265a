from __future__ import annotations

from ligan.containers.name_files import hosts, resolv_conf


def test_hosts_of_a_container_on_a_network() -> None:
    """As engine 20.10 writes it."""
    text = hosts(
        "here", "example.org", ["other:10.1.2.3", "host:host-gateway"], ["172.17.0.2"], gateway="172.17.0.1"
    )
    assert text == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "ff00::0\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.1.2.3\tother\n"
        "172.17.0.1\thost\n"
        "172.17.0.2\there.example.org here\n"
    )


def test_the_hosts_resolv_conf_stays_as_it_is() -> None:
    host = "# a comment\nsearch a b\nnameserver 10.0.0.1\noptions ndots:5\n"
    assert resolv_conf(host, {}) == host


def test_nameservers_on_loopback_are_none_in_a_container() -> None:
    assert resolv_conf("nameserver 127.0.0.53\nnameserver 10.0.0.1\n", {}) == "nameserver 10.0.0.1\n"
    assert resolv_conf("search a\nnameserver 127.0.0.53", {}) == (
        "search a\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    )


def test_what_was_asked_for_replaces_its_part_only() -> None:
    host = "search a b\nnameserver 10.0.0.1\noptions ndots:5\n"
    assert resolv_conf(host, {"Dns": ["9.9.9.9", "1.1.1.1"]}) == (
        "search a b\nnameserver 9.9.9.9\nnameserver 1.1.1.1\noptions ndots:5\n"
    )
    asked = {"DnsSearch": ["."], "DnsOptions": ["rotate"]}
    assert resolv_conf(host, asked) == "nameserver 10.0.0.1\noptions rotate\n"


def test_a_networks_own_nameserver() -> None:
    assert resolv_conf("search a\nnameserver 10.0.0.1\n", {}, ["10.89.0.1"]) == (
        "search a\nnameserver 10.89.0.1\n"
    )
