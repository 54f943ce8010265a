"""`system prune`: containers, networks, volumes where asked for, the build cache and images.

What a build keeps that an image has too, be it one that goes now, stays without `-a`: undo keeps it as well.
"""

from __future__ import annotations

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, Flag
from ligan.cli.output import Failure, write
from ligan.cli.removal import DRY_RUN, NOW_FLAG, agreed, prune_filters
from ligan.cli.reports import show_bytes, tell
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.build.cache import CachePruned
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.engine.role import Engine
    from ligan.images.removal import Row


def _prune(session: Session, options: Options) -> int:
    filters = options.filters()
    if options.on("volumes") and "until" in filters:
        raise Failure('ERROR: The "until" filter is not supported with "--volumes"')
    if not agreed(options, _warning(options)):
        return 0
    if options.on("dry-run"):
        return _rehearse(session.engine, options)
    freed = _prune_before_images(session.engine, options)
    cache = _prune_cache(session.engine, options)
    images = session.engine.prune_images(prune_filters(options), now=options.on("now"))
    _show_images(images.rows)
    _show_cache(cache)
    write(f"Total reclaimed space: {human_size(freed + images.diff_size + cache.bytes)}\n")
    tell(images.report)
    return 0


def _rehearse(engine: Engine, options: Options) -> int:
    with engine.rehearsal() as rehearsal:
        size = _prune_before_images(engine, options)
        cache = _prune_cache(engine, options)
        freed = rehearsal.freed()
        plan = engine.plan_prune(prune_filters(options), now=options.on("now"))
    _show_images(plan.rows)
    _show_cache(cache)
    write(f"Total reclaimed space: {human_size(size + plan.diff_size + cache.bytes)}\n")
    show_bytes(freed + plan.freed, plan.recoverable)
    return 0


def _prune_before_images(engine: Engine, options: Options) -> int:
    """Prune what holds images, and the rest; returns the bytes, as Docker counts them."""
    filters = options.filters()
    containers = engine.prune_containers(filters)
    freed = containers.size
    _show("Containers", containers.containers)
    _show("Networks", engine.prune_networks(filters))
    if options.on("volumes"):
        volumes, size = engine.prune_volumes({**filters, "all": ["false"]})
        _show("Volumes", volumes)
        freed += size
    return freed


def _prune_cache(engine: Engine, options: Options) -> CachePruned:
    return engine.prune_build_cache(options.filters(), everything=options.on("all"))


def _show_cache(pruned: CachePruned) -> None:
    _show("build cache objects", [record.id for record in pruned.removed])


def _show_images(rows: Sequence[Row]) -> None:
    _show("Images", [f"{row.kind.lower()}: {row.name}" for row in rows])


def _show(kind: str, names: list[str] | tuple[str, ...]) -> None:
    if names:
        write(f"Deleted {kind}:\n" + "".join([f"{name}\n" for name in names]) + "\n")


def _warning(options: Options) -> str:
    goes = ["all stopped containers", "all networks not used by at least one container"]
    if options.on("volumes"):
        goes.append("all anonymous volumes not used by at least one container")
    if options.on("all"):
        goes.append("all images without at least one container associated to them")
    else:
        goes.append("all dangling images")
    goes.append("unused build cache")
    lines = ["WARNING! This will remove:", *[f"  - {what}" for what in goes]]
    if options.values("filter"):
        lines += ["", "  Items to be pruned will be filtered with:"]
        lines += [f"  - {value}" for value in sorted(options.values("filter"))]
    return "\n".join(lines) + "\n"


PRUNE = Command(
    _prune,
    "",
    "Remove unused data",
    (
        Flag("all", "Remove all unused images not just dangling ones", "a"),
        DRY_RUN,
        Flag("filter", 'Provide filter values (e.g. "label=<key>=<value>")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
        NOW_FLAG,
        Flag("volumes", "Prune anonymous volumes"),
    ),
    error_prefix=DAEMON,
)
