"""`undo`, `reclaim`, `pin`, `unpin` and `pins`: what a delete may take, and for how long it can come back."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import FORMAT, TEXT, Flag
from ligan.cli.output import Failure, note, write
from ligan.cli.reports import local_minute, tell
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.images.pins import Pin
    from ligan.insight.undo import UndoEntry

_ENTRY_HEADERS = {
    "ID": "ENTRY",
    "Since": "WHEN",
    "Until": "KEPT UNTIL",
    "Size": "FREES",
    "Images": "IMAGES",
    "Names": "NAMES",
    "Command": "COMMAND",
}


def _undo(session: Session, options: Options) -> int:
    if options.on("list"):
        return _list_entries(session, options)
    if len(options.arguments) > 1:
        raise Failure("one entry at a time: undo them newest first")
    keys, dry = entry_numbers(options.arguments), options.on("dry-run")
    verb = session.engine.plan_undo if dry else session.engine.undo
    outcome = verb(keys[0] if keys else None, force=options.on("force"))
    merged, moved = set(outcome.merged), set(outcome.moved)
    lines = [f"Restored: {image}" for image in outcome.images if image not in merged]
    lines += [f"Already there: {image}" for image in outcome.merged]
    lines += [f"{'Moved back' if name in moved else 'Tagged'}: {name}" for name in outcome.references]
    write("".join([f"{line}\n" for line in lines]))
    note(f"{'would undo' if dry else 'undone'}: {outcome.command}")
    if outcome.report is not None:
        tell(outcome.report)
    return 0


def _list_entries(session: Session, options: Options) -> int:
    now = session.now()
    write(
        tables.render(
            options.text("format"),
            columns=("ID", "Since", "Until", "Size", "Command"),
            headers=_ENTRY_HEADERS,
            rows=[_entry_row(entry, now) for entry in session.engine.undo_entries()],
            context="undo.entryContext",
        )
    )
    return 0


def _entry_row(entry: UndoEntry, now: int) -> dict[str, str]:
    return {
        "ID": str(entry.key),
        "Since": f"{human_duration((now - entry.at) // SECOND)} ago",
        "Until": local_minute(entry.until),
        "Size": human_size(entry.bytes),
        "Images": ",".join(entry.images),
        "Names": ",".join(entry.references),
        "Command": entry.command,
    }


def entry_numbers(words: list[str], program: str = "ligan") -> list[int]:
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 19):
            raise Failure(f'"{word}" is not the number of an undo entry: see {program} undo --list')
    return [int(word) for word in words]


UNDO = Command(
    _undo,
    "[ENTRY]",
    "Bring back what the last delete, or that of an entry, removed",
    (
        Flag("dry-run", "Show what would come back; change nothing"),
        Flag("force", "Take names back from the images that have them now", "f"),
        FORMAT,
        Flag("list", "List what can be brought back", "l"),
    ),
    most=1,
)


def _reclaim(session: Session, options: Options) -> int:
    keys = entry_numbers(options.arguments)
    if keys and options.on("all"):
        raise Failure("name entries or give --all, not both")
    if options.on("dry-run"):
        freed = session.engine.plan_reclaim(keys, drop_all=options.on("all"))
        write(f"Freed at once:  {freed} bytes ({human_size(freed)})\n")
        return 0
    freed = session.engine.reclaim(keys, drop_all=options.on("all"))
    write(f"Total reclaimed space: {human_size(freed)}\n")
    if not keys and not options.on("all"):
        kept = session.engine.undo_entries()
        if kept:
            note(
                f"{len(kept)} undo entries are not due yet: ligan undo --list; free all: ligan reclaim --all"
            )
    return 0


RECLAIM = Command(
    _reclaim,
    "[ENTRY...]",
    "Free what undo keeps: entries that are due, or those named",
    (
        Flag("all", "Free every entry", "a"),
        Flag("dry-run", "Show how many bytes would go; free nothing"),
    ),
    most=None,
)


def _pin(session: Session, options: Options) -> int:
    for target in options.arguments:
        write(f"{session.engine.pin(target, options.text('reason'))}\n")
    return 0


PIN = Command(
    _pin,
    "IMAGE|GLOB [IMAGE|GLOB...]",
    "Protect images from every delete, by name, glob over names, or ID",
    (Flag("reason", "Say why, for `ligan pins`", "r", TEXT),),
    least=1,
    most=None,
)


def _unpin(session: Session, options: Options) -> int:
    for pattern in options.arguments:
        session.engine.unpin(pattern)
        write(f"{pattern}\n")
    return 0


UNPIN = Command(_unpin, "PIN [PIN...]", "Take pins away", least=1, most=None)


def _pins(session: Session, options: Options) -> int:
    write(
        tables.render(
            options.text("format"),
            columns=("Pattern", "Since", "Reason"),
            headers={"Pattern": "PIN", "Since": "SINCE", "Reason": "REASON"},
            rows=[_pin_row(pin, session.now()) for pin in session.engine.pins()],
            context="pins.pinContext",
        )
    )
    return 0


def _pin_row(pin: Pin, now: int) -> dict[str, str]:
    return {
        "Pattern": pin.pattern,
        "Since": f"{human_duration((now - pin.since) // SECOND)} ago",
        "Reason": pin.reason,
    }


PINS = Command(_pins, "", "List pins", (FORMAT,))
