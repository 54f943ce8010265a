"""Where a URL leads: scheme, host and port.

Not urllib.parse: what it imports takes longer than asking a registry on this machine.
"""

from __future__ import annotations

from ligan.remote.faults import BadAnswer
from ligan.values import Value

PORTS = {"http": 80, "https": 443}


class Site(Value):
    """What one connection can serve. Credentials are for one site."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Site:
        """Raises BadAnswer for what is no URL of http or https: only registries name such."""
        scheme, netloc, _target = _parts(url)
        user, _, place = netloc.rpartition("@")
        try:
            host, port = split_host(place)
            _check_name(user)
            _check_name(host, is_address=place.startswith("["))
        except ValueError:
            raise BadAnswer("the registry named an address that is none") from None
        if scheme not in PORTS or not host:
            raise BadAnswer("the registry named an address that is none of http or https")
        return cls(scheme, host, port or PORTS[scheme])

    @property
    def netloc(self) -> str:
        return self.address if self.port != PORTS[self.scheme] else bracketed(self.host)

    @property
    def address(self) -> str:
        """Host and port, whatever the port."""
        return f"{bracketed(self.host)}:{self.port}"


def target_of(url: str) -> str:
    """Return what a request for the URL names to its site: path and query."""
    target = _parts(url)[2]
    return target if target.startswith("/") else f"/{target}"


def split_host(text: str) -> tuple[str, int | None]:
    """Return name and port of `host[:port]`. Raises ValueError for a port that is none."""
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        port = rest[1:]
    else:
        name, _, port = text.partition(":")
    if not port:
        return name.lower(), None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 1 << 16):
        raise ValueError(text)
    return name.lower(), int(port)


def _check_name(text: str, *, is_address: bool = False) -> None:
    """Raise ValueError for what no host is called, and no user; `is_address` for a host in brackets.

    The standard library, which shows URLs, takes no others apart; and terminals obey some.
    """
    if is_address:
        from _socket import AF_INET6, inet_pton

        try:
            inet_pton(AF_INET6, text.partition("%")[0])
        except OSError:
            raise ValueError(text) from None
    if not text.isascii():  # as the resolver has it: some letters become others, even a slash
        text = text.encode("idna").decode()
    if not text.isprintable() or not _NOT_IN_NAMES.isdisjoint(text):
        raise ValueError(text)


_NOT_IN_NAMES = frozenset(' "#/<>?@[\\]^`{|}')


def bracketed(host: str) -> str:
    """Return the host as URLs have it."""
    return f"[{host}]" if ":" in host else host


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, authority, and path with query."""
    scheme, _, rest = url.partition("#")[0].partition("://")
    end = min([place for place in (rest.find("/"), rest.find("?")) if place >= 0], default=len(rest))
    return scheme.lower(), rest[:end], rest[end:]
