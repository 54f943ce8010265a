"""`ps`: the list of containers."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, FORMAT, INTEGER, Flag
from ligan.cli.output import Failure, write
from ligan.cli.units import SECOND, format_created_at, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.containers.listing import ContainerSummary

HEADERS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}
_COMMAND_WIDTH, _MOUNT_WIDTH = 20, 15


def _ps(session: Session, options: Options) -> int:
    chosen = options.text("format")
    limit = 1 if options.on("latest") else options.integer("last")
    # docker's client asks for sizes where a template might show them.
    size = options.on("size") or ".Size" in chosen or "json" in chosen
    containers = session.engine.list_containers(
        options.filters(), show_all=options.on("all"), limit=limit, size=size
    )
    columns = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"]
    write(
        _render(
            "{{.ID}}" if options.on("quiet") and chosen in ("", "table") else chosen,
            columns=[*columns, "Size"] if options.on("size") else columns,
            headers=HEADERS,
            rows=rows(containers, session.now() // SECOND, whole=options.on("no-trunc")),
            context="formatter.ContainerContext",
            raw="container_id: {{.ID}}" if options.on("quiet") else _RAW,
        )
    )
    return 0


def _render(chosen: str, **listing: Any) -> str:
    """Do what tables.render does; docker's client tries the template of this one out first."""
    from ligan.errors import LiganError

    try:
        return tables.render(chosen, **listing)
    except LiganError as error:
        verb = "execute" if "executing" in error.message else "parse"
        words = error.message.replace("template parsing error", f"failed to {verb} template")
        raise Failure(words) from None


_RAW = (
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n"
    "state: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{.Ports}}\n"
)


def rows(containers: Iterable[ContainerSummary], now: int, *, whole: bool) -> list[tables.Row]:
    return [
        {
            "ID": container.id if whole else container.id[:12],
            "Image": _image(container, whole=whole),
            "Command": _command(container.command, whole=whole),
            "CreatedAt": format_created_at(container.created),
            "RunningFor": f"{human_duration(now - container.created)} ago",
            "Status": container.status,
            "State": container.state,
            "Ports": shown_ports(container.ports),
            "Names": _names(container.names, whole=whole),
            "Size": _size(container),
            "Labels": ",".join([f"{key}={value}" for key, value in container.labels.items()]),
            "Mounts": ",".join([_mount(mount, whole=whole) for mount in container.mounts]),
            "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in container.mounts)),
            "Networks": ",".join(sorted(container.networks)),
            "Platform": None,
            "Label": tables.label_of(container.labels),
        }
        for container in containers
    ]


def _image(container: ContainerSummary, *, whole: bool) -> str:
    if not container.image:
        return "<no image>"
    short = container.image_id.removeprefix("sha256:")[:12]
    if not whole and container.image.removeprefix("sha256:")[:12] == short:
        return short
    name, digest, _ = container.image.partition("@sha256:")
    # A name with a tag is shown without its digest.
    return name if digest and not whole and ":" in name.rpartition("/")[2] else container.image


def _command(command: str, *, whole: bool) -> str:
    from ligan.cli.listing import shorten
    from ligan.cli.templates.gofmt import quote

    return quote(command if whole else shorten(command, _COMMAND_WIDTH))


def _names(names: Iterable[str], *, whole: bool) -> str:
    """Return the names; those by which links know it have a second slash, and are long ones."""
    plain = [name.removeprefix("/") for name in names]
    return ",".join([name for name in plain if whole or "/" not in name])


def _size(container: ContainerSummary) -> str:
    size = human_size(container.size_rw or 0, 3)
    return f"{size} (virtual {human_size(container.size_root, 3)})" if container.size_root else size


def _mount(mount: Mapping[str, Any], *, whole: bool) -> str:
    from ligan.cli.listing import shorten

    name = str(mount.get("Name") or mount["Source"])
    return name if whole else shorten(name, _MOUNT_WIDTH)


def shown_ports(ports: Iterable[Mapping[str, Any]]) -> str:
    """Return ports as docker's client shows them: neighbours that map alike become a range."""
    groups: list[list[Any]] = []  # address, protocol, first and last port, first public port or 0
    for port in sorted(ports, key=_port_order):
        address, public = port.get("IP") or "", port.get("PublicPort") or 0
        number, protocol = port["PrivatePort"], port["Type"]
        for group in groups:
            follows = group[3] + 1 == number and (
                group[4] + number - group[2] == public if group[4] else not public
            )
            if group[:2] == [address, protocol] and follows and (not public or group[4] == group[2]):
                group[3] = number
                break
        else:
            groups.append([address, protocol, number, number, public])
    return ", ".join([_port_text(*group) for group in groups])


def _port_order(port: Mapping[str, Any]) -> tuple[int, str, int, str]:
    return port["PrivatePort"], port.get("IP") or "", port.get("PublicPort") or 0, port["Type"]


def _port_text(address: str, protocol: str, first: int, last: int, public: int) -> str:
    inside = str(first) if first == last else f"{first}-{last}"
    if not public:
        return f"{inside}/{protocol}"
    outside = str(public) if first == last else f"{public}-{public + last - first}"
    shown = f"[{address}]" if ":" in address else address
    return f"{shown}:{outside}->{inside}/{protocol}"


PS = Command(
    _ps,
    "",
    "List containers",
    (
        Flag("all", "Show all containers (default shows just running)", "a"),
        Flag("filter", "Filter output based on conditions provided", "f", FILTER),
        FORMAT,
        Flag("last", "Show n last created containers (includes all states)", "n", INTEGER, "-1"),
        Flag("latest", "Show the latest created container (includes all states)", "l"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only display container IDs", "q"),
        Flag("size", "Display total file sizes", "s"),
    ),
    error_prefix=DAEMON,
)
