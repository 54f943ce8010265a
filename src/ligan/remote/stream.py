"""The bytes of a blob, as a registry sends them."""

from __future__ import annotations

from ligan.remote.client import Waits
from ligan.remote.faults import BadAnswer, Interrupted, Unreachable, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ligan.oci.digest import Digest
    from ligan.remote.client import Client
    from ligan.remote.transport import Answer

_PROGRESS = 1 << 20
"""Bytes that make a download that broke off again worth as many attempts as a new one."""


class BlobStream:
    """The bytes of a blob, from an offset to its end, over as many connections as it takes."""

    def __init__(
        self,
        client: Client,
        url: str,
        scopes: tuple[str, ...],
        digest: Digest,
        size: int,
        offset: int,
        waiting: Callable[[float], None] | None,
    ) -> None:
        """Use `Repository.open_blob`."""
        self._client = client
        self._url = url
        self._scopes = scopes
        self._digest = digest
        self._waiting = waiting
        self._waits = Waits(client)
        self._since = offset
        self.size = size
        self.position = offset
        self._answer = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, count: int) -> bytes:
        """Return the next bytes, at most `count`, or none once all of `size` were read.

        A connection that breaks off is made anew, and goes on where the last one ended.
        Raises Interrupted after the last attempt, BadAnswer where the blob is shorter or longer.
        """
        while True:
            try:
                data = self._answer.read_some(min(count, self.size - self.position) or 1)
            except Interrupted as error:
                self._resume(error)
                continue
            if self.position + len(data) > self.size:
                self.close()
                raise self._other_size("more")
            if not data and self.position < self.size:
                raise self._other_size("fewer")
            self.position += len(data)
            if data:
                return data
            self.close()
            return b""

    def close(self) -> None:
        self._answer.close()

    def _resume(self, error: Interrupted) -> None:
        if self.position - self._since >= _PROGRESS:
            self._waits = Waits(self._client)
        self._since = self.position
        while True:
            if not self._waits.next(self._waiting):
                raise error
            try:
                self._answer = self._open()
            except (Interrupted, Unreachable) as again:
                error = Interrupted(again.message)
            else:
                return

    def _open(self) -> Answer:
        headers = {"Range": f"bytes={self.position}-"} if self.position else {}
        answer = self._client.request("GET", self._url, self._scopes, headers)
        answer.allow(self.size)
        if answer.status == 206 and self.position:
            self._check_range(answer)
            self._check_length(answer, self.size - self.position)
        elif answer.status == 200:
            self._check_length(answer, self.size)
            self._skip(answer)
        else:
            raise self._client.refusal(answer)
        return answer

    def _check_range(self, answer: Answer) -> None:
        stated = answer.headers.get("Content-Range")
        if not stated.startswith(f"bytes {self.position}-"):
            answer.close()
            raise BadAnswer(f"{answer.operation}: another range than was asked for: {printable(stated)[:80]}")

    def _check_length(self, answer: Answer, expected: int) -> None:
        if answer.length not in (None, expected):
            answer.close()
            raise self._other_size(f"{answer.length} instead of {expected}", answer)

    def _skip(self, answer: Answer) -> None:
        """Pass over what was read before: the registry knows no ranges."""
        left = self.position
        while left:
            data = answer.read_some(min(left, _PROGRESS))
            if not data:
                raise self._other_size("fewer", answer)
            left -= len(data)

    def _other_size(self, how: str, answer: Answer | None = None) -> BadAnswer:
        answer = answer or self._answer
        encoding = answer.headers.get("Content-Encoding")
        note = f" (Content-Encoding: {printable(encoding)[:20]})" if encoding else ""
        return BadAnswer(f"blob {self._digest} has {how} bytes than its descriptor's {self.size}{note}")
