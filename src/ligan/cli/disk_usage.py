"""`system df`: what images, containers and volumes take (golden f_prune_df)."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FORMAT, Flag
from ligan.cli.listing import NONE, image_names, image_row
from ligan.cli.output import note, write
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.build.cache import CacheRecord
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.containers.listing import ContainerSummary
    from ligan.images.usage import DiskUsage, ImageUsage

    Cells = tables.Row

_HEADERS = {
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
_CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
_VOLUME_HEADERS = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}

_CACHE_HEADERS = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "UsageCount": "USAGE",
    "Shared": "SHARED",
}


def _df(session: Session, options: Options) -> int:
    chosen = options.text("format")
    usage = session.engine.disk_usage()
    containers = session.engine.list_containers({}, show_all=True, size=True)
    volumes = session.engine.volume_usage()
    cache = session.engine.build_cache()
    if options.on("verbose"):
        images, now = session.engine.image_usage(), session.now() // SECOND
        write(_verbose(images, containers, volumes, cache, chosen, now))
    else:
        write(
            tables.render(
                chosen,
                columns=tuple(_HEADERS),
                headers=_HEADERS,
                rows=_rows(usage, containers, volumes, cache),
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


def _rows(
    usage: DiskUsage,
    containers: Sequence[ContainerSummary],
    volumes: Sequence[Mapping[str, Any]],
    cache: Sequence[CacheRecord],
) -> list[dict[str, str]]:
    running = [item for item in containers if item.state in ("running", "paused", "restarting")]
    used = [volume for volume in volumes if volume["UsageData"]["RefCount"]]
    written, kept = (sum([item.size_rw or 0 for item in items]) for items in (containers, running))
    held, needed = (sum([item["UsageData"]["Size"] for item in items]) for items in (volumes, used))
    cached = _cache_size(cache)
    busy = [item for item in cache if item.in_use]
    rows = (
        ("Images", usage.images, usage.active_images, usage.layers_size, usage.reclaimable),
        ("Containers", len(containers), len(running), written, written - kept),
        ("Local Volumes", len(volumes), len(used), held, held - needed),
        ("Build Cache", len(cache), len(busy), cached, cached - _cache_size(busy)),
    )
    return [dict(zip(_HEADERS, _cells(*row), strict=True)) for row in rows]


def _cache_size(cache: Sequence[CacheRecord]) -> int:
    """Return the bytes of what no image has too."""
    return sum([item.size for item in cache if not item.shared])


def _cells(kind: str, count: int, active: int, size: int, reclaimable: int) -> tuple[str, ...]:
    share = f" ({reclaimable * 100 // size}%)" if size else ""
    return kind, str(count), str(active), human_size(size), human_size(reclaimable) + share


def _verbose(
    images: Sequence[ImageUsage],
    containers: Sequence[ContainerSummary],
    volumes: Sequence[Mapping[str, Any]],
    cache: Sequence[CacheRecord],
    chosen: str,
    now: int,
) -> str:
    from ligan.cli import ps

    whole = chosen not in ("", "table")
    # What the layers below hold is told of the image.
    writable = [item.replace(size_root=None) for item in containers]
    parts: dict[str, Sequence[Cells]] = {
        "Images": [_image_row(item, now, whole=whole) for item in images],
        "Containers": ps.rows(writable, now, whole=whole),
        "Volumes": [_volume_row(volume) for volume in volumes],
        "BuildCache": [_cache_row(item, now, whole=whole) for item in cache],
    }
    if whole:
        return _by_template(parts, chosen)
    image_table = _table(parts["Images"], _IMAGE_HEADERS, "formatter.imageContext")
    headers = {column: ps.HEADERS[column] for column in _CONTAINER_COLUMNS}
    container_table = _table(parts["Containers"], headers, "formatter.ContainerContext")
    volume_table = _table(parts["Volumes"], _VOLUME_HEADERS, "formatter.volumeContext")
    cache_table = _table(parts["BuildCache"], _CACHE_HEADERS, "formatter.buildCacheContext")
    return (
        f"Images space usage:\n\n{image_table}\nContainers space usage:\n\n{container_table}\n"
        f"Local Volumes space usage:\n\n{volume_table}\n"
        f"Build cache usage: {human_size(_cache_size(cache))}\n\n{cache_table}\n"
    )


def _table(rows: Sequence[Cells], headers: Mapping[str, str], context: str) -> str:
    return tables.render("", columns=tuple(headers), headers=headers, rows=rows, context=context)


def _by_template(parts: Mapping[str, Sequence[Cells]], chosen: str) -> str:
    from ligan.cli.templates import Row, Struct, Template

    contexts = (
        "formatter.imageContext",
        "formatter.ContainerContext",
        "formatter.volumeContext",
        "formatter.buildCacheContext",
    )
    document: dict[str, Any] = {
        name: [Row(row, context) for row in rows]
        for (name, rows), context in zip(parts.items(), contexts, strict=True)
    }
    template = Template.parse("{{json .}}" if chosen == "json" else chosen)
    return template.execute(Struct(document, "formatter.diskUsageContext")) + "\n"


def _image_row(item: ImageUsage, now: int, *, whole: bool) -> Cells:
    """Return the row of an image: docker shows one name only, and no digest."""
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


def _cache_row(item: CacheRecord, now: int, *, whole: bool) -> Cells:
    used = item.last_used // SECOND
    return {
        "ID": (item.id if whole else item.id[:12]) + ("*" if item.in_use else ""),
        "Parent": item.parent if whole else item.parent[:12],
        "CacheType": item.kind,
        "Description": item.description,
        "Size": human_size(item.size),
        "CreatedSince": f"{human_duration(now - item.created // SECOND)} ago",
        "LastUsedSince": f"{human_duration(now - used)} ago" if item.uses else "",
        "UsageCount": str(item.uses + 1),
        "InUse": "true" if item.in_use else "false",
        "Shared": "true" if item.shared else "false",
    }


def _volume_row(volume: Mapping[str, Any]) -> Cells:
    return {
        "Name": volume["Name"],
        "Driver": volume["Driver"],
        "Scope": volume["Scope"],
        "Mountpoint": volume["Mountpoint"],
        "Labels": ",".join([f"{key}={value}" for key, value in (volume["Labels"] or {}).items()]),
        "Links": str(volume["UsageData"]["RefCount"]),
        "Size": human_size(volume["UsageData"]["Size"]),
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
