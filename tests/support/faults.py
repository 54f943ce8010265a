"""What goes wrong, on purpose: verbs that are killed or failed at every point, on stores that recover.

`python -m tests.support.faults` runs verbs that die, each in a process of its own.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import signal
import subprocess
import sys
import traceback
from functools import cache
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from ligan.images.importing import ImportRequest
from ligan.store import failpoints
from ligan.store.recover import recover
from tests.support import archives
from tests.support.stores import HOUR, START, Stock

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own in it
"""Where a store that is only killed may be: no page is lost that way, and an fsync costs nothing there."""

State = dict[str, list[tuple[Any, ...]]]

A = archives.image("a", "2023-01-01T00:00:00Z", add=archives.layer({"a": b"a" * 3000}))
B = archives.image("b", "2023-01-02T00:00:00Z", parent=A, add=archives.layer({"b": b"b" * 3000}))
C = archives.image("c", "2023-01-03T00:00:00Z", parent=A, add=archives.layer({"c": b"c" * 3000}))


def archive(*items: archives.Item) -> io.BytesIO:
    return io.BytesIO(archives.docker_archive(items))


def load(stock: Stock) -> None:
    """Three images: the second is built on the first, the third has no name."""
    items = archives.Item(A, ("a:1",)), archives.Item(B, ("b:1",), A), archives.Item(C)
    stock.engine.load(archive(*items), _ignore)


def load_b(stock: Stock) -> None:
    stock.engine.load(archive(archives.Item(B, ("b:1",))), _ignore)


def _ignore(_progress: object) -> None:
    pass


def import_image(stock: Stock) -> None:
    stock.engine.import_image(io.BytesIO(archives.layer({"i": b"i" * 3000})), ImportRequest(reference="i:1"))


def tag(stock: Stock) -> None:
    """Move a name."""
    stock.engine.tag_image("a:1", "b:1")


def rmi(stock: Stock) -> None:
    _remove(stock, now=False)


def rmi_now(stock: Stock) -> None:
    _remove(stock, now=True)


def _remove(stock: Stock, *, now: bool) -> None:
    for argument in stock.engine.remove_images(["b:1", C.id], now=now).arguments:
        if argument.error is not None:
            raise argument.error


def rmi_long_ago(stock: Stock) -> None:
    stock.now = START - 100 * HOUR
    rmi(stock)
    stock.now = START


def prune(stock: Stock) -> None:
    stock.engine.prune_images({})


def prune_now(stock: Stock) -> None:
    stock.engine.prune_images({"dangling": ["false"]}, now=True)


def undo(stock: Stock) -> None:
    stock.engine.undo()


def undo_by_force(stock: Stock) -> None:
    """Take a name back from the image that has it meanwhile."""
    stock.engine.undo(force=True)


def reclaim(stock: Stock) -> None:
    stock.engine.reclaim()


def reclaim_all(stock: Stock) -> None:
    stock.engine.reclaim(drop_all=True)


def repair(stock: Stock) -> None:
    recover(stock.store.database, stock.store.layout)


VERBS: dict[str, Callable[[Stock], None]] = {
    verb.__name__: verb
    for verb in (
        load,
        load_b,
        import_image,
        tag,
        rmi,
        rmi_now,
        rmi_long_ago,
        prune,
        prune_now,
        undo,
        undo_by_force,
        reclaim,
        reclaim_all,
        repair,
    )
}


class Stop(Exception):
    """Raised by a test to leave a transaction that must not commit."""


class Scenario(NamedTuple):
    """A verb on a store that others made; `VERB@POINT` among those was killed there.

    `in_steps`: the verb commits more than once, as a load does for each image.
    """

    before: tuple[str, ...]
    verb: str
    in_steps: bool = False


SCENARIOS = {
    "first load": Scenario((), "load", in_steps=True),
    "load of what undo holds": Scenario(("load", "rmi"), "load_b"),
    "load of what was deleted": Scenario(("load", "rmi_now@removal.done"), "load_b"),
    "import": Scenario(("load",), "import_image"),
    "tag": Scenario(("load",), "tag"),
    "rmi": Scenario(("load",), "rmi"),
    "rmi --now": Scenario(("load",), "rmi_now"),
    "load with an entry due": Scenario(("load", "rmi_long_ago"), "load_b", in_steps=True),
    "prune": Scenario(("load",), "prune"),
    "prune -a --now": Scenario(("load",), "prune_now"),
    "undo": Scenario(("load", "rmi"), "undo"),
    "undo --force": Scenario(("load", "rmi", "tag"), "undo_by_force"),
    "reclaim": Scenario(("load", "rmi_long_ago"), "reclaim"),
    "reclaim --all": Scenario(("load", "rmi"), "reclaim_all"),
    "repair of a load": Scenario(("load@commit.linked",), "repair"),
    "repair of a sweep": Scenario(("load", "rmi_now@sweep.committed"), "repair"),
}


OPENING = ("open.", "migrate.")
"""Points that are reached before there is a store to look at."""


class Run(NamedTuple):
    """What a scenario does when nothing goes wrong.

    `reached` counts the calls of each failpoint; `states` are those that may be
    found after the verb was interrupted, the last one after it was not.
    """

    reached: dict[str, int]
    states: list[State]


def prepare(root: str, scenario: Scenario) -> None:
    """Bring a new root to where the scenario's verb begins."""
    for step in scenario.before:
        verb, _, point = step.partition("@")
        if point:
            run_killed(root, verb, point)
        else:
            run(root, verb)


def run(root: str, verb: str) -> None:
    stock = Stock(root)
    try:
        VERBS[verb](stock)
    finally:
        stock.store.close()


def run_killed(root: str, verb: str, point: str, nth: int = 1) -> None:
    """Run the verb in a process of its own, which dies at the n-th call of the point."""
    requests, answers = _forker()
    requests.write(json.dumps([root, verb, f"{point}=kill@{nth}"]) + "\n")
    requests.flush()
    status = json.loads(answers.readline())
    assert status == -signal.SIGKILL, f"{verb} was not killed at {point}: it ended with {status}"


@cache
def _forker() -> tuple[IO[str], IO[str]]:
    """Start `serve`: to fork from a process of one thread is safe, and faster than to start one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.faults"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    atexit.register(process.wait)
    atexit.register(process.stdout.close)
    atexit.register(process.stdin.close)
    return process.stdin, process.stdout


def serve() -> None:
    """For each request on stdin run a verb with failpoints armed, and answer with the exit status."""
    for request in sys.stdin:
        root, verb, points = json.loads(request)
        child = os.fork()
        if child == 0:
            try:
                failpoints.arm(points)
                run(root, verb)
            except BaseException:  # noqa: BLE001 - the loop is the parent's
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _child, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


@cache
def reference_run(name: str) -> Run:
    """Run a scenario undisturbed. The states are what another process sees at each failpoint."""
    scenario = SCENARIOS[name]
    reached: dict[str, int] = {}

    with TemporaryDirectory(dir=MEMORY) as folder:
        root = os.path.join(folder, "root")
        copy = os.path.join(folder, "copy")
        prepare(root, scenario)
        prepare(copy, scenario)
        states = [state(copy)]

        def hit(point: str) -> None:
            reached[point] = reached.get(point, 0) + 1
            if scenario.in_steps and not point.startswith(OPENING):
                with mock.patch.object(failpoints, "hit", _ignore):
                    states.append(state(root))

        with mock.patch.object(failpoints, "hit", hit):
            run(root, scenario.verb)
        states.append(state(root))
    return Run(reached, states)


def state(root: str) -> State:
    """Return all that a person can tell from the store: what exists, what can be undone, what was told."""
    stock = Stock(root)
    try:
        with stock.store.database.read() as tx:
            more = {table: sorted(tx.all(sql), key=repr) for table, sql in _MORE.items()}
        return stock.dump() | more
    finally:
        stock.store.close()


_MORE = {
    "deletion": "SELECT key, command, at, until FROM deletion",
    "deletion_image": "SELECT deletion, id, parent FROM deletion_image",
    "deletion_reference": "SELECT deletion, name, image FROM deletion_reference",
    "event": "SELECT key, action, actor, attributes FROM event",
}


if __name__ == "__main__":
    serve()
