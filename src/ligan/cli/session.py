"""One run of the command line: its settings, its engine, its clock."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from typing import TextIO

    from ligan.engine.role import Engine


class Session:
    """What a command runs with. The engine is opened when it is first asked for."""

    def __init__(self, words: Sequence[str], root: str, environ: MutableMapping[str, str]) -> None:
        """`words` are the command as typed, `root` is that of `--root`, or empty."""
        self._words = words
        self._root = root
        self._engine: Engine | None = None
        self.environ = environ

    @property
    def root(self) -> str:
        """The folder of the store in use."""
        from ligan.cli.settings import root_folder

        return root_folder(self._root, self.environ)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self.enter_namespace()
            from ligan.cli.settings import read_policy
            from ligan.engine.embedded import open_engine

            self._engine = open_engine(self.root, read_policy(self.environ), command=self.command)
        return self._engine

    def enter_namespace(self) -> None:
        """On return this process is in the store's user namespace, if it has to be. It has one thread yet.

        Raises Failure where no store can be.
        """
        _refuse_other_systems()
        if os.geteuid() != 0:
            from ligan.cli.rootless import enter_where_needed

            enter_where_needed(self._words, self.root, self.environ)

    @property
    def remote_engine(self) -> Engine:
        """The engine, told how this user speaks to registries."""
        from ligan.cli.settings import read_remote

        engine = self.engine
        engine.remote = read_remote(self.environ)
        return engine

    @property
    def command(self) -> str:
        """The command as one would type it again; bytes that are no UTF-8 show as U+FFFD."""
        text = "ligan " + " ".join([quoted(word) for word in self._words])
        return os.fsencode(text).decode(errors="replace")

    def again(self) -> Session:
        """Return the same with an engine of its own, for another thread; `with` closes it."""
        return Session(self._words, self._root, self.environ)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def now(self) -> int:
        """Return nanoseconds since 1970."""
        return time.time_ns()


def _refuse_other_systems() -> None:
    """Raises Failure where no store can be: it needs Linux's links, locks and mounts."""
    if sys.platform != "linux":
        from ligan.cli.output import Failure

        raise Failure(
            f"a store needs Linux, and this is {sys.platform}; "
            "`ligan login`, `logout`, `tags` and `manifest inspect` work here"
        )


_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"


def quoted(word: str) -> str:
    """Quote for a shell where that is needed. Not shlex: it imports `re`."""
    if word and not word.strip(_PLAIN):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def is_terminal(stream: TextIO) -> bool:
    try:
        return os.isatty(stream.fileno())
    except (OSError, ValueError):  # closed, or not a file at all
        return False
