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

_NO_CONTAINERS = Unsupported("this version of Ligan keeps images only: it cannot create containers")
_NO_BUILDKIT = Unsupported(
    "Ligan has no BuildKit: set DOCKER_BUILDKIT=0, or build with `ligan build` once this version has it"
)
_NO_BUILDER = Unsupported(
    "this version of Ligan cannot build images: neither with DOCKER_BUILDKIT=0 nor with `ligan build`"
)
_NO_SWARM = Unavailable(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
_NOT_IN_SWARM = Unavailable("This node is not part of a swarm")


def _answer(document: object) -> Handler:
    async def answer(call: Call) -> StreamResponse:
        return answers.document(document)

    return answer


def _refuse(error: LiganError) -> Handler:
    async def refuse(call: Call) -> StreamResponse:
        raise type(error)(error.message)

    return refuse


def _absent(message: str) -> Handler:
    """Answer that there is none of this name; what follows the name in the path does not matter."""

    async def absent(call: Call) -> StreamResponse:
        raise NotFound(message.format(name=call.name.partition("/")[0]))

    return absent


_VOLUMES: dict[str, object] = {"Volumes": [], "Warnings": None}
_PRUNED = {
    "/containers/prune": {"ContainersDeleted": None, "SpaceReclaimed": 0},
    "/networks/prune": {"NetworksDeleted": None},
    "/volumes/prune": {"VolumesDeleted": [], "SpaceReclaimed": 0},
    "/build/prune": {"CachesDeleted": None, "SpaceReclaimed": 0},
}
_SWARM = ("/swarm", "/services", "/nodes", "/tasks", "/secrets", "/configs")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

ROUTES: list[Route] = [
    ("GET", "/containers/json", _answer([])),
    ("GET", "/networks", _answer([])),
    ("GET", "/volumes", _answer(_VOLUMES)),
    ("GET", "/plugins", _answer([])),
    *[("POST", path, _answer(document)) for path, document in _PRUNED.items()],
    *[("GET", path, _refuse(_NO_SWARM)) for path in _SWARM],
    *[("GET", f"{path}/{{name}}", _refuse(_NO_SWARM)) for path in _SWARM],
    ("POST", "/swarm/leave", _refuse(_NOT_IN_SWARM)),
    ("POST", "/containers/create", _refuse(_NO_CONTAINERS)),
    ("POST", "/build", _refuse(_NO_BUILDER)),
    ("POST", "/grpc", _refuse(_NO_BUILDKIT)),
    ("POST", "/session", _refuse(_NO_BUILDKIT)),
    *[(method, "/containers/{name}", _absent("No such container: {name}")) for method in _METHODS],
    *[(method, "/exec/{name}", _absent("No such exec instance: {name}")) for method in _METHODS],
    *[(method, "/networks/{name}", _absent("network {name} not found")) for method in _METHODS],
    *[(method, "/volumes/{name}", _absent("get {name}: no such volume")) for method in _METHODS],
    *[(method, "/plugins/{name}", _absent('plugin "{name}" not found')) for method in _METHODS],
]
