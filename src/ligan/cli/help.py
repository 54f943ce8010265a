"""Help texts, laid out as docker lays out its own."""

from __future__ import annotations

from ligan.cli.commands import COMMANDS, GROUPS, load, names_of
from ligan.cli.flags import BOOL, INTEGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ligan.cli.commands import Command
    from ligan.cli.flags import Flag

WIDTH = 80

_SECTIONS = (
    (
        "Common Commands",
        ("run", "exec", "ps", "build", "images", "pull", "push", "load", "save", "rmi", "info"),
    ),
    ("Insight Commands", ("why", "plan", "apply", "undo", "reclaim", "pin", "unpin", "pins")),
    (
        "Management Commands",
        ("builder", "container", "image", "manifest", "network", "registry", "system", "volume"),
    ),
)


def command_help(words: str, width: int = WIDTH) -> str:
    command = load(words)
    blocks = [usage_line(words, command), command.summary]
    names = names_of(words)
    if len(names) > 1:
        blocks.append("Aliases:\n  " + ", ".join(f"ligan {name}" for name in names))
    if command.flags:
        blocks.append("Options:\n" + flag_lines(command.flags, width))
    return "\n\n".join(blocks) + "\n"


def group_help(group: str) -> str:
    prefix = f"{group} "
    rows = {words.removeprefix(prefix): load(words).summary for words in COMMANDS if words.startswith(prefix)}
    return (
        f"Usage:  ligan {group} COMMAND\n\n{GROUPS[group]}\n\nCommands:\n{_table(sorted(rows.items()))}\n\n"
        f"Run 'ligan {group} COMMAND --help' for more information on a command.\n"
    )


def root_help(flags: Sequence[Flag], width: int = WIDTH) -> str:
    blocks = [
        "Usage:  ligan [OPTIONS] COMMAND",
        "Container images whose deletes you can predict, explain and undo",
    ]
    listed = {name for _, names in _SECTIONS for name in names}
    rest = sorted(name for name in COMMANDS if " " not in name and name not in listed)
    for title, names in (*_SECTIONS, ("Commands", rest)):
        rows = [(name, GROUPS.get(name) or load(name).summary) for name in names]
        blocks.append(f"{title}:\n{_table(rows)}")
    blocks.append("Global Options:\n" + flag_lines(flags, width))
    blocks.append("Run 'ligan COMMAND --help' for more information on a command.")
    return "\n\n".join(blocks) + "\n"


def usage_line(words: str, command: Command) -> str:
    options = "[OPTIONS]" if command.flags else ""
    return " ".join(filter(None, (f"Usage:  ligan {words}", options, command.usage)))


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {name:<10}  {summary.splitlines()[0]}" for name, summary in rows)


def flag_lines(flags: Iterable[Flag], width: int) -> str:
    """Return one aligned entry a flag, sorted by name, its help wrapped to the width."""
    ordered = sorted([flag for flag in flags if flag.help], key=lambda flag: flag.name)
    heads = [
        (f"  -{flag.short}, " if flag.short else "      ")
        + (f"--{flag.name}" if flag.kind == BOOL else f"--{flag.name} {flag.kind}")
        for flag in ordered
    ]
    column = max(map(len, heads)) + 3
    return "\n".join(
        head.ljust(column) + _wrap(column, width, _described(flag))
        for head, flag in zip(heads, ordered, strict=True)
    )


def _described(flag: Flag) -> str:
    if flag.kind == BOOL:
        return f"{flag.help} (default true)" if flag.default == "true" else flag.help
    default = flag.default if flag.kind == INTEGER else f'"{flag.default}"'
    return f"{flag.help} (default {default})" if flag.default else flag.help


_OVERHANG = 5
_TOO_NARROW = 24


def _wrap(column: int, width: int, text: str) -> str:
    """Wrap as pflag does: a line may run over by the overhang if that ends the text."""
    room = width - column - _OVERHANG
    if room < _TOO_NARROW:
        return text.replace("\n", "\n" + " " * column)
    lines = []
    while text:
        line, text = _split(text, room)
        lines += line.split("\n")
    return ("\n" + " " * column).join(lines)


def _split(text: str, room: int) -> tuple[str, str]:
    """Split at the last newline that fits, else at the last blank."""
    if len(text) < room + _OVERHANG:
        return text, ""
    head = text[:room]
    newline, blank = head.rfind("\n"), head.rfind(" ")
    cut = newline if newline > 0 else blank
    return (text[:cut], text[cut + 1 :]) if cut > 0 else (text, "")
