"""`volume create`, `volume ls`, `volume rm` and `volume prune`."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.containers import each
from ligan.cli.flags import FILTER, FORMAT, LIST, MAP, TEXT, Flag
from ligan.cli.output import Failure, write
from ligan.cli.removal import DRY_RUN, agreed, rehearsable
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_HEADERS = {
    "Driver": "DRIVER",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}


def _create(session: Session, options: Options) -> int:
    from ligan.cli.run_values import label, pairs

    name = options.text("name")
    if options.arguments:
        if name:
            raise Failure(
                "conflicting options: "
                "cannot specify a volume-name through both --name and as a positional arg"
            )
        name = options.arguments[0]
    volume = session.engine.create_volume(
        name,
        options.text("driver"),
        pairs(options.values("opt")),
        pairs(options.read_all("label", label)),
    )
    write(f"{volume['Name']}\n")
    return 0


CREATE = Command(
    _create,
    "[VOLUME]",
    "Create a volume",
    (
        Flag("driver", "Specify volume driver name", "d", TEXT, "local"),
        Flag("label", "Set metadata for a volume", kind=LIST),
        Flag("name", "", kind=TEXT),
        Flag("opt", "Set driver specific options (default map[])", "o", MAP),
    ),
    most=1,
    error_prefix=DAEMON,
)


def _list(session: Session, options: Options) -> int:
    chosen = options.text("format")
    volumes = sorted(session.engine.list_volumes(options.filters()), key=lambda volume: str(volume["Name"]))
    write(
        tables.render(
            "{{.Name}}" if options.on("quiet") and chosen in ("", "table") else chosen,
            columns=("Driver", "Name"),
            headers=_HEADERS,
            rows=[volume_row(volume) for volume in volumes],
            context="formatter.volumeContext",
            raw="name: {{.Name}}" if options.on("quiet") else "name: {{.Name}}\ndriver: {{.Driver}}\n",
        )
    )
    return 0


def volume_row(volume: dict[str, Any]) -> tables.Row:
    labels = volume["Labels"] or {}
    return {
        "Driver": volume["Driver"],
        "Name": volume["Name"],
        "Scope": volume["Scope"],
        "Mountpoint": volume["Mountpoint"],
        "Labels": ",".join([f"{key}={value}" for key, value in labels.items()]),
        **dict.fromkeys(("Links", "Size", "Availability", "Group", "Status"), "N/A"),
        "Label": tables.label_of(labels),
    }


LS = Command(
    _list,
    "",
    "List volumes",
    (
        Flag("filter", 'Provide filter values (e.g. "dangling=true")', "f", FILTER),
        FORMAT,
        Flag("quiet", "Only display volume names", "q"),
    ),
    error_prefix=DAEMON,
)


def _remove(session: Session, options: Options) -> int:
    force = options.on("force")
    return each(session, options, lambda engine, name: engine.remove_volume(name, force=force))


REMOVE = Command(
    rehearsable(_remove),
    "VOLUME [VOLUME...]",
    "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
    (DRY_RUN, Flag("force", "Force the removal of one or more volumes", "f")),
    least=1,
    most=None,
)


def _prune(session: Session, options: Options) -> int:
    filters, warning = (
        options.filters(),
        "WARNING! This will remove anonymous local volumes not used by at least one container.",
    )
    if options.on("all"):
        if "all" in filters:
            raise Failure("conflicting options: cannot specify both --all and --filter all=1")
        warning = "WARNING! This will remove all local volumes not used by at least one container."
    if not agreed(options, warning):
        return 1
    filters.setdefault("all", ["true" if options.on("all") else "false"])
    names, size = session.engine.prune_volumes(filters)
    if names:
        write("Deleted Volumes:\n" + "".join([f"{name}\n" for name in names]) + "\n")
    write(f"Total reclaimed space: {human_size(size)}\n")
    return 0


PRUNE = Command(
    rehearsable(_prune),
    "",
    "Remove unused local volumes",
    (
        Flag("all", "Remove all unused volumes, not just anonymous ones", "a"),
        DRY_RUN,
        Flag("filter", 'Provide filter values (e.g. "label=<label>")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
    ),
    error_prefix=DAEMON,
)
