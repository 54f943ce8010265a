"""Requests that come before all of a folder is verified."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from aiohttp.test_utils import make_mocked_request

from ligan.registry.http import RegistryApi
from ligan.registry.index.database import open_index
from ligan.registry.keeping import UndoPolicy
from ligan.registry.recovery import begin, lock_registry, open_registry
from tests.support.ligan_registry import check_registry, digest_of
from tests.support.registry_folders import NOW, RegistryFolder, take_over

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse

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
