"""`serve`: the Docker Engine API on a socket."""

from __future__ import annotations

import os

from ligan.cli.commands import Command
from ligan.cli.flags import LIST, Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session


def _serve(session: Session, options: Options) -> int:
    import asyncio

    import uvloop

    from ligan.api.bridge import Bridge
    from ligan.api.server import serve
    from ligan.cli.settings import read_policy
    from ligan.engine.embedded import open_engine

    root, policy = session.root, read_policy(session.environ)
    open_engine(root, policy).close()  # a store that cannot be used is told here, not to the first client
    hosts = options.values("host") or [_default_host(session)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Bridge(lambda: open_engine(root, policy)), hosts))
    return 0


def _default_host(session: Session) -> str:
    if os.geteuid() == 0:
        return "unix:///run/ligan.sock"
    return f"unix://{session.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'}/ligan.sock"


SERVE = Command(
    _serve,
    "",
    "Answer the Docker Engine API",
    (Flag("host", "Where to listen", "H", LIST),),
)
