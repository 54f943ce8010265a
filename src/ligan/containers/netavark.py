"""Bridges, addresses in namespaces, published ports and names, as netavark sets them up.

Source: netavark's documents (netavark.1, its JSON of a request), tried with 1.4.0 and aardvark-dns.
"""

from __future__ import annotations

import os

from ligan.containers.ports import ANY
from ligan.errors import Unavailable
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ligan.containers.ports import Port
    from ligan.store.layout import Layout

_FOLDERS = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman", "/usr/local/libexec/podman")
"""Where the packages of distributions put what is no command of users."""

_MACHINE_LOCK = "/run/ligan-network.lock"


class Link(Value):
    """One container's interface in one network. `subnet` is written as 172.18.0.0/16."""

    network: str
    network_id: str
    interface: str
    bridge: str
    subnet: str
    gateway: str
    address: str
    mac: str
    aliases: tuple[str, ...]
    internal: bool
    names: bool
    options: tuple[tuple[str, str], ...] = ()


class NetworkFailed(Unavailable):
    """netavark refused, in its own words."""


def find(program: str) -> str:
    """Return the path of netavark or aardvark-dns, or an empty string."""
    from shutil import which

    return which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_FOLDERS])) or ""


def check_backend(*, names: bool) -> None:
    """Raise Unavailable, naming the package, where a program is missing."""
    for program in ("netavark", "aardvark-dns") if names else ("netavark",):
        if not find(program):
            raise Unavailable(
                f"{program} is not installed: containers need it for this network",
                f"Install it: apt-get install {program}. Without it there are --network none and host.",
            )


def setup(layout: Layout, namespace: str, name: str, links: Sequence[Link], ports: Sequence[Port]) -> None:
    """Connect a namespace. On return its interfaces are up and its ports are published.

    `name` is the container's. After an error nothing of it is left.
    """
    check_backend(names=any(link.names for link in links))
    try:
        _call(layout, "setup", namespace, name, links, ports)
    except NetworkFailed:
        try:
            teardown(layout, namespace, name, links, ports)
        except NetworkFailed:
            pass  # of what was not set up nothing can be taken down
        raise


def teardown(layout: Layout, namespace: str, name: str, links: Sequence[Link], ports: Sequence[Port]) -> None:
    """Disconnect a namespace: its interfaces, ports and names are gone, and bridges that nobody uses."""
    _call(layout, "teardown", namespace, name, links, ports)


def _call(
    layout: Layout, verb: str, namespace: str, name: str, links: Sequence[Link], ports: Sequence[Port]
) -> None:
    import json
    import subprocess

    folder = layout.networks
    os.makedirs(folder, 0o700, exist_ok=True)
    given = json.dumps(_request(name, links, ports)).encode()
    words = [find("netavark"), "--config", folder, "--rootless", "false"]
    if resolver := find("aardvark-dns"):
        words += ["--aardvark-binary", resolver]
    with _Turn(layout):
        result = subprocess.run([*words, verb, namespace], input=given, capture_output=True, check=False)
    if result.returncode:
        raise NetworkFailed(_message(result.stdout) or result.stderr.decode("utf-8", "replace").strip())


class _Turn:
    """`with _Turn(layout)`: nobody else calls netavark, which looks for a chain before it makes it.

    On one machine, for root: stores share bridges and chains. Where a user may not write in /run, that user's
    namespace has its own.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = _MACHINE_LOCK if os.access("/run", os.W_OK) else f"{layout.networks}/lock"

    def __enter__(self) -> None:
        import fcntl

        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)


def _message(answer: bytes) -> str:
    import json

    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return answer.decode("utf-8", "replace").strip()


def _request(name: str, links: Sequence[Link], ports: Sequence[Port]) -> dict[str, Any]:
    """Return netavark's document. Its networks are called as the bridges are.

    It names chains of the firewall after networks, and every store has one called "bridge".
    """
    return {
        "container_id": name,
        "container_name": name,
        "networks": {
            link.bridge: {
                "interface_name": link.interface,
                "static_ips": [link.address],
                "static_mac": link.mac,
                "aliases": list(link.aliases),
            }
            for link in links
        },
        "network_info": {link.bridge: _network(link) for link in links},
        "port_mappings": [
            {
                "container_port": port.port,
                "host_ip": port.host_address.replace(ANY, ""),
                "host_port": port.host_port,
                "protocol": port.protocol,
                "range": 1,
            }
            for port in ports
        ],
    }


def _network(link: Link) -> dict[str, Any]:
    return {
        "name": link.bridge,
        "id": link.network_id,
        "driver": "bridge",
        "network_interface": link.bridge,
        "created": "1970-01-01T00:00:00Z",
        "subnets": [{"subnet": link.subnet, "gateway": link.gateway}],
        "ipv6_enabled": False,
        "internal": link.internal,
        "dns_enabled": link.names,
        "ipam_options": {"driver": "host-local"},
        "options": dict(link.options),
    }
