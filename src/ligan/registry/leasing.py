"""Leases for blobs that clients look at: one for each push, and those asked for at once are written at once.

Docker's client looks at each blob that it has just uploaded or mounted. That is no push of its own: its lease
would outlive the manifest, and keep the blob from a delete for minutes.

A transaction waits for the disk: 8 clients that look at blobs get 3 times as many answers so.
"""

from __future__ import annotations

import asyncio
import time

from ligan.registry.pushing import is_leased, lease_blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.web import BaseRequest

    from ligan.errors import LiganError
    from ligan.oci.digest import Digest
    from ligan.registry.index.database import Index, ReadTransaction
    from ligan.registry.storage.role import Storage

    Outcomes = list[LiganError | None]
    Write = Callable[[Callable[[Index], Outcomes]], Awaitable[Outcomes]]


_MOST_EXPECTED = 1000


class Leases:
    """What looks at blobs wait for. `write` runs what writes to the index."""

    def __init__(self, reader: ReadTransaction, storage: Storage, write: Write) -> None:
        self._reader = reader
        self._storage = storage
        self._write = write
        self._waiting: list[tuple[str, Digest, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._expected: dict[tuple[str, str], int] = {}

    def expect_look(self, request: BaseRequest, repository: str, digest: Digest) -> None:
        """Take the next look of Docker's client at what it has just brought as a part of that."""
        if not _is_docker(request):
            return
        if len(self._expected) >= _MOST_EXPECTED:  # of clients that are gone; then a lease more is no harm
            self._expected.clear()
        key = (repository, str(digest))
        self._expected[key] = self._expected.get(key, 0) + 1

    async def take(self, request: BaseRequest, repository: str, digest: Digest) -> None:
        """On return the blob is kept for a push. Raises BlobUnknown where it has just gone."""
        key = (repository, str(digest))
        if _is_docker(request) and (expected := self._expected.pop(key, 0)):
            if expected > 1:
                self._expected[key] = expected - 1
            if is_leased(self._reader, repository, digest, time.time_ns()):
                return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((repository, digest, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())
        await done

    async def _go_on(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            outcomes: list[Exception | None]
            try:
                outcomes = [*await self._lease([(repository, digest) for repository, digest, _ in batch])]
            except Exception as error:  # noqa: BLE001  # whoever waits is told, whatever it is
                outcomes = [error] * len(batch)
            for (_repository, _digest, done), outcome in zip(batch, outcomes, strict=True):
                if done.done():
                    continue  # its client is gone
                if outcome is None:
                    done.set_result(None)
                else:
                    done.set_exception(outcome)

    async def _lease(self, blobs: list[tuple[str, Digest]]) -> Outcomes:
        return await self._write(lambda index: lease_blobs(index, self._storage, blobs, time.time_ns()))


def _is_docker(request: BaseRequest) -> bool:
    """Return whether dockerd asks, or Docker's command line, which pushes indexes itself."""
    return request.headers.get("User-Agent", "").startswith(("docker/", "Docker-Client/"))
