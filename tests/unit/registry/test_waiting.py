"""Requests that come before all of a folder is verified."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from aiohttp.test_utils import make_mocked_request

from ligan.registry.http import RegistryApi
from ligan.registry.index.database import open_index
from ligan.registry.keeping import UndoPolicy
from ligan.registry.recovery import begin, lock_registry, open_registry
from ligan.registry.verifying import Verification
from tests.support.ligan_registry import check_registry, digest_of
from tests.support.registry_folders import NOW, RegistryFolder, take_over

if TYPE_CHECKING:
    import pytest
    from aiohttp.web import StreamResponse

    from ligan.registry.index.database import Index
    from ligan.registry.storage.filesystem import FilesystemStorage

LAYER = b"a layer" * 1000


async def ask(api: RegistryApi, method: str, path: str) -> StreamResponse:
    return await api(make_mocked_request(method, f"/v2/{path}"))


def test_delete_is_answered_and_its_bytes_wait(tmp_path: str) -> None:
    root = f"{tmp_path}/registry"
    folder = RegistryFolder(root)
    folder.image("app", "v1", layers=(LAYER, b"of app alone"))
    take_over(root)
    new = folder.image("other", "v1", layers=(LAYER,))  # which registry:2 has pushed meanwhile
    storage = open_registry(root)
    lock = lock_registry(storage)
    index = open_index(storage.index)
    verification = begin(index, storage, NOW, lambda *_progress: None)
    index.close()

    async def work() -> None:
        api = RegistryApi(storage, UndoPolicy(0), verification)
        try:
            answer = await ask(api, "DELETE", "app/manifests/v1")
            assert (answer.status, answer.headers["Ligan-Freed"]) == (202, "0")
            waiting = int(answer.headers["Ligan-Waiting"])
            assert waiting > len(LAYER)
            assert (await ask(api, "HEAD", "app/manifests/v1")).status == 404
            assert storage.blob_size(digest_of(b"of app alone")) is not None
            found = await ask(api, "HEAD", "other/manifests/v1")
            assert (found.status, found.headers["Docker-Content-Digest"]) == (200, new)
            taken = await api.verify()
            assert (taken.new, taken.gone) == (1, 0)
            assert storage.blob_size(digest_of(b"of app alone")) is None
            assert storage.blob_size(digest_of(LAYER)) == len(LAYER)
            freed = await ask(api, "DELETE", "other/manifests/v1")
            assert "Ligan-Waiting" not in freed.headers
            assert int(freed.headers["Ligan-Freed"]) > len(LAYER)
        finally:
            api.close()

    try:
        asyncio.run(work())
    finally:
        os.close(lock)
    check_registry(root)


def test_nobody_waits_for_the_trash_but_who_deletes(
    storage: FilesystemStorage, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have thrown away a repository of thousands of images."""
    verification = Verification(index, storage)
    empty, begun, may_end = storage.empty_trash, threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        assert may_end.wait(20)
        empty()

    async def work() -> None:
        api = RegistryApi(storage, UndoPolicy(0), verification)
        try:
            await api.verify()
            location = (await ask(api, "POST", "app/blobs/uploads/")).headers["Location"].removeprefix("/v2/")
            monkeypatch.setattr(storage, "empty_trash", slowly)
            delete = asyncio.create_task(ask(api, "DELETE", location))
            assert await asyncio.to_thread(begun.wait, 20)
            assert (await ask(api, "POST", "other/blobs/uploads/")).status == 202
            assert not delete.done()
            may_end.set()
            assert (await delete).status == 204
        finally:
            may_end.set()
            api.close()

    asyncio.run(work())
