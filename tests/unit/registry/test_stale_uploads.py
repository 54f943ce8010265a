"""Uploads that nobody goes on with, and those that two go on with."""

from __future__ import annotations

import os

import pytest

from ligan.oci.digest import sha256
from ligan.registry.faults import UploadInvalid
from ligan.registry.index.database import open_index
from ligan.registry.pushing import begin_upload
from ligan.registry.recovery import open_registry
from ligan.registry.uploads import Upload, drop_stale
from tests.support.ligan_registry import check_registry

NOW = 1_700_000_000 * 10**9
WEEK = 7 * 24 * 3600 * 10**9


def test_upload_goes_a_week_after_its_last_bytes(tmp_path: os.PathLike[str]) -> None:
    root = os.path.join(tmp_path, "registry")
    storage = open_registry(root)
    index = open_index(storage.index)
    for name, last in (("old", NOW), ("goes/on", NOW + WEEK // 2), ("gone", None)):
        data = f"{storage.upload(name, begin_upload(index, storage, name, NOW, '2023-11-14T22:13:20Z'))}/data"
        if last is None:
            os.unlink(data)
            continue
        with open(data, "wb") as file:
            file.write(b"12345")
        os.utime(data, ns=(last, last))
    assert drop_stale(index, storage, NOW + WEEK - 1) == 0
    assert drop_stale(index, storage, NOW + WEEK) == 5
    assert index.read().column("SELECT name FROM repository") == ["goes/on"]
    index.close()
    check_registry(root)


def test_what_two_have_written_to_is_no_blob(tmp_path: os.PathLike[str]) -> None:
    open(os.path.join(tmp_path, "data"), "wb").close()
    one, other = Upload("app", "id", f"{tmp_path}"), Upload("app", "id", f"{tmp_path}")
    for upload in (one, other):
        upload.open()
    one.append([b"layer"], lambda: False)
    other.append([b"more"], lambda: False)
    with pytest.raises(UploadInvalid):
        one.finish(sha256(b"layer"))
    for upload in (one, other):
        upload.close()
