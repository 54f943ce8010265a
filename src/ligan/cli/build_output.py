"""`build --output`: where the result goes."""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.build.bases import Made
    from ligan.build.request import BuildOutcome
    from ligan.build.solver import Build
    from ligan.cli.flags import Options

    Export = Callable[[Build, Made], BuildOutcome]


def exporter(options: Options) -> Export | None:
    """Return what gives the result out; None for the store. Raises Failure."""
    return None
