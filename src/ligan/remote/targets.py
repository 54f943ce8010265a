"""Where images can be copied to besides the store: repositories, OCI layouts and archives."""

from __future__ import annotations

import json
import os

from ligan.errors import Conflict, Unavailable, Unsupported
from ligan.images.archive import REF_NAME
from ligan.layers.tar import DIRECTORY, REGULAR
from ligan.layers.tar_write import END, header, padding
from ligan.oci.documents import INDEX_TYPES, OCI_INDEX, Manifest, parse_json
from ligan.oci.gojson import go_json
from ligan.remote.faults import BadAnswer, Refusal
from ligan.remote.fetch import open_layer
from ligan.store.blobs import CHUNK
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Protocol

    from ligan.oci.digest import Digest
    from ligan.oci.documents import Descriptor
    from ligan.oci.reference import Reference
    from ligan.remote.places import Origin
    from ligan.remote.progress import Meter
    from ligan.remote.repository import FetchedManifest
    from ligan.remote.writing import WritableRepository

    class Target(Protocol):
        """What a copy writes to. Blobs come first, then the documents that name them, the whole's last."""

        threads: int
        """Blobs that it takes at a time."""

        def stop(self) -> None:
            """Break off what other threads wait for here."""

        def has(self, blob: Descriptor) -> bool: ...
        def mount(self, blob: Descriptor) -> str:
            """Take the blob from another place that has it, and return that one's name; or return nothing."""

        def put(self, blob: Descriptor, chunks: Callable[[], Iterator[bytes]]) -> None:
            """Store a blob. `chunks` raises where its bytes are not the blob's."""

        def put_document(self, document: FetchedManifest, media_type: str, *, is_root: bool) -> None: ...


def verified(origin: Origin, blob: Descriptor, meter: Meter) -> Iterator[bytes]:
    """Yield the bytes of a blob. Raises BadAnswer before its end where they are not what the digest says."""
    hasher = blob.digest.new_hash()
    done, last = 0, b""
    with open_layer(origin, blob) as stream:
        while data := stream.read(CHUNK):
            yield last
            last = data
            hasher.update(data)
            done += len(data)
            meter.add(len(data))
    actual = f"{blob.digest.algorithm}:{hasher.hexdigest()}"
    if actual != blob.digest or done != blob.size:
        raise BadAnswer(
            f"filesystem layer verification failed for digest {blob.digest}",
            f"{done} bytes came that hash to {actual}; its descriptor says {blob.size} bytes.",
        )
    yield last


class RepositoryTarget:
    """A repository, whose registry may have the blobs already."""

    threads = 3

    def __init__(
        self, repository: WritableRepository, reference: Reference, source: Reference | None
    ) -> None:
        """`source` is what is copied, if that is in a registry."""
        self._repository = repository
        self._reference = reference
        self._source = source if source and source.domain == reference.domain else None

    def stop(self) -> None:
        self._repository.stop()

    def has(self, blob: Descriptor) -> bool:
        return self._repository.blob_exists(blob.digest) is not None

    def mount(self, blob: Descriptor) -> str:
        if self._source is None:
            return ""
        try:
            return self._source.path if self._repository.mount_blob(blob.digest, self._source.path) else ""
        except Refusal:
            return ""  # then it is sent

    def put(self, blob: Descriptor, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._repository.upload_blob(chunks, blob.size, blob.digest)

    def put_document(self, document: FetchedManifest, media_type: str, *, is_root: bool) -> None:
        name = self._reference.tag if is_root and self._reference.tag else document.digest
        if is_root and self._reference.digest not in ("", document.digest):
            raise Conflict(f"what is copied has the digest {document.digest}, not {self._reference.digest}")
        self._repository.put_manifest(name, document.raw, media_type)


class FolderTarget:
    """An OCI layout in a folder. Other images in it stay; one of the same tag is replaced."""

    threads = 2

    def __init__(self, folder: str, tag: str) -> None:
        self._folder = folder
        self._tag = tag
        with Explained(folder):
            os.makedirs(f"{folder}/blobs/sha256", exist_ok=True)

    def _path(self, digest: Digest) -> str:
        return f"{self._folder}/blobs/{digest.algorithm}/{digest.hex}"

    def stop(self) -> None:
        """Nothing is waited for here."""

    def has(self, blob: Descriptor) -> bool:
        try:
            return os.stat(self._path(blob.digest)).st_size == blob.size
        except FileNotFoundError:
            return False

    def mount(self, _blob: Descriptor) -> str:
        return ""

    def put(self, blob: Descriptor, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._write(self._path(blob.digest), chunks())

    def _write(self, path: str, chunks: Iterator[bytes]) -> None:
        """On return the file is there, whole and durable; after an error nothing is."""
        temporary = f"{path}.{os.getpid()}.tmp"
        with Explained(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, path)
            except BaseException:
                if os.path.exists(temporary):
                    os.unlink(temporary)
                raise

    def put_document(self, document: FetchedManifest, media_type: str, *, is_root: bool) -> None:
        self._write(self._path(document.digest), iter([document.raw]))
        if is_root:
            self._write(f"{self._folder}/oci-layout", iter([_OCI_LAYOUT]))
            self._write(f"{self._folder}/index.json", iter([self._index(document, media_type)]))

    def _index(self, document: FetchedManifest, media_type: str) -> bytes:
        others = []
        path = f"{self._folder}/index.json"
        if os.path.exists(path):
            with open(path, "rb") as file:
                index = parse_json(file.read(), "index.json")
            entries = index.get("manifests") if isinstance(index, dict) else None
            others = [
                entry
                for entry in (entries if isinstance(entries, list) else [])
                if isinstance(entry, dict) and not self._is_replaced(entry, document.digest)
            ]
        return _index(others, document, media_type, self._tag)

    def _is_replaced(self, entry: dict[str, object], digest: Digest) -> bool:
        annotations = entry.get("annotations")
        tag = annotations.get(REF_NAME, "") if isinstance(annotations, dict) else ""
        return tag == self._tag if self._tag else entry.get("digest") == digest and not tag


class ArchiveTarget:
    """A new archive of one image: of an OCI layout, or for `docker load`. Blobs go in as they come."""

    threads = 1

    def __init__(self, file: BinaryIO, tag: str, name: Reference | None = None) -> None:
        """With a `name` the archive is a docker-archive, whose image has it."""
        self._file = file
        self._tag = tag
        self._name = name
        self._written: set[str] = set()
        for folder in ("blobs/", "blobs/sha256/"):
            file.write(header(folder, 0, 0, 0o40755, DIRECTORY, uname="root", gname="root"))

    def stop(self) -> None:
        """Nothing is waited for here."""

    def has(self, blob: Descriptor) -> bool:
        return blob.digest in self._written

    def mount(self, _blob: Descriptor) -> str:
        return ""

    def put(self, blob: Descriptor, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._add(_blob_name(blob.digest), blob.size, chunks())
        self._written.add(blob.digest)

    def _add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        self._file.write(header(name, size, 0, 0o100644, REGULAR, uname="root", gname="root"))
        for chunk in chunks:
            self._file.write(chunk)
        self._file.write(padding(size))

    def _add_bytes(self, name: str, data: bytes) -> None:
        self._add(name, len(data), iter([data]))

    def put_document(self, document: FetchedManifest, media_type: str, *, is_root: bool) -> None:
        self._add_bytes(_blob_name(document.digest), document.raw)
        if not is_root:
            return
        self._add_bytes("oci-layout", _OCI_LAYOUT)
        self._add_bytes("index.json", _index([], document, media_type, self._tag))
        if self._name is not None:
            if media_type in INDEX_TYPES:
                raise Unsupported("a docker-archive holds an image for one platform")
            manifest = Manifest.parse(document.raw, media_type)
            item = {
                "Config": _blob_name(manifest.config.digest),
                "RepoTags": [self._name.familiar] if self._name.tag else None,
                "Layers": [_blob_name(layer.digest) for layer in manifest.layers],
            }
            self._add_bytes("manifest.json", go_json([item]) + b"\n")
        self._file.write(END)


class NewFile:
    """`with NewFile(path) as file`: it takes its name if the block ends well; else nothing is left."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = f"{path}.{os.getpid()}.tmp"

    def __enter__(self) -> BinaryIO:
        if os.path.isdir(self._path):
            raise Unavailable(f"cannot write {self._path}: it is a directory")
        try:
            self._file = open(self._temporary, "xb")  # closed on leaving
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Unavailable(f"cannot write {self._path}: {reason}", "Name another file.") from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        with Explained(self._path):
            try:
                with self._file as file:
                    file.flush()
                    os.fsync(file.fileno())
                if kind is None:
                    os.rename(self._temporary, self._path)
            finally:
                if os.path.exists(self._temporary):
                    os.unlink(self._temporary)


_OCI_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _index(others: list[dict[str, object]], document: FetchedManifest, media_type: str, tag: str) -> bytes:
    entry: dict[str, object] = {"mediaType": media_type, "digest": document.digest, "size": len(document.raw)}
    if tag:
        entry["annotations"] = {REF_NAME: tag}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*others, entry]}, separators=(",", ":")
    ).encode()
