"""The three files by which a container knows names: hostname, hosts and resolv.conf.

Source: engine 20.10, libnetwork etchosts/etchosts.go, resolvconf/resolvconf.go and sandbox_dns_unix.go.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""

_PUBLIC_NAMESERVERS = ("8.8.8.8", "8.8.4.4")
"""Docker's, for a host whose only nameserver listens on its loopback."""


def hosts(
    hostname: str, domain: str, extra: Iterable[str], addresses: Iterable[str] = (), *, gateway: str = ""
) -> str:
    """Return /etc/hosts: `extra` are NAME:ADDRESS as --add-host has them, `addresses` the container's own."""
    names = f"{hostname}.{domain} {hostname}" if domain else hostname
    own = "".join([f"{address}\t{names}\n" for address in addresses])
    return _HOSTS + extra_hosts(extra, gateway) + own


def extra_hosts(entries: Iterable[str], gateway: str = "") -> str:
    """Return lines of /etc/hosts for entries of --add-host."""
    text = ""
    for entry in entries:
        name, _, address = entry.partition(":")
        text += f"{gateway if address == 'host-gateway' else address}\t{name}\n"
    return text


def resolv_conf(host: str, host_config: Mapping[str, Any], nameservers: Sequence[str] = ()) -> str:
    """Return /etc/resolv.conf, from the host's text and --dns, --dns-search and --dns-option.

    `nameservers` are those of the container's network, which come before the host's.
    """
    wanted = [list(host_config.get(key) or ()) for key in ("Dns", "DnsSearch", "DnsOptions")]
    if not any(wanted) and not nameservers:
        return _without_loopback(host)
    own, search, options = wanted
    servers = own or list(nameservers) or _reachable(_values(host, "nameserver"))
    search = search or _words(host, "search")
    options = options or _words(host, "options")
    text = "" if search in ([], ["."]) else f"search {' '.join(search)}\n"
    text += "".join([f"nameserver {server}\n" for server in servers])
    return text + (f"options {' '.join(options)}\n" if options else "")


def _without_loopback(host: str) -> str:
    """Return the host's text without nameservers that are none inside a container."""
    servers = _values(host, "nameserver")
    kept = [server for server in servers if _is_reachable(server)]
    lines = [
        line
        for line in host.splitlines(keepends=True)
        if line.split()[:1] != ["nameserver"] or line.split()[1:2] == [] or line.split()[1] in kept
    ]
    if not kept:
        if lines and not lines[-1].endswith("\n"):
            lines.append("\n")
        lines += [f"nameserver {server}\n" for server in _PUBLIC_NAMESERVERS]
    return "".join(lines)


def _reachable(servers: Iterable[str]) -> Sequence[str]:
    return [server for server in servers if _is_reachable(server)] or _PUBLIC_NAMESERVERS


def _is_reachable(server: str) -> bool:
    """Return whether a container can ask it: neither on the host's loopback nor by IPv6, which it has not."""
    return not server.startswith("127.") and ":" not in server


def _values(text: str, keyword: str) -> list[str]:
    """Return the first word after each line's keyword."""
    lines = [line.split() for line in text.splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == keyword]


def _words(text: str, keyword: str) -> list[str]:
    """Return the words of the last line that begins with the keyword: it is the one that counts."""
    lines = [line.split() for line in text.splitlines()]
    return next((words[1:] for words in reversed(lines) if words[:1] == [keyword]), [])
