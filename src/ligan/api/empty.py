"""What Ligan has none of, yet: containers, networks, volumes, plugins, swarm, build.

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

_NO_BUILDER = (
    "Ligan has no BuildKit, and this version no builder of its own yet: "
    "that one will serve DOCKER_BUILDKIT=0 and `ligan build`"
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


def _none_yet(what: str) -> Handler:
    return _refuse(Unsupported, f"this version of Ligan keeps images only: it has no {what}")


async def _commit(call: Call) -> StreamResponse:
    raise NotFound(f"No such container: {call.text('container')}")


_VOLUMES: dict[str, object] = {"Volumes": [], "Warnings": None}
_PRUNED = {
    "/containers/prune": {"ContainersDeleted": None, "SpaceReclaimed": 0},
    "/networks/prune": {"NetworksDeleted": None},
    "/volumes/prune": {"VolumesDeleted": [], "SpaceReclaimed": 0},
    "/build/prune": {"CachesDeleted": None, "SpaceReclaimed": 0},
}
_MADE_BY = {
    "/containers/create": "containers",
    "/networks/create": "networks",
    "/volumes/create": "volumes",
    "/plugins/create": "plugins",
    "/plugins/pull": "plugins",
    "/swarm/init": "swarm",
    "/swarm/join": "swarm",
}
_SWARM = ("/swarm", "/services", "/nodes", "/tasks", "/secrets", "/configs")
_ABSENT = {
    "/containers": "No such container: {name}",
    "/exec": "No such exec instance: {name}",
    "/networks": "network {name} not found",
    "/volumes": "get {name}: no such volume",
    "/plugins": 'plugin "{name}" not found',
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

ROUTES: list[Route] = [
    ("GET", "/containers/json", _answer([])),
    ("GET", "/networks", _answer([])),
    ("GET", "/volumes", _answer(_VOLUMES)),
    ("GET", "/plugins", _answer([])),
    *[("POST", path, _answer(document)) for path, document in _PRUNED.items()],
    *[("POST", path, _none_yet(what)) for path, what in _MADE_BY.items()],
    *[("POST", path, _refuse(Unsupported, _NO_BUILDER)) for path in ("/build", "/grpc", "/session")],
    ("POST", "/commit", _commit),
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
