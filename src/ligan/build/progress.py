"""What a build tells of itself while it works: typed messages, numbered by vertex as BuildKit numbers them.

Times are nanoseconds since 1970. Messages come one at a time, from whatever thread makes the step.
"""

from __future__ import annotations

from _thread import allocate_lock

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.remote.progress import Message as Pulled

    Say = Callable[["Message"], None]


class Message(Value):
    """Something about the vertex of this number, which is its place in the order of beginnings, from 1."""

    vertex: int
    at: int


class Began(Message):
    name: str


class Wrote(Message):
    """A step wrote this, `stream` 1 or 2 being its standard output or error."""

    stream: int
    data: bytes


class Status(Message):
    """How far a part of a vertex is: `current` bytes of `total`, 0 where there are none to tell."""

    text: str
    current: int = 0
    total: int = 0
    done: bool = True
    began: int = 0


class Finished(Message):
    """`error` is empty for what went well; `cancelled`: another step failed."""

    cached: bool = False
    error: str = ""
    cancelled: bool = False


class Progress:
    """Where the vertices of one build tell how they do. For any thread."""

    def __init__(self, say: Say, now: Callable[[], int]) -> None:
        self._say = say
        self._lock = allocate_lock()
        self._count = 0
        self.now = now

    def begin(self, name: str) -> Vertex:
        with self._lock:
            self._count += 1
            vertex = Vertex(self, self._count)
            self._say(Began(self._count, self.now(), name))
        return vertex

    def tell(self, message: Message) -> None:
        with self._lock:
            self._say(message)


class Vertex:
    """`with progress.begin(name) as vertex`: its end is told, and what went wrong."""

    def __init__(self, progress: Progress, number: int) -> None:
        self._progress = progress
        self.number = number
        self.cached = False
        self.cancelled = False

    def __enter__(self) -> Vertex:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from ligan.errors import LiganError

        said = ""
        self.cancelled = self.cancelled or isinstance(error, (KeyboardInterrupt, SystemExit))
        if error is not None:
            said = error.message if isinstance(error, LiganError) else str(error) or type(error).__name__
        now = self._progress.now()
        self._progress.tell(Finished(self.number, now, self.cached, said, self.cancelled))

    def write(self, stream: int, data: bytes) -> None:
        self._progress.tell(Wrote(self.number, self._progress.now(), stream, data))

    def status(
        self, text: str, current: int = 0, total: int = 0, *, done: bool = True, began: int = 0
    ) -> Status:
        """Tell how far something is, and return what was told. It began now unless `began` says when."""
        now = self._progress.now()
        told = Status(self.number, now, text, current, total, done, began or now)
        self._progress.tell(told)
        return told


class PullProgress:
    """Call it with what a pull reports: a vertex tells of it, for each layer how far it is."""

    def __init__(self, vertex: Vertex) -> None:
        self._vertex = vertex
        self._seen: dict[str, Status] = {}

    def __call__(self, message: Pulled) -> None:
        layer, status = message.id, message.status
        if status == "Downloading":
            self._tell(layer, message.current, message.total, done=False)
        elif status == "Extracting":
            self._tell(f"extracting {layer}", done=False)
        elif status == "Download complete" and layer in self._seen:
            seen = self._seen[layer]
            self._tell(layer, seen.total, seen.total, done=True)
        elif status == "Pull complete":
            self._tell(f"extracting {layer}", done=True)

    def _tell(self, text: str, current: int = 0, total: int = 0, *, done: bool) -> None:
        began = self._seen[text].began if text in self._seen else 0
        self._seen[text] = self._vertex.status(text, current, total, done=done, began=began)
