"""What Ligan runs beside containers: no command for people, and in no help."""

from __future__ import annotations

from ligan.cli.commands import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.store.store import Store


def _cleanup(session: Session, options: Options) -> int:
    """Write down the end of a run that nobody watched, and restart the container where that is wanted."""
    from ligan.containers.supervising import clean_up

    clean_up(_store(session), options.arguments[0])
    return 0


def _health(session: Session, options: Options) -> int:
    """Check the health of a container until it stops."""
    from ligan.containers.checking import check

    check(_store(session), options.arguments[0])
    return 0


def _exec_ended(session: Session, options: Options) -> int:
    """Write down the end of a command that nobody waited for."""
    from ligan.containers.execs import ended

    ended(_store(session), options.arguments[0])
    return 0


def _store(session: Session) -> Store:
    """Return the store itself: these are no verbs of the engine. The process ends with its use."""
    from ligan.cli.settings import read_policy
    from ligan.store.layout import Layout
    from ligan.store.store import Store

    return Store(Layout(session.root), read_policy(session.environ))


CLEANUP = Command(_cleanup, "CONTAINER", "Write down the end of a run", least=1, most=1)
HEALTH = Command(_health, "CONTAINER", "Check the health of a container", least=1, most=1)
EXEC_ENDED = Command(_exec_ended, "EXEC", "Write down the end of a command in a container", least=1, most=1)
