"""`registry rm`, `plan`, `undo` and `reclaim`: deletes that are foretold, and can be taken back."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import FORMAT, Flag
from ligan.cli.output import Failure, flush, note, write, write_error
from ligan.cli.registry_folder import ROOT, Folder, undo_policy
from ligan.cli.registry_insight import JSON_FLAG
from ligan.cli.removal import NOW_FLAG
from ligan.cli.reports import local_minute, wants_json
from ligan.cli.undo import entry_numbers
from ligan.cli.units import SECOND, human_duration, human_size
from ligan.errors import LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.keeping import Deletion, Report
    from ligan.registry.planning import Plan
    from ligan.registry.undoing import UndoEntry

_ARGUMENTS = "REPOSITORY[:TAG|@DIGEST] [REPOSITORY[:TAG|@DIGEST]...]"


def _remove(session: Session, options: Options) -> int:
    if options.on("dry-run"):
        return _show_plan(session, options, options.arguments)
    from ligan.registry.deleting import carry_out
    from ligan.registry.keeping import Deletion

    policy = undo_policy(session, now=options.on("now"))
    with Folder(options) as folder:
        folder.prepare_to_write(session)
        with folder.index.write() as tx:
            deletion = Deletion(tx, folder.storage, policy, session.command, session.now())
            refused = _remove_each(deletion, options.arguments)
            report = deletion.finish()
        _show_rows(report)
        flush()  # to unlink thousands of images takes seconds
        carry_out(folder.index, folder.storage)
        _show_refused(refused)
        _tell(folder, report, session.now())
    return 1 if refused else 0


def _remove_each(deletion: Deletion, arguments: Sequence[str]) -> list[LiganError]:
    """Remove what each argument names. Returns the refusals; what is refused changes nothing."""
    refused: list[LiganError] = []
    for argument in arguments:
        try:
            _remove_one(deletion, argument)
        except LiganError as error:
            refused.append(error)
    return refused


def _remove_one(deletion: Deletion, argument: str) -> None:
    from ligan.registry.asking import read_digest
    from ligan.registry.faults import ManifestUnknown

    name, at, digest = argument.partition("@")
    repository, colon, tag = name.partition(":")
    if at and colon:
        raise Failure(f"{argument}: name a tag or a digest, not both")
    if colon:
        deletion.of(repository).remove_tag(tag)
    elif not at:
        deletion.of(repository).remove_everything()
    else:
        removal, wanted = deletion.of(repository), read_digest(digest)
        try:
            removal.remove_digest(wanted)
        except ManifestUnknown as unknown:
            from ligan.registry.faults import BlobUnknown

            try:
                removal.remove_blob(wanted)
            except BlobUnknown:
                raise unknown from None


def _show_rows(report: Report) -> None:
    deleted = report.deleted
    lines = [f"Untagged: {name}" for name in deleted.tags]
    lines += [f"Deleted: {name}" for name in deleted.manifests]
    write("".join([f"{line}\n" for line in lines]))


def _show_refused(refused: Sequence[LiganError]) -> None:
    if refused:
        write_error("".join([f"{error.message}\n" for error in refused]))
    for error in refused:
        note(error.hint)


def _tell(folder: Folder, report: Report, now: int) -> None:
    """Say what is freed, what waits for what, and how to have it otherwise."""
    from ligan.registry.keeping import NOW

    deleted = report.deleted
    if report.entry is not None:
        size = f"{human_size(deleted.held)} " if deleted.held else ""
        free = f"; free it now: {folder.again(f'reclaim {report.entry}')}" if deleted.held else ""
        back = folder.again(f"undo {report.entry}")
        note(f"{size}kept for undo until {local_minute(report.until)}; bring it back: {back}{free}")
    elif report.reason == NOW:
        note(f"{human_size(deleted.freed)} freed")
    elif report.reason:
        note(f"{human_size(deleted.freed)} freed, nothing kept for undo: {report.reason}")
    if report.entry is None and deleted.held:
        until = local_minute(deleted.held_until)
        note(f"{human_size(deleted.held)} are kept until {until} for the undo of deletes before")
    if deleted.leased:
        wait = human_duration(max(0, deleted.until - now) // SECOND)
        note(f"{human_size(deleted.leased)} more within {wait}: a push may be using them")


REMOVE = Command(
    _remove,
    _ARGUMENTS,
    "Delete images, while the registry runs or not; their bytes are kept for undo, or freed at once",
    (Flag("dry-run", "Show what would be deleted and how many bytes; change nothing"), NOW_FLAG, ROOT),
    least=1,
    most=None,
)


def _plan(session: Session, options: Options) -> int:
    verb, *arguments = options.arguments
    if verb != "rm":
        raise Failure(f'there is no plan for "{verb}": only for rm')
    return _show_plan(session, options, arguments)


def _show_plan(session: Session, options: Options, arguments: Sequence[str]) -> int:
    from ligan.registry.planning import plan_deletion

    policy = undo_policy(session, now=options.on("now"))
    with Folder(options) as folder:
        folder.settle(session)
        plan, refused = plan_deletion(
            folder.index, folder.storage, policy, session.now(), lambda each: _remove_each(each, arguments)
        )
    if options.given("format") and wants_json(options):
        write(_plan_json(plan, refused))
        return 1 if refused else 0
    _show_rows(plan.report)
    write("".join([f"Refused: {error.message}\n" for error in refused]))
    if not plan.report.deleted.tags and not plan.report.deleted.blobs:
        write("Nothing would be deleted.\n")
    _show_blobs(plan)
    if plan.report.reason and not policy.now:
        note(f"nothing would be kept for undo: {plan.report.reason}")
    return 1 if refused else 0


_WORDS = {"freed": "freed", "leased": "leased to a push", "held": "kept for undo", "shared": "stays"}


def _show_blobs(plan: Plan) -> None:
    deleted = plan.report.deleted
    if deleted.blobs:
        rows = [
            (
                each.digest.removeprefix("sha256:")[:12],
                human_size(each.size),
                _WORDS[each.state],
                ", ".join(plan.holders.get(each.digest, ())),
            )
            for each in deleted.blobs
        ]
        table = tables.render_table(("BLOB", "SIZE", "BECOMES", "HELD BY"), rows)
        write("\n" + "".join([f"{line.rstrip()}\n" for line in table.splitlines()]))
    amounts = (("Freed at once", deleted.freed), ("Leased", deleted.leased), ("Kept for undo", deleted.held))
    write("\n" + "".join([f"{name + ':':<15} {size} bytes ({human_size(size)})\n" for name, size in amounts]))


def _plan_json(plan: Plan, refused: Sequence[LiganError]) -> str:
    import json

    report = plan.report
    document = {
        "untagged": list(report.deleted.tags),
        "deleted": list(report.deleted.manifests),
        "refused": [error.message for error in refused],
        "blobs": [
            {
                "digest": each.digest,
                "size": each.size,
                "becomes": each.state,
                "until": each.until,
                "held_by": list(plan.holders.get(each.digest, ())),
            }
            for each in report.deleted.blobs
        ],
        "freed": report.deleted.freed,
        "leased": report.deleted.leased,
        "held": report.deleted.held,
        "reason": report.reason,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


PLAN = Command(
    _plan,
    f"rm {_ARGUMENTS}",
    "Show exactly what a delete would do, blob by blob, and do nothing",
    (JSON_FLAG, NOW_FLAG, ROOT),
    least=2,
    most=None,
)

_ENTRY_HEADERS = {
    "ID": "ENTRY",
    "Since": "WHEN",
    "Until": "KEPT UNTIL",
    "Size": "FREES",
    "Tags": "TAGS",
    "Manifests": "MANIFESTS",
    "Command": "COMMAND",
}


def _undo(session: Session, options: Options) -> int:
    from ligan.registry.restoring import restore
    from ligan.registry.undoing import newest, plan_restore

    if options.on("list"):
        return _list_entries(session, options)
    keys = entry_numbers(options.arguments, "ligan registry")
    force, dry = options.on("force"), options.on("dry-run")
    with Folder(options) as folder:
        index, storage = folder.index, folder.storage
        if dry:
            folder.settle(session)
            tx = index.read()
            restored = plan_restore(tx, storage, keys[0] if keys else newest(tx), force=force)
        else:
            folder.prepare_to_write(session)
            now = session.now()
            until = now + undo_policy(session).window
            key = keys[0] if keys else newest(index.read())
            restored = restore(index, storage, key, session.command, until, now, force=force)
    moved = dict(restored.moved)
    lines = [f"Restored: {name}" for name in (*restored.manifests, *restored.blobs)]
    lines += [f"Already there: {name}" for name in restored.merged]
    lines += [f"{'Moved back' if name in moved else 'Tagged'}: {name}" for name in restored.tags]
    write("".join([f"{line}\n" for line in lines]))
    note(f"{'would undo' if dry else 'undone'}: {restored.command}")
    return 0


def _list_entries(session: Session, options: Options) -> int:
    from ligan.registry.undoing import entries

    with Folder(options) as folder:
        found = entries(folder.index.read())
    now = session.now()
    write(
        tables.render(
            options.text("format"),
            columns=("ID", "Since", "Until", "Size", "Command"),
            headers=_ENTRY_HEADERS,
            rows=[_entry_row(entry, now) for entry in found],
            context="registry.entryContext",
        )
    )
    return 0


def _entry_row(entry: UndoEntry, now: int) -> dict[str, str]:
    return {
        "ID": str(entry.key),
        "Since": f"{human_duration((now - entry.at) // SECOND)} ago",
        "Until": local_minute(entry.until),
        "Size": human_size(entry.bytes),
        "Tags": ",".join(entry.tags),
        "Manifests": ",".join(entry.manifests),
        "Command": entry.command,
    }


UNDO = Command(
    _undo,
    "[ENTRY]",
    "Bring back what the last delete, or that of an entry, removed",
    (
        Flag("dry-run", "Show what would come back; change nothing"),
        Flag("force", "Take tags back from the images that have them now", "f"),
        FORMAT,
        Flag("list", "List what can be brought back", "l"),
        ROOT,
    ),
    most=1,
)


def _reclaim(session: Session, options: Options) -> int:
    from ligan.registry.keeping import due_entries, reclaim
    from ligan.registry.planning import plan_reclaim
    from ligan.registry.undoing import entries

    keys, everything = entry_numbers(options.arguments, "ligan registry"), options.on("all")
    if keys and everything:
        raise Failure("name entries or give --all, not both")
    with Folder(options) as folder:
        index, storage = folder.index, folder.storage
        if everything:
            keys = [entry.key for entry in entries(index.read())]
        if options.on("dry-run"):
            folder.settle(session)
            due = due_entries(index.read(), session.now())
            freed = plan_reclaim(index, storage, [*dict.fromkeys([*due, *keys])])
            write(f"Freed at once:  {freed} bytes ({human_size(freed)})\n")
            return 0
        freed = folder.prepare_to_write(session)
        alive = {entry.key for entry in entries(index.read())}
        freed += reclaim(index, storage, [key for key in keys if key in alive or not everything])
        write(f"Total reclaimed space: {human_size(freed)}\n")
        left = len(entries(index.read()))
        if left and not keys:
            listing, all_of_them = folder.again("undo --list"), folder.again("reclaim --all")
            note(f"{left} undo entries are not due yet: {listing}; free all: {all_of_them}")
    return 0


RECLAIM = Command(
    _reclaim,
    "[ENTRY...]",
    "Free what undo keeps: entries that are due, or those named",
    (
        Flag("all", "Free every entry", "a"),
        Flag("dry-run", "Show how many bytes would go; free nothing"),
        ROOT,
    ),
    most=None,
)
