"""Programs under a terminal of a test's own, which types and looks at what is shown."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal:
    """A program whose terminal this is."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.shown = b""
        self._seen = 0
        self._file, terminal = os.openpty()
        self.settings_at_first = self.settings()
        self._pid = os.fork()
        if self._pid == 0:
            os.login_tty(terminal)
            os.execvp(words[0], words)
        os.close(terminal)

    def settings(self) -> object:
        return termios.tcgetattr(self._file)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def resize(self, height: int, width: int) -> None:
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        os.kill(self._pid, signal.SIGWINCH)

    def await_text(self, text: str) -> None:
        """Return when this is shown after what was waited for before."""
        deadline = time.monotonic() + SECONDS
        while (at := self.shown.find(text.encode(), self._seen)) < 0:
            assert self._read(deadline), self.shown
        self._seen = at + len(text)

    def end(self) -> int:
        """Wait for the program's end; returns its exit status."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def close(self) -> None:
        os.close(self._file)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _read(self, deadline: float) -> bool:
        """Take what is shown next; returns False at the end."""
        assert select.select([self._file], [], [], deadline - time.monotonic())[0], self.shown
        try:
            text = os.read(self._file, 1 << 16)
        except OSError:  # a terminal that nobody has open any more
            return False
        self.shown += text
        return bool(text)


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    """Run a program under a terminal; at the end it is gone."""
    program = Terminal(words)
    try:
        yield program
    finally:
        program.close()
