"""From words to a command and an exit status.

Exit statuses are docker's: 0, 1 for a refusal, 125 for flags that cannot be
read, 64 for a template that cannot be parsed. Ligan adds 70 for its own
faults. Nobody ever sees a traceback who did not set LIGAN_DEBUG=1.
"""

from __future__ import annotations

import os

from ligan.cli.output import (
    BROKEN_PIPE_STATUS,
    INTERNAL_STATUS,
    INTERRUPTED_STATUS,
    USAGE_STATUS,
    Failure,
    Unwritable,
    discard,
    flush,
    legible,
    note,
    write,
    write_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.cli.commands import Command
    from ligan.cli.flags import Flag, Options


def main(words: Sequence[str]) -> int:
    """Run one command. Returns its exit status; raises nothing."""
    try:
        status = 0
        if words in (["--version"], ["-v"]):
            _print_version()
        else:
            status = _run(words)
        flush()
    except Unwritable as failure:
        discard()
        return _report(str(failure), "", failure.status)
    except Failure as failure:
        return _report(str(failure), "", failure.status)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        discard()
        return BROKEN_PIPE_STATUS
    except Exception as error:  # noqa: BLE001 - the last line of defence: a message instead of a traceback
        return _internal_error(error)
    return status


def _print_version() -> None:
    from ligan import __version__

    write(f"ligan version {__version__}\n")


def _run(words: Sequence[str]) -> int:
    from ligan.cli import flags

    root_flags = _root_flags()
    try:
        options = flags.parse(root_flags, words, interspersed=False)
    except flags.FlagError as error:
        return _usage_error(f"{error}", "Usage:  ligan [OPTIONS] COMMAND [ARG...]", "ligan", USAGE_STATUS)
    if options.on("version"):
        _print_version()
        return 0
    rest = options.arguments
    if options.on("help") or (rest and rest[0] == "help"):
        return _help(rest[1:] if rest and rest[0] == "help" else rest)
    if not rest:
        from ligan.cli.help import root_help

        write_error(root_help(root_flags))
        return 0
    if options.given("root") and not options.text("root"):
        # What an unset variable leaves: the system's store is not what was meant.
        raise Failure("--root names no folder")
    return _dispatch(rest, options.text("root"))


def _root_flags() -> tuple[Flag, ...]:
    from ligan.cli.flags import TEXT, Flag

    return (
        Flag("root", "Folder of the image store\n(default: $LIGAN_ROOT, else that of the user)", kind=TEXT),
        Flag("version", "Print version information and quit", "v"),
    )


def _dispatch(words: Sequence[str], root: str) -> int:
    from ligan.cli.commands import COMMANDS, GROUPS, INTERNAL, load

    name = _command_name(words)
    if name in COMMANDS or name in INTERNAL:
        count = name.count(" ") + 1
        return _invoke(name, load(name), words, words[count:], root)
    if words[0] not in GROUPS:
        return _usage_error(f"ligan: unknown command: ligan {words[0]}", "", "ligan", 1)
    return _group(words[0], words[1:])


def _command_name(words: Sequence[str]) -> str:
    """Return the name of the command that the first words mean, or of nothing at all."""
    from ligan.cli.commands import ALIASES, GROUPS

    if words[0] not in GROUPS:
        return words[0]
    name = " ".join(words[:2])
    return ALIASES.get(name, name)


def _group(group: str, rest: Sequence[str]) -> int:
    """Answer a group that was named without one of its commands."""
    from ligan.cli import flags
    from ligan.cli.help import group_help

    usage, name = f"Usage:  ligan {group}", f"ligan {group}"
    try:
        options = flags.parse((), rest)
    except flags.FlagError as error:
        return _usage_error(str(error), usage, name, USAGE_STATUS)
    if options.on("help"):
        write(group_help(group))
        return 0
    if options.arguments:
        return _usage_error(f"ligan: unknown command: {name} {options.arguments[0]}", usage, name, 1)
    write_error(group_help(group))
    return 0


def _invoke(name: str, command: Command, words: Sequence[str], rest: Sequence[str], root: str) -> int:
    from ligan.cli import flags

    try:
        options = flags.parse(command.flags, rest, interspersed=command.interspersed)
    except flags.FlagError as error:
        return _command_error(str(error), name, command, USAGE_STATUS)
    if options.on("help"):
        from ligan.cli.help import command_help

        write(command_help(name))
        return 0
    problem, hint = _count_problem(command, len(options.arguments))
    if problem:
        return _command_error(f"ligan: 'ligan {name}' {problem}", name, command, 1, hint)
    return _execute(name, command, options, words, root)


def _execute(name: str, command: Command, options: Options, words: Sequence[str], root: str) -> int:
    from ligan.cli import flags
    from ligan.cli.session import Session
    from ligan.errors import LiganError

    _arm_failpoints()
    session = Session(words, root, os.environ)
    try:
        return command.run(session, options)
    except flags.FlagError as error:
        return _command_error(str(error), name, command, USAGE_STATUS)
    except LiganError as error:
        # Errors live beside their raiser: those of the command line itself are no daemon's.
        own = type(error).__module__.startswith("ligan.cli.")
        return _report(f"{'' if own else command.error_prefix}{error.message}", error.hint, 1)
    finally:
        session.close()


def _arm_failpoints() -> None:
    points = os.environ.get("LIGAN_FAILPOINTS")
    if points:
        from ligan.store import failpoints

        try:
            failpoints.arm(points)
        except ValueError as error:
            raise Failure(f"LIGAN_FAILPOINTS: {error}") from None


def _count_problem(command: Command, count: int) -> tuple[str, str]:
    """Say as docker does what is wrong with the number of arguments, and its word for the way to the help."""
    least, most = command.least, command.most
    plural = "" if least == 1 else "s"
    if most == 0 and count:
        return "accepts no arguments", "Run"
    if most == least and count != least:
        return f"requires {least} argument{plural}", "Run"
    if count < least:
        return f"requires at least {least} argument{plural}", "See"
    if most is not None and count > most:
        return f"requires at most {most} argument{'' if most == 1 else 's'}", "Run"
    return "", ""


def _command_error(message: str, name: str, command: Command, status: int, hint: str = "Run") -> int:
    from ligan.cli.help import usage_line

    return _usage_error(message, usage_line(name, command), f"ligan {name}", status, hint)


def _usage_error(message: str, usage: str, name: str, status: int, hint: str = "Run") -> int:
    blocks = (message, usage, f"{hint} '{name} --help' for more information")
    write_error("\n\n".join(filter(None, blocks)) + "\n")
    return status


def _help(words: Sequence[str]) -> int:
    from ligan.cli.commands import COMMANDS, GROUPS
    from ligan.cli.help import command_help, group_help, root_help

    if not words:
        write(root_help(_root_flags()))
        return 0
    name = _command_name(words)
    if name in COMMANDS and len(words) == name.count(" ") + 1:
        write(command_help(name))
    elif name in GROUPS:
        write(group_help(name))
    else:
        raise Failure(f"unknown help topic: {' '.join(words)}")
    return 0


def _report(message: str, hint: str, status: int) -> int:
    write_error(f"{legible(message)}\n")
    note(legible(hint))
    return status


def _internal_error(error: Exception) -> int:
    if os.environ.get("LIGAN_DEBUG") == "1":
        import traceback

        write_error(traceback.format_exc())
    note(
        f"internal error: {type(error).__name__}: {error}\n"
        "This is a fault of Ligan. Please report it with what `LIGAN_DEBUG=1` adds, and the command."
    )
    return INTERNAL_STATUS
