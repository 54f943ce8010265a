"""Files of environment variables and labels, read as docker's client reads them (docker 28, pkg/kvfile)."""

from __future__ import annotations

from ligan.cli.run_values import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.cli.output import Failure

_MARK = b"\xef\xbb\xbf"


def lines(paths: Sequence[str]) -> list[str]:
    """Return the lines `name=value` or `name` of files, without comments and empty ones.

    Raises Failure for what cannot be read, and for a line that names nothing.
    """
    return [line for path in paths for line in _lines(path)]


def _lines(path: str) -> list[str]:
    content = _content(path)
    found = []
    for number, data in enumerate(content.removeprefix(_MARK).split(b"\n"), 1):
        try:
            line = data.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            values = " ".join(map(str, data))
            raise _bad(path, f"invalid utf8 bytes at line {number}: [{values}]") from None
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if " " in name or "\t" in name:
            raise _bad(path, f"variable '{name}' contains whitespaces")
        if not name:
            raise _bad(path, f"no variable name on line '{line}'")
        found.append(line)
    return found


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except IsADirectoryError:
        raise _bad(path, f"read {path}: is a directory") from None
    except OSError as error:
        raise refused(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _bad(path: str, why: str) -> Failure:
    return refused(f"invalid env file ({path}): {why}")
