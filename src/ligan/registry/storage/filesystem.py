"""The layout of `registry:2` below ROOT/docker/registry/v2, and Ligan's own folders below ROOT/ligan.

blobs/sha256/<hh>/<hex>/data                             layers, configs and manifests
repositories/<name>/_layers/<alg>/<hex>/link             the repository serves this blob
repositories/<name>/_manifests/revisions/<alg>/<hex>/link    and this manifest
repositories/<name>/_manifests/tags/<tag>/current/link   what a tag points to
repositories/<name>/_manifests/tags/<tag>/index/<alg>/<hex>/link  what it has ever pointed to
repositories/<name>/_uploads/<uuid>/{data,startedat}     an upload under way

A link holds `sha256:<hex>`, without a newline: `registry:2` fails on one. Nobody else joins paths.
"""

from __future__ import annotations

import json
import os
import shutil

from ligan.registry.storage import scanning
from ligan.registry.storage.scanning import OF_A_REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from ligan.registry.storage.scanning import FoundRepository


_MANY_LINKS = 100
"""From so many on, the file system is synced once: a link by itself waits for the disk four times."""


class FilesystemStorage:
    """A registry's folder. Folders of the outbox are below `v2`; one writer at a time writes."""

    def __init__(self, root: str) -> None:
        """`root` is absolute."""
        self.root = root
        self._v2 = f"{root}/docker/registry/v2"
        self._own = f"{root}/ligan"
        self.index = f"{self._own}/index.db"
        self.lock = f"{self._own}/server.lock"
        self._ingest = f"{self._own}/ingest"
        self._trash = f"{self._own}/trash"
        self.aside = f"{self._own}/quarantine"

    def create(self) -> None:
        """On return every folder is there that is not a repository's."""
        for path in (f"{self._v2}/blobs/sha256", f"{self._v2}/repositories", self._ingest, self._trash):
            make_folder(path)

    def blob(self, digest: str) -> str:
        """The path of a blob's bytes, by its SHA-256 digest."""
        return f"{self._v2}/{self.blob_folder(digest)}/data"

    def blob_folder(self, digest: str) -> str:
        algorithm, _, name = digest.partition(":")
        return f"blobs/{algorithm}/{name[:2]}/{name}"

    def layer_folder(self, repository: str, digest: str) -> str:
        return f"repositories/{repository}/_layers/{digest.replace(':', '/')}"

    def revision_folder(self, repository: str, digest: str) -> str:
        return f"repositories/{repository}/_manifests/revisions/{digest.replace(':', '/')}"

    def tag_folder(self, repository: str, tag: str) -> str:
        return f"repositories/{repository}/_manifests/tags/{tag}"

    def current_folder(self, repository: str, tag: str) -> str:
        return f"{self.tag_folder(repository, tag)}/current"

    def tag_index_folder(self, repository: str, tag: str, digest: str) -> str:
        return f"{self.tag_folder(repository, tag)}/index/{digest.replace(':', '/')}"

    def repository_folders(self, repository: str) -> list[str]:
        """What is the repository's own: below the same folder lie those nested in it."""
        return [f"repositories/{repository}/{name}" for name in OF_A_REPOSITORY]

    def upload(self, repository: str, upload: str) -> str:
        """The path of an upload's folder."""
        return f"{self._v2}/repositories/{repository}/_uploads/{upload}"

    def create_upload(self, repository: str, upload: str, started_at: str) -> None:
        """`started_at` is a time of RFC 3339 in UTC."""
        folder = self.upload(repository, upload)
        make_folder(folder)
        _write(f"{folder}/startedat", started_at.encode())
        _write(f"{folder}/data", b"")

    def link_count(self, path: str) -> int:
        """Return how many names a file has, 0 where it is gone."""
        try:
            return os.stat(path).st_nlink
        except FileNotFoundError:
            return 0

    def drop_upload(self, repository: str, upload: str) -> None:
        shutil.rmtree(self.upload(repository, upload), ignore_errors=True)

    def incoming(self, name: str) -> str:
        """The path of a manifest on its way in."""
        return f"{self._ingest}/{name}"

    def announce(self, name: str, names: tuple[str, str, str], raw: bytes) -> None:
        """Write down the bytes of a manifest that is to come, with its repository, tag and digest.

        A start after a crash looks there, and takes back what never came.
        """
        path = self.incoming(name)
        _write(f"{path}.for", json.dumps(names).encode())
        _write(path, raw)
        sync_folder(self._ingest)

    def forget_incoming(self, name: str) -> None:
        path = self.incoming(name)
        for each in (path, f"{path}.for"):  # the bytes first: what they are for says nothing alone
            try:
                os.unlink(each)
            except FileNotFoundError:
                pass

    def all_incoming(self) -> list[str]:
        return os.listdir(self._ingest)

    def has_blob(self, digest: str, size: int) -> bool:
        """Ask the disk itself whether the bytes are there, all of them."""
        try:
            return os.stat(self.blob(digest)).st_size == size
        except FileNotFoundError:
            return False

    def keep(self, source: str, digest: str) -> None:
        """Give a durable file the blob's name too, durably, in place of what may have it."""
        target = self.blob(digest)
        make_folder(os.path.dirname(target))
        try:
            os.link(source, target)
        except FileExistsError:
            os.unlink(target)
            os.link(source, target)
        sync_folder(os.path.dirname(target))

    def write_layer_link(self, repository: str, name: str, digest: str) -> None:
        """Let the repository serve a blob under the digest `name`; `digest` is that of its file."""
        self.write_link(self.layer_folder(repository, name), digest)

    def write_manifest_links(self, repository: str, name: str, digest: str) -> None:
        # A repository without _layers is invisible to registry:2's garbage collector, which then
        # takes its manifests for unused.
        make_folder(f"{self._v2}/repositories/{repository}/_layers")
        self.write_link(self.revision_folder(repository, name), digest)

    def write_tag(self, repository: str, tag: str, digest: str) -> None:
        self.write_link(self.tag_index_folder(repository, tag, digest), digest)
        self.write_link(self.current_folder(repository, tag), digest)

    def write_link(self, folder: str, digest: str) -> None:
        path = f"{self._v2}/{folder}"
        make_folder(path)
        write_durably(f"{path}/link", digest.encode())

    def write_links(self, links: Mapping[str, str]) -> None:
        """Write links, by their folders as the outbox has them. On return all are durable."""
        if len(links) < _MANY_LINKS:
            for folder, digest in links.items():
                self.write_link(folder, digest)
            return
        for folder, digest in links.items():
            path = f"{self._v2}/{folder}"
            os.makedirs(path, exist_ok=True)
            with open(f"{path}/link.tmp", "wb") as file:
                file.write(digest.encode())
            os.rename(f"{path}/link.tmp", f"{path}/link")
        self.sync()

    def sync(self) -> None:
        """On return all that is below the root is durable, whoever has written it."""
        import ctypes

        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(folder):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), self.root)
        finally:
            os.close(folder)

    def link_files(self, repository: str) -> dict[str, str]:
        """Return what every link of a repository holds, by its folder as the outbox has it."""
        found = {}
        for own in ("_layers", "_manifests"):
            for folder, _names, files in os.walk(f"{self._v2}/repositories/{repository}/{own}"):
                if "link" in files:
                    found[os.path.relpath(folder, self._v2)] = _read_bytes(f"{folder}/link").decode("latin-1")
        return found

    def quarantine(self, digest: str) -> None:
        """Put a blob's file aside, durably. The registry has it no more."""
        make_folder(self.aside)
        source = self.blob(digest)
        os.rename(source, f"{self.aside}/{digest.replace(':', '-')}")
        sync_folder(self.aside)
        sync_folder(os.path.dirname(source))

    def rewrite_blob(self, digest: str, data: bytes) -> None:
        """On return the blob's file holds these bytes, durably."""
        source = self.incoming(f"{digest.partition(':')[2]}.blob")
        _write(source, data)
        self.keep(source, digest)
        os.unlink(source)

    def used_share(self) -> float:
        """Return the used share of the file system, 0 to 1, as `df` computes it."""
        status = os.statvfs(self.root)
        used = status.f_blocks - status.f_bfree
        return used / (used + status.f_bavail) if used + status.f_bavail else 1.0

    def trash(self, paths: Sequence[str]) -> None:
        """Take folders of the outbox away, durably, to be unlinked later. Some may have gone already."""
        for path in paths:
            try:
                os.rename(f"{self._v2}/{path}", f"{self._trash}/{os.urandom(16).hex()}")
            except FileNotFoundError:
                pass  # a sweep before this one was killed between its renames and its commit
        for parent in dict.fromkeys([os.path.dirname(f"{self._v2}/{path}") for path in paths]):
            try:
                sync_folder(parent)
            except FileNotFoundError:
                pass  # gone with a repository
        for path in paths:
            if path.endswith(OF_A_REPOSITORY):
                _remove_empty(os.path.dirname(f"{self._v2}/{path}"), f"{self._v2}/repositories")

    def empty_trash(self) -> None:
        """On return the bytes of what was trashed are off the disk."""
        for name in os.listdir(self._trash):
            shutil.rmtree(f"{self._trash}/{name}", ignore_errors=True)

    def repositories(self) -> Iterator[str]:
        """Yield the names of the repositories on the disk."""
        return scanning.repositories(f"{self._v2}/repositories")

    def scan_repository(
        self, repository: str, known: Container[str], tags: Mapping[str, str]
    ) -> FoundRepository:
        """Read all links of a repository: see `scanning.scan_repository`."""
        return scanning.scan_repository(f"{self._v2}/repositories/{repository}", known, tags)

    def tag_history(self, repository: str, tag: str, current: str) -> dict[str, int]:
        """Return the digests that a tag has ever had, and when it got them; 0 for `current`."""
        return scanning.tag_history(f"{self._v2}/{self.tag_folder(repository, tag)}", current)

    def create_layers_folder(self, repository: str) -> None:
        make_folder(f"{self._v2}/repositories/{repository}/_layers")

    def shards(self) -> list[str]:
        """Return the first two hexadecimal digits of the blobs on the disk."""
        return scanning.shards(f"{self._v2}/blobs/sha256")

    def scan_shard(self, shard: str, known: Container[str]) -> dict[str, int]:
        """Return the blobs of a shard and their bytes: -1 for those in `known` (digests), not looked at."""
        return scanning.scan_shard(f"{self._v2}/blobs/sha256/{shard}", known)

    def empty_folders(self) -> list[str]:
        """Return the folders of repositories and blobs in which there is no file, deepest first."""
        bases = (f"{self._v2}/repositories", f"{self._v2}/blobs/sha256")
        return [path for base in bases for path in scanning.empty_folders(base)]

    def remove_empty_folder(self, path: str) -> None:
        try:
            os.rmdir(path)
        except OSError:
            pass  # somebody has put something there

    def newest_change(self, path: str) -> int:
        """Return when a file in a folder of the outbox was last written, in nanoseconds since 1970, or 0."""
        return scanning.newest_change(f"{self._v2}/{path}")

    def blob_size(self, digest: str) -> int | None:
        """Return the bytes of a blob, or None where there is none."""
        try:
            return os.stat(self.blob(digest)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_blob(self, digest: str, most: int) -> bytes | None:
        """Return the bytes of a blob, or None for one that is not there or has more than `most`."""
        try:
            descriptor = os.open(self.blob(digest), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            size = os.fstat(descriptor).st_size
            return os.read(descriptor, size) if size <= most else None
        finally:
            os.close(descriptor)

    def tags(self, repository: str) -> dict[str, str]:
        """Return what the links on disk say of a repository's tags."""
        folder = f"{self._v2}/repositories/{repository}/_manifests/tags"
        return {tag: _read(f"{folder}/{tag}/current/link") for tag in _list(folder)}

    def revisions(self, repository: str) -> set[str]:
        """Return the digests that the revision links on disk hold."""
        folder = f"{self._v2}/repositories/{repository}/_manifests/revisions"
        return {
            _read(f"{folder}/{algorithm}/{name}/link")
            for algorithm in _list(folder)
            for name in _list(f"{folder}/{algorithm}")
        }

    def uploads(self, repository: str) -> list[str]:
        return _list(f"{self._v2}/repositories/{repository}/_uploads")

    def blobs(self) -> Iterator[tuple[str, int]]:
        """Yield every blob on the disk, and its bytes."""
        base = f"{self._v2}/blobs"
        for algorithm in _list(base):
            for start in _list(f"{base}/{algorithm}"):
                for name in _list(f"{base}/{algorithm}/{start}"):
                    digest = f"{algorithm}:{name}"
                    try:
                        yield digest, os.path.getsize(self.blob(digest))
                    except (FileNotFoundError, NotADirectoryError):
                        pass  # a folder that has lost its file


def make_folder(path: str) -> None:
    """On return the folder is there, and its name and those of its parents are durable."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folder(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    sync_folder(parent)


def sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: str, data: bytes) -> None:
    """On return the bytes are durable; their name is when its folder is synced."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_durably(path: str, data: bytes) -> None:
    """On return the file holds `data` and nothing else, whenever the power goes."""
    if _read_bytes(path) == data:
        return
    # In a folder of links a name beside `link` is ignored by registry:2.
    beside = f"{path}.tmp"
    _write(beside, data)
    os.rename(beside, path)
    sync_folder(os.path.dirname(path))


def _read(path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read(256).strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _list(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_empty(path: str, top: str) -> None:
    """Remove a folder and its parents below `top`, as far as they are empty."""
    while path != top:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            break  # something nested is left
        path = os.path.dirname(path)
    sync_folder(path)
