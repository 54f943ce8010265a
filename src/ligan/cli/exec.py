"""`exec`: a command beside the container's own, with this process's streams."""

from __future__ import annotations

import os

from ligan.cli import terminal
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import LIST, TEXT, Flag
from ligan.cli.output import flush, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_CANNOT_RUN = 126


def _exec(session: Session, options: Options) -> int:
    from ligan.cli.run_request import environment
    from ligan.containers.execs import ExecRequest
    from ligan.containers.failures import RuntimeFailed, StartFailed

    name, *command = options.arguments
    engine, tty, detach = session.engine, options.on("tty"), options.on("detach")
    stdin = options.on("interactive") and not detach
    terminal.check_tty(stdin=stdin, tty=tty)
    keys = terminal.detach_keys(options.text("detach-keys"), tty=tty)
    engine.inspect_container(name)  # docker's client asks first: its error is the one that is shown
    request = ExecRequest(
        command=tuple(command),
        environment=tuple(environment(options, session.environ)),
        user=options.text("user"),
        working_dir=options.text("workdir"),
        tty=tty,
        stdin=stdin,
        stdout=not detach,
        stderr=not detach,
        privileged=options.on("privileged"),
        detach_keys=options.text("detach-keys"),
    )
    instance = engine.create_exec(name, request)
    try:
        attachment = engine.start_exec(instance, detach=detach)
    except (StartFailed, RuntimeFailed) as error:
        if detach:
            raise
        write(f"{error.message}\r\n")  # as docker: it is what the command printed (golden k_containers)
        return _CANNOT_RUN
    if attachment is None:
        return 0
    flush()
    with terminal.Raw(tty and stdin) as raw:

        def detached() -> None:
            raw.__exit__()
            os._exit(0)

        if tty:

            def resize(height: int, width: int) -> None:
                with session.again() as apart:
                    apart.engine.resize_exec(instance, height, width)

            terminal.follow_size(resize)
        if stdin:
            terminal.send_input(attachment, detached, keys if tty else b"")
        terminal.show_output(attachment)
    return engine.wait_exec(instance)


EXEC = Command(
    _exec,
    "CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    (
        Flag("detach", "Detached mode: run command in the background", "d"),
        Flag("detach-keys", "Override the key sequence for detaching a container", kind=TEXT),
        Flag("env", "Set environment variables", "e", LIST),
        Flag("env-file", "Read in a file of environment variables", kind=LIST),
        Flag("interactive", "Keep STDIN open even if not attached", "i"),
        Flag("privileged", "Give extended privileges to the command"),
        Flag("tty", "Allocate a pseudo-TTY", "t"),
        Flag("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', "u", TEXT),
        Flag("workdir", "Working directory inside the container", "w", TEXT),
    ),
    least=2,
    most=None,
    error_prefix=DAEMON,
    interspersed=False,
)
