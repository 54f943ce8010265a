"""Leases: what they keep, and what goes when their time is over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.oci.digest import Digest, sha256
from ligan.registry.deleting import Removal, carry_out, release_expired
from ligan.registry.documents import read_pushed
from ligan.registry.faults import BlobOfManifestUnknown, BlobUnknown, NameUnknown
from ligan.registry.index.database import open_index
from ligan.registry.pushing import (
    LEASE_SECONDS,
    begin_upload,
    commit_blob,
    lease_blobs,
    mount_blob,
    put_manifest,
)
from ligan.registry.reading import find_blob
from ligan.registry.recovery import open_registry
from tests.support.ligan_registry import OCI_MANIFEST, check_registry, image_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.registry.index.database import Index
    from ligan.registry.storage.filesystem import FilesystemStorage

LAYER = b"a layer"
DIGEST = sha256(LAYER)
LEASE = LEASE_SECONDS * 10**9
NOW = 1_700_000_000 * 10**9


@pytest.fixture
def storage(tmp_path: os.PathLike[str]) -> Iterator[FilesystemStorage]:
    root = os.path.join(tmp_path, "registry")
    yield open_registry(root)
    check_registry(root)


@pytest.fixture
def index(storage: FilesystemStorage) -> Iterator[Index]:
    index = open_index(storage.index)
    yield index
    index.close()


def push(index: Index, storage: FilesystemStorage, repository: str, now: int) -> None:
    upload = begin_upload(index, storage, repository, now, "2023-11-14T22:13:20Z")
    with open(f"{storage.upload(repository, upload)}/data", "wb") as file:
        file.write(LAYER)
    commit_blob(index, storage, repository, upload, DIGEST, DIGEST, now)


def test_upload_that_no_manifest_names_goes_after_its_lease(index: Index, storage: FilesystemStorage) -> None:
    push(index, storage, "app", NOW)
    assert release_expired(index, storage, NOW + LEASE - 1) == 0
    find_blob(index.read(), storage, "app", DIGEST)
    assert release_expired(index, storage, NOW + LEASE) == len(LAYER)
    with pytest.raises(NameUnknown):
        find_blob(index.read(), storage, "app", DIGEST)
    assert list(storage.blobs()) == []
    assert list(storage.repositories()) == []


def test_look_keeps_a_blob_for_its_whole_time(index: Index, storage: FilesystemStorage) -> None:
    push(index, storage, "app", NOW)
    assert lease_blobs(index, storage, [("app", DIGEST)], NOW + 5) == [None]
    assert release_expired(index, storage, NOW + LEASE) == 0
    assert release_expired(index, storage, NOW + LEASE + 5) == len(LAYER)


def put(index: Index, storage: FilesystemStorage, of: str) -> Digest:
    """Push a manifest whose config is the layer."""
    pushed = read_pushed(image_manifest(LAYER, annotations={"of": of}), OCI_MANIFEST)
    return put_manifest(index, storage, "app", "", sha256(pushed.raw), pushed, NOW)


def delete(index: Index, storage: FilesystemStorage, digest: Digest) -> int:
    with index.write() as tx:
        removal = Removal(tx, storage, "app", NOW)
        removal.remove_digest(digest)
        freed = removal.finish().freed
    carry_out(index, storage)
    return freed


def test_manifest_ends_one_lease_and_leaves_those_of_others(index: Index, storage: FilesystemStorage) -> None:
    push(index, storage, "app", NOW)
    push(index, storage, "app", NOW)
    one = put(index, storage, "one")
    delete(index, storage, one)
    two = put(index, storage, "two")
    assert delete(index, storage, two) > len(LAYER)
    with pytest.raises(BlobOfManifestUnknown):
        put(index, storage, "three")


def test_mount_holds_by_itself(index: Index, storage: FilesystemStorage) -> None:
    push(index, storage, "app", NOW)
    assert mount_blob(index, storage, "other", DIGEST, "app", NOW + 1)
    assert release_expired(index, storage, NOW + LEASE) == 0
    find_blob(index.read(), storage, "other", DIGEST)
    assert not mount_blob(index, storage, "third", DIGEST, "app", NOW)


def test_blob_whose_bytes_are_gone_is_unknown_and_comes_back(
    index: Index, storage: FilesystemStorage
) -> None:
    push(index, storage, "app", NOW)
    os.unlink(storage.blob(DIGEST))
    with pytest.raises(BlobUnknown):
        find_blob(index.read(), storage, "app", DIGEST)
    assert not mount_blob(index, storage, "other", DIGEST, "app", NOW)
    push(index, storage, "app", NOW)
    find_blob(index.read(), storage, "app", DIGEST)


def test_what_a_delete_left_to_do_is_done_before_an_addition(
    index: Index, storage: FilesystemStorage
) -> None:
    push(index, storage, "app", NOW)
    with index.write() as tx:
        removal = Removal(tx, storage, "app", NOW)
        removal.remove_blob(DIGEST)
        assert removal.finish().freed == len(LAYER)
    assert storage.has_blob(DIGEST, len(LAYER))  # as after a crash
    push(index, storage, "app", NOW)
    carry_out(index, storage)
    find_blob(index.read(), storage, "app", DIGEST)
