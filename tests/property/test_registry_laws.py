"""Laws of a registry's deletes: plans are what is done, undo restores, and what nothing holds is gone."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ligan.errors import LiganError, NotFound
from ligan.oci.digest import Digest, sha256
from ligan.registry.deleting import carry_out
from ligan.registry.documents import read_pushed
from ligan.registry.explaining import why
from ligan.registry.index.database import open_index
from ligan.registry.keeping import Deletion, UndoPolicy, reclaim
from ligan.registry.planning import plan_deletion, plan_reclaim
from ligan.registry.pushing import begin_upload, commit_blob, lease_blobs, put_manifest
from ligan.registry.recovery import open_registry
from ligan.registry.restoring import restore
from ligan.registry.undoing import newest
from ligan.values import Value
from tests.support.ligan_registry import OCI_INDEX, OCI_MANIFEST, check_registry, image_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.registry.index.database import Index
    from ligan.registry.keeping import Report
    from ligan.registry.storage.filesystem import FilesystemStorage

law = settings(max_examples=20)

HOUR = 3600 * 10**9
REPOSITORIES = ("a", "b", "a/b")
TAGS = ("", "v1", "v2")
LAYERS = tuple([b"layer %d " % number * (number + 1) for number in range(4)])


class Image(Value):
    """One push. `layers` are numbers of LAYERS; one without layers is an index of its repository's images.

    Somebody may ask for its layers afterwards, and so lease them.
    """

    repository: str
    tag: str
    layers: frozenset[int]
    children: frozenset[int]
    is_asked_for: bool


class Delete(Value):
    """`what` picks a tag or a digest of the repository, or everything."""

    repository: str
    what: int
    at_once: bool


IMAGES = st.builds(
    Image,
    st.sampled_from(REPOSITORIES),
    st.sampled_from(TAGS),
    st.frozensets(st.integers(0, len(LAYERS) - 1), max_size=3),
    st.frozensets(st.integers(0, 5), min_size=1, max_size=2),
    st.booleans(),
)
WORLDS = st.lists(IMAGES, min_size=1, max_size=7)
DELETES = st.builds(Delete, st.sampled_from(REPOSITORIES), st.integers(0, 6), st.booleans())


def index_manifest(*children: tuple[bytes, str]) -> bytes:
    manifests = [
        {"mediaType": media_type, "digest": sha256(raw), "size": len(raw)} for raw, media_type in children
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode()


class Stock:
    """A registry without a server, whose clock is a counter."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.storage: FilesystemStorage = open_registry(root)
        self.index: Index = open_index(self.storage.index)
        self.now = 1_700_000_000 * 10**9

    def tick(self) -> int:
        self.now += 10**9
        return self.now

    def push_blob(self, repository: str, data: bytes) -> None:
        upload = begin_upload(self.index, self.storage, repository, self.tick(), "2023-11-14T22:13:20Z")
        with open(f"{self.storage.upload(repository, upload)}/data", "wb") as file:
            file.write(data)
        digest = sha256(data)
        commit_blob(self.index, self.storage, repository, upload, digest, digest, self.now)

    def push(self, image: Image) -> None:
        if image.layers:
            layers = [LAYERS[number] for number in sorted(image.layers)]
            for blob in (b"{}", *layers):
                self.push_blob(image.repository, blob)
            self._put(image, image_manifest(b"{}", *layers), OCI_MANIFEST)
            if image.is_asked_for:
                asked = [(image.repository, sha256(layer)) for layer in layers]
                assert lease_blobs(self.index, self.storage, asked, self.tick()) == [None] * len(asked)
            return
        known = self.index.read().all(
            """SELECT raw, media_type FROM document JOIN manifest ON manifest.blob = document.blob
               JOIN repository ON repository.key = manifest.repository
               WHERE name = ? ORDER BY manifest.key""",
            (image.repository,),
        )
        picked = [known[number] for number in sorted(image.children) if number < len(known)]
        if picked:
            self._put(image, index_manifest(*picked), OCI_INDEX)

    def _put(self, image: Image, raw: bytes, media_type: str) -> None:
        wanted = None if image.tag else sha256(raw)
        pushed = read_pushed(raw, media_type)
        put_manifest(self.index, self.storage, image.repository, image.tag, wanted, pushed, self.tick())

    def names(self, repository: str) -> list[str]:
        """Return what can be deleted: the repository, its tags and its digests."""
        tx = self.index.read()
        of = "JOIN repository ON repository.key = repository WHERE repository.name = ? ORDER BY 1"
        tags = tx.column(f"SELECT tag.name FROM tag {of}", (repository,))
        manifests = f"SELECT digest FROM manifest JOIN blob ON blob.key = blob {of}"
        return ["", *tags, *tx.column(manifests, (repository,))]

    def policy(self, delete: Delete) -> UndoPolicy:
        return UndoPolicy(24 * HOUR, 1.0, None, delete.at_once)

    def remove(self, deletion: Deletion, delete: Delete) -> None:
        names = self.names(delete.repository)
        self.remove_named(deletion, delete.repository, names[delete.what % len(names)])

    @staticmethod
    def remove_named(deletion: Deletion, repository: str, name: str) -> None:
        removal = deletion.of(repository)
        if not name:
            removal.remove_everything()
        elif ":" in name:
            try:
                removal.remove_digest(Digest(name))
            except NotFound:
                removal.remove_blob(Digest(name))
        else:
            removal.remove_tag(name)

    def delete(self, delete: Delete) -> Report:
        with self.index.write() as tx:
            deletion = Deletion(tx, self.storage, self.policy(delete), "rm", self.tick())
            self.remove(deletion, delete)
            report = deletion.finish()
        carry_out(self.index, self.storage)
        check_registry(self.root)
        return report

    def undo(self) -> None:
        entry = newest(self.index.read())
        restore(self.index, self.storage, entry, "undo", self.now + HOUR, self.now, force=False)
        check_registry(self.root)

    def dump(self) -> list[Any]:
        """Return all rows by the names of what they are about, and all files."""
        tx = self.index.read()
        of = "JOIN repository ON repository.key = {0}.repository JOIN blob ON blob.key = {1}.blob"
        tags = "tag JOIN manifest ON manifest.key = tag.manifest"
        history = "tag_history JOIN manifest ON manifest.key = tag_history.manifest"
        manifest = """SELECT blob.digest, repository.name FROM manifest
                      JOIN repository ON repository.key = manifest.repository
                      JOIN blob ON blob.key = manifest.blob WHERE manifest.key"""
        return [
            tx.all("SELECT name FROM repository ORDER BY 1"),
            tx.all(f"SELECT name, digest FROM link {of.format('link', 'link')} ORDER BY 1, 2"),
            tx.all(
                f"""SELECT name, digest, media_type, artifact_type, subject, annotations, pushed
                    FROM manifest {of.format("manifest", "manifest")} ORDER BY 1, 2"""
            ),
            sorted(
                (*tx.one(f"{manifest} = {each}"), tx.value("SELECT digest FROM blob WHERE key = ?", (blob,)))
                for each, blob in tx.all("SELECT manifest, blob FROM manifest_blob")
            ),
            sorted(
                (tx.one(f"{manifest} = {parent}"), tx.one(f"{manifest} = {child}"))
                for parent, child in tx.all("SELECT parent, child FROM manifest_child")
            ),
            tx.all(
                f"""SELECT tag.name, moved, digest, repository.name
                    FROM {tags} {of.format("tag", "manifest")} ORDER BY 1, 2, 3, 4"""
            ),
            tx.all(
                f"""SELECT tag_history.name, at, digest, repository.name
                    FROM {history} {of.format("tag_history", "manifest")} ORDER BY 1, 2, 3, 4"""
            ),
            self.files(),
        ]

    def files(self) -> dict[str, bytes]:
        top = f"{self.root}/docker/registry/v2"
        found = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = file.read()
        return found

    def disk_bytes(self) -> int:
        return sum(size for _digest, size in self.storage.blobs())


@contextmanager
def filled(world: list[Image]) -> Iterator[Stock]:
    """A registry with what the world has pushed. Nobody pulls the plug on it."""
    root = tempfile.mkdtemp(prefix="ligan-registry-")
    with mock.patch("os.fsync"):
        stock = Stock(root)
        try:
            for image in world:
                stock.push(image)
            yield stock
        finally:
            stock.index.close()
            shutil.rmtree(root)


def refuse_or(delete: Delete, stock: Stock) -> Report:
    """Delete, or have the example passed over where that is refused."""
    try:
        return stock.delete(delete)
    except LiganError:
        assume(False)
        raise


@given(WORLDS, DELETES)
@law
def test_undo_brings_back_rows_and_files_as_they_were(world: list[Image], delete: Delete) -> None:
    with filled(world) as stock:
        before = stock.dump()
        assume(refuse_or(delete.replace(at_once=False), stock).entry is not None)
        stock.undo()
        assert stock.dump() == before


@given(WORLDS, st.lists(DELETES, min_size=2, max_size=4))
@law
def test_undo_again_and_again_goes_back_step_by_step(world: list[Image], deletes: list[Delete]) -> None:
    with filled(world) as stock:
        dumps = []
        for delete in deletes:
            before = stock.dump()
            try:
                report = stock.delete(delete.replace(at_once=False))
            except LiganError:
                continue
            if report.entry is not None:
                dumps.append(before)
        for before in reversed(dumps):
            stock.undo()
            assert stock.dump() == before


@given(WORLDS, st.lists(DELETES, max_size=2), DELETES)
@law
def test_a_plan_is_what_is_done_to_the_byte(world: list[Image], first: list[Delete], delete: Delete) -> None:
    with filled(world) as stock:
        for each in first:
            try:
                stock.delete(each)
            except LiganError:
                continue
        before, bytes_before = stock.dump(), stock.disk_bytes()

        def act(deletion: Deletion) -> None:
            stock.remove(deletion, delete)

        now = stock.now + 10**9
        try:
            plan, _ = plan_deletion(stock.index, stock.storage, stock.policy(delete), now, act)
        except LiganError as refusal:
            with pytest.raises(type(refusal)):
                stock.delete(delete)
            return
        assert stock.dump() == before
        report = stock.delete(delete)
        assert plan.report == report
        assert bytes_before - stock.disk_bytes() == report.deleted.freed


@given(WORLDS, st.lists(DELETES, max_size=3))
@law
def test_something_holds_every_blob_and_what_is_said_frees_it(
    world: list[Image], deletes: list[Delete]
) -> None:
    with filled(world) as stock:
        for delete in deletes:
            try:
                stock.delete(delete)
            except LiganError:
                continue
        for digest in stock.index.read().column("SELECT digest FROM blob"):
            try:
                found = why(stock.index.read(), digest)
            except NotFound:
                continue  # gone with one before it
            assert found.holders
            with stock.index.write() as tx:
                deletion = Deletion(tx, stock.storage, UndoPolicy(HOUR, now=True), "rm", stock.tick())
                for name in found.removals:
                    repository, at, named = name.partition("@")
                    repository, _, tag = repository.partition(":")
                    stock.remove_named(deletion, repository, named if at else tag)
                deletion.finish()
            carry_out(stock.index, stock.storage)
            reclaim(stock.index, stock.storage, found.entries)
            with pytest.raises(NotFound):
                why(stock.index.read(), digest)
            assert not os.path.exists(stock.storage.blob(digest))
            check_registry(stock.root)


@given(WORLDS, st.lists(DELETES, min_size=1, max_size=3))
@law
def test_after_reclaim_the_disk_has_just_what_lives(world: list[Image], deletes: list[Delete]) -> None:
    with filled(world) as stock:
        for delete in deletes:
            try:
                stock.delete(delete)
            except LiganError:
                continue
        living, before = stock.dump()[:-1], stock.disk_bytes()
        entries = stock.index.read().column("SELECT key FROM deletion")
        foretold = plan_reclaim(stock.index, stock.storage, entries)
        assert reclaim(stock.index, stock.storage, entries) == foretold == before - stock.disk_bytes()
        check_registry(stock.root)
        assert stock.dump()[:-1] == living
        assert stock.index.read().all("SELECT * FROM deletion_blob") == []
