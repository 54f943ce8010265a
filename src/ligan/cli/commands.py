"""Which words name which command. Only the module of the command at hand is imported."""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.cli.flags import Flag, Options
    from ligan.cli.session import Session

DAEMON = "Error response from daemon: "


class Command(Value):
    """A command: what runs it, and what its help says.

    `run` returns the exit status. `usage` is what follows the name. It takes at
    least `least` arguments, at most `most` (None: any number). `error_prefix`
    comes before what the engine refuses: docker shows that as its daemon's
    words, except in answers that it streams. Ligan's own verbs have none.
    Flags may follow arguments where they are `interspersed`.
    """

    run: Callable[[Session, Options], int]
    usage: str
    summary: str
    flags: tuple[Flag, ...] = ()
    least: int = 0
    most: int | None = 0
    error_prefix: str = ""
    interspersed: bool = True


COMMANDS = {
    "images": "listing:IMAGES",
    "image ls": "listing:IMAGES",
    "history": "listing:HISTORY",
    "image history": "listing:HISTORY",
    "tag": "listing:TAG",
    "image tag": "listing:TAG",
    "inspect": "inspect:INSPECT",
    "image inspect": "inspect:IMAGE_INSPECT",
    "rmi": "removal:RMI",
    "image rm": "removal:RMI",
    "image prune": "removal:PRUNE",
    "save": "archives:SAVE",
    "image save": "archives:SAVE",
    "load": "archives:LOAD",
    "image load": "archives:LOAD",
    "import": "archives:IMPORT",
    "image import": "archives:IMPORT",
    "build": "build:BUILD",
    "image build": "build:BUILD",
    "builder build": "build:BUILD",
    "builder prune": "builder:PRUNE",
    "pull": "pull:PULL",
    "image pull": "pull:PULL",
    "push": "pull:PUSH",
    "image push": "pull:PUSH",
    "copy": "pull:COPY",
    "run": "run:RUN",
    "container run": "run:RUN",
    "create": "run:CREATE",
    "container create": "run:CREATE",
    "start": "run:START",
    "container start": "run:START",
    "attach": "run:ATTACH",
    "container attach": "run:ATTACH",
    "exec": "exec:EXEC",
    "container exec": "exec:EXEC",
    "ps": "ps:PS",
    "container ls": "ps:PS",
    "container inspect": "inspect:CONTAINER_INSPECT",
    "stop": "containers:STOP",
    "container stop": "containers:STOP",
    "restart": "containers:RESTART",
    "container restart": "containers:RESTART",
    "kill": "containers:KILL",
    "container kill": "containers:KILL",
    "pause": "containers:PAUSE",
    "container pause": "containers:PAUSE",
    "unpause": "containers:UNPAUSE",
    "container unpause": "containers:UNPAUSE",
    "rename": "containers:RENAME",
    "container rename": "containers:RENAME",
    "rm": "containers:REMOVE",
    "container rm": "containers:REMOVE",
    "wait": "containers:WAIT",
    "container wait": "containers:WAIT",
    "container prune": "containers:PRUNE",
    "diff": "containers:DIFF",
    "container diff": "containers:DIFF",
    "top": "containers:TOP",
    "container top": "containers:TOP",
    "port": "containers:PORT",
    "container port": "containers:PORT",
    "update": "containers:UPDATE",
    "container update": "containers:UPDATE",
    "logs": "container_files:LOGS",
    "container logs": "container_files:LOGS",
    "cp": "container_files:COPY",
    "container cp": "container_files:COPY",
    "export": "container_files:EXPORT",
    "container export": "container_files:EXPORT",
    "commit": "container_files:COMMIT",
    "container commit": "container_files:COMMIT",
    "stats": "stats:STATS",
    "container stats": "stats:STATS",
    "volume create": "volumes:CREATE",
    "volume ls": "volumes:LS",
    "volume inspect": "inspect:VOLUME_INSPECT",
    "volume rm": "volumes:REMOVE",
    "volume prune": "volumes:PRUNE",
    "network create": "networks:CREATE",
    "network ls": "networks:LS",
    "network inspect": "inspect:NETWORK_INSPECT",
    "network rm": "networks:REMOVE",
    "network connect": "networks:CONNECT",
    "network disconnect": "networks:DISCONNECT",
    "network prune": "networks:PRUNE",
    "system prune": "system_prune:PRUNE",
    "migrate": "migrate:MIGRATE",
    "system df": "disk_usage:DF",
    "version": "system:VERSION",
    "events": "events:EVENTS",
    "system events": "events:EVENTS",
    "info": "system:INFO",
    "system info": "system:INFO",
    "fsck": "system:FSCK",
    "why": "insight:WHY",
    "plan rmi": "insight:PLAN_RMI",
    "plan prune": "insight:PLAN_PRUNE",
    "apply": "insight:APPLY",
    "undo": "undo:UNDO",
    "reclaim": "undo:RECLAIM",
    "pin": "undo:PIN",
    "unpin": "undo:UNPIN",
    "pins": "undo:PINS",
    "login": "registry:LOGIN",
    "logout": "registry:LOGOUT",
    "tags": "registry:TAGS",
    "manifest inspect": "registry:MANIFEST_INSPECT",
    "serve": "serve:SERVE",
    "registry serve": "registry_server:SERVE",
    "registry adopt": "registry_adopting:ADOPT",
    "registry ls": "registry_listing:LS",
    "registry tags": "registry_listing:TAGS",
    "registry df": "registry_listing:DF",
    "registry show": "registry_insight:SHOW",
    "registry why": "registry_insight:WHY",
    "registry fsck": "registry_check:FSCK",
    "registry rm": "registry_removal:REMOVE",
    "registry plan": "registry_removal:PLAN",
    "registry undo": "registry_removal:UNDO",
    "registry reclaim": "registry_removal:RECLAIM",
    "registry prune": "registry_adopting:PRUNE",
    "completion": "completion:COMPLETION",
}
"""Words -> the module below `ligan.cli`, and the Command in it."""

INTERNAL = {
    "container cleanup": "internal:CLEANUP",
    "container health": "internal:HEALTH",
    "container exec-ended": "internal:EXEC_ENDED",
}
"""The same for what only Ligan itself calls: it is in no help and no completion."""

ALIASES = {
    "container list": "container ls",
    "container ps": "container ls",
    "container remove": "container rm",
    "image list": "image ls",
    "image remove": "image rm",
    "network list": "network ls",
    "network remove": "network rm",
    "volume list": "volume ls",
    "volume remove": "volume rm",
}

GROUPS = {
    "builder": "Manage builds",
    "container": "Manage containers",
    "image": "Manage images",
    "manifest": "Look at manifests in registries",
    "network": "Manage networks",
    "plan": "Show exactly what a delete would do, and do nothing",
    "registry": "Serve a registry, and look after what it has",
    "system": "Manage Ligan",
    "volume": "Manage volumes",
}


def load(words: str) -> Command:
    """Import the command that these words name."""
    module, _, name = (COMMANDS.get(words) or INTERNAL[words]).partition(":")
    # Not importlib.import_module: importlib costs what this call would.
    command: Command = getattr(__import__(f"ligan.cli.{module}", fromlist=(name,)), name)
    return command


def names_of(words: str) -> list[str]:
    """Return all words for the command that these name: with `image` first, as docker's help lists them."""
    names = [name for name, home in COMMANDS.items() if home == COMMANDS[words]]
    names += [alias for alias, name in ALIASES.items() if name in names]
    return sorted(names, key=lambda name: (" " not in name, name not in COMMANDS))
