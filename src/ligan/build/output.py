"""What a classic build says while it runs: messages in the order of Docker's stream."""

from __future__ import annotations

from ligan.remote.progress import Message
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Text(Value):
    """A piece of text as it came, which may end anywhere. `is_error`: of stderr."""

    text: str
    is_error: bool = False


class StageDone(Value):
    """A stage has come to its end with this image."""

    image: str


Said = Text | StageDone | Message


class Output:
    """Gathers messages, and hands them on where something follows that takes time."""

    def __init__(self, write: Callable[[Sequence[Said]], None]) -> None:
        self._write = write
        self._waiting: list[Said] = []

    def say(self, *pieces: str) -> None:
        """Say each piece of text as a message of its own."""
        self._waiting += [Text(piece) for piece in pieces]

    def add(self, said: Said) -> None:
        self._waiting.append(said)

    def report(self, message: Message) -> None:
        """Pass on what a pull tells, at once."""
        self._waiting.append(message)
        self.flush()

    def flush(self) -> None:
        """On return all that was said is with the client. Raises what `write` does."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._write(waiting)
