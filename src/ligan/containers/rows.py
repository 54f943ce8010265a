"""Container rows <-> values: resolving a name or ID, and the changes of a container's state.

Every function takes the transaction it works in. A name is kept without the slash that Docker shows
before it. States are Docker's: created, running, paused, restarting, removing, exited, dead.
"""

from __future__ import annotations

from ligan.containers.mounts import Mount, stored
from ligan.errors import Invalid, NotFound
from ligan.oci.compact_json import dumps, loads
from ligan.oci.digest import is_hex
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.store.db import ReadTransaction, WriteTransaction


class NoSuchContainer(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No such container: {name}")


class Container(Value):
    """A container as the database knows it; `key`, `image` and `layer` are keys of rows.

    `image` is None once the image was removed by force, `layer` for an image without layers. The documents
    are Docker's, as they were asked for, defaults filled in. What runs is known by `pid`, `pid_started`
    (clock ticks since boot) and `boot_id` together. `restart_wait` is how long the restart policy waited the
    last time, in nanoseconds. `purpose` is empty for a user's container, BUILD for one that runs a step of a
    build: that one is in no listing, and nothing tells of it. Times are nanoseconds since 1970, 0 is never.
    """

    key: int
    id: str
    name: str
    image: int | None
    image_id: str
    layer: int | None
    created: int
    image_name: str
    driver: str
    config: dict[str, Any]
    host_config: dict[str, Any]
    networking: dict[str, Any]
    mounts: tuple[Mount, ...]
    labels: dict[str, str]
    state: str = "created"
    pid: int = 0
    pid_started: int = 0
    conmon_pid: int = 0
    conmon_started: int = 0
    boot_id: str = ""
    started: int = 0
    finished: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    exits: int = 0
    restarts: int = 0
    stopped_by_hand: bool = False
    health: dict[str, Any] | None = None
    restart_wait: int = 0
    purpose: str = ""

    @property
    def short(self) -> str:
        return self.id[:12]

    @property
    def is_running(self) -> bool:
        """Docker's Running: a paused container runs, one that waits for its restart does too."""
        return self.state in RUNNING_STATES


BUILD = "build"

RUNNING_STATES = ("running", "paused", "restarting")
"""A container in one of these blocks deletes, and is listed without --all."""


class Ended(Value):
    """How a container ended: how often it has, how it did the last time, and whether it runs now.

    `error` is why the last start failed, or empty. `removed`: the container is gone; the rest tells what
    was known of it before.
    """

    id: str
    exits: int
    exit_code: int
    error: str
    is_running: bool
    removed: bool


_COLUMNS = Container._fields
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM container"
_DOCUMENTS = [_COLUMNS.index(name) for name in ("config", "host_config", "networking", "labels")]
_FLAGS = [_COLUMNS.index(name) for name in ("oom_killed", "stopped_by_hand")]
_MOUNTS = _COLUMNS.index("mounts")
_HEALTH = _COLUMNS.index("health")


def _container(row: tuple[Any, ...]) -> Container:
    values = list(row)
    for column in _DOCUMENTS:
        values[column] = loads(values[column])
    values[_MOUNTS] = tuple([Mount(**mount) for mount in loads(values[_MOUNTS])])
    for column in _FLAGS:
        values[column] = bool(values[column])
    values[_HEALTH] = loads(values[_HEALTH]) if values[_HEALTH] else None
    return Container(*values)


def by_id(tx: ReadTransaction, container_id: str) -> Container | None:
    row = tx.one(f"{_SELECT} WHERE id = ?", (container_id,))
    return row and _container(row)


def by_key(tx: ReadTransaction, key: int) -> Container | None:
    row = tx.one(f"{_SELECT} WHERE key = ?", (key,))
    return row and _container(row)


def in_states(tx: ReadTransaction, *states: str) -> list[Container]:
    """Return the containers in these states, oldest first."""
    marks = ", ".join("?" * len(states))
    return [_container(row) for row in tx.all(f"{_SELECT} WHERE state IN ({marks}) ORDER BY key", states)]


def resolve_id(tx: ReadTransaction, name: str) -> str:
    """Return the whole ID of a container by ID, else by its exact name, else by what only one ID begins with.

    Raises NoSuchContainer, or Invalid for nothing or the beginning of several IDs, in the words of
    engine 20.10 (daemon/container.go, pkg/truncindex).
    """
    if not name:
        raise Invalid('invalid name or ID supplied: ""')
    found: str | None = tx.value(
        "SELECT id FROM container WHERE id = ?1 UNION ALL SELECT id FROM container WHERE name = ?2 LIMIT 1",
        (name, name.removeprefix("/")),
    )
    if found is not None:
        return found
    if not is_hex(name) or len(name) > 64:
        raise NoSuchContainer(name)
    matches = tx.column("SELECT id FROM container WHERE id >= ? AND id < ? LIMIT 2", (name, name + "g"))
    if not matches:
        raise NoSuchContainer(name)
    if len(matches) > 1:
        raise Invalid(f"Multiple IDs found with provided prefix: {name}", "Give more digits.")
    return str(matches[0])


def resolve(tx: ReadTransaction, name: str) -> Container:
    """Return the container that `resolve_id` finds."""
    container = by_id(tx, resolve_id(tx, name))
    assert container is not None
    return container


def ended(tx: ReadTransaction, container_id: str) -> Ended | None:
    """Return how a container ended, by its whole ID, or None where it is gone."""
    row = tx.one("SELECT exits, exit_code, error, state FROM container WHERE id = ?", (container_id,))
    if row is None:
        return None
    exits, exit_code, error, state = row
    return Ended(container_id, exits, exit_code, error, state in RUNNING_STATES, False)


def insert(tx: WriteTransaction, container: Container) -> int:
    """Write a new container's row; its `key` is not looked at. Returns the key."""
    values = list(container._astuple()[1:])
    for column in _DOCUMENTS:
        values[column - 1] = dumps(values[column - 1])
    values[_MOUNTS - 1] = dumps(stored(container.mounts))
    for column in _FLAGS:
        values[column - 1] = int(values[column - 1])
    values[_HEALTH - 1] = dumps(container.health) if container.health else ""
    marks = ", ".join("?" * len(values))
    return tx.insert(f"INSERT INTO container ({', '.join(_COLUMNS[1:])}) VALUES ({marks})", values)


def set_running(
    tx: WriteTransaction,
    key: int,
    *,
    pid: int,
    pid_started: int,
    conmon_pid: int,
    conmon_started: int,
    boot_id: str,
    now: int,
) -> None:
    """Write that a run has begun. What the last one left is forgotten, but for when it ended."""
    tx.execute(
        """UPDATE container SET state = 'running', pid = ?, pid_started = ?, conmon_pid = ?,
               conmon_started = ?, boot_id = ?, started = ?, exit_code = 0, error = '', oom_killed = 0,
               stopped_by_hand = 0
           WHERE key = ?""",
        (pid, pid_started, conmon_pid, conmon_started, boot_id, now, key),
    )


def set_start_failed(tx: WriteTransaction, key: int, exit_code: int, error: str) -> None:
    """Write why a start came to nothing; the container stays created, or exited."""
    tx.execute("UPDATE container SET exit_code = ?, error = ? WHERE key = ?", (exit_code, error, key))


def set_ended(
    tx: WriteTransaction, key: int, exit_code: int, now: int, *, oom_killed: bool, restarting: bool = False
) -> None:
    """Write that a run is over: its processes are no more."""
    tx.execute(
        """UPDATE container SET state = ?, pid = 0, pid_started = 0, conmon_pid = 0, conmon_started = 0,
               finished = ?, exit_code = ?, oom_killed = ?, exits = exits + 1
           WHERE key = ?""",
        ("restarting" if restarting else "exited", now, exit_code, int(oom_killed), key),
    )


def set_state(tx: WriteTransaction, key: int, state: str) -> None:
    """Change the state alone: paused and running, removing and dead, restarting that was given up."""
    tx.execute("UPDATE container SET state = ? WHERE key = ?", (state, key))


def set_stopped_by_hand(tx: WriteTransaction, key: int) -> None:
    """Keep the restart policies always and unless-stopped from starting it again."""
    tx.execute("UPDATE container SET stopped_by_hand = 1 WHERE key = ?", (key,))


def set_restarts(tx: WriteTransaction, key: int, restarts: int, wait: int = 0) -> None:
    """Write how often the restart policy has started it, and the last wait; a start by hand makes both 0."""
    tx.execute("UPDATE container SET restarts = ?, restart_wait = ? WHERE key = ?", (restarts, wait, key))


def set_health(tx: WriteTransaction, key: int, health: Mapping[str, Any] | None) -> None:
    """Write State.Health; None where the container has no healthcheck."""
    tx.execute("UPDATE container SET health = ? WHERE key = ?", (dumps(health) if health else "", key))


def set_networking(tx: WriteTransaction, key: int, networking: Mapping[str, Any]) -> None:
    """Write the networks asked for, and under `Ports` what is published while the container runs."""
    tx.execute("UPDATE container SET networking = ? WHERE key = ?", (dumps(networking), key))


def set_name(tx: WriteTransaction, key: int, name: str) -> None:
    tx.execute("UPDATE container SET name = ? WHERE key = ?", (name, key))


def set_host_config(tx: WriteTransaction, key: int, host_config: Mapping[str, Any]) -> None:
    tx.execute("UPDATE container SET host_config = ? WHERE key = ?", (dumps(host_config), key))


def record(
    tx: WriteTransaction,
    now: int,
    action: str,
    container: Container,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Write an event of a container; its labels, image and name are attributes of every one.

    Of one that runs a step of a build there is none. Source: engine 20.10, daemon/events.go; golden n_events.
    """
    if container.purpose == BUILD:
        return
    from ligan.images import events

    events.record(
        tx,
        now,
        action,
        container.id,
        {**container.labels, "image": container.image_name, **(attributes or {})},
        name=container.name,
        kind="container",
    )
