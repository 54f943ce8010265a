"""`build --output`: where the result goes."""

from __future__ import annotations

import os
import sys

from ligan.cli.output import Failure
from ligan.cli.session import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.build.bases import Made
    from ligan.build.building import Export
    from ligan.build.request import BuildOutcome
    from ligan.build.solver import Build
    from ligan.cli.flags import Options

_STDOUT = ("", "-")
_TYPES = ("local", "tar", "oci", "docker", "image")


def exporter(options: Options) -> Export | None:
    """Return what gives the result out; None for the store. Raises Failure."""
    given = options.values("output")
    if len(given) > 1:
        raise Failure("multiple outputs currently unsupported: give one --output")
    if not given or options.on("load"):
        return None
    kind, target = _output(given[0])
    if kind not in _TYPES:
        raise Failure(f"exporter {kind!r} could not be found: there are {', '.join(_TYPES)}")
    if options.text("iidfile") and kind in ("local", "tar"):
        raise Failure("local and tar exporters are incompatible with image ID file")
    if not target and kind in ("docker", "image"):
        return None
    if not target and kind == "local":
        raise Failure("dest is required for local exporter")
    if target in _STDOUT and kind == "local":
        raise Failure("dest file cannot be stdout for local exporter")
    if target in _STDOUT and is_terminal(sys.stdout):
        raise Failure(f"dest file is required for {kind} exporter. refusing to write to console")
    return lambda build, made: _export(build, made, kind, target)


def writes_to_stdout(options: Options) -> bool:
    """Return whether the result itself goes to standard output."""
    given = options.values("output")
    if not given or options.on("load"):
        return False
    kind, target = _output(given[0])
    return target == "-" or (not target and kind in ("tar", "oci"))


def _output(text: str) -> tuple[str, str]:
    """Return type and dest of `type=local,dest=path`; a path alone is a folder, `-` a tar to stdout."""
    if "=" not in text:
        return ("tar", "-") if text == "-" else ("local", text)
    from ligan.cli.build import comma_fields

    fields = comma_fields(text)
    if not fields.get("type"):
        raise Failure("type is required for output")
    return fields["type"], fields.get("dest", "")


def _export(build: Build, made: Made, kind: str, target: str) -> BuildOutcome:
    from ligan.build import outputs

    if kind == "local":
        return outputs.write_files(build, made, target)
    if target in _STDOUT:
        return _write(build, made, kind, 1)
    try:
        file = os.open(
            f"{target}.tmp-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
        )
    except OSError as error:
        raise Failure(f"open {target}: {(error.strerror or '').lower()}") from None
    try:
        outcome = _write(build, made, kind, file)
        os.rename(f"{target}.tmp-{os.getpid()}", target)
    except BaseException:
        os.unlink(f"{target}.tmp-{os.getpid()}")
        raise
    finally:
        os.close(file)
    return outcome


def _write(build: Build, made: Made, kind: str, file: int) -> BuildOutcome:
    from ligan.build import outputs

    with open(file, "wb", closefd=False) as target:
        if kind == "tar":
            return outputs.write_tar(build, made, target)
        return outputs.write_archive(build, made, target, "oci" if kind == "oci" else "docker")
