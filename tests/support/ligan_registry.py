"""`ligan registry serve` on a folder of a test's own, a client for it, and the proof of its books."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from ligan.oci.digest import sha256
from ligan.registry.index.database import open_index
from ligan.registry.pushing import begin_upload, commit_blob
from ligan.registry.storage.filesystem import FilesystemStorage
from ligan.values import Value
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ligan.registry.index.database import Index

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = f"{OCI_MANIFEST}, {OCI_INDEX}, application/vnd.docker.distribution.manifest.v2+json"
AT_ONCE = {"LIGAN_UNDO_WINDOW": "0"}
"""Deletes free the disk at once, unless a test wants them undone."""


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Answer(Value):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the first error in the answer."""
        return str(self.json["errors"][0]["code"])


class Client:
    """Asks a registry, whose ever. `address` is HOST:PORT."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Ask one thing; underscores in the names of headers are dashes. Raises OSError."""
        connection = http.client.HTTPConnection(self.address, timeout=SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path if path.startswith("/") else f"/v2/{path}", body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def begin(self, repository: str) -> str:
        """Return the location of a new upload."""
        answer = self.ask("POST", f"{repository}/blobs/uploads/")
        assert answer.status == 202
        return answer.headers["Location"].removeprefix(f"http://{self.address}")

    def push_blob(self, repository: str, data: bytes) -> str:
        location = self.begin(repository)
        joint = "&" if "?" in location else "?"
        answer = self.ask("PUT", f"{location}{joint}digest={digest_of(data)}", data)
        assert answer.status == 201, answer
        return digest_of(data)

    def put(self, repository: str, reference: str, raw: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        return self.ask("PUT", f"{repository}/manifests/{reference}", raw, Content_Type=media_type)

    def push_image(self, repository: str, tag: str, *layers: bytes, **fields: Any) -> str:
        """Push a config of its own and layers, and the manifest; returns its digest. An empty tag is none."""
        config = b'{"layers": %d, "of": "%s"}' % (
            len(layers),
            digest_of(b"".join(layers)).encode(),
        )
        for blob in (config, *layers):
            self.push_blob(repository, blob)
        raw = image_manifest(config, *layers, **fields)
        answer = self.put(repository, tag or digest_of(raw), raw)
        assert answer.status == 201, answer
        return digest_of(raw)

    def push_index(self, repository: str, tag: str, *children: str) -> str:
        manifests = [
            {"mediaType": OCI_MANIFEST, "digest": child, "size": len(self.manifest(repository, child))}
            for child in children
        ]
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()
        answer = self.put(repository, tag, raw, OCI_INDEX)
        assert answer.status == 201, answer
        return digest_of(raw)

    def manifest(self, repository: str, reference: str) -> bytes:
        answer = self.ask("GET", f"{repository}/manifests/{reference}", Accept=ACCEPT)
        assert answer.status == 200, answer
        return answer.body

    def pull(self, repository: str, reference: str) -> None:
        """Fetch a manifest and all that it names. Each byte is compared with its digest."""
        document = json.loads(self.manifest(repository, reference))
        for child in document.get("manifests", ()):
            self.pull(repository, child["digest"])
        for item in [*filter(None, [document.get("config")]), *document.get("layers", ())]:
            answer = self.ask("GET", f"{repository}/blobs/{item['digest']}")
            assert answer.status == 200, answer
            assert digest_of(answer.body) == item["digest"]

    def delete(self, repository: str, reference: str) -> Answer:
        return self.ask("DELETE", f"{repository}/manifests/{reference}")

    def catalog(self) -> list[str]:
        names: list[str] = self.ask("GET", "_catalog").json["repositories"]
        return names


class Registry(Client):
    """Ligan's registry, as long as it runs."""

    def __init__(self, root: str, address: str, process: subprocess.Popen[str]) -> None:
        super().__init__(address)
        self.root = root
        self.process = process
        self._log: list[str] = []
        self._reader = threading.Thread(target=lambda: self._log.extend(process.stderr or ()))
        self._reader.start()

    def send(self, *pieces: bytes) -> bytes:
        """Send bytes on a connection of their own, and close its half; returns what is answered."""
        host, _, port = self.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            answer = b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(1 << 16):
                    answer += chunk
            except ConnectionError:
                pass  # it had enough
        return answer

    def stop(self) -> str:
        """Stop it as systemd would; returns its log."""
        self.process.send_signal(signal.SIGTERM)
        log = self._end()
        assert self.process.returncode == 0, log
        return log

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def _end(self) -> str:
        self.process.wait(SECONDS)
        self._reader.join()
        return "".join(self._log)


def image_manifest(config: bytes, *layers: bytes, **fields: Any) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer) for layer in layers],
        **fields,
    }
    return json.dumps(document).encode()


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def push_blob(index: Index, storage: FilesystemStorage, repository: str, data: bytes, now: int) -> None:
    """Upload a blob by the functions that the server calls."""
    upload = begin_upload(index, storage, repository, now, "2023-11-14T22:13:20Z")
    with open(f"{storage.upload(repository, upload)}/data", "wb") as file:
        file.write(data)
    commit_blob(index, storage, repository, upload, sha256(data), sha256(data), now)


@contextmanager
def serving_registry(
    root: str,
    python: str = sys.executable,
    listen: str = "127.0.0.1:0",
    flags: str = "",
    **environment: str,
) -> Iterator[Registry]:
    """Serve a folder; at the end the registry is stopped, and its books must be right."""
    with unchecked_registry(root, python, listen, flags, environment=environment) as registry:
        yield registry
    if registry.process.returncode == 0:
        check_registry(root)


@contextmanager
def unchecked_registry(
    root: str,
    python: str = sys.executable,
    listen: str = "127.0.0.1:0",
    flags: str = "",
    *,
    wait: bool = True,
    environment: Mapping[str, str] = AT_ONCE,
) -> Iterator[Registry]:
    """Serve a folder that has things which nobody can serve: their books are never right.

    The registry has compared disk and index, unless that shall not `wait`.
    """
    command = [python, "-m", "ligan", "registry", "serve", "--root", root, "--listen", listen, *flags.split()]
    environment = {**os.environ, **AT_ONCE, **environment}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stderr is not None
    try:
        registry = Registry(root, _address(process.stderr, wait=wait), process)
        try:
            yield registry
            if process.poll() is None:
                registry.stop()
        finally:
            registry.kill()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _address(log: IO[str], *, wait: bool) -> str:
    """Return where a registry that starts says that it listens, once it has compared disk and index."""
    said = ""
    for line in log:
        said += line
        found = re.search(r"listening on ([^ \n]+)", said)
        if found and ("verified: " in said or not wait):
            return found[1]
    raise AssertionError(f"the registry does not start: {said}")


def ligan_registry(root: str, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ligan", "registry", verb, "--root", root, *words]
    environment = {**os.environ, **AT_ONCE, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def check_registry(root: str) -> None:
    """Compare every blob, link, tag and byte on the disk with the index."""
    storage = FilesystemStorage(root)
    index = open_index(storage.index)
    try:
        tx = index.read()
        assert tx.all("PRAGMA foreign_key_check") == []
        assert tx.all("SELECT path FROM outbox") == []
        assert dict(storage.blobs()) == dict(tx.all("SELECT digest, size FROM blob"))
        for repository in set(storage.repositories()) | set(tx.column("SELECT name FROM repository")):
            _check_repository(root, repository)
        unheld = tx.column(
            """SELECT digest FROM blob WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.blob = blob.key)
               AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.blob = blob.key)
               AND NOT EXISTS (SELECT 1 FROM deletion_blob WHERE deletion_blob.blob = blob.key)"""
        )
        assert unheld == []
        for folder in ("ingest", "trash"):
            assert os.listdir(f"{root}/ligan/{folder}") == [], folder
    finally:
        index.close()


def _layer_links(root: str, repository: str) -> set[str]:
    folder = f"{root}/docker/registry/v2/repositories/{repository}/_layers"
    algorithms = os.listdir(folder) if os.path.isdir(folder) else []
    return {f"{algorithm}:{name}" for algorithm in algorithms for name in os.listdir(f"{folder}/{algorithm}")}


def _check_repository(root: str, repository: str) -> None:
    storage = FilesystemStorage(root)
    index = open_index(storage.index)
    try:
        tx = index.read()
        where = (repository,)
        of = "JOIN repository ON repository.key = {0}.repository WHERE repository.name = ?"
        links = tx.column(
            f"SELECT digest FROM link JOIN blob ON blob.key = link.blob {of.format('link')}", where
        )
        aliases = tx.column(
            f"SELECT alias.digest FROM link JOIN alias ON alias.blob = link.blob {of.format('link')}", where
        )
        assert _layer_links(root, repository) - set(aliases) == set(links)
        manifests = "JOIN blob ON blob.key = manifest.blob"
        revisions = tx.column(f"SELECT digest FROM manifest {manifests} {of.format('manifest')}", where)
        assert storage.revisions(repository) == set(revisions)
        tags = f"SELECT tag.name, digest FROM tag JOIN manifest ON manifest.key = tag.manifest {manifests}"
        assert storage.tags(repository) == dict(tx.all(f"{tags} {of.format('tag')}", where))
        uploads = tx.column(f"SELECT id FROM upload {of.format('upload')}", where)
        assert set(storage.uploads(repository)) == set(uploads)
    finally:
        index.close()
