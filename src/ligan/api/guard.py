"""Who may not ask over TCP: pages of other sites, also those that pretend to be this host.

A page can make its own name resolve to this machine (DNS rebinding) and then
read what a port of it answers. Its requests still carry its name as `Host`.
A socket of the file system is out of a page's reach, and a TLS port has a
certificate that no foreign name fits.
"""

from __future__ import annotations

import ipaddress
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.web import BaseRequest


class Guard:
    """Checks of the headers `Host`, `Origin` and `Sec-Fetch-Site`."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names` are names of this host that clients use, besides localhost and its own."""
        self._names = {name.lower() for name in ("localhost", socket.gethostname(), *names)}

    def refusal(self, request: BaseRequest) -> str:
        """Return why the request is refused, or nothing."""
        transport = request.transport
        if transport is None or isinstance(transport.get_extra_info("sockname"), str | bytes):
            return ""
        hosts = request.headers.getall("Host", [])
        host = hosts[0] if len(hosts) == 1 else ""
        secure = transport.get_extra_info("ssl_object") is not None
        if not secure and not self._is_own(_without_port(host)):
            return (
                f"the host {host!r} is not one that this server answers to: use an address, localhost, "
                "or a name that `ligan serve --allow-host` lists"
            )
        origin = request.headers.get("Origin")
        scheme = "https" if secure else "http"
        if origin is not None and origin.lower() != f"{scheme}://{host}".lower():
            return f"requests of pages of {origin!r} are refused"
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "requests of pages of other sites are refused"
        return ""

    def _is_own(self, host: str) -> bool:
        if host.lower() in self._names:
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]
