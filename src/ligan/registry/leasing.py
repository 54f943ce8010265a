"""Leases for blobs that clients look at: those asked for at once are written at once.

A transaction waits for the disk: 8 clients that look at blobs get 3 times as many answers so.
"""

from __future__ import annotations

import asyncio
import time

from ligan.registry.pushing import lease_blobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ligan.errors import LiganError
    from ligan.oci.digest import Digest
    from ligan.registry.index.database import Index
    from ligan.registry.storage.role import Storage

    Outcomes = list[LiganError | None]
    Write = Callable[[Callable[[Index], Outcomes]], Awaitable[Outcomes]]


class Leases:
    """What looks at blobs wait for. `write` runs what writes to the index."""

    def __init__(self, storage: Storage, write: Write) -> None:
        self._storage = storage
        self._write = write
        self._waiting: list[tuple[str, Digest, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def take(self, repository: str, digest: Digest) -> None:
        """On return the blob is kept for a push. Raises BlobUnknown where it has just gone."""
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
