"""`why`, `plan` and `apply`."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import FILTER, TEXT, Flag
from ligan.cli.output import Failure, write
from ligan.cli.removal import NOW_FLAG, prune_filters, show_arguments, show_rows
from ligan.cli.reports import local_minute, show_plan, tell, wants_json
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.insight.plan import Plan
    from ligan.insight.why import Why

_JSON = Flag("format", "Print in JSON format, for scripts, with 'json'", kind=TEXT)


def _why(session: Session, options: Options) -> int:
    found = session.engine.why(options.arguments[0])
    write(_why_json(found) if wants_json(options) else _why_text(found))
    return 0


def _why_text(found: Why) -> str:
    blocks = [f"{found.kind} {found.id}" + (f"\n{found.detail}" if found.detail else "")]
    holders = [(holder.kind, holder.name, holder.detail) for holder in found.holders if holder.blocks]
    if holders:
        blocks.append(tables.render_table(("HELD BY", "NAME", "DETAIL"), holders))
    else:
        blocks.append("Nothing holds it.")
    sharing = [holder for holder in found.holders if not holder.blocks]
    for title, kind in (("Images that share its layers", "sharing"), ("Kept in the build cache", "cache")):
        listed = [(holder.name, holder.detail) for holder in sharing if holder.kind == kind]
        if listed:
            blocks.append(f"{title}:\n" + _listed(listed))
    if found.former_names:
        former = [(item.name, f"until {local_minute(item.until)}") for item in found.former_names]
        blocks.append("Was called:\n" + _listed(former))
    if found.commands:
        commands = "".join([f"  {command}\n" for command in found.commands])
        blocks.append(f"To free {human_size(found.bytes)} ({found.bytes} bytes):\n{commands}")
    lines = "\n\n".join([block.rstrip("\n") for block in blocks]).splitlines()
    return "".join([f"{line.rstrip()}\n" for line in lines])


def _listed(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join([f"  {name:<{width}}   {detail}".rstrip() for name, detail in rows])


def _why_json(found: Why) -> str:
    import json

    document = {
        "kind": found.kind,
        "id": found.id,
        "holders": [
            {"kind": item.kind, "name": item.name, "detail": item.detail, "blocks": item.blocks}
            for item in found.holders
        ],
        "former_names": [{"name": item.name, "until": item.until} for item in found.former_names],
        "commands": list(found.commands),
        "bytes": found.bytes,
    }
    if found.detail:
        document["detail"] = found.detail
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


WHY = Command(
    _why,
    "IMAGE|LAYER|BLOB|CACHE",
    "Explain what holds an image, layer, blob or part of the build cache, and what would free it",
    (_JSON,),
    least=1,
    most=1,
)


def _plan_rmi(session: Session, options: Options) -> int:
    plan = session.engine.plan_removal(
        options.arguments,
        force=options.on("force"),
        prune_parents=not options.on("no-prune"),
        now=options.on("now"),
    )
    return _show_or_save(plan, options)


def _plan_prune(session: Session, options: Options) -> int:
    return _show_or_save(session.engine.plan_prune(prune_filters(options), now=options.on("now")), options)


def _show_or_save(plan: Plan, options: Options) -> int:
    from ligan.insight.plan import to_json

    as_json = wants_json(options)
    path = options.text("output")
    if path:
        from ligan.cli.files import new_file

        with new_file(path, "failed to save plan") as file:
            file.write(to_json(plan).encode())
    if not as_json:
        return show_plan(plan)
    write(to_json(plan))
    return 1 if plan.refused else 0


_PLAN_FLAGS = (
    _JSON,
    NOW_FLAG,
    Flag("output", "Write the plan to a file too, for `ligan apply`", "o", TEXT),
)

PLAN_RMI = Command(
    _plan_rmi,
    "IMAGE [IMAGE...]",
    "Show what `ligan rmi` would do",
    (
        *_PLAN_FLAGS,
        Flag("force", "Plan for a forced removal", "f"),
        Flag("no-prune", "Plan to keep untagged parents"),
    ),
    least=1,
    most=None,
)
PLAN_PRUNE = Command(
    _plan_prune,
    "",
    "Show what `ligan image prune` would do",
    (
        *_PLAN_FLAGS,
        Flag("all", "Plan for all unused images, not just dangling ones", "a"),
        Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', kind=FILTER),
    ),
)


def _apply(session: Session, options: Options) -> int:
    from ligan.insight.plan import from_json

    path = options.arguments[0]
    try:
        with open(path, encoding="utf-8") as file:
            plan = from_json(file.read())
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: not a plan: it is not UTF-8") from None
    outcome = session.engine.apply_plan(plan)
    if plan.verb == "prune":
        for argument in outcome.arguments:
            show_rows(argument.rows)
        status = 0
    else:
        status = show_arguments(session, outcome.arguments, force=plan.force)
    tell(outcome.report)
    return status


APPLY = Command(
    _apply, "FILE", "Do exactly what a saved plan says, or nothing if the store has changed", least=1, most=1
)
