"""This process's terminal while a container has it: raw, as wide as it is shown, left by typing keys."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, start_new_thread

from ligan.cli.output import Unwritable, output_error
from ligan.cli.session import is_terminal
from ligan.containers.attach import STDERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ligan.containers.attach import Attachment

DETACH_KEYS = "ctrl-p,ctrl-q"

_CHUNK = 8 << 10


def check_tty(*, stdin: bool, tty: bool) -> None:
    """Raise Failure where a terminal is asked for, and standard input is to be one and is not."""
    from ligan.cli.output import Failure

    if tty and stdin and not is_terminal(sys.stdin):
        raise Failure("the input device is not a TTY", 1)


class Raw:
    """`with Raw(wanted)`: what is typed goes to the container as it is, Ctrl-C too."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted and is_terminal(sys.stdin)
        self._before: list[int | list[bytes | int]] = []

    def __enter__(self) -> Raw:
        if self._wanted:
            import signal
            import termios
            import tty

            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, self._end)
            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setraw(sys.stdin.fileno(), termios.TCSANOW)  # keep what was typed ahead
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None = None,
        _error: BaseException | None = None,
        _trace: TracebackType | None = None,
    ) -> None:
        if self._before:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)
            self._before = []

    def _end(self, number: int, _frame: object) -> None:
        """Leave the terminal as it was; the container goes on, and conmon sees to its end."""
        self.__exit__()
        os._exit(128 + number)


def follow_size(resize: Callable[[int, int], None]) -> None:
    """Tell height and width now, and whenever they change."""
    import signal

    if not is_terminal(sys.stdout):
        return

    def tell() -> None:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        _unless_ended(lambda: resize(lines, columns))

    signal.signal(signal.SIGWINCH, lambda _number, _frame: _apart(tell))
    tell()


def _unless_ended(verb: Callable[[], None]) -> None:
    from ligan.errors import LiganError

    try:
        verb()
    except LiganError:
        pass  # it has ended meanwhile


def _apart(work: Callable[[], None]) -> None:
    """Work in a thread of its own: a signal comes in the middle of whatever the main one does."""
    start_new_thread(work, ())


def have_redrawn(resize: Callable[[int, int], None]) -> None:
    """Have a program show its screen anew to whoever attaches: it does when its size changes."""
    if is_terminal(sys.stdout):
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        resize(lines + 1, columns + 1)


def send_input(attachment: Attachment, detached: Callable[[], None], keys: bytes) -> None:
    """Give standard input to a container from a thread of its own, until it ends or `keys` are typed."""
    from ligan.containers.detaching import DetachKeys

    found = DetachKeys(keys)

    def work() -> None:
        while data := _read():
            typed, is_over = found.feed(data)
            if typed:
                attachment.write(typed)
            if is_over:
                detached()
                return
        attachment.close_stdin()

    # Nobody waits for it, nor can end its read of a terminal.
    start_new_thread(work, ())


def _read() -> bytes:
    try:
        return os.read(sys.stdin.fileno(), _CHUNK)
    except (OSError, ValueError):
        return b""


def show_output(attachment: Attachment) -> None:
    """Write what a container writes, stdout and stderr apart, until it ends.

    Raises BrokenPipeError where nobody reads it any more, else Unwritable. Whoever has shown no more must let
    go of the container, or it comes to stand still as soon as pipes and sockets are full.
    """
    for stream, data in attachment:
        try:
            _write_all(2 if stream == STDERR else 1, data)
        except OSError as error:
            raise output_error(error) from None


def take_rest_at_end(attachment: Attachment, pid: int) -> None:
    """Let whoever writes down the end of this process not wait for those who read its output here."""
    from ligan.containers.processes import Process, await_end

    process = Process.of(pid)

    def work() -> None:
        if process is not None:
            await_end(process)
        attachment.take_rest()

    start_new_thread(work, ())


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def show_in_background(
    attachment: Attachment, failed: Callable[[BrokenPipeError | Unwritable], None]
) -> Callable[[], object]:
    """Do what show_output does in a thread, and call `failed` with what it raises.

    What is returned waits until the container's output has ended.
    """
    is_going_on = allocate_lock()
    is_going_on.acquire()

    def work() -> None:
        try:
            show_output(attachment)
        except (BrokenPipeError, Unwritable) as error:
            failed(error)
        finally:
            is_going_on.release()

    start_new_thread(work, ())
    return is_going_on.acquire


def pass_signals(kill: Callable[[str], None]) -> None:
    """Send this process's signals on to the container, as docker's --sig-proxy does."""
    # The half in C: the other makes enums, 5 ms of each `run`.
    import _signal  # type: ignore[import-not-found]

    names: dict[int, str] = {getattr(_signal, f"SIG{name}"): name for name in _PASSED}

    def send(number: int, _frame: object) -> None:
        _apart(lambda: _unless_ended(lambda: kill(names[number])))

    for number in names:
        _signal.signal(number, send)


_PASSED = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "CONT", "ALRM")
"""Those that people and supervisors send; others are about this process itself."""


def detach_keys(text: str, *, tty: bool) -> bytes:
    """Return the keys that let go of a container: those of --detach-keys, or with a terminal the usual ones.

    Raises Failure for what names no keys.
    """
    if not tty and not text:
        return b""
    from ligan.cli.output import USAGE_STATUS, Failure
    from ligan.containers.execs import escape_keys
    from ligan.errors import LiganError

    try:
        return escape_keys(text or DETACH_KEYS)
    except LiganError as error:
        raise Failure(error.message, USAGE_STATUS) from None
