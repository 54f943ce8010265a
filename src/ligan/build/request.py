"""What a modern build is asked for, and what it gives."""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, BinaryIO

    from ligan.oci.digest import ImageID


class Secret(Value):
    """Where a secret is: in the file at `path`, or given as `value`."""

    path: str = ""
    value: bytes | None = None


class BuildRequest(Value):
    """What to build.

    `place` is the context, `dockerfile` another Dockerfile than its own: see `contexts.open_context`. `names`
    are for the image. `arguments` are --build-arg, `contexts` those of --build-context, by the key of their
    name (see `graph.context_key`): a folder, a URL, or `docker-image://NAME`. `secrets`, and `agents`, the
    sockets of SSH agents, are by ID. `allowed` are the privileges that a RUN may ask for, `host` has settings
    of Docker's HostConfig for it. `epoch` is SOURCE_DATE_EPOCH in nanoseconds, None where it is not set.
    `proxies` are for what is fetched: scheme -> address.
    """

    place: str
    dockerfile: str = ""
    stdin: BinaryIO | None = None
    names: tuple[str, ...] = ()
    target: str = ""
    arguments: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    contexts: Mapping[str, str] = {}
    platform: str = ""
    pull: bool = False
    no_cache: bool = False
    cache_from: tuple[str, ...] = ()
    network: str = "default"
    allowed: tuple[str, ...] = ()
    secrets: Mapping[str, Secret] = {}
    agents: Mapping[str, str] = {}
    host: Mapping[str, Any] = {}
    epoch: int | None = None
    proxies: Mapping[str, str] | None = None


class Replaced(Value):
    """A name that was taken from an image. `dangling`: that has no other name now, nor children."""

    name: str
    image: ImageID
    dangling: bool


class BuildOutcome(Value):
    """What was made: the image and its config. `image` is None where files alone were given out.

    `warnings` are what the Dockerfile had better not say.
    """

    image: ImageID | None
    replaced: tuple[Replaced, ...] = ()
    config: bytes = b""
    warnings: tuple[str, ...] = ()
