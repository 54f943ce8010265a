"""Where a registry is reached: its endpoints, their certificates, the proxy on the way.

The rules are Docker's (engine 20.10, package registry): https first, http only
for loopback and listed registries, mirrors only for Docker Hub.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.reference import DEFAULT_DOMAIN
from ligan.remote.site import PORTS, split_host
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HUB_HOST = "registry-1.docker.io"
"""What serves the images of docker.io."""

_LOOPBACK = ("127.0.0.0/8", "::1/128")


class RemoteSettings(Value):
    """How registries are spoken to. Times are seconds.

    `insecure` lists registries that may be spoken to in the clear and by TLS
    with any certificate: `host`, `host:port` or a network such as `10.0.0.0/8`.
    `mirrors` are URLs that are asked for images of Docker Hub before it is.
    `certificate_folders` hold a folder `HOST[:PORT]` for each registry with
    certificates of its own. `docker_config` is the path of docker's
    config.json, or empty: no credentials but those that are given.
    """

    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    certificate_folders: tuple[str, ...] = ()
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    docker_config: str = ""
    user_agent: str = "ligan"
    connect_timeout: float = 30.0
    handshake_timeout: float = 10.0
    answer_timeout: float = 300.0
    """How long the first byte of an answer may take: a registry may hash gigabytes before it."""
    idle_timeout: float = 60.0
    """How long any further byte may take."""
    least_rate: int = 512
    """Bytes a second that each `idle_timeout` of waiting must have brought on average."""
    attempts: int = 4
    """How often a request is tried that failed for a reason that may pass."""
    first_wait: float = 1.0
    """Before the second attempt; doubled before each further one."""
    longest_wait: float = 60.0
    """In all, between the attempts at one request."""


class Endpoint(Value):
    """One way to a registry: `https://host:port` and a path, which only mirrors have."""

    scheme: str
    host: str
    path: str = ""
    verified: bool = True
    """Whether its certificate must be signed by an authority that is known."""
    mirror: bool = False

    @property
    def base(self) -> str:
        """The URL before `/v2/`."""
        return f"{self.scheme}://{self.host}{self.path}"


def endpoints_of(domain: str, settings: RemoteSettings) -> list[Endpoint]:
    """Return the ways to the registry of a canonical domain, in the order in which to try them.

    The last ones, from the first that is no mirror, lead to the registry itself. Docker asks
    by TLS first wherever it may ask in the clear; here that comes second on this machine itself, where
    nobody is on the way. Raises Invalid for a mirror that is no URL.
    """
    if domain == DEFAULT_DOMAIN:
        return [*(_mirror(url, settings) for url in settings.mirrors), Endpoint("https", HUB_HOST)]
    if not is_insecure(domain, settings.insecure):
        return [Endpoint("https", domain)]
    schemes = ("http", "https") if is_insecure(domain, ()) else ("https", "http")
    return [Endpoint(scheme, domain, verified=False) for scheme in schemes]


def _mirror(url: str, settings: RemoteSettings) -> Endpoint:
    from urllib.parse import urlsplit

    parts = urlsplit(url if "://" in url else f"https://{url}")
    if (
        parts.scheme not in PORTS
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise Invalid(
            "invalid mirror: it has to be a URL such as https://mirror.example, without credentials"
        )
    verified = not is_insecure(parts.netloc, settings.insecure)
    return Endpoint(parts.scheme, parts.netloc, parts.path.rstrip("/"), verified=verified, mirror=True)


def is_insecure(host: str, listed: tuple[str, ...]) -> bool:
    """Return whether `host[:port]` is listed, or in a network that is, or this machine itself.

    As Docker does, names are looked up where networks are listed; without such
    a list only `localhost` is known to be loopback. Raises Invalid for a port that is none.
    """
    if host in listed:
        return True
    try:
        name = split_host(host)[0]
    except ValueError:
        raise Invalid(f"invalid registry {host}: its port is none") from None
    if name in listed:
        return True
    networks = tuple(item for item in listed if "/" in item)
    return any(_in_network(address, (*_LOOPBACK, *networks)) for address in _addresses(name, bool(networks)))


def _addresses(name: str, look_up: bool) -> Iterator[str]:
    if _packed(name):
        yield name
    elif name == "localhost":
        yield "127.0.0.1"
    elif look_up:
        yield from _looked_up(name)


def _looked_up(name: str) -> list[str]:
    import socket

    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _in_network(address: str, networks: tuple[str, ...]) -> bool:
    here = _packed(address)
    for network in networks:
        base, slash, length = network.partition("/")
        there = _packed(base)
        bits = 8 * len(there)
        if not here or len(here) != len(there) or (slash and length not in _LENGTHS[: bits + 1]):
            continue  # no network, or of the other kind
        rest = bits - int(length or bits)
        if int.from_bytes(here) >> rest == int.from_bytes(there) >> rest:
            return True
    return False


_LENGTHS = [str(length) for length in range(129)]
"""How many bits of an address a network can fix."""


def _packed(address: str) -> bytes:
    """Return the bytes of an IP address, or none for what is no such. Not by ipaddress: it imports `re`."""
    from _socket import AF_INET, AF_INET6, inet_pton

    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError):
        return b""


def proxy_for(scheme: str, host: str, settings: RemoteSettings) -> str:
    """Return the URL of the proxy for `host[:port]`, or an empty string.

    The rules are those of Go's httpproxy: never for this machine itself; an
    entry of `no_proxy` is `*`, an address, a network, or a domain, which also
    covers what is below it, each with or without a port.
    """
    proxy = settings.https_proxy if scheme == "https" else settings.http_proxy
    if not proxy:
        return ""
    name, port = split_host(host)
    if name == "localhost" or any(_in_network(item, _LOOPBACK) for item in _addresses(name, look_up=False)):
        return ""
    entries = [entry.strip().lower() for entry in settings.no_proxy.split(",")]
    if any(entry and _is_exempt(name, port or PORTS[scheme], entry) for entry in entries):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(name: str, port: int, entry: str) -> bool:
    if entry == "*" or _in_network(name, (entry,)):
        return True
    host, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and not host.endswith(":"):
        return port == int(wanted) and _is_exempt(name, port, host.strip("[]"))
    domain = entry.removeprefix("*").removeprefix(".")
    return name.endswith(f".{domain}") or (name == domain and not entry.startswith((".", "*")))
