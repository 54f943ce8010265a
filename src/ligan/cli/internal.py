"""What Ligan runs beside containers: no commands for people, and in no help."""

from __future__ import annotations

from ligan.cli.commands import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session


def _cleanup(session: Session, options: Options) -> int:
    """Write down the end of a run that nobody watched, and restart the container where that is wanted."""
    session.engine.clean_up_container(options.arguments[0])
    return 0


def _health(session: Session, options: Options) -> int:
    """Check the health of a container until it stops."""
    session.engine.check_container(options.arguments[0])
    return 0


def _exec_ended(session: Session, options: Options) -> int:
    """Write down the end of a command that nobody waited for."""
    session.engine.end_exec(options.arguments[0])
    return 0


CLEANUP = Command(_cleanup, "CONTAINER", "Write down the end of a run", least=1, most=1)
HEALTH = Command(_health, "CONTAINER", "Check the health of a container", least=1, most=1)
EXEC_ENDED = Command(_exec_ended, "EXEC", "Write down the end of a command in a container", least=1, most=1)
