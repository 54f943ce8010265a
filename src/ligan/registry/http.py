"""The distribution specification 1.1 over aiohttp: from a request to one call, and from faults to codes.

Point reads run on the event loop: they take microseconds, and a hop to a thread takes more. What writes to
the index runs in one thread, the bytes of uploads in a few.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from aiohttp.web import Response

from ligan.errors import LiganError
from ligan.oci.reference import is_path, is_tag
from ligan.oci.times import rfc3339nano
from ligan.registry import reading
from ligan.registry.answers import (
    API_VERSION,
    accepted,
    answer_to,
    created,
    document,
    empty,
    fault,
    is_had,
    listing,
    not_possible,
    referrers,
    upload_location,
    upload_range,
    what_became,
)
from ligan.registry.asking import read_digest, read_document, read_page, split_path
from ligan.registry.deleting import release_expired, take_away
from ligan.registry.documents import read_pushed
from ligan.registry.faults import DigestInvalid, ManifestUnknown, NameInvalid, TagInvalid, WrongOffset
from ligan.registry.index.database import open_index
from ligan.registry.keeping import Deletion, drop_due, make_room, with_room
from ligan.registry.leasing import Leases
from ligan.registry.pushing import begin_upload, commit_blob, mount_blob, put_manifest
from ligan.registry.receiving import Receiver, ask_for_body
from ligan.registry.sending import send_blob
from ligan.registry.uploads import cancel_upload, drop_stale, find_upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from aiohttp.web import BaseRequest, StreamResponse

    from ligan.oci.digest import Digest
    from ligan.registry.adopting import Taken
    from ligan.registry.deleting import Removal
    from ligan.registry.index.database import Index
    from ligan.registry.keeping import Report, UndoPolicy
    from ligan.registry.storage.filesystem import FilesystemStorage
    from ligan.registry.verifying import Verification

    T = TypeVar("T")
    Handler = Callable[[BaseRequest, str, str], Awaitable[StreamResponse]]

_SECOND = 10**9
_READING = ("GET", "HEAD")
_is_name = lru_cache(maxsize=256)(is_path)  # to take a name apart is 6 of the 100 microseconds of a request

_log = logging.getLogger("ligan.registry")


class RegistryApi:
    """What an aiohttp server calls for each request. Made and closed in the loop's thread."""

    def __init__(self, storage: FilesystemStorage, policy: UndoPolicy, verification: Verification) -> None:
        self._storage = storage
        self._verification: Verification | None = verification
        self._policy = policy
        self._index = open_index(storage.index)
        self._reader = self._index.read()
        self._writer = ThreadPoolExecutor(1, "ligan-index")
        self._writing: Index = self._writer.submit(open_index, storage.index).result()
        self._leases = Leases(self._reader, storage, self._write)
        self._receiver = Receiver(self._make_room)
        self._routes: dict[str, dict[str, Handler]] = {
            "manifests": {
                "GET": self._get_manifest,
                "HEAD": self._get_manifest,
                "PUT": self._put_manifest,
                "DELETE": self._delete_manifest,
            },
            "blobs": {"GET": self._get_blob, "HEAD": self._head_blob, "DELETE": self._delete_blob},
            "uploads": {"POST": self._begin_upload},
            "upload": {
                "GET": self._get_upload,
                "HEAD": self._get_upload,
                "PATCH": self._append_upload,
                "PUT": self._finish_upload,
                "DELETE": self._cancel_upload,
            },
            "tags": {"GET": self._list_tags, "HEAD": self._list_tags},
            "referrers": {"GET": self._list_referrers, "HEAD": self._list_referrers},
        }

    def close(self) -> None:
        self._receiver.close()
        self._writer.submit(self._writing.close).result()
        self._writer.shutdown()
        self._index.close()

    async def verify(self) -> Taken:
        """Compare the disk with the index, between requests. On return what waited for that is unlinked."""
        verification = self._verification
        assert verification is not None
        while not await self._write(verification.go_on):
            pass
        self._verification = None
        await self._carry_out()
        return verification.taken

    async def release_expired(self) -> int:
        """Free what leases and undo have kept whose time is over, and uploads that ended. Returns bytes."""

        def work(index: Index) -> int:
            now = time.time_ns()
            freed = release_expired(index, self._storage, now) + drop_due(index, self._storage, now)
            return freed + drop_stale(index, self._storage, now)

        return await asyncio.to_thread(self._beside, work)

    async def __call__(self, request: BaseRequest) -> StreamResponse:
        """Answer a request. Raises nothing but what tells that the client is gone."""
        try:
            return await self._route(request)
        except WrongOffset as error:
            response = answer_to(error)
            response.headers.update({"Range": upload_range(error.size), "Location": request.rel_url.raw_path})
            return response
        except LiganError as error:
            return answer_to(error)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001  # logged whole, and no client ever sees a traceback
            _log.exception("%s %s failed", request.method, request.path)
            return fault(500, "UNKNOWN", "internal error: the server's log has the details")

    async def _route(self, request: BaseRequest) -> StreamResponse:
        path = request.path
        if path in ("/v2/", "/v2"):
            return _only_reading(request) or document({})
        if path == "/v2/_catalog":
            return _only_reading(request) or self._list_catalog(request)
        kind, repository, rest = split_path(path)
        handlers = self._routes.get(kind)
        if handlers is None:
            return fault(404, "UNSUPPORTED", "there is nothing here")
        handler = handlers.get(request.method)
        if handler is None:
            return not_possible(request.method, handlers)
        if not _is_name(repository):
            raise NameInvalid(f"invalid repository name: {repository:.255}")
        verification = self._verification
        if verification is not None and not verification.has_verified(repository):
            await self._write(lambda index: verification.verify(index, repository))
        return await handler(request, repository, rest)

    async def _write(self, work: Callable[[Index], T]) -> T:
        """Run what writes to the index, in its thread; where the disk is full, undo gives way."""
        index = self._writing
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, lambda: with_room(index, self._storage, lambda: work(index))
        )

    async def _carry_out(self) -> bool:
        """On return what deletes have taken away is off the disk. Returns whether blobs wait instead.

        Others may have deleted much more at the same time: nobody who writes waits for all that.
        """
        waits = await self._write(lambda index: take_away(index, self._storage))
        await asyncio.to_thread(self._storage.empty_trash)
        return waits

    def _beside(self, work: Callable[[Index], T]) -> T:
        """Do what may take long in whatever thread, beside what the others write."""
        index = open_index(self._storage.index)
        try:
            return work(index)
        finally:
            index.close()

    def _make_room(self) -> bool:
        """Drop an undo entry from a full disk. Returns whether that has freed bytes."""
        return self._beside(lambda index: make_room(index, self._storage))

    async def _get_manifest(self, request: BaseRequest, repository: str, reference: str) -> StreamResponse:
        if ":" in reference:
            found = reading.manifest_by_digest(self._reader, repository, read_digest(reference))
        elif is_tag(reference):
            found = reading.manifest_by_tag(self._reader, repository, reference)
        else:
            raise ManifestUnknown(f"manifest unknown: {reference:.128} is no tag")
        headers = {
            **API_VERSION,
            "Content-Type": found.media_type,
            "Docker-Content-Digest": found.digest,
            "ETag": f'"{found.digest}"',
        }
        if is_had(request, found.digest):
            return Response(status=304, headers=headers)
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(found.raw))})
        return Response(body=found.raw, headers=headers)

    async def _put_manifest(self, request: BaseRequest, repository: str, reference: str) -> StreamResponse:
        digest = read_digest(reference) if ":" in reference else None
        if digest is None and not is_tag(reference):
            raise TagInvalid(f"invalid tag: {reference:.128}")
        await ask_for_body(request)
        pushed = read_pushed(await read_document(request), request.headers.get("Content-Type", ""))
        tag = "" if digest else reference
        stored = await self._write(
            lambda index: put_manifest(index, self._storage, repository, tag, digest, pushed, time.time_ns())
        )
        _log.info("pushed %s%s%s", repository, f":{tag}@" if tag else "@", stored)
        headers = {"Location": f"/v2/{repository}/manifests/{stored}", "Docker-Content-Digest": stored}
        if pushed.subject:
            headers["OCI-Subject"] = pushed.subject
        return empty(201, headers)

    async def _delete_manifest(self, request: BaseRequest, repository: str, reference: str) -> StreamResponse:
        if ":" in reference:
            digest = read_digest(reference)
            return await self._delete(request, repository, lambda removal: removal.remove_digest(digest))
        return await self._delete(request, repository, lambda removal: removal.remove_tag(reference))

    async def _delete_blob(self, request: BaseRequest, repository: str, text: str) -> StreamResponse:
        digest = read_digest(text)
        return await self._delete(request, repository, lambda removal: removal.remove_blob(digest))

    async def _delete(
        self, request: BaseRequest, repository: str, remove: Callable[[Removal], None]
    ) -> StreamResponse:
        """Answer once the bytes are off the disk, and say how many are, and what the others wait for."""
        command = f"DELETE {request.path}"

        def work(index: Index) -> Report:
            with index.write() as tx:
                deletion = Deletion(tx, self._storage, self._policy, command, time.time_ns())
                remove(deletion.of(repository))
                return deletion.finish()

        report = await self._write(work)
        deleted = report.deleted
        _log.info(
            "%s: %d bytes freed, %d leased, %d kept for undo",
            command,
            deleted.freed,
            deleted.leased,
            deleted.held,
        )
        return empty(202, what_became(report, waits=await self._carry_out()))

    async def _get_blob(self, request: BaseRequest, repository: str, text: str) -> StreamResponse:
        digest = read_digest(text)
        blob = reading.find_blob(self._reader, self._storage, repository, digest)
        return await send_blob(request, blob, digest)

    async def _head_blob(self, request: BaseRequest, repository: str, text: str) -> StreamResponse:
        """Whoever asks may be about to push a manifest that names the blob: it stays for a while."""
        digest = read_digest(text)
        blob = reading.find_blob(self._reader, self._storage, repository, digest)
        await self._leases.take(request, repository, digest)
        return await send_blob(request, blob, digest)

    async def _begin_upload(self, request: BaseRequest, repository: str, _rest: str) -> StreamResponse:
        query = request.query
        now = time.time_ns()
        if "mount" in query:
            digest, source = read_digest(query["mount"]), query.get("from", "")
            mounted = await self._write(
                lambda index: mount_blob(index, self._storage, repository, digest, source, now)
            )
            if mounted:
                self._leases.expect_look(request, repository, digest)
                return created(repository, digest)
        wanted = read_digest(query["digest"]) if "digest" in query else None
        started = rfc3339nano(now // _SECOND)
        name = await self._write(lambda index: begin_upload(index, self._storage, repository, now, started))
        if wanted is None:
            return accepted(repository, name, 0)
        try:
            return await self._complete(request, repository, name, wanted)
        except (LiganError, ConnectionError) as error:
            if not isinstance(error, DigestInvalid):  # then it has gone already
                await self._cancel(repository, name)  # nobody was told its name
            raise

    async def _get_upload(self, _request: BaseRequest, repository: str, name: str) -> StreamResponse:
        upload = find_upload(self._reader, self._storage, repository, name)
        return empty(
            204,
            {
                "Location": upload_location(repository, name),
                "Range": upload_range(upload.size),
                "Docker-Upload-UUID": name,
            },
        )

    async def _append_upload(self, request: BaseRequest, repository: str, name: str) -> StreamResponse:
        upload, lock = self._receiver.share(find_upload(self._reader, self._storage, repository, name))
        async with lock:
            try:
                await self._receiver.append(request, upload)
            finally:
                upload.close()
        return accepted(repository, name, upload.size)

    async def _finish_upload(self, request: BaseRequest, repository: str, name: str) -> StreamResponse:
        if "digest" not in request.query:
            raise DigestInvalid("the digest of the blob is missing")
        return await self._complete(request, repository, name, read_digest(request.query["digest"]))

    async def _complete(
        self, request: BaseRequest, repository: str, name: str, wanted: Digest
    ) -> StreamResponse:
        """Take the last bytes, and make a blob of the upload. An upload of other bytes is dropped."""
        upload, lock = self._receiver.share(find_upload(self._reader, self._storage, repository, name))
        async with lock:
            try:
                await self._receiver.append(request, upload)
                stored = await self._receiver.finish(upload, wanted)
            except DigestInvalid:
                await self._cancel(repository, name)
                raise
            finally:
                upload.close()
            now = time.time_ns()
            await self._write(
                lambda index: commit_blob(index, self._storage, repository, name, stored, wanted, now)
            )
        self._receiver.forget(name)
        self._leases.expect_look(request, repository, wanted)
        return created(repository, wanted)

    async def _cancel_upload(self, _request: BaseRequest, repository: str, name: str) -> StreamResponse:
        await self._cancel(repository, name)
        return empty(204, {})

    async def _cancel(self, repository: str, name: str) -> None:
        await self._write(lambda index: cancel_upload(index, self._storage, repository, name, time.time_ns()))
        self._receiver.forget(name)
        await self._carry_out()

    def _list_catalog(self, request: BaseRequest) -> Response:
        count, last = read_page(request)
        names = reading.catalog(self._reader, last, count + 1)
        return listing(request, {}, "repositories", names, count)

    async def _list_tags(self, request: BaseRequest, repository: str, _rest: str) -> StreamResponse:
        count, last = read_page(request)
        names = reading.tags(self._reader, repository, last, count + 1)
        return listing(request, {"name": repository}, "tags", names, count)

    async def _list_referrers(self, request: BaseRequest, repository: str, subject: str) -> StreamResponse:
        wanted = request.query.get("artifactType", "")
        return referrers(reading.referrers(self._reader, repository, read_digest(subject), wanted), wanted)


def _only_reading(request: BaseRequest) -> Response | None:
    if request.method in _READING:
        return None
    return not_possible(request.method, _READING)
