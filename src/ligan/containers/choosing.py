"""The filters of `ps`: what the database can tell of them, and what has to be looked at.

Source of rules and words: engine 20.10, daemon/list.go.
"""

from __future__ import annotations

from ligan.containers.ports import parse_uint16
from ligan.containers.rows import RUNNING_STATES, NoSuchContainer, resolve_id
from ligan.errors import Invalid, LiganError, NotFound
from ligan.oci.compact_json import dumps, loads
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ligan.store.db import ReadTransaction

    Filters = Mapping[str, Sequence[str]]

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")

_FILTERS = (
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
)
_HEALTH = ("none", "starting", "healthy", "unhealthy")


class Row(Value):
    """What the query finds of a container."""

    key: int
    id: str
    name: str
    image_id: str
    layer: int | None
    image_name: str
    state: str
    created: int
    started: int
    finished: int
    exit_code: int
    health: str
    config: str
    network_mode: str
    networking: str
    mounts: str
    labels: str


class Chosen:
    """The filters of a listing, read once. Raises Invalid, NoSuchContainer."""

    def __init__(self, tx: ReadTransaction, filters: Filters) -> None:
        for name in filters:
            if name not in _FILTERS:
                raise Invalid(f"Invalid filter '{name}'")
        self._tx = tx
        self._filters = filters
        self._exited = [_exit_code(value) for value in filters.get("exited", ())]
        self._publish = _ports("publish", filters.get("publish", ()))
        self._expose = _ports("expose", filters.get("expose", ()))
        for value in filters.get("status", ()):
            if value not in STATES:
                raise Invalid(f"Invalid filter 'status={value}'")
        for value in filters.get("health", ()):
            if value not in _HEALTH:
                raise Invalid(f"Unrecognised filter value for health: {value}")

    def conditions(self, *, show_all: bool) -> tuple[list[str], list[Any]]:
        """Return what of the filters the database can tell."""
        conditions: list[str] = []
        parameters: list[Any] = []
        states: Sequence[str] = self._filters.get("status", ())
        if states or not show_all:
            states = states or RUNNING_STATES
            conditions.append(f"state IN ({_marks(states)})")
            parameters += states
        if self._exited:
            conditions.append(f"exit_code IN ({_marks(self._exited)}) AND started > 0")
            conditions.append(f"state NOT IN ({_marks(RUNNING_STATES)})")
            parameters += [*self._exited, *RUNNING_STATES]
        for name, operator in (("before", "<"), ("since", ">")):
            for value in self._filters.get(name, ()):
                conditions.append(f"(created, key) {operator} (?, ?)")
                parameters += self._moment(value)
        if "ancestor" in self._filters:
            images = self._descendants(self._filters["ancestor"])
            conditions.append(f"image_id IN ({_marks(images)})")
            parameters += images
        if self._is_task():
            conditions.append("0")  # a task is a container of swarm's
        return conditions, parameters

    def _moment(self, name: str) -> tuple[int, int]:
        try:
            container = resolve_id(self._tx, name)
        except NoSuchContainer:
            raise NotFound(f"no such container {name}") from None  # as 20.10 words it here, and only here
        row: tuple[int, int] = self._tx.one("SELECT created, key FROM container WHERE id = ?", (container,))
        return row

    def _descendants(self, names: Iterable[str]) -> list[str]:
        """Return the IDs of the images and of all that were built on them. Unknown ones have none."""
        from ligan.images.catalog import resolve

        keys = []
        for name in names:
            try:
                keys.append(resolve(self._tx, name).image.key)
            except LiganError:
                continue
        return self._tx.column(
            """WITH RECURSIVE down (key) AS (
                   SELECT value FROM json_each(?)
                   UNION SELECT image.key FROM image JOIN down ON image.parent = down.key)
               SELECT id FROM image JOIN down USING (key)""",
            (dumps(keys),),
        )

    def _is_task(self) -> bool:
        values = self._filters.get("is-task", ())
        if values and "true" not in values and "false" not in values:
            raise Invalid(f"Invalid filter 'is-task=[{' '.join(values)}]'")
        return "true" in values

    def takes(self, row: Row) -> bool:
        """Return whether a row passes what the database cannot tell."""
        from ligan.containers.filters import has_labels, matches

        filters = self._filters
        if filters.get("name") and not (
            matches(filters["name"], row.name) or matches(filters["name"], f"/{row.name}")
        ):
            return False
        if filters.get("id") and not matches(filters["id"], row.id):
            return False
        if filters.get("label") and not has_labels(loads(row.labels), filters["label"]):
            return False
        if filters.get("health") and (row.health or "none") not in filters["health"]:
            return False
        return self._takes_volumes(row) and self._takes_networks(row) and self._takes_ports(row)

    def _takes_volumes(self, row: Row) -> bool:
        wanted = self._filters.get("volume")
        return not wanted or any(
            value in (mount.get("name") or mount["source"], mount["destination"])
            for mount in loads(row.mounts)
            for value in wanted
        )

    def _takes_networks(self, row: Row) -> bool:
        wanted = self._filters.get("network")
        if not wanted:
            return True
        names = loads(row.networking).get("EndpointsConfig", {})
        ids = self._tx.column(
            "SELECT network.id FROM network JOIN json_each(?) ON json_each.value = network.name",
            (dumps(list(names)),),
        )
        return any(value in names or any(known.startswith(value) for known in ids) for value in wanted)

    def _takes_ports(self, row: Row) -> bool:
        if not self._publish and not self._expose:
            return True
        return any(
            (port.get("PublicPort", 0), port["Type"]) in self._publish
            or (port["PrivatePort"], port["Type"]) in self._expose
            for port in port_rows(loads(row.networking).get("Ports") or {})
        )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _exit_code(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise Invalid(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _ports(name: str, values: Sequence[str]) -> set[tuple[int, str]]:
    """Return the ports of `80`, `80/udp` and `8000-8010/tcp`."""
    ports: set[tuple[int, str]] = set()
    for value in values:
        if ":" in value:
            raise Invalid(f"filter for '{name}' should not contain ':': {value}")
        numbers, _, protocol = value.partition("/")
        low, dash, high = numbers.partition("-")
        try:
            first = parse_uint16(low)
            last = parse_uint16(high) if dash else first
        except ValueError as error:
            raise Invalid(f"error while looking up for {name} {value}: {error}") from None
        ports.update([(port, (protocol or "tcp").lower()) for port in range(first, last + 1)])
    return ports


def port_rows(ports: Mapping[str, Sequence[Mapping[str, str]] | None]) -> list[dict[str, Any]]:
    """Return published and exposed ports as ps lists them (engine 20.10, api/types.Port)."""
    listed: list[dict[str, Any]] = []
    for port, places in ports.items():
        number, _, protocol = port.partition("/")
        if not places:
            listed.append({"PrivatePort": int(number), "Type": protocol})
        for place in places or ():
            row: dict[str, Any] = {"IP": place["HostIp"]} if place["HostIp"] else {}
            row |= {"PrivatePort": int(number), "PublicPort": int(place["HostPort"]), "Type": protocol}
            listed.append(row)
    return listed
