"""`registry fsck`."""

from __future__ import annotations

import sys

from ligan.cli.commands import Command
from ligan.cli.flags import Flag
from ligan.cli.output import note, write
from ligan.cli.registry_folder import ROOT, Folder
from ligan.cli.session import is_terminal
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.checking import Fault


def _fsck(session: Session, options: Options) -> int:
    from ligan.registry.checking import check
    from ligan.registry.usage import UNUSED, totals

    repair, quarantine = options.on("repair"), options.on("quarantine")
    progress = Progress()
    with Folder(options) as folder:
        if repair or quarantine:
            folder.prepare_to_write(session)
        faults = check(folder.index, folder.storage, progress.show, repair=repair, quarantine=quarantine)
        progress.clear()
        write("".join([f"{fault}\n" for fault in faults]))
        unused = next(each for each in totals(folder.index.read(), folder.storage) if each.name == UNUSED)
        if unused.number:
            size = human_size(unused.bytes)
            note(f"{size} in {unused.number} blobs that nothing uses: {folder.again('prune')}")
        if not faults:
            note("the registry is sound")
            return 0
        _advise(folder, faults, repair=repair, quarantine=quarantine)
    return 1


def _advise(folder: Folder, faults: Sequence[Fault], *, repair: bool, quarantine: bool) -> None:
    from ligan.registry.checking import QUARANTINE, REPAIR

    repairable = sum(fault.mend == REPAIR for fault in faults)
    if repairable and repair:
        note(f"repaired: {repairable} of {len(faults)}")
    elif repairable:
        note(f"some of this can be repaired: {folder.again('fsck --repair')}")
    if any(fault.mend == QUARANTINE for fault in faults):
        if quarantine:
            note(f"what was damaged is in {folder.storage.aside}: its pulls fail until it is pushed again")
        else:
            note(f"put what is damaged aside, for a push to heal it: {folder.again('fsck --quarantine')}")
    if any(fault.digest and fault.mend != REPAIR for fault in faults):
        note("`ligan registry why` tells which images need a blob: push them again, or delete them")


class Progress:
    """A line on the terminal, where there is one."""

    def __init__(self) -> None:
        self._shown = is_terminal(sys.stderr)
        self._percent = -1

    def show(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        if self._shown and percent != self._percent:
            self._percent = percent
            sys.stderr.write(f"\r\x1b[Khashed {human_size(done)} of {human_size(total)}, {percent} %")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._percent >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


FSCK = Command(
    _fsck,
    "",
    "Check the registry: hash every file, compare every link with the index",
    (
        Flag("quarantine", "Put damaged blobs aside: pulls fail clearly, and a push heals"),
        Flag("repair", "Rewrite links and manifests from the index, and remove waste"),
        ROOT,
    ),
)
