"""Clients that push, mount, delete, undo and pull the same layers, while the registry is killed now and then.

Each client has tags of its own, which nobody else writes: so it is known at any time what must be there.
"""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from typing import TYPE_CHECKING

from tests.support.ligan_registry import Client, digest_of, image_manifest, ligan_registry, serving_registry
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.ligan_registry import Answer

CLIENTS = 16
TAGS = 3
"""How many each client has in a repository."""

REPOSITORIES = ("app", "app/nested", "team/one", "team/two")
SIZES = (10, 1000, 100_000, 1 << 20)
LAYERS = [random.Random(number).randbytes(SIZES[number % len(SIZES)]) for number in range(12)]

KILLS = 2
DOINGS = ("_push", "_push_index", "_delete", "_pull")
"""How often the registry has to have been killed, and what to have succeeded, before a run is one."""

GONE = (OSError, http.client.HTTPException)
"""What a client sees of a registry that is killed."""


class Ledger:
    """What is known of each tag: its digest, empty where it is deleted, or None while it is being changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[tuple[str, str], tuple[int, str | None]] = {}

    def set(self, repository: str, tag: str, digest: str | None) -> None:
        with self._lock:
            self._tags[repository, tag] = (self.look(repository, tag)[0] + 1, digest)

    def look(self, repository: str, tag: str) -> tuple[int, str | None]:
        """Return how often this has changed, and what is known."""
        return self._tags.get((repository, tag), (0, ""))

    def tags(self) -> list[tuple[str, str]]:
        with self._lock:
            return list(self._tags)


class Soak:
    """One run. `faults` are empty if the registry has kept all its promises; `done` counts what succeeded."""

    def __init__(self, root: str, seconds: float, seed: int) -> None:
        self.root = root
        self.seed = seed
        self.ledger = Ledger()
        self.faults: list[str] = []
        self.done: dict[str, int] = {}
        self.kills = 0
        self.standing = threading.Lock()
        """Held while the registry is down, and by whoever needs it up."""
        self._deadline = time.monotonic() + seconds
        self.address = f"127.0.0.1:{free_port()}"

    @property
    def is_over(self) -> bool:
        """Whether time is up; a machine that is slow gets more, until all has been done."""
        return bool(self.faults) or (time.monotonic() > self._deadline and self._is_enough)

    @property
    def _is_enough(self) -> bool:
        return self.kills >= KILLS and all(self.done.get(what) for what in DOINGS)

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def run(self) -> None:
        """Return when all is over and the registry has stopped; `serving_registry` has compared its books."""
        chance = random.Random(self.seed)
        clients = [_Worker(self, number) for number in range(CLIENTS)]
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        self.standing.acquire()
        while not self.is_over:
            window = self.kills % 2  # hours, in every other life: what undo holds is not what is freed
            with serving_registry(self.root, listen=self.address, LIGAN_UNDO_WINDOW=f"{window}h") as registry:
                self.standing.release()
                time.sleep(chance.uniform(0.5, 3))
                self.standing.acquire()
                registry.kill()
                self.kills += 1
        with serving_registry(self.root, listen=self.address) as registry:
            self.standing.release()
            for thread in threads:
                thread.join()
            for repository, tag in self.ledger.tags():
                self._look(registry, repository, tag)

    def _look(self, registry: Client, repository: str, tag: str) -> None:
        """Compare what is there with what must be; what has an uncertain end is there whole or not at all."""
        known = self.ledger.look(repository, tag)[1]
        status = registry.ask("HEAD", f"{repository}/manifests/{tag}").status
        assert status == 200 if known else status in ((404,) if known == "" else (200, 404)), (
            repository,
            tag,
        )
        if status == 200:
            registry.pull(repository, tag)
        if known:
            registry.pull(repository, known)


class _Worker:
    def __init__(self, soak: Soak, number: int) -> None:
        self._soak = soak
        self._name = f"client-{number}"
        self._chance = random.Random(soak.seed * 1000 + number)
        self._client = Client(soak.address)
        self._turn = 0

    def work(self) -> None:
        doings = [self._push, self._push, self._push_index, self._delete, self._delete, *[self._pull] * 4]
        while not self._soak.is_over:
            doing: Callable[[], None] = self._chance.choice(doings)
            try:
                doing()
            except GONE:
                time.sleep(0.05)
            except Exception as fault:  # noqa: BLE001  # whatever it is, the test shows it
                self._soak.faults.append(f"{self._name}: {doing.__name__}: {fault!r}")
            else:
                self._soak.count(doing.__name__)

    def _own(self) -> tuple[str, str]:
        return (
            self._chance.choice(REPOSITORIES),
            f"{self._name}-{self._chance.randrange(TAGS)}",
        )

    def _push(self) -> None:
        repository, tag = self._own()
        self._soak.ledger.set(repository, tag, None)
        digest = self._push_image(repository, tag)
        self._soak.ledger.set(repository, tag, digest)
        self._client.pull(repository, tag)

    def _push_index(self) -> None:
        repository, tag = self._own()
        self._soak.ledger.set(repository, tag, None)
        children = [self._push_image(repository, "") for _ in range(2)]
        digest = self._client.push_index(repository, tag, *children)
        self._soak.ledger.set(repository, tag, digest)
        self._client.pull(repository, tag)

    def _push_image(self, repository: str, tag: str) -> str:
        self._turn += 1
        layers = self._chance.sample(LAYERS, self._chance.randint(1, 4))
        config = b'{"of": %d}' % self._chance.randrange(5)
        for data in (config, *layers):
            self._push_blob(repository, data)
        of = {"of": f"{self._name}, {self._turn}"}
        raw = image_manifest(config, *layers, annotations=of)
        answer = self._client.put(repository, tag or digest_of(raw), raw)
        assert answer.status == 201, answer
        return digest_of(raw)

    def _push_blob(self, repository: str, data: bytes) -> None:
        """Make sure that a repository has a blob; what is promised here holds until the manifest is there."""
        digest = digest_of(data)
        if self._client.ask("HEAD", f"{repository}/blobs/{digest}").status == 200:
            return
        way = self._chance.choice(("", f"?digest={digest}", f"?mount={digest}", f"?mount={digest}&from=app"))
        answer = self._client.ask(
            "POST", f"{repository}/blobs/uploads/{way}", data if way.startswith("?digest") else None
        )
        if answer.status == 201:
            return
        assert answer.status == 202, answer
        self._upload(answer.headers["Location"], repository, data)

    def _upload(self, location: str, repository: str, data: bytes) -> None:
        """Send chunks; where the registry dies, go on from where it says after its next start."""
        sent = acknowledged = 0
        while sent < len(data):
            chunk = data[sent : sent + max(1, len(data) // self._chance.randint(1, 3))]
            try:
                answer = self._client.ask(
                    "PATCH", location, chunk, Content_Range=f"{sent}-{sent + len(chunk) - 1}"
                )
                assert answer.status == 202, answer
                sent = acknowledged = sent + len(chunk)
            except GONE:
                sent = self._resume(location, acknowledged)
        digest = digest_of(data)
        try:
            answer = self._client.ask("PUT", f"{location}?digest={digest}")
        except GONE:
            if self._ask_again(location).status == 404:  # its end came before that of the registry
                assert self._client.ask("HEAD", f"{repository}/blobs/{digest}").status == 200
                return
            answer = self._client.ask("PUT", f"{location}?digest={digest}")
        assert answer.status == 201, answer

    def _resume(self, location: str, acknowledged: int) -> int:
        answer = self._ask_again(location)
        assert answer.status == 204, answer
        last = int(answer.headers["Range"].partition("-")[2])
        start = last + 1 if last else 0
        assert start >= acknowledged or acknowledged == 1, (answer, acknowledged)
        self._soak.count("resumed")
        return start

    def _ask_again(self, location: str) -> Answer:
        while True:
            try:
                return self._client.ask("GET", location)
            except GONE:
                time.sleep(0.05)

    def _delete(self) -> None:
        repository, tag = self._own()
        digest = self._soak.ledger.look(repository, tag)[1]
        if not digest:
            return
        self._soak.ledger.set(repository, tag, None)
        answer = self._client.delete(repository, self._chance.choice((tag, digest)))
        assert answer.status == 202, answer
        self._soak.ledger.set(repository, tag, "")
        assert self._client.ask("HEAD", f"{repository}/manifests/{tag}").status == 404
        entry = re.search(r"undo=(\d+)", answer.headers.get("Ligan-Held", ""))
        if entry and self._chance.random() < 0.2:
            self._undo(repository, tag, digest, entry[1])

    def _undo(self, repository: str, tag: str, digest: str, entry: str) -> None:
        self._soak.ledger.set(repository, tag, None)
        with self._soak.standing:
            done = ligan_registry(self._soak.root, "undo", entry)
        assert done.returncode == 0, done.stderr
        self._soak.ledger.set(repository, tag, digest)
        self._client.pull(repository, tag)
        self._soak.count("undone")

    def _pull(self) -> None:
        """Pull anybody's image. It must be whole, unless its owner is about to change it."""
        tags = self._soak.ledger.tags()
        if not tags:
            return
        repository, tag = self._chance.choice(tags)
        known = self._soak.ledger.look(repository, tag)
        if not known[1]:
            return
        try:
            self._client.pull(repository, self._chance.choice((tag, known[1])))
        except AssertionError:
            if self._soak.ledger.look(repository, tag) == known:
                raise
