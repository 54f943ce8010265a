"""A repository of a registry that is written to: blobs, whole or by a mount, and manifests."""

from __future__ import annotations

from urllib.parse import quote

from ligan.oci.digest import Digest, sha256
from ligan.remote.client import Waits
from ligan.remote.faults import BadAnswer, LoginRefused, RemoteError, may_pass, printable
from ligan.remote.repository import Repository, hashed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ligan.remote.faults import Refusal
    from ligan.remote.transport import Answer


class _Outlived(LoginRefused):
    """A token was good when an upload began, and no longer with its bytes. The next one is new."""


class WritableRepository(Repository):
    """A repository of which the registry itself is asked, no mirror."""

    _actions = "pull,push"

    def mount_blob(self, digest: Digest, from_path: str) -> bool:
        """Make a blob of another repository of this registry one of this. Return whether it could be."""
        url = self._url(
            self._client, f"blobs/uploads/?mount={quote(digest)}&from={quote(from_path, safe='')}"
        )
        answer = self._client.request("POST", url, (*self._scopes, f"repository:{from_path}:pull"))
        if answer.status == 202:  # no such blob there: the registry offers to take it by an upload
            self._abandon(answer)
        answer.discard()
        return answer.status == 201

    def upload_blob(
        self, chunks: Callable[[], Iterable[bytes]], size: int | None, digest: Digest | Callable[[], Digest]
    ) -> None:
        """Store a blob. On return the registry has it.

        `chunks` starts its bytes, anew for each attempt. Where the size is None or
        the digest comes of a call, they are known once all bytes were taken.
        Raises refusals, Interrupted after the last attempt.
        """
        waits = Waits(self._client)
        is_renewed = False
        while True:
            try:
                return self._upload(chunks(), size, digest)
            except _Outlived:
                if is_renewed:
                    raise
                is_renewed = True
            except RemoteError as error:
                if not may_pass(error) or not waits.next():
                    raise

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> Digest:
        """Store a manifest or index under a tag or its digest; return its digest.

        Raises refusals, BadAnswer where the registry says that it stored another digest.
        """
        headers = {"Content-Type": media_type}
        answer = self._client.request(
            "PUT", self._url(self._client, f"manifests/{reference}"), self._scopes, headers, raw
        )
        digest = hashed(raw, Digest.parse(reference)) if ":" in reference else sha256(raw)
        self._stored(answer, digest)
        return digest

    def _upload(
        self, chunks: Iterable[bytes], size: int | None, digest: Digest | Callable[[], Digest]
    ) -> None:
        client = self._client
        answer = client.request("POST", self._url(client, "blobs/uploads/"), self._scopes)
        if answer.status != 202:
            raise client.refusal(answer)
        place = _location(answer)
        answer.discard()
        headers = {"Content-Type": "application/octet-stream"}
        body: Iterable[bytes] | None = chunks
        if size is not None:
            headers["Content-Length"] = str(size)
        if size is None or callable(digest):
            answer = client.request("PATCH", place, self._scopes, headers, chunks)
            if answer.status not in (202, 204):
                raise self._refusal(answer)
            place = _location(answer)
            answer.discard()
            headers, body = {}, None
        named = digest() if callable(digest) else digest
        answer = client.request("PUT", _with_digest(place, named), self._scopes, headers, body)
        self._stored(answer, named)

    def _stored(self, answer: Answer, digest: Digest) -> None:
        if answer.status not in (200, 201):
            raise self._refusal(answer)
        stated = answer.headers.get("Docker-Content-Digest")
        answer.discard()
        if stated and stated != digest:
            raise BadAnswer(f"{answer.operation}: {digest} was stored as {printable(stated)[:140]}")

    def _refusal(self, answer: Answer) -> Refusal:
        refusal = self._client.refusal(answer)
        if refusal.status != 401:
            return refusal
        return _Outlived(refusal.message, 401, refusal.code, is_bare=refusal.is_bare)

    def _abandon(self, answer: Answer) -> None:
        """End an upload that is not needed. A registry that does not do that does so in time."""
        try:
            self._client.request("DELETE", _location(answer), self._scopes).discard()
        except RemoteError:
            pass


def _location(answer: Answer) -> str:
    """Return where an upload goes on. Raises BadAnswer."""
    location = answer.headers.get("Location")
    if not location:
        answer.close()
        raise BadAnswer(f"{answer.operation}: the registry does not say where the upload goes on")
    return answer.resolve(location)


def _with_digest(url: str, digest: Digest) -> str:
    return f"{url}{'&' if '?' in url else '?'}digest={quote(digest)}"
