"""`run`, `create`, `start` and `attach`: containers whose streams this process has."""

from __future__ import annotations

import os
from _thread import allocate_lock

from ligan.cli import terminal
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import BROKEN_PIPE_STATUS, Failure, Unwritable, flush, write, write_error
from ligan.cli.run_flags import CREATE_FLAGS, RUN_FLAGS
from ligan.errors import LiganError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.containers.attach import Attachment
    from ligan.containers.creating import CreateRequest

_REFUSED, _CANNOT_RUN, _NOT_FOUND = 125, 126, 127
_MISSING = ("executable file not found", "no such file or directory", "system cannot find the file specified")
_UNUSABLE = ("permission denied", "is a directory")


def _run(session: Session, options: Options) -> int:
    detach = options.on("detach")
    try:
        request = _request(session, options, detach=detach)
        _check_image(options.arguments[0])
        keys = b"" if detach else terminal.detach_keys(options.text("detach-keys"), tty=options.on("tty"))
    except Failure as error:
        raise _with_help("run", str(error)) from None
    if detach and options.values("attach"):
        raise Failure("conflicting options: cannot specify both --attach and --detach")
    if not detach:
        terminal.check_tty(
            stdin=bool(request.config and request.config["AttachStdin"]), tty=options.on("tty")
        )
    try:
        try:
            container = _make(session, options, request)
        except Failure as error:
            raise _with_help("run", str(error), _status(str(error))) from None
        if detach:
            session.engine.start_container(container)
            write(f"{container}\n")
            return 0
        return _run_attached(session, options, container, keys)
    except LiganError as error:
        raise _refused("run", error) from None


def _with_help(verb: str, message: str, status: int = _REFUSED) -> Failure:
    return Failure(f"ligan: {message}\n\nRun 'ligan {verb} --help' for more information", status)


def _request(session: Session, options: Options, *, detach: bool) -> CreateRequest:
    """Return what is to be made. Raises Failure, and FlagError, in the words of docker's client."""
    from ligan.cli.run_request import create_request

    wanted = options.text("pull")
    if wanted not in ("always", "missing", "never"):
        raise Failure(f'invalid pull option: \'{wanted}\': must be one of "always", "missing" or "never"')
    return create_request(options, session.environ, detach=detach)


def _refused(verb: str, error: LiganError) -> Failure:
    """Return what docker's client says of a container that could not be run, with its exit status."""
    failure = _with_help(verb, f"{DAEMON}{error.message}", _status(error.message))
    return Failure(f"{failure}\nligan: {error.hint}", failure.status) if error.hint else failure


def _status(message: str) -> int:
    if any(words in message for words in _MISSING):
        return _NOT_FOUND
    return _CANNOT_RUN if any(words in message for words in _UNUSABLE) else _REFUSED


def _check_image(name: str) -> None:
    """Raise Failure for a name that docker's client takes for none."""
    from ligan.cli.references import client_error

    if not _is_id(name) and (error := client_error(name)):
        raise Failure(error)


def _is_id(name: str) -> bool:
    digits = name.removeprefix("sha256:")
    return len(digits) == 64 and not digits.strip("0123456789abcdef")


def _make(session: Session, options: Options, request: CreateRequest) -> str:
    """Make the container, after its image was pulled where it is not here. Returns its ID."""
    path = options.text("cidfile")
    if not path:
        return _create_pulled(session, options, request)
    if os.path.exists(path):
        raise Failure(
            f"container ID file found, make sure the other container isn't running or delete {path}"
        )
    try:
        file = open(path, "w", encoding="ascii")  # noqa: SIM115  # other errors than what is done with it
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"failed to create the container ID file: open {path}: {reason}") from None
    with file:
        try:
            container = _create_pulled(session, options, request)
        except BaseException:
            os.unlink(path)
            raise
        file.write(container)
    return container


def _create_pulled(session: Session, options: Options, request: CreateRequest) -> str:
    wanted, image = options.text("pull"), options.arguments[0]
    if wanted == "always":
        _pull(session, options, image)
    try:
        created = session.engine.create_container(request)
    except NotFound as error:
        is_missing = error.message.startswith(("No such image", "image with reference"))
        if wanted != "missing" or not is_missing or _is_id(image):
            raise
        write_error(f"Unable to find image '{_with_tag(image)}' locally\n")
        _pull(session, options, image)
        created = session.engine.create_container(request)
    for warning in created.warnings:
        write_error(f"WARNING: {warning}\n")
    return created.id


def _with_tag(image: str) -> str:
    from ligan.oci.reference import parse

    return parse(image).with_default_tag().familiar


def _pull(session: Session, options: Options, image: str) -> None:
    """Pull an image; its progress goes to stderr, since stdout is the container's."""

    def report(message: object) -> None:
        from ligan.remote.progress import Message, Pushed

        assert isinstance(message, Message | Pushed)
        if options.on("quiet") or isinstance(message, Pushed) or message.total:
            return
        write_error(f"{message.id}: {message.status}\n" if message.id else f"{message.status}\n")

    session.remote_engine.pull(_with_tag(image), report, platform=options.text("platform"))


def _run_attached(session: Session, options: Options, container: str, keys: bytes) -> int:
    """Start a container with this process's streams, and stay until it ends. Returns its exit status."""
    named = {name.lower() for name in options.values("attach")}
    stdin = options.on("interactive") and (not named or "stdin" in named)
    attachment = session.engine.attach_container(
        container,
        stdin=stdin,
        stdout=not named or "stdout" in named,
        stderr=not named or "stderr" in named,
    )
    tty = options.on("tty")
    return _stay(
        session, container, attachment, tty=tty, stdin=stdin, keys=keys, proxy=options.on("sig-proxy")
    )


def _stay(
    session: Session,
    container: str,
    attachment: Attachment,
    *,
    tty: bool,
    stdin: bool,
    keys: bytes,
    proxy: bool,
) -> int:
    """Start a container, and carry its streams until it ends. Returns its exit status."""
    engine = session.engine
    flush()
    with terminal.Raw(tty and stdin) as raw:

        def leave(status: int = 0) -> None:
            # conmon sees to the end from now on: our hold on it ends with this process.
            raw.__exit__()
            os._exit(status)

        def unshown(error: BrokenPipeError | Unwritable) -> None:
            """Go as docker's client does, which a broken pipe kills; the container goes on."""
            if not isinstance(error, Unwritable):
                leave(BROKEN_PIPE_STATUS)
            raw.__exit__()
            write_error(f"{error}\n")
            leave(1)

        starting = allocate_lock()  # held until the container has started
        starting.acquire()

        def started() -> None:
            starting.release()
            if tty:
                terminal.follow_size(_resizing(session, container))

        if proxy and not tty:
            terminal.pass_signals(_killing(session, container, starting))
        await_output = terminal.show_in_background(attachment, unshown)
        if stdin:
            terminal.send_input(attachment, leave, keys if tty else b"")
        try:
            status = engine.run_to_end(container, started, attachment.take_rest)
        except BaseException:
            attachment.close()
            raise
        await_output()
        return status


def _resizing(session: Session, container: str) -> Callable[[int, int], None]:
    def resize(height: int, width: int) -> None:
        with session.again() as apart:
            apart.engine.resize_container(container, height, width)

    return resize


def _killing(session: Session, container: str, starting: LockType | None = None) -> Callable[[str], None]:
    """Return what sends a signal, once the container has started."""

    def kill(signal: str) -> None:
        if starting:
            with starting:
                pass
        with session.again() as apart:
            apart.engine.kill_container(container, signal)

    return kill


RUN = Command(
    _run,
    "IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    RUN_FLAGS,
    least=1,
    most=None,
    error_prefix=DAEMON,
    interspersed=False,
)


def _create(session: Session, options: Options) -> int:
    try:
        request = _request(session, options, detach=False)
    except Failure as error:
        raise _with_help("create", str(error)) from None
    _check_image(options.arguments[0])
    write(f"{_make(session, options, request)}\n")
    return 0


CREATE = Command(
    _create,
    "IMAGE [COMMAND] [ARG...]",
    "Create a new container",
    CREATE_FLAGS,
    least=1,
    most=None,
    error_prefix=DAEMON,
    interspersed=False,
)


def _start(session: Session, options: Options) -> int:
    attach, stdin = options.on("attach"), options.on("interactive")
    if not attach and not stdin:
        from ligan.cli.containers import each

        return each(session, options, lambda engine, name: engine.start_container(name), "start containers")
    if len(options.arguments) > 1:
        raise Failure("you cannot start and attach multiple containers at once")
    name = options.arguments[0]
    config = session.engine.inspect_container(name)["Config"]
    stdin = stdin and bool(config["OpenStdin"])
    tty = bool(config["Tty"])
    keys = terminal.detach_keys(options.text("detach-keys"), tty=tty)
    attachment = session.engine.attach_container(name, stdin=stdin)
    return _stay(session, name, attachment, tty=tty, stdin=stdin, keys=keys, proxy=options.on("sig-proxy"))


START = Command(
    _start,
    "CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    (
        Flag("attach", "Attach STDOUT/STDERR and forward signals", "a"),
        Flag("detach-keys", "Override the key sequence for detaching a container", kind=TEXT),
        Flag("interactive", "Attach container's STDIN", "i"),
        Flag("sig-proxy", "Proxy all received signals to the process", default="true"),
    ),
    least=1,
    most=None,
    error_prefix=DAEMON,
)


def _attach(session: Session, options: Options) -> int:
    name, engine = options.arguments[0], session.engine
    document = engine.inspect_container(name)
    state, config = document["State"], document["Config"]
    for word, text in (
        ("Running", "You cannot attach to a stopped container, start it first"),
        ("Paused", "You cannot attach to a paused container, unpause it first"),
        ("Restarting", "You cannot attach to a restarting container, wait until it is running"),
    ):
        if bool(state[word]) is not (word == "Running"):
            raise Failure(text)
    stdin = not options.on("no-stdin") and bool(config["OpenStdin"])
    tty, container = bool(config["Tty"]), document["Id"]
    terminal.check_tty(stdin=stdin, tty=tty)
    keys = terminal.detach_keys(options.text("detach-keys"), tty=tty)
    attachment = engine.attach_container(container, stdin=stdin)
    flush()
    with terminal.Raw(tty and stdin) as raw:

        def detached() -> None:
            raw.__exit__()
            write_error("read escape sequence\n")
            os._exit(1)

        if tty:
            resize = _resizing(session, container)
            terminal.have_redrawn(resize)
            terminal.follow_size(resize)
        elif options.on("sig-proxy"):
            terminal.pass_signals(_killing(session, container))
        if stdin:
            terminal.send_input(attachment, detached, keys if tty else b"")
        terminal.take_rest_at_end(attachment, state["Pid"])
        terminal.show_output(attachment)
    return engine.wait_container(container).exit_code


ATTACH = Command(
    _attach,
    "CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    (
        Flag("detach-keys", "Override the key sequence for detaching a container", kind=TEXT),
        Flag("no-stdin", "Do not attach STDIN"),
        Flag("sig-proxy", "Proxy all received signals to the process", default="true"),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)
