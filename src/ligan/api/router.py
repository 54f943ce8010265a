"""From a request to its handler: API version, path and parameters, as Docker's server reads them."""

from __future__ import annotations

import posixpath
from urllib.parse import parse_qs, unquote

from ligan.api.errors import PageNotFound
from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp.web import BaseRequest, StreamResponse

    from ligan.api.bridge import Bridge

    Handler = Callable[["Call"], Awaitable[StreamResponse]]
    Route = tuple[str, str, Handler]
    """Method, path and handler. `{name}` in the path stands for one or more characters, slashes too."""

API_VERSION = (1, 51)
MIN_API_VERSION = (1, 24)

_NAME = "{name}"
_LONGEST_VERSION = 16
_MAX_FORM = 10 << 20  # as Go's Request.ParseForm


class VersionTooOld(Invalid):
    """Clients so old read plain text only, so Docker answers them in that."""


class MovedPermanently(Exception):
    """The path is not in its shortest form; `location` is."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Call:
    """One request, read as far as every handler needs it.

    `api` is the minor number of the API version: 41 for 1.41. `name` is what
    the path names, or empty. `path` is without the version.
    """

    def __init__(self, http: BaseRequest, engine: Bridge) -> None:
        self.http = http
        self.engine = engine
        path = unquote(http.rel_url.raw_path)
        self.api, self.path = _split_version(path)
        self.name = ""
        self._parameters = parse_qs(http.rel_url.raw_query_string, keep_blank_values=True)

    @property
    def command(self) -> str:
        """The request as undo entries name it."""
        return f"{self.http.method} {self.path}"

    async def read_form(self) -> None:
        """Add the parameters of a form body, which come before those of the query."""
        if self.http.method not in ("POST", "PUT", "PATCH"):
            return
        if self.http.content_type != "application/x-www-form-urlencoded":
            return
        body = bytearray()
        async for chunk in self.http.content.iter_any():
            body += chunk
            if len(body) > _MAX_FORM:
                raise Invalid("http: POST too large")
        for key, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items():
            self._parameters[key] = values + self._parameters.get(key, [])

    def has(self, key: str) -> bool:
        return key in self._parameters

    def text(self, key: str) -> str:
        """Return the first value of a parameter, or nothing."""
        return self._parameters.get(key, [""])[0]

    def texts(self, key: str) -> list[str]:
        return self._parameters.get(key, [])

    def on(self, key: str, default: bool = False) -> bool:
        """Return a boolean as Docker reads it: anything is true but nothing, 0, no, false and none."""
        if not self.has(key):
            return default
        return self.text(key).strip().lower() not in ("", "0", "no", "false", "none")


class Router:
    """A table of routes; of several that fit the first is taken."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: list[_Pattern] = []
        for method, path, handler in routes:
            if _NAME in path:
                before, _, after = path.partition(_NAME)
                self._patterns.append(_Pattern(method, before, after, handler))
            else:
                self._fixed[method, path] = handler

    def find(self, call: Call) -> Handler:
        """Return the handler of the request, and give the request its name. Raises PageNotFound."""
        method, path = call.http.method, call.path
        handler = self._fixed.get((method, path))
        if handler is not None:
            return handler
        for pattern in self._patterns:
            name = pattern.name_in(method, path)
            if name:
                call.name = name
                return pattern.handler
        raise PageNotFound


class _Pattern(Value):
    method: str
    before: str
    after: str
    handler: Handler

    def name_in(self, method: str, path: str) -> str:
        if method != self.method or not path.startswith(self.before) or not path.endswith(self.after):
            return ""
        return path[len(self.before) : len(path) - len(self.after)]


def _split_version(path: str) -> tuple[int, str]:
    """Return the minor number of the API version, and the rest of the path.

    Raises MovedPermanently for a path with empty or dotted parts, as Go's
    router does, and Invalid for a version that is not spoken here.
    """
    shortest = posixpath.normpath("/" + path.lstrip("/"))
    if path.endswith("/") and shortest != "/":
        shortest += "/"
    if path != shortest:
        raise MovedPermanently(shortest)
    first, slash, rest = path[1:].partition("/")
    version = first[1:]
    is_version = version and len(version) <= _LONGEST_VERSION and not version.strip("0123456789.")
    if first[:1] != "v" or not slash or not is_version:
        return API_VERSION[1], path
    numbers = tuple([int(part or "0") for part in version.split(".")])
    if numbers > API_VERSION:
        raise Invalid(
            f"client version {version} is too new. Maximum supported API version is {dotted(API_VERSION)}"
        )
    if numbers < MIN_API_VERSION:
        raise VersionTooOld(
            f"client version {version} is too old. Minimum supported API version is "
            f"{dotted(MIN_API_VERSION)}, please upgrade your client to a newer version"
        )
    return numbers[1], slash + rest


def dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
