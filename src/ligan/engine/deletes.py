"""Delete, plan, undo and reclaim: one transaction each.

A dry run and the act share `_prepare` and `_prepare_prune`: what differs is the
end of the transaction, so that a plan cannot differ from the act.
"""

from __future__ import annotations

from ligan.errors import Invalid, LiganError
from ligan.images.catalog import is_id_argument, remember_name, resolve
from ligan.images.events import record
from ligan.images.facts import all_facts, apply, removal_facts
from ligan.images.removal import (
    Decision,
    RemovalPlan,
    RemovalRequest,
    decide_each,
    decide_prune,
)
from ligan.images.selection import prune_candidates
from ligan.insight import outcome, undo
from ligan.insight.bytes import freed_bytes, held_bytes
from ligan.insight.outcome import ArgumentOutcome, PruneOutcome, RemovalOutcome, Report, UndoOutcome
from ligan.insight.plan import Plan, PlanOutdated, Refused, changes_between
from ligan.oci.reference import familiar
from ligan.store import failpoints
from ligan.store.reclaim import drop_deletion, due_deletions, held_by_undo
from ligan.store.recover import recover
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.store import Store

    Result = TypeVar("Result")
    Filters = Mapping[str, Sequence[str]]


class _Prepared(Value):
    """All that a delete needs to be shown, compared or applied; `reason` is empty if undo keeps it."""

    decisions: tuple[Decision, ...]
    removal: RemovalPlan
    freed: int
    recoverable: int
    reason: str


def remove(
    store: Store, names: Sequence[str], command: str, *, force: bool, prune_parents: bool, now: bool
) -> RemovalOutcome:
    """Delete each argument in turn; what is refused is part of the outcome."""
    with store.database.write() as tx:
        prepared = _prepare(tx, store, names, force=force, prune_parents=prune_parents, now=now)
        report = _apply(tx, store, prepared, command)
    _finish(store, report)
    return RemovalOutcome(_arguments(names, prepared.decisions), report)


def prune(store: Store, filters: Filters, command: str, *, now: bool) -> PruneOutcome:
    """Delete what nothing uses."""
    with store.database.write() as tx:
        prepared = _prepare_prune(tx, store, filters, now=now)
        report = _apply(tx, store, prepared, command)
        _record_prune(tx, store, prepared)
    _finish(store, report)
    return PruneOutcome(prepared.removal.rows, prepared.removal.diff_size, report)


def plan_removal(store: Store, names: Sequence[str], *, force: bool, prune_parents: bool, now: bool) -> Plan:
    return _as_the_act_finds_it(
        store,
        lambda tx: _plan(tx, store, "rmi", names, {}, force=force, prune_parents=prune_parents, now=now)[0],
    )


def plan_prune(store: Store, filters: Filters, *, now: bool) -> Plan:
    return _as_the_act_finds_it(
        store, lambda tx: _plan(tx, store, "prune", (), filters, force=False, prune_parents=True, now=now)[0]
    )


def _as_the_act_finds_it(store: Store, work: Callable[[ReadTransaction], Result]) -> Result:
    """Return what `work` finds in the store, and change nothing: a verb begins by dropping what is due."""
    database = store.database
    with database.read() as tx:
        due = due_deletions(tx, store.now())
        if not due or not database.is_writable:
            return work(tx)
    with database.write() if database.is_rehearsing else database.rehearse() as rehearsal:
        for key in due:
            drop_deletion(rehearsal, store.layout, key)
        return work(rehearsal)


def apply_plan(store: Store, plan: Plan, command: str) -> RemovalOutcome:
    """Do exactly what the plan says. Raises PlanOutdated, and does nothing, where the store moved on."""
    with store.database.write() as tx:
        today, prepared = _plan(
            tx,
            store,
            plan.verb,
            plan.arguments,
            plan.filters,
            force=plan.force,
            prune_parents=plan.prune_parents,
            now=plan.now,
        )
        changes = changes_between(plan, today)
        if changes:
            raise PlanOutdated(changes)
        report = _apply(tx, store, prepared, command)
        if plan.verb == "prune":
            _record_prune(tx, store, prepared)
    _finish(store, report)
    if plan.verb == "prune":
        return RemovalOutcome((ArgumentOutcome("", prepared.removal.rows, None),), report)
    return RemovalOutcome(_arguments(plan.arguments, prepared.decisions), report)


def _prepare(
    tx: ReadTransaction, store: Store, names: Sequence[str], *, force: bool, prune_parents: bool, now: bool
) -> _Prepared:
    requests: list[RemovalRequest | LiganError] = []
    targets = []
    for name in names:
        try:
            found = resolve(tx, name)
        except LiganError as error:
            requests.append(error)
            continue
        # A name that is also a prefix of its image's ID is taken for the ID (engine 20.10, isImageIDPrefix).
        reference = "" if is_id_argument(name, found.image.id) else found.reference
        requests.append(RemovalRequest(name, found.image.id, reference, force, prune_parents))
        targets.append(found.image.key)
    decisions, removal = decide_each(removal_facts(tx, targets), requests)
    return _prepared(tx, store, decisions, removal, now=now)


def _prepare_prune(tx: ReadTransaction, store: Store, filters: Filters, *, now: bool) -> _Prepared:
    candidates, dangling_only = prune_candidates(tx, filters, store.now())
    removal = decide_prune(all_facts(tx), candidates, dangling_only=dangling_only)
    return _prepared(tx, store, (), removal, now=now)


def _prepared(
    tx: ReadTransaction, store: Store, decisions: tuple[Decision, ...], removal: RemovalPlan, *, now: bool
) -> _Prepared:
    reason = _reason(store, removal, now=now)
    if not reason:
        held = held_bytes(tx, removal)
        if not _over_budget(tx, store, held):
            return _Prepared(decisions, removal, 0, held, outcome.KEPT)
        reason = outcome.BUDGET
    return _Prepared(decisions, removal, freed_bytes(tx, images=removal.images), 0, reason)


def _reason(store: Store, removal: RemovalPlan, *, now: bool) -> str:
    """Say why nothing is kept for undo, or return KEPT. Names take no room: a full disk loses none."""
    if not removal:
        return outcome.KEPT
    if now:
        return outcome.NOW
    if not store.policy.window:
        return outcome.NO_WINDOW
    if removal.images and store.used_share() > store.policy.disk_limit:
        return outcome.DISK_FULL
    return outcome.KEPT


def _over_budget(tx: ReadTransaction, store: Store, held: int) -> bool:
    budget = store.policy.budget
    return budget is not None and held > 0 and held_by_undo(tx) + held > budget


def _apply(tx: WriteTransaction, store: Store, prepared: _Prepared, command: str) -> Report:
    """Write the rows of a delete: with its undo entry, or with its paths in the outbox."""
    now = store.now()
    if not prepared.removal:
        return Report(0, 0, None, None, outcome.KEPT)
    if prepared.reason:
        apply(tx, store.layout, prepared.removal, now, None)
        return Report(prepared.freed, 0, None, None, prepared.reason)
    until = now + store.policy.window
    deletion = tx.insert("INSERT INTO deletion (command, at, until) VALUES (?, ?, ?)", (command, now, until))
    apply(tx, store.layout, prepared.removal, now, deletion)
    return Report(0, prepared.recoverable, deletion, until, outcome.KEPT)


def _record_prune(tx: WriteTransaction, store: Store, prepared: _Prepared) -> None:
    record(tx, store.now(), "prune", "", {"reclaimed": str(prepared.removal.diff_size)})


def _finish(store: Store, report: Report) -> None:
    failpoints.hit("removal.done")
    if report.reason:
        store.sweep()


def _arguments(names: Sequence[str], decisions: Sequence[Decision]) -> tuple[ArgumentOutcome, ...]:
    return tuple(
        ArgumentOutcome(name, decision.rows, decision.error)
        for name, decision in zip(names, decisions, strict=True)
    )


def _plan(
    tx: ReadTransaction,
    store: Store,
    verb: str,
    names: Sequence[str],
    filters: Filters,
    *,
    force: bool,
    prune_parents: bool,
    now: bool,
) -> tuple[Plan, _Prepared]:
    """Return what a command would do now, in words and ready to be applied."""
    from ligan.insight.why import what_stays  # only who plans asks

    if verb == "prune":
        prepared = _prepare_prune(tx, store, filters, now=now)
    else:
        prepared = _prepare(tx, store, names, force=force, prune_parents=prune_parents, now=now)
    refused = [
        Refused(name, decision.error.message)
        for name, decision in zip(names, prepared.decisions, strict=False)
        if decision.error
    ]
    plan = Plan(
        verb=verb,
        arguments=tuple(names),
        filters={key: list(values) for key, values in filters.items()},
        force=force,
        prune_parents=prune_parents,
        now=now,
        rows=prepared.removal.rows,
        refused=tuple(refused),
        stays=what_stays(tx, prepared.removal),
        diff_size=prepared.removal.diff_size,
        freed=prepared.freed,
        recoverable=prepared.recoverable,
        reason=prepared.reason,
    )
    return plan, prepared


def plan_undo(store: Store, key: int | None, *, force: bool) -> UndoOutcome:
    """Return what undo_deletion would bring back now, or raise as it would."""

    def look(tx: ReadTransaction) -> UndoOutcome:
        entry, command = _undo_entry(tx, key)
        return _undo_outcome(entry, command, undo.plan_restore(tx, entry, force=force), None)

    return _as_the_act_finds_it(store, look)


def undo_deletion(store: Store, key: int | None, command: str, *, force: bool) -> UndoOutcome:
    """Bring back an undo entry, the newest if no key is given.

    With `force` names are taken back from the images that have them now, under an entry of their own.
    """
    now = store.now()
    with store.database.write() as tx:
        entry, said = _undo_entry(tx, key)
        restored = undo.restore(tx, store.layout, entry, now, force=force)
        report = _entry_of_moved_names(tx, store, restored, command) if restored.moved else None
    failpoints.hit("undo.done")
    store.sweep()
    return _undo_outcome(entry, said, restored, report)


def _undo_entry(tx: ReadTransaction, key: int | None) -> tuple[int, str]:
    """Return the entry that is meant, and the command that made it."""
    entry = undo.newest(tx) if key is None else key
    if entry is None:
        raise undo.NoSuchEntry(None)
    return entry, tx.value("SELECT command FROM deletion WHERE key = ?", (entry,)) or ""


def _undo_outcome(entry: int, command: str, restored: undo.Restored, report: Report | None) -> UndoOutcome:
    return UndoOutcome(
        entry=entry,
        command=command,
        images=restored.images,
        merged=restored.merged,
        references=tuple(map(familiar, restored.names)),
        moved=tuple(familiar(name) for name, _image in restored.moved),
        report=report,
    )


def _entry_of_moved_names(
    tx: WriteTransaction, store: Store, restored: undo.Restored, command: str
) -> Report:
    now = store.now()
    until = now + store.policy.window
    deletion = tx.insert("INSERT INTO deletion (command, at, until) VALUES (?, ?, ?)", (command, now, until))
    for name, image in restored.moved:
        tx.execute(
            "INSERT INTO deletion_reference (deletion, name, image, since) VALUES (?, ?, ?, ?)",
            (deletion, name, image, now),
        )
        remember_name(tx, name, image, now)
    return Report(0, 0, deletion, until, outcome.KEPT)


def reclaim(store: Store, keys: Sequence[int], *, drop_all: bool) -> int:
    """Drop the named undo entries, or all, or those whose time is over. Returns the bytes freed."""
    recover(store.database, store.layout)  # not the store's own, which would drop what is due uncounted
    with store.database.read() as tx:
        entries = _entries(tx, store, keys, drop_all=drop_all)
    return store.drop(entries)


def plan_reclaim(store: Store, keys: Sequence[int], *, drop_all: bool) -> int:
    """Return the bytes that reclaim would free, and drop nothing."""
    with store.database.read() as tx:
        return freed_bytes(tx, entries=_entries(tx, store, keys, drop_all=drop_all))


def _entries(tx: ReadTransaction, store: Store, keys: Sequence[int], *, drop_all: bool) -> list[int]:
    """Return the undo entries that a reclaim means. Raises Invalid, or NoSuchEntry for a number of none."""
    if keys and drop_all:
        raise Invalid("name undo entries, or give --all, not both")
    known = tx.column("SELECT key FROM deletion ORDER BY key")
    for key in keys:
        if key not in known:
            raise undo.NoSuchEntry(key)
    return list(dict.fromkeys(keys)) if keys else known if drop_all else due_deletions(tx, store.now())
