"""A registry, its repositories, and what is read from them. What writes to them is in `writing`.

The protocol is the OCI distribution-spec 1.1. What comes is checked against
what was asked for; the digests of blobs are checked by whoever reads them.
"""

from __future__ import annotations

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
from ligan.oci.reference import is_tag
from ligan.remote.client import Client
from ligan.remote.endpoint import endpoints_of
from ligan.remote.faults import BadAnswer, RemoteError, Unreachable
from ligan.remote.transport import Transport
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self, TypeVar

    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import Endpoint, RemoteSettings
    from ligan.remote.stream import BlobStream
    from ligan.remote.transport import Answer
    from ligan.remote.writing import WritableRepository

    Result = TypeVar("Result")

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
        answered by TLS. One with mirrors is not asked before they lack something. Credentials that
        are not given are looked up in docker's config.json, once the registry asks for some. Raises
        Unreachable, Interrupted or BadAnswer, for the endpoint that was tried last.
        """
        endpoints = endpoints_of(domain, settings)
        transport = Transport(settings, [item.host for item in endpoints if not item.verified])
        clients = [
            Client(mirror, transport, settings, _lookup(mirror.host, settings, None))
            for mirror in endpoints
            if mirror.mirror
        ]
        direct = [item for item in endpoints if not item.mirror]
        lookup = _lookup(domain, settings, credentials)
        if clients:
            # It may be out of reach, behind mirrors that have all; and Docker Hub has one way alone.
            return cls([*clients, Client(direct[0], transport, settings, lookup)], transport)
        try:
            return cls([_first_that_answers(direct, transport, settings, lookup)], transport)
        except BaseException:
            transport.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End waits between attempts, and close the connections."""
        for client in self._clients:
            client.close()
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

    def repository(self, path: str) -> Repository:
        """Return the repository of this path, `library/alpine`, to read from it. Nothing is sent yet."""
        return Repository(self._clients, path)

    def writable(self, path: str) -> WritableRepository:
        """Return the repository of this path, to write to it. Nothing is sent yet."""
        from ligan.remote.writing import WritableRepository

        return WritableRepository(self._clients[-1:], path)


class Repository:
    """A repository of a registry. Methods raise Refusal where the registry refuses, with its words."""

    _actions = "pull"
    """What a token has to be good for."""

    def __init__(self, clients: list[Client], path: str) -> None:
        """Use `Registry.repository`."""
        self._clients = clients
        self._client = clients[-1]
        self._scopes = (f"repository:{path}:{self._actions}",)
        self.path = path

    def stop(self) -> None:
        """Break off what other threads ask of the registry. Nothing can be asked of it any more."""
        for client in self._clients:
            client.stop()

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
        """Return the size of a blob in bytes, or None where the repository has none such, or will not tell.

        A refusal of HEAD has no words: those come with the refusal of what is asked next.
        """
        return self._first(lambda client: self._blob_exists(client, digest))

    def open_blob(
        self, digest: Digest, size: int, offset: int = 0, waiting: Callable[[float], None] | None = None
    ) -> BlobStream:
        """Return the blob's bytes from `offset` on; `size` is that of the whole blob, by its descriptor.

        `waiting` is told the seconds that will pass before each further attempt.
        Raises NotThere and other refusals, BadAnswer for another size.
        """
        from ligan.remote.stream import BlobStream  # who is up to date reads no blob

        return self._first(
            lambda client: BlobStream(
                client, self._url(client, f"blobs/{digest}"), self._scopes, digest, size, offset, waiting
            )
        )

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
        if answer.status != 200 or not digest or answer.length is None:
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
            if hashed(raw, digest) != digest:
                raise BadAnswer(f"manifest verification failed for digest {digest}")
        return FetchedManifest(raw, _media_type(answer), wanted[0] if wanted else sha256(raw))

    def _blob_exists(self, client: Client, digest: Digest) -> int | None:
        answer = client.request("HEAD", self._url(client, f"blobs/{digest}"), self._scopes)
        answer.discard()
        return answer.length if answer.status == 200 else None


def _lookup(
    domain: str, settings: RemoteSettings, credentials: Credentials | None
) -> Callable[[], Credentials]:
    if credentials is not None:
        return lambda: credentials

    def look_up() -> Credentials:
        from ligan.remote.credentials import ANONYMOUS, credentials_for

        return credentials_for(domain, settings.docker_config) if settings.docker_config else ANONYMOUS

    return look_up


def _first_that_answers(
    endpoints: list[Endpoint],
    transport: Transport,
    settings: RemoteSettings,
    lookup: Callable[[], Credentials],
) -> Client:
    """Return a client of the first endpoint that answers. Of several failures Docker names that of http.

    What answers badly by TLS is not asked in the clear: somebody on the way could want just that.
    What answers badly in the clear, or with the 400 of Go's servers, may want TLS.
    """
    failures: dict[str, RemoteError] = {}
    for endpoint in endpoints:
        client = Client(endpoint, transport, settings, lookup)
        try:
            status = client.ping()
        except RemoteError as error:
            if endpoint.scheme == "https" and not isinstance(error, Unreachable):
                raise
            failures[endpoint.scheme] = error
        else:
            if endpoint.scheme == "https" or status != 400:
                return client
            failures["http"] = BadAnswer(f'Get "{client.root}": 400 Bad Request')
    raise failures.get("http") or failures["https"]


def _media_type(answer: Answer) -> str:
    media_type = answer.headers.get("Content-Type").partition(";")[0].strip()
    return "" if media_type in _GENERIC_TYPES else media_type


def _digest(answer: Answer, text: str) -> Digest:
    try:
        return Digest.parse(text)
    except LiganError:
        answer.close()
        raise BadAnswer(f"{answer.operation}: its Docker-Content-Digest is no digest") from None


def hashed(raw: bytes, digest: Digest) -> Digest:
    """Return the digest of the bytes in the algorithm of the other."""
    state = digest.new_hash()
    state.update(raw)
    return Digest(f"{digest.algorithm}:{state.hexdigest()}")


def _tags_of(document: object, answer: Answer) -> list[str]:
    tags = document.get("tags") if isinstance(document, dict) else ""
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in tags):
        raise BadAnswer(f"{answer.operation}: the answer is no list of tags")
    return tags


def _next_page(answer: Answer) -> str:
    """Return the URL of the header Link, or an empty string (distribution-spec, listing tags)."""
    link = answer.headers.get("Link")
    target, bracket, parameters = link.strip().removeprefix("<").partition(">")
    if not bracket or 'rel="next"' not in parameters.replace("rel=next", 'rel="next"'):
        return ""
    return answer.resolve(target)
