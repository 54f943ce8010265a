"""Listing containers: `ps` with its filters.

Source of rules and words: engine 20.10, daemon/list.go, container/state.go, container/view.go; golden
k_containers.
"""

from __future__ import annotations

from ligan.containers.choosing import Chosen, Row, port_rows
from ligan.errors import LiganError
from ligan.oci.compact_json import loads
from ligan.oci.gosize import human_duration
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.layers.snapshots import Snapshots
    from ligan.store.db import ReadTransaction

    Filters = Mapping[str, Sequence[str]]


class ContainerSummary(Value):
    """One row of `ps`. `names` begin with a slash; `created` is in seconds since 1970.

    `image` is the name used at creation while that still means the same image, else its ID. `ports`,
    `networks` and `mounts` are Docker's documents. Sizes, in bytes, are None unless they were asked for.
    """

    id: str
    names: tuple[str, ...]
    image: str
    image_id: str
    command: str
    created: int
    ports: tuple[dict[str, Any], ...]
    labels: dict[str, str]
    state: str
    status: str
    network_mode: str
    networks: dict[str, Any]
    mounts: tuple[dict[str, Any], ...]
    size_rw: int | None
    size_root: int | None


_SELECT = """
    SELECT key, id, name, image_id, layer, image_name, state, created, started, finished, exit_code,
           CASE health WHEN '' THEN '' ELSE health ->> 'Status' END,
           config, host_config ->> 'NetworkMode', networking, mounts, labels
    FROM container
"""


_OF_USERS = "purpose = ''"


def list_containers(
    tx: ReadTransaction,
    filters: Filters,
    *,
    now: int,
    show_all: bool = False,
    limit: int = 0,
    snapshots: Snapshots | None = None,
) -> list[ContainerSummary]:
    """Return the containers that pass the filters, newest first; with `snapshots`, their sizes too.

    Only those that run, unless `show_all`, a limit or a filter of states says otherwise. `now` is in
    nanoseconds since 1970. Raises Invalid in Docker's words, NoSuchContainer for before and since.
    """
    chosen = Chosen(tx, filters)
    conditions, parameters = chosen.conditions(show_all=show_all or limit > 0)
    where = f" WHERE {' AND '.join([_OF_USERS, *conditions])}"
    rows = [Row(*row) for row in tx.all(f"{_SELECT}{where} ORDER BY created DESC, key DESC", parameters)]
    rows = [row for row in rows if chosen.takes(row)]
    if limit > 0:
        rows = rows[:limit]
    images = _Images(tx)
    endpoints = _endpoints(tx)
    links = _links(tx)
    return [_summary(tx, row, now, images, endpoints, links, snapshots) for row in rows]


def _summary(
    tx: ReadTransaction,
    row: Row,
    now: int,
    images: _Images,
    endpoints: Mapping[tuple[int, str], Any],
    links: Mapping[str, list[str]],
    snapshots: Snapshots | None,
) -> ContainerSummary:
    config, networking = loads(row.config), loads(row.networking)
    size = snapshots.size(row.id) if snapshots else None
    below = tx.value("SELECT chain_size FROM layer WHERE key = ?", (row.layer,)) or 0 if snapshots else 0
    return ContainerSummary(
        id=row.id,
        names=(f"/{row.name}", *links.get(row.name, ())),
        image=images.shown(row.image_name, row.image_id),
        image_id=row.image_id,
        command=command_line(config),
        created=row.created // 10**9,
        ports=tuple(port_rows(networking.get("Ports") or {})),
        labels=loads(row.labels),
        state=row.state,
        status=status_text(row.state, row.started, row.finished, row.exit_code, row.health, now),
        network_mode=row.network_mode or "",
        networks={
            name: endpoints.get((row.key, name), settings)
            for name, settings in networking.get("EndpointsConfig", {}).items()
        },
        mounts=tuple(_mounts(row.mounts)),
        size_rw=size,
        size_root=None if size is None else below + size,
    )


def _mounts(text: str) -> list[dict[str, Any]]:
    if text == "[]":
        return []
    from ligan.containers.mounts import Mount

    return [Mount(**mount).document() for mount in loads(text)]


def command_line(config: Mapping[str, Any]) -> str:
    """Return the command as ps shows it: arguments with blanks between quotation marks."""
    words: list[str] = (config["Entrypoint"] or []) + (config["Cmd"] or [])
    path, *arguments = words
    return " ".join([path, *[f"'{word}'" if " " in word else word for word in arguments]])


def status_text(state: str, started: int, finished: int, exit_code: int, health: str, now: int) -> str:
    """Return what ps shows as the status. Times are in nanoseconds since 1970, 0 is never."""
    if state in ("running", "paused"):
        up = f"Up {human_duration((now - started) / 10**9)}"
        if state == "paused":
            return f"{up} (Paused)"
        if health and health != "none":
            return f"{up} (health: starting)" if health == "starting" else f"{up} ({health})"
        return up
    if state == "restarting":
        return f"Restarting ({exit_code}) {human_duration((now - finished) / 10**9)} ago"
    if state == "removing":
        return "Removal In Progress"
    if state == "dead":
        return "Dead"
    if not started:
        return "Created"
    return f"Exited ({exit_code}) {human_duration((now - finished) / 10**9)} ago" if finished else ""


class _Images:
    """Names of images: what each means now is looked up once."""

    def __init__(self, tx: ReadTransaction) -> None:
        self._tx = tx
        self._meanings: dict[str, str] = {}

    def shown(self, name: str, image_id: str) -> str:
        """Return the name if it still means this image, else the ID."""
        if name == image_id:
            return name
        if name not in self._meanings:
            self._meanings[name] = self._meaning(name)
        return name if self._meanings[name] == image_id else image_id

    def _meaning(self, name: str) -> str:
        from ligan.images.catalog import resolve

        try:
            return resolve(self._tx, name).image.id
        except LiganError:
            return ""


def _endpoints(tx: ReadTransaction) -> dict[tuple[int, str], Any]:
    """Return how containers are connected now, by container and name of network."""
    rows = tx.all(
        """SELECT endpoint.container, network.name, endpoint.config
           FROM endpoint JOIN network ON network.key = endpoint.network"""
    )
    if not rows:
        return {}
    from ligan.oci.hostconfig import endpoint_settings

    return {(container, network): endpoint_settings(loads(config)) for container, network, config in rows}


def _links(tx: ReadTransaction) -> dict[str, list[str]]:
    """Return the names that containers have from links to them: /parent/alias."""
    found: dict[str, list[str]] = {}
    for parent, text in tx.all(
        "SELECT name, host_config -> 'Links' FROM container WHERE host_config ->> 'Links' IS NOT NULL"
    ):
        for link in loads(text):
            name, colon, alias = link.strip("/").partition(":")
            found.setdefault(name, []).append(f"/{parent}/{alias.rpartition('/')[2] if colon else name}")
    return found
