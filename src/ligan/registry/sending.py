"""Blobs on their way out: whole or a range (RFC 9110, section 14), from file to socket by the kernel."""

from __future__ import annotations

import asyncio
import os

from aiohttp.web import Response, StreamResponse

from ligan.registry.answers import API_VERSION, is_had
from ligan.registry.faults import BlobUnknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

    from ligan.registry.reading import StoredBlob

_SMALL = 64 << 10
"""Bytes that are read and sent in one piece."""

_PIECE = 1 << 20
_FLUSH_SECONDS = 0.002


async def send_blob(request: BaseRequest, blob: StoredBlob, digest: str) -> StreamResponse:
    """Answer with a blob. The file is opened first: a delete from now on does not break the answer off."""
    try:
        file = os.open(blob.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # a delete by another process was faster
        raise BlobUnknown(f"blob unknown to registry: {digest}") from None
    try:
        headers = {
            **API_VERSION,
            "Accept-Ranges": "bytes",
            "Cache-Control": "max-age=31536000",
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "ETag": f'"{digest}"',
        }
        if is_had(request, digest):
            return Response(status=304, headers=headers)
        # RFC 9110: only GET has ranges (14.2); with If-Range, of the same bytes as those had before (13.1.5).
        in_parts = (
            request.method == "GET" and request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]
        )
        wanted = read_range(request.headers.get("Range", "") if in_parts else "", blob.size)
        if wanted is None:
            return Response(status=416, headers=API_VERSION | {"Content-Range": f"bytes */{blob.size}"})
        status, first, length = (206, *wanted) if wanted != (0, blob.size) else (200, 0, blob.size)
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{blob.size}"
        if request.method == "HEAD":
            return Response(status=status, headers=headers | {"Content-Length": str(length)})
        if length <= _SMALL:
            return Response(status=status, headers=headers, body=os.pread(file, length, first))
        response = StreamResponse(status=status, headers=headers)
        response.content_length = length
        await response.prepare(request)
        await _send_file(request, file, first, length)
        await response.write_eof()
        return response
    finally:
        os.close(file)


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the number of bytes that are asked for, or None where there are none such.

    As the RFC has it, a header that cannot be read, or asks for several ranges, is as none.
    """
    unit, equals, span = header.partition("=")
    first, dash, last = span.strip().partition("-")
    everything = (0, size)
    if unit.strip().lower() != "bytes" or not equals or not dash or not (first or last):
        return everything
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (first, last) if part):
        return everything
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return everything
    return (start, end - start + 1) if start < size else None


async def _send_file(request: BaseRequest, file: int, first: int, length: int) -> None:
    """Have the kernel copy from the file to the socket. Raises ConnectionError where the client goes.

    uvloop has no sendfile of its own, and lets nobody wait for its sockets: a second descriptor of the
    same socket does.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    while transport.get_write_buffer_size():  # the headers come first
        await asyncio.sleep(_FLUSH_SECONDS)
        if transport.is_closing():
            raise ConnectionResetError
    socket = os.dup(transport.get_extra_info("socket").fileno())
    loop = asyncio.get_running_loop()
    copy = _Copy(socket, file, first, length, loop.create_future())
    try:
        loop.add_writer(socket, copy.go_on)
        await copy.done
    finally:
        loop.remove_writer(socket)
        os.close(socket)


class _Copy:
    """A piece each time that the socket takes one; others have the loop in between."""

    def __init__(self, socket: int, file: int, first: int, length: int, done: asyncio.Future[None]) -> None:
        self._socket = socket
        self._file = file
        self._first = first
        self._length = length
        self.done = done

    def go_on(self) -> None:
        if self.done.done():
            return
        try:
            sent = os.sendfile(self._socket, self._file, self._first, min(self._length, _PIECE))
        except BlockingIOError:
            return
        except OSError as error:
            self.done.set_exception(error)
            return
        self._first += sent
        self._length -= sent
        if not sent:
            self.done.set_exception(ConnectionResetError("the file has become shorter"))
        elif not self._length:
            self.done.set_result(None)
