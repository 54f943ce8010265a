"""Whether another registry serves a folder, as far as that can be known: `registry:2` takes no lock.

Every process of this machine is looked at whose command is that of `registry:2` (`registry serve CONFIG`,
under any name with "registry" in it, in a container too): where its configuration says that its data are, in
its own file system. What cannot be seen is a registry of another machine that shares the folder, one whose
process this user may not look into, or one under another name.
"""

from __future__ import annotations

import os

from ligan.errors import Busy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_VERBS = ("serve", "garbage-collect")
_SETTING = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"
_CONFIGURATION = "REGISTRY_CONFIGURATION_PATH"
_USUAL_ROOT = "/var/lib/registry"


def refuse_rivals(root: str, processes: str = "/proc") -> None:
    """Raises Busy where a process of another registry has this folder."""
    try:
        status = os.stat(f"{root}/docker/registry/v2")
    except OSError:
        return  # nothing is there yet
    own = (status.st_dev, status.st_ino)
    for process in _numbers(processes):
        if own in _folders(f"{processes}/{process}"):
            raise Busy(
                f"another registry (process {process}) serves {root}",
                "Stop it first: two registries in one folder take each other's blobs away.",
            )


def _numbers(processes: str) -> list[str]:
    try:
        return [name for name in os.listdir(processes) if name.isdigit()]
    except OSError:
        return []


def _folders(process: str) -> Iterator[tuple[int, int]]:
    """Yield device and inode of the folder that a process serves, if it is a registry."""
    try:
        words = _strings(f"{process}/cmdline")
        if len(words) < 2 or "registry" not in os.path.basename(words[0]) or words[1] not in _VERBS:
            return
        environment = dict(word.split("=", 1) for word in _strings(f"{process}/environ") if "=" in word)
        named = [word for word in words[2:] if not word.startswith("-")]
        configuration = named[0] if named else environment.get(_CONFIGURATION, "")
        folder = environment.get(_SETTING) or _configured(_seen_by(process, configuration)) or _USUAL_ROOT
        status = os.stat(f"{_seen_by(process, folder)}/docker/registry/v2")
    except OSError:
        return  # it is gone, or this user may not look into it
    yield status.st_dev, status.st_ino


def _strings(path: str) -> list[str]:
    with open(path, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0") if word]


def _seen_by(process: str, path: str) -> str:
    """Return a path of a process in terms of this one: it may have another root."""
    base = "root" if path.startswith("/") else "cwd"
    return f"{process}/{base}/{path.lstrip('/')}"


def _configured(path: str) -> str:
    """Return the folder that a configuration (YAML) names, or an empty string."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return ""
    for line in text.splitlines():
        _before, key, value = line.partition("rootdirectory:")
        if key and not line.lstrip().startswith("#"):
            return value.partition("}")[0].partition(",")[0].partition(" #")[0].strip().strip("'\"")
    return ""
