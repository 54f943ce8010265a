"""Leases: what they keep, and what goes when their time is over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.oci.digest import Digest, sha256
from ligan.registry.deleting import Removal, carry_out, release_expired
from ligan.registry.documents import read_pushed
from ligan.registry.faults import BlobOfManifestUnknown, BlobUnknown, NameUnknown
from ligan.registry.pushing import (
    LEASE_SECONDS,
    lease_blobs,
    mount_blob,
    put_manifest,
)
from ligan.registry.reading import find_blob
from tests.support.ligan_registry import OCI_MANIFEST, image_manifest, push_blob

if TYPE_CHECKING:
    from ligan.registry.index.database import Index
    from ligan.registry.storage.filesystem import FilesystemStorage

LAYER = b"a layer"
DIGEST = sha256(LAYER)
LEASE = LEASE_SECONDS * 10**9
NOW = 1_700_000_000 * 10**9


def test_upload_that_no_manifest_names_goes_after_its_lease(index: Index, storage: FilesystemStorage) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    assert release_expired(index, storage, NOW + LEASE - 1) == 0
    find_blob(index.read(), storage, "app", DIGEST)
    assert release_expired(index, storage, NOW + LEASE) == len(LAYER)
    with pytest.raises(NameUnknown):
        find_blob(index.read(), storage, "app", DIGEST)
    assert list(storage.blobs()) == []
    assert list(storage.repositories()) == []


def test_look_keeps_a_blob_for_its_whole_time(index: Index, storage: FilesystemStorage) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
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
    push_blob(index, storage, "app", LAYER, NOW)
    push_blob(index, storage, "app", LAYER, NOW)
    one = put(index, storage, "one")
    delete(index, storage, one)
    two = put(index, storage, "two")
    assert delete(index, storage, two) > len(LAYER)
    with pytest.raises(BlobOfManifestUnknown):
        put(index, storage, "three")


def test_mount_holds_by_itself(index: Index, storage: FilesystemStorage) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    assert mount_blob(index, storage, "other", DIGEST, "app", NOW + 1)
    assert release_expired(index, storage, NOW + LEASE) == 0
    find_blob(index.read(), storage, "other", DIGEST)
    assert not mount_blob(index, storage, "third", DIGEST, "app", NOW)


def test_blob_whose_bytes_are_gone_is_unknown_and_comes_back(
    index: Index, storage: FilesystemStorage
) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    os.unlink(storage.blob(DIGEST))
    with pytest.raises(BlobUnknown):
        find_blob(index.read(), storage, "app", DIGEST)
    assert not mount_blob(index, storage, "other", DIGEST, "app", NOW)
    push_blob(index, storage, "app", LAYER, NOW)
    find_blob(index.read(), storage, "app", DIGEST)


def test_what_a_delete_left_to_do_is_done_before_an_addition(
    index: Index, storage: FilesystemStorage
) -> None:
    push_blob(index, storage, "app", LAYER, NOW)
    with index.write() as tx:
        removal = Removal(tx, storage, "app", NOW)
        removal.remove_blob(DIGEST)
        assert removal.finish().freed == len(LAYER)
    assert storage.has_blob(DIGEST, len(LAYER))  # as after a crash
    push_blob(index, storage, "app", LAYER, NOW)
    carry_out(index, storage)
    find_blob(index.read(), storage, "app", DIGEST)
