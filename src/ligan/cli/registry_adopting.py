"""`registry adopt` and `prune`: taking over what another registry has stored, and what it has left behind."""

from __future__ import annotations

from ligan.cli.commands import Command
from ligan.cli.flags import Flag
from ligan.cli.output import note, write
from ligan.cli.registry_folder import ROOT, Folder, again, root_of, staying_text, undo_policy
from ligan.cli.units import SECOND, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.verifying import Report

_PROGRESS_SECONDS = 2


def _adopt(session: Session, options: Options) -> int:
    import os

    from ligan.registry.index.database import open_index
    from ligan.registry.recovery import lock_registry, open_registry, recover
    from ligan.registry.usage import totals

    storage = open_registry(root_of(options))
    lock = lock_registry(storage)
    index = open_index(storage.index)
    try:
        taken = recover(index, storage, session.now(), noting_progress(session))
        tx = index.read()
        manifests, blobs, tags = (
            tx.value(f"SELECT COUNT(*) FROM {table}") for table in ("manifest", "blob", "tag")
        )
        size = sum(each.bytes for each in totals(tx, storage))
        unused = next(each for each in totals(tx, storage) if each.name == "Unused blobs")
    finally:
        index.close()
        os.close(lock)
    write(
        f"New manifests: {taken.new}\nDeleted manifests: {taken.gone}\nChanged tags: {taken.moved}\n"
        f"In all: {manifests} manifests, {tags} tags, {blobs} blobs of {human_size(size)}\n"
    )
    if taken.mended:
        note(
            f"made the folder _layers in {taken.mended} repositories: "
            "without it registry:2's garbage collector takes their images away"
        )
    if unused.number:
        prune = again("prune", storage.root)
        note(f"{human_size(unused.bytes)} in {unused.number} blobs that nothing uses: {prune}")
    return 0


def noting_progress(session: Session) -> Report:
    """Return what says on standard error how far the taking in of a folder is, now and then."""
    last = session.now()

    def report(done: int, repositories: int, manifests: int) -> None:
        nonlocal last
        if session.now() - last > _PROGRESS_SECONDS * SECOND:
            last = session.now()
            note(f"took in {done} of {repositories} repositories, {manifests} manifests")

    return report


ADOPT = Command(
    _adopt,
    "",
    "Take over the folder of a registry:2 that does not run, as it is\n"
    "`ligan registry serve` does it too. Later runs take over what has changed since",
    (ROOT,),
)


def _prune(session: Session, options: Options) -> int:
    from ligan.registry.deleting import carry_out
    from ligan.registry.keeping import Deletion, drop, due_entries
    from ligan.registry.untagged import remove_unheld, remove_unnamed, remove_untagged

    dry, staying = options.on("dry-run"), 0
    policy = undo_policy(session, now=True)
    with Folder(options) as folder:
        folder.settle(session)
        with folder.index.rehearse() if dry else folder.index.write() as tx:
            drop(tx, folder.storage, due_entries(tx, session.now()))
            deletion = Deletion(tx, folder.storage, policy, session.command, session.now())
            for key, name in tx.all("SELECT key, name FROM repository ORDER BY name"):
                removal = deletion.of(name)
                now = session.now()
                if options.on("untagged"):
                    staying += remove_untagged(tx, removal, key, now, served=folder.is_served)
                remove_unnamed(tx, removal, key, now)
            report = deletion.finish()
            freed = report.deleted.freed + remove_unheld(tx, folder.storage)
        if not dry:
            carry_out(folder.index, folder.storage)
    write("".join([f"Deleted: {digest}\n" for digest in report.deleted.manifests]))
    note(f"{'would free' if dry else 'freed'} {human_size(freed)}")
    if staying:
        note(staying_text(staying))
    return 0


PRUNE = Command(
    _prune,
    "",
    "Free what no manifest names, and registry:2 has left behind",
    (
        Flag("dry-run", "Show what would be freed; change nothing"),
        Flag(
            "untagged",
            "Delete images too that no tag leads to, neither by an index nor as what a signature signs",
        ),
        ROOT,
    ),
)
