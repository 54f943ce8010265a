"""`pull`, `push` and `copy`."""

from __future__ import annotations

import os
import sys

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import Failure, flush, note, write
from ligan.cli.references import client_error
from ligan.cli.session import is_terminal
from ligan.errors import LiganError
from ligan.oci.reference import DEFAULT_TAG, familiar, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.oci.reference import Reference
    from ligan.remote.progress import Message


class Streamed(LiganError):
    """An error after the first message: docker's client shows it bare, as part of what its daemon tells."""


def _pull(session: Session, options: Options) -> int:
    reference = _reference(options)
    if options.on("all-tags") and not reference.is_name_only:
        raise Failure("tag can't be used with --all-tags/-a")
    quiet = options.on("quiet")
    if not options.on("all-tags"):
        reference = _with_default_tag(reference, quiet=quiet)
    report, has_begun = _reporter(quiet=quiet)
    try:
        outcome = session.remote_engine.pull(
            familiar(reference.canonical), report, platform=options.text("platform")
        )
    except LiganError as error:
        if has_begun():
            raise Streamed(error.message, error.hint) from None
        raise
    write(f"{reference.familiar}\n")
    if options.on("rm-replaced"):
        remove_replaced(session, [str(image) for image in outcome.replaced])
    return 0


def remove_replaced(session: Session, images: list[str]) -> None:
    """Remove images that lost a name to what was pulled, unless something else needs them."""
    if not images:
        return
    from ligan.cli.reports import tell

    outcome = session.engine.remove_images(images)
    for argument in outcome.arguments:
        note(
            f"{argument.argument[7:19]} was replaced, and stays: {argument.error.message}"
            if argument.error
            else f"{argument.argument[7:19]} was replaced, and is removed"
        )
    tell(outcome.report)


PULL = Command(
    _pull,
    "NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Flag("all-tags", "Download all tagged images in the repository", "a"),
        Flag("platform", "Set platform if server is multi-platform capable", kind=TEXT),
        Flag("quiet", "Suppress verbose output", "q"),
        Flag("rm-replaced", "Remove the image that loses its name to the pulled one"),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _push(session: Session, options: Options) -> int:
    reference = _reference(options)
    if reference.digest:
        raise Failure("cannot push a digest reference")
    if options.on("all-tags") and not reference.is_name_only:
        raise Failure("tag can't be used with --all-tags/-a")
    quiet = options.on("quiet")
    if not options.on("all-tags"):
        reference = _with_default_tag(reference, quiet=quiet)
    report, has_begun = _reporter(quiet=quiet)
    try:
        session.remote_engine.push(familiar(reference.canonical), report)
    except LiganError as error:
        if has_begun():
            raise Streamed(error.message, error.hint) from None
        raise
    if quiet:
        write(f"{reference.familiar}\n")
    return 0


PUSH = Command(
    _push,
    "NAME[:TAG]",
    "Upload an image to a registry",
    (
        Flag("all-tags", "Push all tags of an image to the repository", "a"),
        Flag("quiet", "Suppress verbose output", "q"),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _copy(session: Session, options: Options) -> int:
    source, target = options.arguments
    if options.on("all-platforms") and options.text("platform"):
        raise Failure("--all-platforms and --platform exclude each other")
    report, _has_begun = _reporter(quiet=options.on("quiet"))
    digest = session.remote_engine.copy(
        source,
        target,
        report,
        platform=options.text("platform"),
        all_platforms=options.on("all-platforms"),
    )
    write(f"{digest}\n")
    return 0


COPY = Command(
    _copy,
    "SOURCE TARGET",
    "Copy an image between registries, OCI layouts, archives and the store, without unpacking it\n\n"
    "SOURCE and TARGET are NAME[:TAG|@DIGEST] in a registry, oci:FOLDER[:TAG],\n"
    "oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or store:NAME.",
    (
        Flag("all-platforms", "Copy the image for every platform, and its index as it is"),
        Flag("platform", "Copy the image for this platform", kind=TEXT),
        Flag("quiet", "Print the digest only", "q"),
    ),
    least=2,
    most=2,
)


def _reference(options: Options) -> Reference:
    """Return what the argument names. Raises Failure in the words of docker's client."""
    name = options.arguments[0]
    error = client_error(name)
    if error:
        raise Failure(error)
    return parse(name)


def _with_default_tag(reference: Reference, *, quiet: bool) -> Reference:
    if not reference.is_name_only:
        return reference
    if not quiet:
        write(f"Using default tag: {DEFAULT_TAG}\n")
        flush()
    return reference.with_default_tag()


def _reporter(*, quiet: bool) -> tuple[Callable[[Message], None], Callable[[], bool]]:
    """Return what shows Docker's messages, and what tells whether there were any.

    Off a terminal docker leaves out what has a bar (docker's package jsonmessage).
    """
    from ligan.remote.progress import Pushed

    shown = 0
    lines = None
    if not quiet and is_terminal(sys.stdout):
        from ligan.cli.progress import Lines

        lines = Lines(os.get_terminal_size(sys.stdout.fileno()).columns)

    def report(message: Message) -> None:
        nonlocal shown
        shown += 1
        if quiet or isinstance(message, Pushed):
            return
        if lines is not None and message.is_layer:
            lines.show(message.id, message.status, message.current, message.total)
        elif not message.total:
            text = f"{message.id}: {message.status}" if message.id else message.status
            if lines is not None:
                lines.print(text)
            else:
                write(f"{text}\n")
                flush()

    return report, lambda: shown > 0
