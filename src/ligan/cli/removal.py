"""`rmi` and `image prune`."""

from __future__ import annotations

import sys

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, Flag
from ligan.cli.output import flush, note, write, write_error
from ligan.cli.reports import show_bytes, show_plan, tell
from ligan.cli.units import human_size
from ligan.errors import Conflict, LiganError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.images.removal import Row
    from ligan.insight.outcome import ArgumentOutcome

DRY_RUN = Flag("dry-run", "Show what would be deleted and how many bytes go; delete nothing")
NOW_FLAG = Flag("now", "Free the bytes at once; keep nothing for undo")


def _rmi(session: Session, options: Options) -> int:
    names = options.arguments
    force, prune, now = options.on("force"), not options.on("no-prune"), options.on("now")
    if options.on("dry-run"):
        plan = session.engine.plan_removal(names, force=force, prune_parents=prune, now=now)
        return show_plan(plan)
    outcome = session.engine.remove_images(names, force=force, prune_parents=prune, now=now)
    status = show_arguments(session, outcome.arguments, force=force)
    tell(outcome.report)
    return status


def show_arguments(session: Session, arguments: Sequence[ArgumentOutcome], *, force: bool) -> int:
    """Print the rows of each argument, then all errors, then Ligan's hints. Returns the exit status.

    With `force` an image that is not there is told, but is no failure (golden c_two_tags).
    """
    for argument in arguments:
        show_rows(argument.rows)
    refused = [(argument.argument, argument.error) for argument in arguments if argument.error]
    if not refused:
        return 0
    write_error("".join([f"{DAEMON}{error.message}\n" for _, error in refused]))
    for name, error in refused:
        note(error.hint)
        if isinstance(error, Conflict):
            _explain_conflict(session, name)
    return 0 if force and all(isinstance(error, NotFound) for _, error in refused) else 1


def _explain_conflict(session: Session, name: str) -> None:
    note(f"see what holds it: ligan why {name}")
    try:
        commands = session.engine.why(name).commands
    except LiganError:
        return  # a hint must not turn one error into two
    if commands:
        note(f"what would free it: {' && '.join(commands)}")


def show_rows(rows: Sequence[Row]) -> None:
    write("".join([f"{row}\n" for row in rows]))


RMI = Command(
    _rmi,
    "IMAGE [IMAGE...]",
    "Remove one or more images",
    (
        DRY_RUN,
        Flag("force", "Force removal of the image", "f"),
        Flag("no-prune", "Do not delete untagged parents"),
        NOW_FLAG,
    ),
    least=1,
    most=None,
    error_prefix=DAEMON,
)

_WARNINGS = {
    False: "WARNING! This will remove all dangling images.",
    True: "WARNING! This will remove all images without at least one container associated to them.",
}


def _prune(session: Session, options: Options) -> int:
    everything = options.on("all")
    filters = prune_filters(options)
    if options.on("dry-run"):
        return show_plan(session.engine.plan_prune(filters, now=options.on("now")))
    if not agreed(options, _WARNINGS[everything]):
        return 0
    outcome = session.engine.prune_images(filters, now=options.on("now"))
    if outcome.rows:
        rows = "".join([f"{row.kind.lower()}: {row.name}\n" for row in outcome.rows])
        write(f"Deleted Images:\n{rows}\n")
    write(f"Total reclaimed space: {human_size(outcome.diff_size)}\n")
    tell(outcome.report)
    return 0


def prune_filters(options: Options) -> dict[str, list[str]]:
    """Return the filters of a prune; docker adds its own beside a `dangling` that was typed."""
    filters = options.filters()
    dangling = "false" if options.on("all") else "true"
    values = filters.setdefault("dangling", [])
    if dangling not in values:
        values.append(dangling)
    return filters


def agreed(options: Options, warning: str) -> bool:
    """Return whether a prune may go on: nobody is asked who forces it, or tries it only."""
    return options.on("force") or options.on("dry-run") or confirmed(warning)


def rehearsable(run: Callable[[Session, Options], int]) -> Callable[[Session, Options], int]:
    """Give a command `--dry-run`: it says all that it would, and how many bytes would go."""

    def either(session: Session, options: Options) -> int:
        if not options.on("dry-run"):
            return run(session, options)
        with session.engine.rehearsal() as rehearsal:
            status = run(session, options)
            freed = rehearsal.freed()
        show_bytes(freed, 0)
        return status

    return either


def confirmed(warning: str) -> bool:
    write(f"{warning}\nAre you sure you want to continue? [y/N] ")
    flush()
    return sys.stdin.readline().strip() in ("y", "Y")


PRUNE = Command(
    _prune,
    "",
    "Remove unused images",
    (
        Flag("all", "Remove all unused images, not just dangling ones", "a"),
        DRY_RUN,
        Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', kind=FILTER),
        Flag("force", "Do not prompt for confirmation", "f"),
        NOW_FLAG,
    ),
    error_prefix=DAEMON,
)
