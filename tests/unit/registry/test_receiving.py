"""What the server keeps of uploads between their chunks."""

from __future__ import annotations

import asyncio

from ligan.registry.receiving import KEPT, Receiver
from ligan.registry.uploads import Upload


def test_uploads_without_a_writer_are_forgotten_when_they_are_many() -> None:
    async def scenario() -> None:
        receiver = Receiver(lambda: False)
        busy, lock = receiver.share(Upload("app", "busy", "/nowhere"))
        idle, _ = receiver.share(Upload("app", "idle", "/nowhere"))
        assert receiver.share(Upload("app", "idle", "/nowhere"))[0] is idle
        async with lock:
            for number in range(KEPT):
                receiver.share(Upload("app", f"{number}", "/nowhere"))
            assert receiver.share(Upload("app", "busy", "/nowhere"))[0] is busy
            assert receiver.share(Upload("app", "idle", "/nowhere"))[0] is not idle
        receiver.close()

    asyncio.run(scenario())
