"""What Ligan has none of: plugins, swarm and BuildKit.

Lists are those of an engine that has none (asked of engine 20.10); what would
make or use one is refused with what to do instead.
"""

from __future__ import annotations

from ligan.api import answers
from ligan.errors import NotFound, Unavailable, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import StreamResponse

    from ligan.api.router import Call, Handler, Route
    from ligan.errors import LiganError

NO_BUILDKIT = (
    "Ligan's daemon has no BuildKit: build with DOCKER_BUILDKIT=0, or with `ligan build`, "
    "which does what BuildKit does"
)
_NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)


def _answer(document: object) -> Handler:
    async def answer(call: Call) -> StreamResponse:
        return answers.document(document)

    return answer


def _refuse(kind: type[LiganError], message: str) -> Handler:
    """Refuse; `{name}` in the message is what the path names, without what follows that."""

    async def refuse(call: Call) -> StreamResponse:
        raise kind(message.replace("{name}", call.name.partition("/")[0]))

    return refuse


def _none(what: str) -> Handler:
    return _refuse(Unsupported, f"Ligan has no {what}")


_MADE_BY = {
    "/plugins/create": "plugins",
    "/plugins/pull": "plugins",
    "/swarm/init": "swarm",
    "/swarm/join": "swarm",
}
_SWARM = ("/swarm", "/services", "/nodes", "/tasks", "/secrets", "/configs")
_ABSENT = {"/plugins": 'plugin "{name}" not found'}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

ROUTES: list[Route] = [
    ("GET", "/plugins", _answer([])),
    *[("POST", path, _none(what)) for path, what in _MADE_BY.items()],
    *[("POST", path, _refuse(Unsupported, NO_BUILDKIT)) for path in ("/grpc", "/session")],
    ("POST", "/swarm/leave", _refuse(Unavailable, "This node is not part of a swarm")),
    *[("GET", path, _refuse(Unavailable, _NO_SWARM)) for path in _SWARM],
    *[
        (method, f"{path}/{{name}}", _refuse(Unavailable, _NO_SWARM))
        for path in _SWARM
        for method in _METHODS
    ],
    *[
        (method, f"{path}/{{name}}", _refuse(NotFound, message))
        for path, message in _ABSENT.items()
        for method in _METHODS
    ],
]
