"""`version`, `info` and `fsck`."""

from __future__ import annotations

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import INSPECT_FORMAT, Flag
from ligan.cli.output import Failure, note, write
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_BAD_TEMPLATE_STATUS = 64

_API_VERSION = "1.41"


def _version(session: Session, options: Options) -> int:
    import platform
    import sqlite3

    from ligan import __version__

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    facts = {
        "Version": __version__,
        "ApiVersion": _API_VERSION,
        "PythonVersion": platform.python_version(),
        "SQLiteVersion": sqlite3.sqlite_version,
        "Os": platform.system().lower(),
        "Arch": machine,
    }
    chosen = options.text("format")
    if chosen:
        write(_by_template(chosen, {"Client": facts, "Server": facts}, "versionInfo"))
    else:
        write(
            "Ligan:\n"
            f" Version:           {__version__}\n"
            f" API version:       {_API_VERSION}\n"
            f" Python version:    {facts['PythonVersion']}\n"
            f" SQLite version:    {facts['SQLiteVersion']}\n"
            f" OS/Arch:           {facts['Os']}/{machine}\n"
        )
    return 0


def _by_template(text: str, document: Mapping[str, Any], kind: str) -> str:
    from ligan.cli.templates import Struct, Template, TemplateError

    try:
        template = Template.parse("{{json .}}" if text == "json" else text)
    except TemplateError as error:
        raise Failure(error.message, _BAD_TEMPLATE_STATUS) from None
    nested = {
        name: Struct(value, kind) if isinstance(value, dict) else value for name, value in document.items()
    }
    return template.execute(Struct(nested, kind)) + "\n"


VERSION = Command(_version, "", "Show the Ligan version information", (INSPECT_FORMAT,))


def _info(session: Session, options: Options) -> int:
    facts = session.engine.info()
    chosen = options.text("format")
    write(_by_template(chosen, facts, "system.dockerInfo") if chosen else _info_text(facts))
    return 0


def _info_text(facts: Mapping[str, Any]) -> str:
    own = facts["Ligan"]
    reason = f" Reason: {own['DriverReason']}\n" if own["DriverReason"] else ""
    runtime = f" Reason: {own['RuntimeReason']}\n" if own["RuntimeReason"] else ""
    budget = "none" if own["UndoBudget"] is None else human_size(own["UndoBudget"])
    return (
        f"Containers: {facts['Containers']}\n"
        f" Running: {facts['ContainersRunning']}\n"
        f" Paused: {facts['ContainersPaused']}\n"
        f" Stopped: {facts['ContainersStopped']}\n"
        f"Images: {facts['Images']}\n"
        f"Storage Driver: {facts['Driver']}\n"
        f"{reason}"
        f"Runtime: {facts['DefaultRuntime'] or 'none'}\n"
        f"{runtime}"
        f"Cgroup Version: {facts['CgroupVersion']}\n"
        f"Blobs: {own['Blobs']}\n"
        f" Size: {human_size(own['BlobBytes'])}\n"
        f" Compressed Layers: {human_size(own['CompressedBytes'])}\n"
        f" Disk Free: {human_size(own['FreeBytes'])}\n"
        f"Undo: {own['UndoEntries']} entries\n"
        f" Size: {human_size(own['UndoBytes'])}\n"
        f" Window: {human_duration(own['UndoWindow'] / SECOND)}\n"
        f" Disk Limit: {own['UndoDiskLimit'] * 100:g}%\n"
        f" Budget: {budget}\n"
        f"Kernel Version: {facts['KernelVersion']}\n"
        f"OSType: {facts['OSType']}\n"
        f"Architecture: {facts['Architecture']}\n"
        f"CPUs: {facts['NCPU']}\n"
        f"Name: {facts['Name']}\n"
        f"Ligan Root Dir: {facts['DockerRootDir']}\n"
        f"SQLite Version: {own['SQLite']}\n"
    )


INFO = Command(_info, "", "Display system-wide information", (INSPECT_FORMAT,), error_prefix=DAEMON)


def _fsck(session: Session, options: Options) -> int:
    faults = session.engine.fsck(repair=options.on("repair"), read_data=not options.on("quick"))
    write("".join([f"{fault}\n" for fault in faults]))
    if not faults:
        note("the store is sound")
        return 0
    if not options.on("repair") and any(fault.repairable for fault in faults):
        note("some of this can be repaired: ligan fsck --repair")
    if not all(fault.repairable for fault in faults):
        note("`ligan why` tells what stands on a damaged blob: delete that, then load or pull it again")
    return 1


FSCK = Command(
    _fsck,
    "",
    "Check the store: every row, file and byte",
    (
        Flag("quick", "Do not read the contents of blobs"),
        Flag("repair", "Repair what can be repaired without losing an image"),
    ),
)
