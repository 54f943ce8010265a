"""`stats`: what containers use, once or again and again."""

from __future__ import annotations

import sys
import time

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FORMAT, Flag
from ligan.cli.output import flush, write
from ligan.cli.session import is_terminal
from ligan.oci.gosize import binary_size, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session

    Document = dict[str, Any]

_STATS_HEADERS = {
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}


def _stats(session: Session, options: Options) -> int:
    engine = session.engine
    before: dict[str, Document] = {}
    while True:
        names = options.arguments or [
            container.id for container in engine.list_containers({}, show_all=options.on("all"))
        ]
        measured = {name: engine.container_stats(name, previous=before.get(name)) for name in names}
        if before or not names:
            _show_stats(options, measured)
            if options.on("no-stream"):
                return 0
        before = measured
        time.sleep(1)


def _show_stats(options: Options, measured: dict[str, Document]) -> None:
    if not options.on("no-stream") and is_terminal(sys.stdout):
        write("\033[H\033[J")
    write(
        tables.render(
            options.text("format"),
            columns=[name for name in _STATS_HEADERS if name != "Container"],
            headers=_STATS_HEADERS,
            rows=[
                _stats_row(name, document, whole=options.on("no-trunc"))
                for name, document in measured.items()
            ],
            context="container.statsContext",
        )
    )
    flush()


def _stats_row(name: str, document: Document, *, whole: bool) -> dict[str, str]:
    memory = document["memory_stats"]
    cache = memory.get("stats", {}).get(
        "total_inactive_file", memory.get("stats", {}).get("inactive_file", 0)
    )
    used, limit = max(memory.get("usage", 0) - cache, 0), memory.get("limit", 0)
    networks = document.get("networks", {}).values()
    received = sum(network["rx_bytes"] for network in networks)
    sent = sum(network["tx_bytes"] for network in networks)
    entries = document["blkio_stats"].get("io_service_bytes_recursive") or []
    read = sum(entry["value"] for entry in entries if entry["op"].lower() == "read")
    written = sum(entry["value"] for entry in entries if entry["op"].lower() == "write")
    return {
        "Container": name,
        "ID": document["id"] if whole else document["id"][:12],
        "Name": document["name"].removeprefix("/"),
        "CPUPerc": f"{_cpu_share(document):.2f}%",
        "MemUsage": f"{binary_size(used)} / {binary_size(limit)}",
        "MemPerc": f"{100 * used / limit if limit else 0:.2f}%",
        "NetIO": f"{human_size(received, 3)} / {human_size(sent, 3)}",
        "BlockIO": f"{human_size(read, 3)} / {human_size(written, 3)}",
        "PIDs": str(document["pids_stats"].get("current", 0)),
    }


def _cpu_share(document: Document) -> float:
    """Return the share of one processor, in per cent, between two measurements."""
    now, before = document["cpu_stats"], document["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    return 100 * used / passed * now.get("online_cpus", 1) if used > 0 and passed > 0 else 0.0


STATS = Command(
    _stats,
    "[CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    (
        Flag("all", "Show all containers (default shows just running)", "a"),
        FORMAT,
        Flag("no-stream", "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "Do not truncate output"),
    ),
    most=None,
    error_prefix=DAEMON,
)
