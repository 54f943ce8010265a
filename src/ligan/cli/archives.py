"""`save`, `load` and `import`."""

from __future__ import annotations

import os
import sys

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import LIST, TEXT, Flag
from ligan.cli.output import Failure, flush, note, write
from ligan.cli.session import is_terminal
from ligan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.images.importing import Download
    from ligan.images.staging import LoadProgress

_LAYOUTS = ("docker", "docker-25", "oci")


def _save(session: Session, options: Options) -> int:
    layout, path, names = options.text("format"), options.text("output"), options.arguments
    if layout not in _LAYOUTS:
        raise Failure(f'unknown format "{layout}": must be one of {", ".join(_LAYOUTS)}')
    write_archive(
        path,
        "failed to save image",
        check=lambda: session.engine.check_save(names),
        produce=lambda target: session.engine.save(names, target, layout=layout),
    )
    return 0


def write_archive(
    path: str, complaint: str, *, check: Callable[[], object], produce: Callable[[BinaryIO], None]
) -> None:
    """Have an archive written to a new file, or after `check` to stdout, unless that is a terminal."""
    if path:
        from ligan.cli.files import new_file

        with new_file(path, complaint) as file:
            produce(file)
        return
    if is_terminal(sys.stdout):
        raise Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    check()
    flush()
    try:
        produce(sys.stdout.buffer)
    except Unavailable as error:
        if isinstance(error.__cause__, BrokenPipeError):
            raise error.__cause__ from None  # its reader has what it wanted: as of any other output
        raise


SAVE = Command(
    _save,
    "IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    (
        Flag(
            "format",
            "Layout of the archive: that of Docker 20.10 ('docker'), "
            "of Docker 25 ('docker-25'), or OCI's ('oci')",
            kind=TEXT,
            default="docker",
        ),
        Flag("output", "Write to a file, instead of STDOUT", "o", TEXT),
    ),
    least=1,
    most=None,
    error_prefix=DAEMON,
)


def _load(session: Session, options: Options) -> int:
    path = options.text("input")
    source: BinaryIO | str
    if path and os.path.isdir(path):
        source = path
    elif path:
        source = _open(path)
    elif is_terminal(sys.stdin):
        raise Failure("requested load from stdin, but stdin is empty")
    else:
        source = sys.stdin.buffer
    try:
        outcome = session.engine.load(source, _reporter(quiet=options.on("quiet")))
    finally:
        if path and not isinstance(source, str):
            source.close()
    note("\n".join(outcome.notes))
    return 0


def _reporter(*, quiet: bool) -> Callable[[LoadProgress | str], None]:
    """Return what shows a load: its messages, and on a terminal a bar for each layer."""
    if quiet or not is_terminal(sys.stdout):
        return lambda report: write(f"{report}\n") if isinstance(report, str) else None
    from ligan.cli.progress import Lines

    lines = Lines(os.get_terminal_size(sys.stdout.fileno()).columns)

    def show(report: LoadProgress | str) -> None:
        if isinstance(report, str):
            lines.print(report)
        else:
            lines.show(report.layer, "Loading layer", report.current, report.total)

    return show


def _open(path: str) -> BinaryIO:
    """Open a file to read. Raises Failure in docker's words."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or str(error)).lower()}") from None


LOAD = Command(
    _load,
    "",
    "Load an image from a tar archive or STDIN",
    (
        Flag("input", "Read from tar archive file, or folder of an OCI layout, instead of STDIN", "i", TEXT),
        Flag("quiet", "Suppress the load output", "q"),
    ),
)


def _import(session: Session, options: Options) -> int:
    from ligan.cli.references import client_error
    from ligan.images.importing import Download, ImportRequest

    source, *names = options.arguments
    reference = names[0] if names else ""
    is_url = source.startswith(("http://", "https://"))
    with sys.stdin.buffer if source == "-" else _download(source) if is_url else _open(source) as file:
        error = client_error(reference) if reference else ""
        if error:
            raise Failure(error)
        request = ImportRequest(
            reference=reference,
            message=options.text("message"),
            changes=tuple(options.values("change")),
            platform=options.text("platform"),
            source="" if not is_url else source,
        )
        image = session.engine.import_image(file, request)
        if isinstance(file, Download) and file.size < 0:
            write("\n")  # as docker, after a bar that could not show the end
    write(f"{image}\n")
    return 0


def _download(url: str) -> Download:
    """Open what a URL names, and show on a terminal how far it is.

    The daemon does that for docker, so that its errors are the daemon's.
    """
    from urllib.request import getproxies

    from ligan.images.importing import open_url
    from ligan.oci.gosize import bar

    write(f"Downloading from {url}\n")
    flush()
    download = open_url(url, getproxies())
    if is_terminal(sys.stdout):
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        download.watch(lambda current, size: _redraw(f"Importing {bar(current, size, columns)}"))
    return download


def _redraw(line: str) -> None:
    write(f"\x1b[2K\r{line}\r")
    flush()


IMPORT = Command(
    _import,
    "file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    (
        Flag("change", "Apply Dockerfile instruction to the created image", "c", LIST),
        Flag("message", "Set commit message for imported image", "m", TEXT),
        Flag("platform", "Set platform if server is multi-platform capable", kind=TEXT),
    ),
    least=1,
    most=None,
    error_prefix=DAEMON,
)
