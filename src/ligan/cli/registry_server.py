"""`registry serve`."""

from __future__ import annotations

from ligan.cli.commands import Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import Failure
from ligan.cli.registry_folder import ROOT, root_of, undo_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session


def _serve(session: Session, options: Options) -> int:
    import gc
    import logging
    import sys

    gc.enable()  # the script of a short command turns it off
    from ligan.cli.serve import seconds
    from ligan.registry.serving import serve

    root = root_of(options)
    host, colon, port = options.text("listen").rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise Failure(f"--listen: {options.text('listen')!r} is not an address such as 127.0.0.1:5000")
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    policy = undo_policy(session, window=options.text("undo-window"))
    serve(root, host.strip("[]"), int(port), seconds(options.text("stop-timeout")), policy)
    return 0


SERVE = Command(
    _serve,
    "",
    "Serve the OCI distribution specification from a folder",
    (
        Flag("listen", "Where to listen", kind=TEXT, default="127.0.0.1:5000"),
        ROOT,
        Flag("stop-timeout", "How long a stop waits for requests under way", kind=TEXT, default="10s"),
        Flag(
            "undo-window",
            "How long deletes can be undone; 0 frees at once\n(default: the setting undo_window)",
            kind=TEXT,
        ),
    ),
)
