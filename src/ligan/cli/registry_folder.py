"""The folder of a registry that a command looks at or writes to, while it is served or not."""

from __future__ import annotations

import os

from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.keeping import UndoPolicy

ROOT = Flag("root", "Folder of the registry", kind=TEXT)


def root_of(options: Options) -> str:
    if not options.text("root"):
        raise Failure("name the folder of the registry with --root")
    return os.path.abspath(options.text("root"))


class Folder:
    """`with Folder(options) as folder`: its index and its storage. It has been served once."""

    def __init__(self, options: Options) -> None:
        from ligan.registry.index.database import create_index, open_index
        from ligan.registry.storage.filesystem import FilesystemStorage

        self.storage = FilesystemStorage(root_of(options))
        if not os.path.exists(self.storage.index):
            raise Failure(f"no registry has been served from {self.storage.root}: see ligan registry serve")
        create_index(self.storage.index)  # an older Ligan's lacks tables
        self.index = open_index(self.storage.index)
        self._lock = -1

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self.index.close()

    def settle(self, session: Session) -> None:
        """On return the index says what the disk does: as a server's start does it, unless one runs."""
        from ligan.registry.recovery import settle

        self._lock = settle(self.index, self.storage, session.now(), lambda *_progress: None)

    @property
    def is_served(self) -> bool:
        """Whether a server had the folder when `settle` looked."""
        return self._lock < 0

    def prepare_to_write(self, session: Session) -> int:
        """Do as `settle`, and drop the undo entries that are due. Returns bytes freed."""
        from ligan.registry.keeping import drop_due

        self.settle(session)
        return drop_due(self.index, self.storage, session.now())

    def again(self, command: str) -> str:
        return again(command, self.storage.root)


def again(command: str, root: str) -> str:
    """Return a command for a registry's folder, as one would type it."""
    from ligan.cli.session import quoted

    return f"ligan registry {command} --root {quoted(root)}"


def staying_text(number: int) -> str:
    """Say what `remove_untagged` has left for pushes under way."""
    from ligan.registry.pushing import LEASE_SECONDS

    return f"{number} images stay that were pushed by digest in the last {LEASE_SECONDS // 60} minutes"


def undo_policy(session: Session, *, window: str = "", now: bool = False) -> UndoPolicy:
    """Return the settings in force for undo; `window` is that of a flag, and wins."""
    from ligan.cli.settings import read_duration, read_policy
    from ligan.registry.keeping import UndoPolicy

    policy = read_policy(session.environ)
    length = policy.window
    if window:
        try:
            length = read_duration(window)
        except ValueError as error:
            raise Failure(f"--undo-window: {error}") from None
    return UndoPolicy(length, policy.disk_limit, policy.budget, now)
