"""Plans: exactly what a delete would do, to be shown, saved, and applied later."""

from __future__ import annotations

from ligan.errors import Conflict, Invalid, LiganError
from ligan.images.removal import UNTAGGED, Row
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 2


class Refused(Value):
    """An argument that would be refused, with the words of the refusal."""

    argument: str
    message: str


class Stays(Value):
    """An image that would only lose names, and what would hold it: `tag app:2`, `child 0123456789ab`."""

    image: str
    loses: tuple[str, ...]
    holders: tuple[str, ...]


class Plan(Value):
    """What a command would do. `verb` is `rmi` or `prune`; the rest of the command is in the next fields.

    `freed` and `recoverable` are physical bytes; `reason` says why nothing would
    be kept for undo, empty if all would. `diff_size` is Docker's SpaceReclaimed.
    The holders in `stays` explain, and are no part of what is done: a plan is not outdated by them.
    """

    verb: str
    arguments: tuple[str, ...]
    filters: dict[str, list[str]]
    force: bool
    prune_parents: bool
    now: bool
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]
    diff_size: int
    freed: int
    recoverable: int
    reason: str
    stays: tuple[Stays, ...]


class PlanOutdated(Conflict):
    """The store is no longer as the plan saw it."""

    def __init__(self, changes: list[str]) -> None:
        super().__init__(
            "the store has changed since the plan was made: " + "; ".join(changes),
            "Nothing was deleted. Make a new plan.",
        )
        self.changes = changes


def changes_between(old: Plan, new: Plan) -> list[str]:
    """Say in words what differs between a saved plan and what the command would do today."""
    before, after = set(old.rows), set(new.rows)
    changes = [f"it would no longer say {row}" for row in old.rows if row not in after]
    changes += [f"it would also say {row}" for row in new.rows if row not in before]
    if not changes and old.rows != new.rows:
        changes.append("the order of its rows differs")
    if old.refused != new.refused:
        changes += [
            f"{item.argument} would be refused: {item.message}"
            for item in new.refused
            if item not in old.refused
        ]
        changes += [
            f"{item.argument} would no longer be refused" for item in old.refused if item not in new.refused
        ]
    changes += [f"{name} means another image now" for name in _moved_names(old, new)]
    if (old.freed, old.recoverable) != (new.freed, new.recoverable):
        changes.append(
            f"it would free {new.freed} bytes and keep {new.recoverable} for undo, "
            f"not {old.freed} and {old.recoverable}"
        )
    elif new.reason and not old.reason:
        changes.append(f"nothing would be kept for undo: {new.reason}")
    return changes


def _moved_names(old: Plan, new: Plan) -> list[str]:
    """Return the names that both take away, one of them from an image that stays, and not from the same."""
    names = {row.name for row in set(old.rows).intersection(new.rows) if row.kind == UNTAGGED}
    before, after = ({name: item.image for item in plan.stays for name in item.loses} for plan in (old, new))
    return sorted(
        name for name in names & (before.keys() | after.keys()) if before.get(name) != after.get(name)
    )


def to_json(plan: Plan) -> str:
    """Return the plan as an indented JSON document, ending in a newline."""
    import json

    document: dict[str, Any] = {"format": FORMAT}
    for field in Plan._fields:
        document[field] = getattr(plan, field)
    document["rows"] = [{row.kind: row.name} for row in plan.rows]
    document["refused"] = [{"argument": item.argument, "message": item.message} for item in plan.refused]
    document["stays"] = [
        {"image": item.image, "loses": item.loses, "holders": item.holders} for item in plan.stays
    ]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str) -> Plan:
    """Read what to_json wrote. Raises Invalid for anything else."""
    import json

    try:
        document = _object(json.loads(text))
        if document.pop("format") != FORMAT:
            raise Invalid("the plan was written by another version of Ligan", "Make a new plan.")
        rows = tuple(Row(*item) for row in _list(document.pop("rows")) for item in row.items())
        refused = tuple(Refused(**item) for item in _list(document.pop("refused")))
        arguments = tuple(_list(document.pop("arguments")))
        stays = tuple(
            Stays(item["image"], tuple(_list(item["loses"])), tuple(_list(item["holders"])))
            for item in _list(document.pop("stays"))
        )
        plan = Plan(rows=rows, refused=refused, arguments=arguments, stays=stays, **document)
        _check(plan)
    except LiganError:
        raise
    except KeyError as error:
        raise Invalid(f"not a plan: it lacks {error}", _HINT) from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"not a plan: {error}", _HINT) from None
    return plan


_HINT = "`ligan plan rmi` and `ligan plan prune` write plans, with -o FILE."


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value


def _check(plan: Plan) -> None:
    """Raise TypeError where a field is not of the type it is declared with, Invalid for another verb."""
    texts = [plan.verb, plan.reason, *plan.arguments]
    texts += [text for row in (*plan.rows, *plan.refused) for text in row._astuple()]
    texts += [text for item in plan.stays for text in (item.image, *item.loses, *item.holders)]
    texts += [value for values in plan.filters.values() for value in _list(values)]
    for kind, values in (
        (str, texts),
        (bool, [plan.force, plan.prune_parents, plan.now]),
        (int, [plan.diff_size, plan.freed, plan.recoverable]),
    ):
        for value in values:
            if type(value) is not kind:
                raise TypeError(f"{value!r:.40} is not a {kind.__name__}")
    if plan.verb not in ("rmi", "prune"):
        raise Invalid("not a plan: it names no known verb", _HINT)
