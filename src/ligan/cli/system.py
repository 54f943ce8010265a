"""`system df`, `version`, `info` and `fsck`."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FORMAT, INSPECT_FORMAT, Flag
from ligan.cli.listing import NONE, image_names, image_row
from ligan.cli.output import Failure, note, write
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.images.usage import DiskUsage, ImageUsage

_BAD_TEMPLATE_STATUS = 64

_USAGE_HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_IMAGE_HEADERS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}

# Ligan has no containers, volumes or build cache yet: their tables are empty.
_NO_CONTAINERS = """Containers space usage:

CONTAINER ID   IMAGE     COMMAND   LOCAL VOLUMES   SIZE      CREATED   STATUS    NAMES

Local Volumes space usage:

VOLUME NAME   LINKS     SIZE

Build cache usage: 0B

CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED
"""


def _df(session: Session, options: Options) -> int:
    chosen = options.text("format")
    usage = session.engine.disk_usage()
    if options.on("verbose"):
        write(_verbose(session.engine.image_usage(), chosen, session.now() // SECOND))
    else:
        write(
            tables.render(
                chosen,
                columns=tuple(_USAGE_HEADERS),
                headers=_USAGE_HEADERS,
                rows=_usage_rows(usage),
                context="formatter.diskUsageImagesContext",
            )
        )
    total = human_size(usage.blob_bytes)
    if usage.undo_bytes:
        note(f"{total} on disk, {human_size(usage.undo_bytes)} of it kept for undo: ligan undo --list")
    if usage.compressed_bytes:
        compressed = human_size(usage.compressed_bytes)
        note(
            f"{total} on disk, {compressed} of it pulled layers as they came: keep_compressed in the settings"
        )
    return 0


def _usage_rows(usage: DiskUsage) -> list[dict[str, str]]:
    reclaimable = human_size(usage.reclaimable)
    if usage.layers_size:
        reclaimable += f" ({usage.reclaimable * 100 // usage.layers_size}%)"
    images = (
        "Images",
        str(usage.images),
        str(usage.active_images),
        human_size(usage.layers_size),
        reclaimable,
    )
    others = [(kind, "0", "0", "0B", "0B") for kind in ("Containers", "Local Volumes", "Build Cache")]
    return [dict(zip(_USAGE_HEADERS, row, strict=True)) for row in (images, *others)]


def _verbose(usage: list[ImageUsage], chosen: str, now: int) -> str:
    if chosen not in ("", "table"):
        return _verbose_template(usage, chosen, now)
    rows = [_image_usage_row(item, now, whole=False) for item in usage]
    table = tables.render(
        "",
        columns=tuple(_IMAGE_HEADERS),
        headers=_IMAGE_HEADERS,
        rows=rows,
        context="formatter.imageContext",
    )
    return f"Images space usage:\n\n{table}\n{_NO_CONTAINERS}\n"


def _verbose_template(usage: list[ImageUsage], chosen: str, now: int) -> str:
    from ligan.cli.templates import Row, Struct, Template

    template = Template.parse("{{json .}}" if chosen == "json" else chosen)
    images = [Row(_image_usage_row(item, now, whole=True), "formatter.imageContext") for item in usage]
    document: dict[str, Any] = {"Images": images, "Containers": [], "Volumes": [], "BuildCache": []}
    return template.execute(Struct(document, "formatter.diskUsageContext")) + "\n"


def _image_usage_row(item: ImageUsage, now: int, *, whole: bool) -> Mapping[str, str | Callable[[], str]]:
    """Return the row of an image: docker shows one name only, and no digest (golden f_prune_df)."""
    repository, tag, _ = image_names(item.image, digests=False)[0]
    return {
        **image_row(item.image, now, whole=whole),
        "Repository": repository,
        "Tag": tag,
        "Digest": NONE if repository == NONE and not whole else "",
        "SharedSize": human_size(item.shared_size),
        "UniqueSize": human_size(item.image.size - item.shared_size),
        "Containers": str(item.containers),
    }


DF = Command(
    _df,
    "",
    "Show disk usage",
    (
        FORMAT,
        Flag("verbose", "Show detailed information on space usage", "v"),
    ),
    error_prefix=DAEMON,
)

_API_VERSION = "1.41"


def _version(session: Session, options: Options) -> int:
    import platform
    import sqlite3

    from ligan import __version__

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    facts = {
        "Version": __version__,
        "ApiVersion": _API_VERSION,
        "PythonVersion": platform.python_version(),
        "SQLiteVersion": sqlite3.sqlite_version,
        "Os": platform.system().lower(),
        "Arch": machine,
    }
    chosen = options.text("format")
    if chosen:
        write(_by_template(chosen, {"Client": facts, "Server": facts}, "versionInfo"))
    else:
        write(
            "Ligan:\n"
            f" Version:           {__version__}\n"
            f" API version:       {_API_VERSION}\n"
            f" Python version:    {facts['PythonVersion']}\n"
            f" SQLite version:    {facts['SQLiteVersion']}\n"
            f" OS/Arch:           {facts['Os']}/{machine}\n"
        )
    return 0


def _by_template(text: str, document: Mapping[str, Any], kind: str) -> str:
    from ligan.cli.templates import Struct, Template, TemplateError

    try:
        template = Template.parse("{{json .}}" if text == "json" else text)
    except TemplateError as error:
        raise Failure(error.message, _BAD_TEMPLATE_STATUS) from None
    nested = {
        name: Struct(value, kind) if isinstance(value, dict) else value for name, value in document.items()
    }
    return template.execute(Struct(nested, kind)) + "\n"


VERSION = Command(_version, "", "Show the Ligan version information", (INSPECT_FORMAT,))


def _info(session: Session, options: Options) -> int:
    facts = session.engine.info()
    chosen = options.text("format")
    write(_by_template(chosen, facts, "system.dockerInfo") if chosen else _info_text(facts))
    return 0


def _info_text(facts: Mapping[str, Any]) -> str:
    own = facts["Ligan"]
    reason = f" Reason: {own['DriverReason']}\n" if own["DriverReason"] else ""
    budget = "none" if own["UndoBudget"] is None else human_size(own["UndoBudget"])
    return (
        f"Containers: {facts['Containers']}\n"
        f" Running: {facts['ContainersRunning']}\n"
        f" Paused: {facts['ContainersPaused']}\n"
        f" Stopped: {facts['ContainersStopped']}\n"
        f"Images: {facts['Images']}\n"
        f"Storage Driver: {facts['Driver']}\n"
        f"{reason}"
        f"Blobs: {own['Blobs']}\n"
        f" Size: {human_size(own['BlobBytes'])}\n"
        f" Compressed Layers: {human_size(own['CompressedBytes'])}\n"
        f" Disk Free: {human_size(own['FreeBytes'])}\n"
        f"Undo: {own['UndoEntries']} entries\n"
        f" Size: {human_size(own['UndoBytes'])}\n"
        f" Window: {human_duration(own['UndoWindow'] / SECOND)}\n"
        f" Disk Limit: {own['UndoDiskLimit'] * 100:g}%\n"
        f" Budget: {budget}\n"
        f"Kernel Version: {facts['KernelVersion']}\n"
        f"OSType: {facts['OSType']}\n"
        f"Architecture: {facts['Architecture']}\n"
        f"CPUs: {facts['NCPU']}\n"
        f"Name: {facts['Name']}\n"
        f"Ligan Root Dir: {facts['DockerRootDir']}\n"
        f"SQLite Version: {own['SQLite']}\n"
    )


INFO = Command(_info, "", "Display system-wide information", (INSPECT_FORMAT,), error_prefix=DAEMON)


def _fsck(session: Session, options: Options) -> int:
    faults = session.engine.fsck(repair=options.on("repair"), read_data=not options.on("quick"))
    write("".join([f"{fault}\n" for fault in faults]))
    if not faults:
        note("the store is sound")
        return 0
    if not options.on("repair") and any(fault.repairable for fault in faults):
        note("some of this can be repaired: ligan fsck --repair")
    if not all(fault.repairable for fault in faults):
        note("`ligan why` tells what stands on a damaged blob: delete that, then load or pull it again")
    return 1


FSCK = Command(
    _fsck,
    "",
    "Check the store: every row, file and byte",
    (
        Flag("quick", "Do not read the contents of blobs"),
        Flag("repair", "Repair what can be repaired without losing an image"),
    ),
)
