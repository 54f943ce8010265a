"""Several processes on one store, at random, some of them killed.

`python -m tests.support.races ROOT SEED SECONDS` exits with 1 and says on stderr
what went wrong, if anything did. It forks from one thread, with no database open.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import sys
import tarfile
import time
import traceback
from typing import TYPE_CHECKING

from ligan.errors import Conflict, NotFound
from ligan.oci.digest import Digest
from tests.support import archives
from tests.support.archives import Item
from tests.support.faults import archive
from tests.support.stores import Stock

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 4
TICK = 0.05
KILLED_AT_A_TICK = 0.1

BASE = archives.image("base", "2023-01-01T00:00:00Z", add=archives.layer({"base": b"0" * 40_000}))
IMAGES = [
    BASE,
    *(
        archives.image(
            f"step {number}",
            f"2023-01-01T00:00:{number:02}Z",
            parent=BASE,
            add=archives.layer({"file": b"%d" % number * 20_000}),
        )
        for number in range(1, 4)
    ),
]
NAMES = ("a:1", "b:1", "c:1", "d:1", "e:1")


def main(root: str, seed: str, seconds: str) -> int:
    """Return 1 if any process failed otherwise than by being killed here."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    chance = random.Random(seed)
    deadline = time.monotonic() + float(seconds)
    failed = 0
    children = {_fork(watch, root, seed, deadline)}
    watcher = next(iter(children))
    started = 0
    while children:
        while time.monotonic() < deadline and len(children) <= WORKERS:
            started += 1
            children.add(_fork(work, root, f"{seed}.{started}", deadline))
        signal.sigtimedwait([signal.SIGCHLD], TICK)
        for child in sorted(children):
            if child != watcher and chance.random() < KILLED_AT_A_TICK / WORKERS:
                os.kill(child, signal.SIGKILL)
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                children.remove(child)
                failed |= os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL)
    return int(failed)


def _fork(role: Callable[[str, str, float], None], root: str, seed: str, deadline: float) -> int:
    child = os.fork()
    if child:
        return child
    try:
        role(root, seed, deadline)
    except BaseException:  # noqa: BLE001 - the rest of the program is the parent's
        sys.stderr.write(f"{role.__name__} {seed}:\n{traceback.format_exc()}")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def watch(root: str, _seed: str, deadline: float) -> None:
    """Assert while the others work that no row lacks its file, and that nobody touches a living lease."""
    stock = Stock(root)
    layout = stock.store.layout
    with stock.store.lease() as lease:
        staged = lease.write(b"mine")
        while time.monotonic() < deadline:
            with stock.store.database.write() as tx:
                for digest, size in tx.all("SELECT digest, size FROM blob"):
                    assert os.stat(layout.blob(Digest(digest))).st_size == size, digest
            assert os.stat(staged.path).st_size == staged.size
            stock.engine.list_images({}, show_all=True)
            signal.sigtimedwait([], TICK / 5)
    stock.store.close()


def work(root: str, seed: str, deadline: float) -> None:
    """Do at random what people do, until it is time. Only what others have done meanwhile may be refused."""
    chance = random.Random(seed)
    while time.monotonic() < deadline:
        stock = Stock(root)
        for _ in range(chance.randint(1, 4)):
            verb = chance.choice(VERBS)
            try:
                verb(stock, chance)
            except (NotFound, Conflict):
                pass
            except BaseException:
                sys.stderr.write(f"{verb.__name__} failed\n")
                raise
        stock.store.close()


def load(stock: Stock, chance: random.Random) -> None:
    images = chance.sample(IMAGES, chance.randint(1, len(IMAGES)))
    items = [Item(image, tuple(chance.sample(NAMES, chance.randint(0, 2)))) for image in images]
    outcome = stock.engine.load(archive(*items), lambda _progress: None)
    assert list(outcome.images) == [image.id for image in images]


def tag(stock: Stock, chance: random.Random) -> None:
    stock.engine.tag_image(_name(chance), chance.choice(NAMES))


def remove(stock: Stock, chance: random.Random) -> None:
    names = [_name(chance) for _ in range(chance.randint(1, 3))]
    stock.engine.remove_images(names, force=chance.random() < 0.3, now=chance.random() < 0.5)


def prune(stock: Stock, chance: random.Random) -> None:
    filters = {"dangling": ["false"]} if chance.random() < 0.3 else {}
    stock.engine.prune_images(filters, now=chance.random() < 0.5)


def undo(stock: Stock, chance: random.Random) -> None:
    stock.engine.undo(force=chance.random() < 0.5)


def reclaim(stock: Stock, chance: random.Random) -> None:
    stock.engine.reclaim(drop_all=chance.random() < 0.5)


def plan_and_apply(stock: Stock, chance: random.Random) -> None:
    stock.engine.apply_plan(stock.engine.plan_removal([_name(chance)]))


def read(stock: Stock, chance: random.Random) -> None:
    name = _name(chance)
    stock.engine.inspect_image(name)
    stock.engine.history(name)
    stock.engine.why(name)


def save(stock: Stock, chance: random.Random) -> None:
    """Save, and look whether the archive is whole."""
    target = io.BytesIO()
    stock.engine.save([_name(chance)], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as saved:
        [item] = json.load(_member(saved, "manifest.json"))
        config = _member(saved, item["Config"]).read()
        diff_ids = json.loads(config)["rootfs"]["diff_ids"]
        assert hashlib.sha256(config).hexdigest() == item["Config"].removesuffix(".json")
        assert [archives.digest(_member(saved, name).read()) for name in item["Layers"]] == diff_ids


def _member(saved: tarfile.TarFile, name: str) -> io.BufferedReader:
    file = saved.extractfile(name)
    assert file is not None
    return file  # type: ignore[return-value]  # typeshed says IO[bytes]


def _name(chance: random.Random) -> str:
    return chance.choice((*NAMES, *(image.id for image in IMAGES)))


VERBS = (load, load, load, tag, remove, remove, prune, undo, reclaim, plan_and_apply, read, save)

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
