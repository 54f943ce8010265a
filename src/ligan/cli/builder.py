"""`builder prune`: what builds have made and nobody uses goes off the disk."""

from __future__ import annotations

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, Flag
from ligan.cli.output import write
from ligan.cli.removal import confirmed
from ligan.cli.run_values import byte_count
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session


def _prune(session: Session, options: Options) -> int:
    which = "build cache" if options.on("all") else "dangling build cache"
    if not options.on("force") and not confirmed(f"WARNING! This will remove all {which}."):
        return 1
    pruned = session.engine.prune_build_cache(
        options.filters(), everything=options.on("all"), keep=options.read("keep-storage", byte_count, 0)
    )
    if pruned.removed:
        names = "".join([f"{record.id}\n" for record in pruned.removed])
        write(f"Deleted build cache objects:\n{names}\n")
    write(f"Total reclaimed space: {human_size(pruned.bytes)}\n")
    return 0


PRUNE = Command(
    _prune,
    "",
    "Remove build cache",
    (
        Flag("all", "Remove all unused build cache, not just dangling ones", "a"),
        Flag("filter", 'Provide filter values (e.g. "until=24h")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
        Flag("keep-storage", "Amount of disk space to keep for cache", kind="bytes"),
    ),
    error_prefix=DAEMON,
)
