"""A registry, its repositories, and what is read from and written to them.

The protocol is the OCI distribution-spec 1.1. What comes is checked against
what was asked for; the digests of blobs are checked by whoever reads them.
"""

from __future__ import annotations

from urllib.parse import quote

from ligan.errors import LiganError
from ligan.oci.digest import Digest, sha256
from ligan.oci.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_DOCUMENT_SIZE,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from ligan.remote.client import Client, Waits
from ligan.remote.credentials import ANONYMOUS, credentials_for
from ligan.remote.endpoint import endpoints_of
from ligan.remote.faults import BadAnswer, RemoteError, Unreachable, may_pass, printable
from ligan.remote.stream import BlobStream
from ligan.remote.transport import Transport
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self, TypeVar

    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import Endpoint, RemoteSettings
    from ligan.remote.transport import Answer

    Result = TypeVar("Result")

PULL = ("pull",)
PUSH = ("pull", "push")

_ACCEPT = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX, "*/*"))
"""With the last, a registry shows what Docker no longer takes, instead of hiding it."""

_GENERIC_TYPES = ("", "application/json", "application/octet-stream", "text/plain")
_MAX_TAGS = 1_000_000
_TAGS_A_PAGE = 1000


class FetchedManifest(Value):
    """A manifest or index as the registry gave it; `digest` is that of `raw`."""

    raw: bytes
    media_type: str
    digest: Digest


class Registry:
    """A registry that answered. It serves any number of threads; close it.

    Registries with mirrors read from these first, as long as they have what is asked for.
    """

    def __init__(self, clients: list[Client], transport: Transport) -> None:
        """Use `open`."""
        self._clients = clients
        self._transport = transport

    @classmethod
    def open(cls, domain: str, settings: RemoteSettings, credentials: Credentials | None = None) -> Registry:
        """Find the registry of a canonical domain, such as docker.io.

        https is tried first; http only where the settings allow it and nothing
        answered by TLS. Credentials that are not given are looked up in docker's
        config.json, once the registry asks for some. Raises Unreachable, Interrupted
        or BadAnswer, for the endpoint that was tried last.
        """
        endpoints = endpoints_of(domain, settings)
        transport = Transport(settings, [item.host for item in endpoints if not item.verified])
        clients = []
        try:
            for mirror in [item for item in endpoints if item.mirror]:
                lookup = _lookup(mirror.host, settings, None)
                clients.append(Client(mirror, transport, settings, lookup))
            direct = [item for item in endpoints if not item.mirror]
            clients.append(
                _first_that_answers(direct, transport, settings, _lookup(domain, settings, credentials))
            )
        except BaseException:
            transport.close()
            raise
        return cls(clients, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End waits between attempts, and close the connections."""
        for client in self._clients:
            client.closing.set()
        self._transport.close()

    @property
    def url(self) -> str:
        """The address of its API, as Docker shows it: `https://registry-1.docker.io/v2/`."""
        return self._clients[-1].root

    def login(self) -> str:
        """Try the credentials. Return the identity token that the registry gave for them, or an empty string.

        Raises LoginRefused, NoCredentials and what requests raise.
        """
        return self._clients[-1].login()

    def repository(self, path: str, actions: tuple[str, ...] = PULL) -> Repository:
        """Return the repository of this path, `library/alpine`, for PULL or PUSH. Nothing is sent yet."""
        clients = self._clients if actions == PULL else self._clients[-1:]
        return Repository(clients, path, actions)


class Repository:
    """A repository of a registry. Methods raise Refusal where the registry refuses, with its words."""

    def __init__(self, clients: list[Client], path: str, actions: tuple[str, ...]) -> None:
        """Use `Registry.repository`."""
        self._clients = clients
        self._client = clients[-1]
        self._scopes = (f"repository:{path}:{','.join(actions)}",)
        self.path = path

    def head_manifest(self, reference: str) -> Descriptor | None:
        """Return what a tag or digest names, or None where the registry knows no such thing.

        Raises what else the registry says, in its words: it is asked again by GET for them, as Docker does.
        """
        return self._first(lambda client: self._head_manifest(client, reference))

    def get_manifest(self, reference: str) -> FetchedManifest:
        """Return the manifest or index that a tag or digest names.

        Raises NotThere and other refusals, BadAnswer where it hashes to another
        digest than the one that was asked for, or than the one that the registry gives.
        """
        return self._first(lambda client: self._get_manifest(client, reference))

    def blob_exists(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, or None where the repository has none such."""
        return self._first(lambda client: self._blob_exists(client, digest))

    def open_blob(
        self, digest: Digest, size: int, offset: int = 0, waiting: Callable[[float], None] | None = None
    ) -> BlobStream:
        """Return the blob's bytes from `offset` on; `size` is that of the whole blob, by its descriptor.

        `waiting` is told the seconds that will pass before each further attempt.
        Raises NotThere and other refusals, BadAnswer for another size.
        """
        return self._first(
            lambda client: BlobStream(
                client, self._url(client, f"blobs/{digest}"), self._scopes, digest, size, offset, waiting
            )
        )

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
        while True:
            try:
                return self._upload(chunks(), size, digest)
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
        digest = _hashed(raw, Digest.parse(reference)) if ":" in reference else sha256(raw)
        self._stored(answer, digest)
        return digest

    def tags(self) -> Iterator[str]:
        """Yield the tags, page by page, in the registry's order, each once.

        Raises refusals, BadAnswer for pages without end.
        """
        client = self._client
        url = self._url(client, f"tags/list?n={_TAGS_A_PAGE}")
        seen: set[str] = set()
        while url:
            answer = client.request("GET", url, self._scopes)
            document = client.document(answer)
            fresh = [tag for tag in _tags_of(document, answer) if tag not in seen]
            seen.update(fresh)
            yield from fresh
            following = _next_page(answer)
            if following and (not fresh or len(seen) > _MAX_TAGS):
                raise BadAnswer(f"{answer.operation}: the list of tags has no end")
            url = following

    def _url(self, client: Client, rest: str) -> str:
        return f"{client.root}{self.path}/{rest}"

    def _first(self, operation: Callable[[Client], Result]) -> Result:
        """Return what the first mirror gives, or else the registry itself."""
        for mirror in self._clients[:-1]:
            if mirror.is_down:
                continue
            try:
                result = operation(mirror)
            except LiganError as error:
                mirror.is_down = isinstance(error, Unreachable)
                continue
            if result is not None:
                return result
        return operation(self._client)

    def _head_manifest(self, client: Client, reference: str) -> Descriptor | None:
        url = self._url(client, f"manifests/{reference}")
        answer = client.request("HEAD", url, self._scopes, {"Accept": _ACCEPT})
        answer.discard()
        if answer.status == 404:
            return None
        digest = answer.headers.get("Docker-Content-Digest")
        if answer.status != 200 or digest is None or answer.length is None:
            manifest = self._get_manifest(client, reference)
            return Descriptor(manifest.media_type, manifest.digest, len(manifest.raw), None, {})
        return Descriptor(_media_type(answer), _digest(answer, digest), answer.length, None, {})

    def _get_manifest(self, client: Client, reference: str) -> FetchedManifest:
        url = self._url(client, f"manifests/{reference}")
        answer = client.request("GET", url, self._scopes, {"Accept": _ACCEPT})
        if answer.status != 200:
            raise client.refusal(answer)
        raw = answer.read_all(MAX_DOCUMENT_SIZE)
        stated = answer.headers.get("Docker-Content-Digest")
        wanted = [Digest.parse(reference)] if ":" in reference else []
        wanted += [_digest(answer, stated)] if stated else []
        for digest in wanted:
            if _hashed(raw, digest) != digest:
                raise BadAnswer(f"manifest verification failed for digest {digest}")
        return FetchedManifest(raw, _media_type(answer), wanted[0] if wanted else sha256(raw))

    def _blob_exists(self, client: Client, digest: Digest) -> int | None:
        answer = client.request("HEAD", self._url(client, f"blobs/{digest}"), self._scopes)
        answer.discard()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise client.refusal(answer)
        return answer.length

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
                raise client.refusal(answer)
            place = _location(answer)
            answer.discard()
            headers, body = {}, None
        named = digest() if callable(digest) else digest
        answer = client.request("PUT", _with_digest(place, named), self._scopes, headers, body)
        self._stored(answer, named)

    def _stored(self, answer: Answer, digest: Digest) -> None:
        if answer.status not in (200, 201):
            raise self._client.refusal(answer)
        stated = answer.headers.get("Docker-Content-Digest")
        answer.discard()
        if stated and stated != digest:
            raise BadAnswer(f"{answer.operation}: {digest} was stored as {printable(stated)[:140]}")

    def _abandon(self, answer: Answer) -> None:
        """End an upload that is not needed. A registry that does not do that does so in time."""
        try:
            self._client.request("DELETE", _location(answer), self._scopes).discard()
        except RemoteError:
            pass


def _lookup(
    domain: str, settings: RemoteSettings, credentials: Credentials | None
) -> Callable[[], Credentials]:
    if credentials is not None:
        return lambda: credentials
    if not settings.docker_config:
        return lambda: ANONYMOUS
    return lambda: credentials_for(domain, settings.docker_config)


def _first_that_answers(
    endpoints: list[Endpoint],
    transport: Transport,
    settings: RemoteSettings,
    lookup: Callable[[], Credentials],
) -> Client:
    """Return a client of the first endpoint that answers. Raises the last one's Unreachable.

    What answers badly by TLS is not asked in the clear: somebody on the way could want just that.
    """
    for endpoint in endpoints:
        client = Client(endpoint, transport, settings, lookup)
        try:
            client.ping()
        except Unreachable as error:
            failure = error
        else:
            return client
    raise failure


def _media_type(answer: Answer) -> str:
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return "" if media_type in _GENERIC_TYPES else media_type


def _digest(answer: Answer, text: str) -> Digest:
    try:
        return Digest.parse(text)
    except LiganError:
        answer.close()
        raise BadAnswer(f"{answer.operation}: its Docker-Content-Digest is no digest") from None


def _hashed(raw: bytes, digest: Digest) -> Digest:
    """Return the digest of the bytes in the algorithm of the other."""
    state = digest.new_hash()
    state.update(raw)
    return Digest(f"{digest.algorithm}:{state.hexdigest()}")


def _location(answer: Answer) -> str:
    """Return where an upload goes on. Raises BadAnswer."""
    location = answer.headers.get("Location", "")
    if not location:
        answer.close()
        raise BadAnswer(f"{answer.operation}: the registry does not say where the upload goes on")
    return answer.resolve(location)


def _with_digest(url: str, digest: Digest) -> str:
    return f"{url}{'&' if '?' in url else '?'}digest={quote(digest)}"


def _tags_of(document: object, answer: Answer) -> list[str]:
    tags = document.get("tags") if isinstance(document, dict) else ""
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadAnswer(f"{answer.operation}: the answer is no list of tags")
    return tags


def _next_page(answer: Answer) -> str:
    """Return the URL of the header Link, or an empty string (distribution-spec, listing tags)."""
    link = answer.headers.get("Link", "")
    target, bracket, parameters = link.strip().removeprefix("<").partition(">")
    if not bracket or 'rel="next"' not in parameters.replace("rel=next", 'rel="next"'):
        return ""
    return answer.resolve(target)
