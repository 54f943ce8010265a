"""`logs`, `cp`, `export` and `commit`: what comes out of containers, and goes in."""

from __future__ import annotations

import sys

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import LIST, TEXT, Flag
from ligan.cli.output import Failure, write
from ligan.cli.session import is_terminal
from ligan.cli.signals import end_in_order
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.containers.logs import LogRequest


def _logs(session: Session, options: Options) -> int:
    from ligan.containers.log_details import check_readable, details

    name, engine = options.arguments[0], session.engine
    document = engine.inspect_container(name)
    request = _log_request(session, options)
    check_readable(document)
    tty = bool(document["Config"]["Tty"])
    before = details(document) if options.on("details") else b""
    stamped = options.on("timestamps")
    for line in engine.container_logs(name, request):
        text = before + line.text
        if stamped:
            text = f"{line.stamp} ".encode() + text
        stream = sys.stdout if tty or line.stream == "stdout" else sys.stderr
        stream.buffer.write(text)
        if options.on("follow"):
            stream.buffer.flush()
    sys.stdout.buffer.flush()
    sys.stderr.buffer.flush()
    return 0


def _log_request(session: Session, options: Options) -> LogRequest:
    from ligan.containers.logs import LogRequest
    from ligan.images.times import until_time

    def moment(name: str) -> int:
        text = options.text(name)
        try:
            return until_time(text, session.now()) if text else 0
        except Invalid as error:
            raise Failure(f'invalid value for "{name}": {error.message}') from None

    tail = options.text("tail")
    return LogRequest(
        since=moment("since"),
        until=moment("until"),
        tail=int(tail) if tail.isascii() and tail.isdigit() else -1,
        follow=options.on("follow"),
    )


LOGS = Command(
    _logs,
    "CONTAINER",
    "Fetch the logs of a container",
    (
        Flag("details", "Show extra details provided to logs"),
        Flag("follow", "Follow log output", "f"),
        Flag(
            "since",
            'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
            kind=TEXT,
        ),
        Flag("tail", "Number of lines to show from the end of the logs", "n", TEXT, "all"),
        Flag("timestamps", "Show timestamps", "t"),
        Flag(
            "until",
            'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") '
            'or relative (e.g. "42m" for 42 minutes)',
            kind=TEXT,
        ),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _export(session: Session, options: Options) -> int:
    from ligan.cli.archives import write_archive

    name, engine = options.arguments[0], session.engine
    write_archive(
        options.text("output"),
        "failed to export container",
        check=lambda: engine.inspect_container(name),
        produce=lambda target: engine.export_container(name, target),
    )
    return 0


EXPORT = Command(
    _export,
    "CONTAINER",
    "Export a container's filesystem as a tar archive",
    (Flag("output", "Write to a file, instead of STDOUT", "o", TEXT),),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _commit(session: Session, options: Options) -> int:
    from ligan.cli.references import client_error
    from ligan.containers.committing import CommitRequest
    from ligan.oci.reference import parse

    container, *names = options.arguments
    repository = tag = ""
    if names:
        error = client_error(names[0])
        if error:
            raise Failure(error)
        reference = parse(names[0]).with_default_tag()
        repository, tag = str(reference.repository), reference.tag or ""
    request = CommitRequest(
        repository=repository,
        tag=tag,
        author=options.text("author"),
        comment=options.text("message"),
        changes=tuple(options.values("change")),
        pause=options.on("pause"),
    )
    end_in_order()
    write(f"{session.engine.commit_container(container, request)}\n")
    return 0


COMMIT = Command(
    _commit,
    "CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    (
        Flag("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', "a", TEXT),
        Flag("change", "Apply Dockerfile instruction to the created image", "c", LIST),
        Flag("message", "Commit message", "m", TEXT),
        Flag("pause", "Pause container during commit", "p", default="true"),
    ),
    least=1,
    most=2,
    error_prefix=DAEMON,
)


def _copy(session: Session, options: Options) -> int:
    from ligan.cli.copying import copy

    source, target = options.arguments
    quiet = options.on("quiet") or not (options.given("quiet") or is_terminal(sys.stdout))
    copy(session.engine, source, target, follow=options.on("follow-link"), quiet=quiet)
    return 0


COPY = Command(
    _copy,
    "CONTAINER:SRC_PATH DEST_PATH|-\n\tligan cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem\n\n"
    "Use '-' as the source to read a tar archive from stdin\n"
    "and extract it to a directory destination in a container.\n"
    "Use '-' as the destination to stream a tar archive of a\n"
    "container source to stdout.",
    (
        Flag("archive", "Archive mode (copy all uid/gid information)", "a"),
        Flag("follow-link", "Always follow symbol link in SRC_PATH", "L"),
        Flag(
            "quiet",
            "Suppress progress output during copy. "
            "Progress output is automatically suppressed if no terminal is attached",
            "q",
        ),
    ),
    least=2,
    most=2,
    error_prefix=DAEMON,
)
