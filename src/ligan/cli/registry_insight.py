"""`registry show` and `why`: what an image is made of, and what holds its bytes."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import Failure, write
from ligan.cli.registry_folder import ROOT, Folder
from ligan.cli.reports import local_minute, wants_json
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.explaining import Holder, Why
    from ligan.registry.showing import Image, Repository, Row

JSON_FLAG = Flag("format", "Print in JSON format, for scripts, with 'json'", kind=TEXT)


def _why(_session: Session, options: Options) -> int:
    from ligan.registry.explaining import why

    with Folder(options) as folder:
        found = why(folder.index.read(), options.arguments[0])
        commands = []
        if found.removals:
            commands.append(folder.again(f"rm --now {' '.join(found.removals)}"))
        if found.entries:
            commands.append(folder.again(f"reclaim {' '.join(map(str, found.entries))}"))
        if not found.holders:
            commands.append(folder.again("prune"))
    write(_json(found, commands=commands) if wants_json(options) else _why_text(found, commands))
    return 0


def _why_text(found: Why, commands: Sequence[str]) -> str:
    rows = [(holder.kind, _name(holder.name), _detail(holder)) for holder in found.holders]
    listed = "".join([f"  {command}\n" for command in commands])
    return _lines(
        f"{found.kind} {found.digest}",
        tables.render_table(("HELD BY", "NAME", "DETAIL"), rows) if rows else "Nothing holds it.",
        f"To free {human_size(found.size)} ({found.size} bytes):\n{listed}",
    )


def _name(name: str) -> str:
    """Return a name with a digest that people can read: `app@sha256:0123456789ab`."""
    repository, at, digest = name.partition("@")
    return f"{repository}@{digest[:19]}" if at else name


def _detail(holder: Holder) -> str:
    until = f"until {local_minute(holder.until)}" if holder.until else ""
    return ", ".join(filter(None, (holder.detail, until)))


WHY = Command(
    _why,
    "DIGEST",
    "Explain what holds a blob or manifest, and what would free it",
    (JSON_FLAG, ROOT),
    least=1,
    most=1,
)


def _show(session: Session, options: Options) -> int:
    from ligan.registry.showing import show_image, show_repository

    text = options.arguments[0]
    name, at, digest = text.partition("@")
    repository, colon, tag = name.partition(":")
    if at and colon:
        raise Failure(f"{text}: name a tag or a digest, not both")
    with Folder(options) as folder:
        tx = folder.index.read()
        if at or colon:
            image = show_image(tx, repository, digest or tag)
            write(_json(image) if wants_json(options) else _image_text(image, tag, session.now()))
        else:
            found = show_repository(tx, repository)
            write(_json(found) if wants_json(options) else _repository_text(found, session.now()))
    return 0


def _repository_text(found: Repository, now: int) -> str:
    untagged = sum(not each.tags for each in found.manifests)
    facts = [
        ("Tags", str(sum(len(each.tags) for each in found.manifests))),
        ("Manifests", f"{len(found.manifests)}" + (f" ({untagged} untagged)" if untagged else "")),
        ("Uploads", str(found.uploads)),
        ("Leases", str(found.leases)),
        ("Kept for undo", f"{human_size(found.held)}, undo entries: {found.entries}"),
    ]
    return _lines(found.name, _facts(facts), _manifests(found.manifests, now))


def _image_text(image: Image, tag: str, now: int) -> str:
    size = f"{human_size(image.bytes)} ({image.bytes} bytes), {human_size(image.alone)} needed by it alone"
    facts = [
        ("Tags", ", ".join(image.tags)),
        ("Media type", image.media_type),
        ("Artifact type", image.artifact_type),
        ("Pushed", f"{human_duration((now - image.pushed) // SECOND)} ago"),
        ("Size", size),
        ("Part of", ", ".join(image.parents)),
        ("Subject", image.subject),
        ("Referrers", ", ".join(image.referrers)),
    ]
    parts = [(each.digest, human_size(each.size), ", ".join(each.elsewhere)) for each in image.parts]
    blocks = [f"{image.repository}@{image.digest}", _facts(facts)]
    blocks.append(tables.render_table(("BLOB", "SIZE", "ALSO IN"), parts))
    if image.children:
        blocks.append(_manifests(image.children, now))
    if len(image.history) > 1:
        rows = [(digest, local_minute(at)) for digest, at in image.history]
        blocks.append(f"{tag} was:\n{tables.render_table(('DIGEST', 'LAST PUSHED'), rows)}")
    return _lines(*blocks)


def _manifests(rows: Sequence[Row], now: int) -> str:
    cells = [
        (
            each.digest,
            ", ".join(each.tags) or "<none>",
            human_size(each.bytes),
            f"{human_duration((now - each.pushed) // SECOND)} ago",
        )
        for each in rows
    ]
    return tables.render_table(("MANIFEST", "TAGS", "SIZE", "PUSHED"), cells)


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    given = [(f"{name}:", value) for name, value in facts if value]
    width = max(len(name) for name, _value in given) + 2
    return "\n".join([f"{name:<{width}}{value}" for name, value in given])


def _lines(*blocks: str) -> str:
    lines = "\n\n".join([block.rstrip("\n") for block in blocks]).splitlines()
    return "".join([f"{line.rstrip()}\n" for line in lines])


def _json(found: Any, **more: Any) -> str:
    import json

    return json.dumps(_plain(found) | more, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: records are objects with the names of their fields."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    fields = getattr(type(value), "_fields", None)
    return value if fields is None else {field: _plain(getattr(value, field)) for field in fields}


SHOW = Command(
    _show,
    "REPOSITORY[:TAG|@DIGEST]",
    "Show what a repository or an image is made of, and what it shares",
    (JSON_FLAG, ROOT),
    least=1,
    most=1,
)
