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
    from ligan.cli.templates import Struct

_BAD_TEMPLATE_STATUS = 64


def _version(_session: Session, options: Options) -> int:
    from ligan.api.system_documents import version_document

    server = version_document()
    chosen = options.text("format")
    if not chosen:
        write(_version_text(server))
        return 0
    from ligan.cli.templates.documents import version_document as typed

    write(_by_template(chosen, typed(server)))
    return 0


def _version_text(server: Mapping[str, Any]) -> str:
    details = server["Components"][0]["Details"]
    return (
        "Ligan:\n"
        f" Version:           {server['Version']}\n"
        f" API version:       {server['ApiVersion']} (minimum version {server['MinAPIVersion']})\n"
        f" Python version:    {details['PythonVersion']}\n"
        f" SQLite version:    {details['SQLiteVersion']}\n"
        f" OS/Arch:           {server['Os']}/{server['Arch']}\n"
    )


def _by_template(text: str, document: Struct) -> str:
    from ligan.cli.templates import Template, TemplateError

    try:
        template = Template.parse("{{json .}}" if text == "json" else text)
    except TemplateError as error:
        raise Failure(error.message, _BAD_TEMPLATE_STATUS) from None
    return template.execute(document) + "\n"


VERSION = Command(_version, "", "Show the Ligan version information", (INSPECT_FORMAT,))


def _info(session: Session, options: Options) -> int:
    facts = session.remote_engine.info()
    chosen = options.text("format")
    if not chosen:
        write(_info_text(facts))
        return 0
    from ligan.api.system_documents import info_document
    from ligan.cli.templates.documents import info_document as typed

    write(_by_template(chosen, typed(info_document(facts, session.now()))))
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
