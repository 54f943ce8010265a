"""Verbs on containers that are there: stop, kill, rm, rename, wait, prune and others."""

from __future__ import annotations

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, INTEGER, TEXT, Flag
from ligan.cli.output import Failure, write, write_error
from ligan.cli.removal import DRY_RUN, agreed, rehearsable
from ligan.errors import LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.engine.role import Engine

_ONE = "CONTAINER"
_MANY = "CONTAINER [CONTAINER...]"


SAID = object()
"""What a verb of `each` returns that has told of its argument all that there is to tell."""


def each(session: Session, options: Options, verb: Callable[[Engine, str], object], failed: str = "") -> int:
    """Do a verb to each argument and print the name where that went well; one failure ends no other.

    `failed` is what docker's client adds, before the names of those that failed.
    """
    failures = []
    for name in options.arguments:
        try:
            if verb(session.engine, name) is not SAID:
                write(f"{name}\n")
        except LiganError as error:
            failures.append(name)
            write_error(f"{DAEMON}{error.message}\n")
            if error.hint:
                write_error(f"{error.hint}\n")
    if failures and failed:
        write_error(f"Error: failed to {failed}: {', '.join(failures)}\n")
    return 1 if failures else 0


def _seconds(options: Options) -> int | None:
    name = "time" if options.given("time") else "timeout"
    return options.integer(name) if options.given(name) else None


def _stop(session: Session, options: Options) -> int:
    seconds = _seconds(options)
    return each(session, options, lambda engine, name: engine.stop_container(name, seconds))


_TIMEOUT = (
    Flag("timeout", "Seconds to wait before killing the container", "t", INTEGER),
    Flag("time", "", kind=INTEGER),
)

STOP = Command(_stop, _MANY, "Stop one or more running containers", _TIMEOUT, least=1, most=None)


def _restart(session: Session, options: Options) -> int:
    seconds = _seconds(options)
    return each(session, options, lambda engine, name: engine.restart_container(name, seconds))


RESTART = Command(_restart, _MANY, "Restart one or more containers", _TIMEOUT, least=1, most=None)


def _kill(session: Session, options: Options) -> int:
    signal = options.text("signal") or "KILL"
    return each(session, options, lambda engine, name: engine.kill_container(name, signal))


KILL = Command(
    _kill,
    _MANY,
    "Kill one or more running containers",
    (Flag("signal", "Signal to send to the container", "s", TEXT),),
    least=1,
    most=None,
)


def _pause(session: Session, options: Options) -> int:
    return each(session, options, lambda engine, name: engine.pause_container(name))


PAUSE = Command(_pause, _MANY, "Pause all processes within one or more containers", least=1, most=None)


def _unpause(session: Session, options: Options) -> int:
    return each(session, options, lambda engine, name: engine.unpause_container(name))


UNPAUSE = Command(_unpause, _MANY, "Unpause all processes within one or more containers", least=1, most=None)


def _rename(session: Session, options: Options) -> int:
    old, new = options.arguments
    if not old.strip() or not new.strip():
        raise Failure("Error: Neither old nor new names may be empty")
    try:
        session.engine.rename_container(old, new)
    except LiganError as error:
        write_error(f"{DAEMON}{error.message}\n")
        write_error(f"Error: failed to rename container named {old}\n")
        return 1
    return 0


RENAME = Command(_rename, "CONTAINER NEW_NAME", "Rename a container", least=2, most=2)


def _remove(session: Session, options: Options) -> int:
    from ligan.errors import NotFound

    force, volumes, link = options.on("force"), options.on("volumes"), options.on("link")

    def remove(engine: Engine, name: str) -> object:
        try:
            engine.remove_container(name, force=force, volumes=volumes, link=link)
        except NotFound as error:
            if not force:
                raise
            write_error(f"{DAEMON}{error.message}\n")  # as docker: told, and no failure
            return SAID
        return None

    return each(session, options, remove)


REMOVE = Command(
    rehearsable(_remove),
    _MANY,
    "Remove one or more containers",
    (
        DRY_RUN,
        Flag("force", "Force the removal of a running container (uses SIGKILL)", "f"),
        Flag("link", "Remove the specified link", "l"),
        Flag("volumes", "Remove anonymous volumes associated with the container", "v"),
    ),
    least=1,
    most=None,
)


def _wait(session: Session, options: Options) -> int:
    status = 0
    for name in options.arguments:
        try:
            write(f"{session.engine.wait_container(name).exit_code}\n")
        except LiganError as error:
            write_error(f"{DAEMON}{error.message}\n")
            status = 1
    return status


WAIT = Command(
    _wait, _MANY, "Block until one or more containers stop, then print their exit codes", least=1, most=None
)


def _prune(session: Session, options: Options) -> int:
    from ligan.cli.units import human_size

    if not agreed(options, "WARNING! This will remove all stopped containers."):
        return 1
    outcome = session.engine.prune_containers(options.filters())
    if outcome.containers:
        write(
            "Deleted Containers:\n" + "".join([f"{container}\n" for container in outcome.containers]) + "\n"
        )
    write(f"Total reclaimed space: {human_size(outcome.size, 4)}\n")
    return 0


PRUNE = Command(
    rehearsable(_prune),
    "",
    "Remove all stopped containers",
    (
        DRY_RUN,
        Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
    ),
    error_prefix=DAEMON,
)


def _diff(session: Session, options: Options) -> int:
    changes = session.engine.container_changes(options.arguments[0])
    write("".join([f"{kind} {path}\n" for path, kind in changes.items()]))
    return 0


DIFF = Command(
    _diff,
    _ONE,
    "Inspect changes to files or directories on a container's filesystem",
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _top(session: Session, options: Options) -> int:
    from ligan.cli.tables import align

    name, *arguments = options.arguments
    document = session.engine.container_top(name, " ".join(arguments) or "-ef")
    lines = [document["Titles"], *document["Processes"]]
    write(align("".join(["\t".join(line) + "\n" for line in lines]), least_width=20))
    return 0


TOP = Command(
    _top,
    "CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    least=1,
    most=None,
    error_prefix=DAEMON,
    interspersed=False,
)


def _port(session: Session, options: Options) -> int:
    name, *wanted = options.arguments
    ports = session.engine.inspect_container(name)["NetworkSettings"]["Ports"] or {}
    if wanted:
        number, _, protocol = wanted[0].partition("/")
        key = f"{number}/{protocol or 'tcp'}"
        if not ports.get(key):
            raise Failure(f"Error: No public port '{wanted[0]}' published for {name}")
        write("".join([f"{place['HostIp']}:{place['HostPort']}\n" for place in ports[key]]))
        return 0
    lines = [
        f"{key} -> {place['HostIp']}:{place['HostPort']}\n"
        for key, places in ports.items()
        for place in places or ()
    ]
    write("".join(sorted(lines)))
    return 0


PORT = Command(
    _port,
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    least=1,
    most=2,
    error_prefix=DAEMON,
)


def _update(session: Session, options: Options) -> int:
    from ligan.cli.run_request import resources
    from ligan.cli.run_values import restart_policy

    changes = {key: value for key, value in resources(options).items() if value}
    if options.given("pids-limit"):
        changes["PidsLimit"] = options.integer("pids-limit")
    if not any(options.given(flag.name) for flag in _limits()):
        raise Failure("you must provide one or more flags when using this command")
    if options.given("restart"):
        changes["RestartPolicy"] = restart_policy(options.text("restart"))

    def update(engine: Engine, name: str) -> None:
        warnings.extend(engine.update_container(name, changes))

    warnings: list[str] = []
    status = each(session, options, update)
    write("".join([f"{warning}\n" for warning in warnings]))
    return status


def _limits() -> tuple[Flag, ...]:
    from ligan.cli.run_flags import CREATE_FLAGS

    names = (
        "blkio-weight",
        "cpu-period",
        "cpu-quota",
        "cpu-rt-period",
        "cpu-rt-runtime",
        "cpu-shares",
        "cpus",
        "cpuset-cpus",
        "cpuset-mems",
        "memory",
        "memory-reservation",
        "memory-swap",
        "pids-limit",
    )
    flags = {flag.name: flag for flag in CREATE_FLAGS}
    restart = Flag("restart", "Restart policy to apply when a container exits", kind=TEXT)
    return (*[flags[name] for name in names], restart)


UPDATE = Command(
    _update, _MANY, "Update configuration of one or more containers", _limits(), least=1, most=None
)
