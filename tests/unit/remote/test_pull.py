"""Pulls: what comes in is verified, kept as it came, and named as Docker names it."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ligan.engine.embedded import EmbeddedEngine
from ligan.errors import Corrupt, Forbidden, Invalid, LiganError, NotFound, Unavailable, Unsupported
from ligan.oci.platform import normalise
from ligan.store import fsck
from ligan.store.store import Store
from tests.support import archives
from tests.support.honest_registry import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    HonestRegistry,
    config_of,
)
from tests.support.lying_registry import reply
from tests.support.waiting import SECONDS
from tests.unit.remote.conftest import FAST, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ligan.remote.pull import PullOutcome
    from tests.support.lying_registry import Reply, Request
    from tests.support.stores import Stock

BASE = archives.layer({"base": os.urandom(200_000)})
TOP = archives.layer({"top": b"top"})
TARS = (BASE, TOP)


class Puller(Told):
    """Pulls into a stock."""

    def pull(self, name: str = "app:1", **options: Any) -> PullOutcome:
        self.told = []
        return self.stock.engine.pull(f"{self.registry.host}/{name}", self.told.append, **options)

    def fails(self, kind: type[LiganError], words: str, name: str = "app:1", **options: Any) -> None:
        """Assert that a pull fails so, and that nothing at all is left of it."""
        with pytest.raises(kind, match=words):
            self.pull(name, **options)
        layout = self.stock.store.layout
        assert not self.stock.images()
        assert not os.listdir(layout.blobs)
        assert not os.listdir(layout.ingest)


@pytest.fixture
def puller(stock: Stock, registry: HonestRegistry) -> Puller:
    return Puller(stock, registry)


def test_image_its_names_and_its_compressed_layers_are_stored(puller: Puller) -> None:
    digest = puller.registry.add_image("app", "1", TARS)
    (image,) = puller.pull().images
    host = puller.registry.host
    assert puller.stock.names() == {f"{host}/app:1": image, f"{host}/app@{digest}": image}
    with puller.stock.store.database.read() as tx:
        kept = tx.column(
            """SELECT blob.digest FROM layer_blob JOIN blob ON blob.key = layer_blob.blob
               WHERE compressor <> 'erofs'"""
        )
        assert tx.column("SELECT digest FROM manifest") == [digest]
    assert sorted(kept) == sorted(archives.digest(gzip.compress(tar, mtime=0)) for tar in TARS)


def test_messages_are_dockers(puller: Puller) -> None:
    digest = puller.registry.add_image("app", "1", TARS)
    puller.pull()
    base, top = (archives.digest(gzip.compress(tar, mtime=0))[7:19] for tar in TARS)
    assert puller.lines[:3] == [
        "1: Pulling from app",
        f"{base}: Pulling fs layer",
        f"{top}: Pulling fs layer",
    ]
    assert puller.lines[-2:] == [
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {puller.registry.host}/app:1",
    ]
    middle = puller.lines[3:-2]
    for layer in (base, top):
        assert [line.partition(": ")[2] for line in middle if line.startswith(layer)] == [
            "Verifying Checksum",
            "Download complete",
            "Pull complete",
        ]
    assert middle.index(f"{base}: Pull complete") < middle.index(f"{top}: Pull complete")


def test_layers_beyond_three_wait(puller: Puller) -> None:
    puller.registry.add_image("app", "1", [archives.layer({"f": bytes([n])}) for n in range(5)])
    puller.pull()
    assert len([line for line in puller.lines if line.endswith(": Waiting")]) == 2


def test_pull_when_up_to_date_asks_for_one_head(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    puller.registry.requests.clear()
    puller.pull()
    assert puller.lines[-1] == f"Status: Image is up to date for {puller.registry.host}/app:1"
    assert [(item.method, item.path) for item in puller.registry.requests] == [
        ("GET", "/v2/"),
        ("HEAD", "/v2/app/manifests/1"),
    ]


def test_shared_layers_are_not_fetched_again(puller: Puller) -> None:
    puller.registry.add_image("app", "1", [BASE])
    puller.registry.add_image("app", "2", TARS)
    puller.pull()
    puller.registry.requests.clear()
    puller.pull("app:2")
    base = archives.digest(gzip.compress(BASE, mtime=0))
    assert f"{base[7:19]}: Already exists" in puller.lines
    assert base not in puller.registry.fetched()


def test_bytes_that_undo_keeps_are_not_fetched_again(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    puller.stock.engine.remove_images([f"{puller.registry.host}/app:1"])
    puller.registry.requests.clear()
    puller.pull()
    config = archives.digest(config_of(TARS))
    assert puller.registry.fetched() == [config]


def test_pull_by_digest_makes_no_tag(puller: Puller) -> None:
    digest = puller.registry.add_image("app", "1", TARS)
    puller.pull(f"app@{digest}")
    assert list(puller.stock.names()) == [f"{puller.registry.host}/app@{digest}"]
    assert puller.lines[0] == f"{puller.registry.host}/app@{digest}: Pulling from app"


def test_all_tags_are_pulled_where_none_is_named(puller: Puller) -> None:
    puller.registry.add_image("app", "2", TARS)
    puller.registry.add_image("app", "1", [BASE])
    assert len(puller.pull("app").images) == 2
    assert puller.lines[-1] == f"Status: Downloaded newer image for {puller.registry.host}/app"
    assert {name for name in puller.stock.names() if "@" not in name} == {
        f"{puller.registry.host}/app:{tag}" for tag in "12"
    }


def test_index_gives_the_manifest_for_this_machine_and_the_name_of_its_own_digest(puller: Puller) -> None:
    host = normalise("linux", os.uname().machine)
    other = puller.registry.add_image("app", "", [BASE], architecture="s390x")
    mine = puller.registry.add_image("app", "", TARS, architecture=host.architecture)
    index = puller.registry.add_index(
        "app",
        "1",
        [
            (other, {"os": "linux", "architecture": "s390x"}),
            (mine, {"os": "linux", "architecture": host.architecture, "variant": host.variant}),
        ],
    )
    (image,) = puller.pull().images
    assert image == archives.digest(config_of(TARS, architecture=host.architecture))
    assert f"{puller.registry.host}/app@{index}" in puller.stock.names()
    assert puller.lines[-2] == f"Digest: {index}"


def test_platform_chooses_through_nested_indexes(puller: Puller) -> None:
    arm = puller.registry.add_image("app", "", TARS, architecture="arm", variant="v6")
    inner = puller.registry.add_index(
        "app", "", [(arm, {"os": "linux", "architecture": "arm", "variant": "v6"})]
    )
    puller.registry.add_index("app", "1", [(inner, {})])
    (image,) = puller.pull(platform="linux/arm/v7").images
    assert image == archives.digest(config_of(TARS, architecture="arm", variant="v6"))


def test_other_platform_of_the_same_tag_is_pulled_after_the_first(puller: Puller) -> None:
    entries = [
        (
            puller.registry.add_image("app", "", [BASE], architecture=name),
            {"os": "linux", "architecture": name},
        )
        for name in ("amd64", "s390x")
    ]
    puller.registry.add_index("app", "1", entries)
    first = puller.pull(platform="linux/amd64").images
    second = puller.pull(platform="linux/s390x")
    assert second.images != first
    assert second.replaced == first


def test_index_without_this_platform_is_refused_in_dockers_words(puller: Puller) -> None:
    other = puller.registry.add_image("app", "", TARS)
    puller.registry.add_index("app", "1", [(other, {"os": "linux", "architecture": "s390x"})])
    puller.fails(
        NotFound, "^no matching manifest for linux/riscv64 in the manifest list", platform="linux/riscv64"
    )


def test_indexes_in_circles_end(puller: Puller) -> None:
    inner = puller.registry.add_image("app", "", TARS)
    for _ in range(9):
        inner = puller.registry.add_index("app", "1", [(inner, {})])
    puller.fails(Invalid, "nested more than 8 deep")


def test_moved_tag_leaves_the_old_image_with_its_former_name(puller: Puller) -> None:
    puller.registry.add_image("app", "1", [BASE])
    (old,) = puller.pull().images
    puller.registry.add_image("app", "1", TARS)
    outcome = puller.pull()
    assert outcome.replaced == (old,)
    assert old in puller.stock.images()
    with puller.stock.store.database.read() as tx:
        history = tx.all("SELECT name, image FROM name_history")
    assert history == [(f"{puller.registry.host}/app:1", old)]


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "schema 1 support is disabled by default",
        ),
        ("application/x-zoo", "unsupported manifest format: application/x-zoo"),
    ],
)
def test_what_is_no_manifest_of_today_is_refused(puller: Puller, media_type: str, words: str) -> None:
    puller.registry.add_manifest("app", "1", b'{"schemaVersion": 2}', media_type)
    puller.fails(Unsupported, words)


@pytest.mark.parametrize(
    ("media_type", "document", "words"),
    [
        (
            OCI_MANIFEST,
            {"mediaType": OCI_INDEX},
            re.escape(f"if present, mediaType in manifest should be '{OCI_MANIFEST}' not '{OCI_INDEX}'"),
        ),
        (OCI_MANIFEST, {"manifests": []}, 'should not have "manifests" or "fsLayers"$'),
        ("", {"mediaType": DOCKER_MANIFEST, "manifests": []}, 'should not have "manifests" or "fsLayers"$'),
        (OCI_INDEX, {"manifests": [], "layers": []}, 'should not have "config", "layers", or "fsLayers"$'),
        ("", {"manifests": [], "config": {}}, 'should not have "config", "layers", or "fsLayers"$'),
    ],
)
def test_manifest_that_others_could_take_for_something_else_is_refused(
    puller: Puller, media_type: str, document: dict[str, Any], words: str
) -> None:
    raw = json.dumps({"schemaVersion": 2, **document}).encode()
    puller.registry.add_manifest("app", "1", raw, media_type)
    puller.fails(Corrupt, words)


def test_manifest_of_no_image_is_refused_in_dockers_words(puller: Puller) -> None:
    config = {
        "mediaType": "application/vnd.cncf.helm.config.v1+json",
        "size": 2,
        "digest": archives.digest(b"{}"),
    }
    raw = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    puller.registry.add_manifest("app", "1", raw, DOCKER_MANIFEST)
    puller.fails(
        Unsupported, r'^Encountered remote "application/vnd.cncf.helm.config.v1\+json"\(unknown\) when'
    )


def test_image_of_another_system_is_refused(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS, os="windows")
    puller.fails(
        Unsupported, '^cannot download image with operating system "windows" when requesting "linux"'
    )


def test_missing_tag_is_told_in_dockers_words(puller: Puller) -> None:
    host = puller.registry.host
    puller.fails(NotFound, f"^manifest for {host}/app:1 not found: manifest unknown: manifest unknown$")


def test_scratch_is_reserved(stock: Stock) -> None:
    with pytest.raises(Forbidden, match=r"^'scratch' is a reserved name$"):
        stock.engine.pull("scratch", lambda _message: None)


def test_layer_with_a_wrong_byte_is_named_and_nothing_is_stored(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    key = ("app", archives.digest(gzip.compress(BASE, mtime=0)))
    data = bytearray(puller.registry.blobs[key])
    data[len(data) // 2] ^= 1
    puller.registry.blobs[key] = bytes(data)
    puller.fails(Corrupt, f"^filesystem layer verification failed for digest {key[1]}$")


def test_layer_of_another_size_is_named_and_nothing_is_stored(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    key = ("app", archives.digest(gzip.compress(BASE, mtime=0)))
    puller.registry.blobs[key] += b"more"
    puller.fails(Corrupt, key[1])


def test_layer_that_is_not_the_configs_is_refused(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS, forms=[gzip.compress(TOP), gzip.compress(BASE)])
    puller.fails(Corrupt, "^layers from manifest don't match image configuration$")


def test_layer_count_that_is_not_the_configs_is_refused(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS, forms=[gzip.compress(BASE)])
    puller.fails(Corrupt, "^layers from manifest don't match image configuration$")


def test_config_with_a_wrong_byte_is_named(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    digest = archives.digest(config_of(TARS))
    puller.registry.blobs["app", digest] = config_of(TARS).replace(b"sh", b"su")
    puller.fails(Corrupt, f"^image config verification failed for digest {digest}$")


def test_layer_that_cannot_be_unpacked_is_refused(puller: Puller) -> None:
    puller.registry.add_image("app", "1", [b"no tar" * 1000])
    puller.fails(Corrupt, "Error processing tar file")


@pytest.mark.parametrize(("packed", "compressor"), [(gzip.compress(BASE), "gzip"), (BASE, "none")])
def test_layer_is_kept_as_it_came(puller: Puller, packed: bytes, compressor: str) -> None:
    store = puller.stock.store
    store.policy = store.policy.replace(storage_driver="vfs")  # which makes nothing of a layer
    puller.registry.add_image("app", "1", [BASE], forms=[packed])
    puller.pull()
    with puller.stock.store.database.read() as tx:
        assert tx.all("SELECT diff_id, compressor FROM layer_blob") == [(archives.digest(BASE), compressor)]
    more = len(packed) if packed != BASE else 0  # else it is the layer's own blob
    assert puller.stock.engine.disk_usage().compressed_bytes == more


def test_compressed_layers_are_not_kept_where_the_policy_says_so(puller: Puller) -> None:
    store = puller.stock.store
    store.policy = store.policy.replace(keep_compressed=False, storage_driver="vfs")
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    assert len(os.listdir(store.layout.blobs)) == 3  # two tars and a config
    assert not os.listdir(store.layout.ingest)


def test_foreign_layer_is_fetched_from_its_address(puller: Puller) -> None:
    packed = gzip.compress(BASE, mtime=0)
    puller.registry.add_image("app", "1", [BASE])
    digest = archives.digest(packed)
    del puller.registry.blobs["app", digest]
    puller.registry.blobs["elsewhere", digest] = packed
    media_type, raw = puller.registry.manifests["app", "1"]
    manifest = json.loads(raw)
    manifest["layers"][0]["urls"] = [f"{puller.registry.url}/v2/elsewhere/blobs/{digest}"]
    puller.registry.add_manifest("app", "1", json.dumps(manifest).encode(), media_type)
    assert len(puller.pull().images) == 1


def test_only_the_blob_that_was_fetched_is_known_to_be_a_layer(puller: Puller) -> None:
    """Of two blobs that an image says are the same layer, the second may be anything."""
    registry = puller.registry
    packed = gzip.compress(BASE, mtime=0)
    registry.add_image("app", "1", [BASE, BASE], forms=[packed, b"something else"])
    assert len(puller.pull().images) == 1
    with puller.stock.store.database.read() as tx:
        assert tx.column("SELECT digest FROM layer_remote") == [archives.digest(packed)]
        assert not tx.all("SELECT 1 FROM manifest")


def test_interrupted_pull_does_not_wait_for_a_registry_that_is_silent(puller: Puller) -> None:
    registry = puller.registry
    registry.add_image("app", "1", [archives.layer({"f": os.urandom(50_000)}) for _ in range(2)])
    stalled = threading.Semaphore(0)
    answer = registry._answer

    def stall(request: Request) -> Reply | None:
        whole = answer(request)
        if not isinstance(whole, bytes) or len(whole) < 40_000:
            return whole

        def half() -> Iterator[bytes]:
            yield whole[:30_000]
            stalled.release()
            registry.ended.wait(SECONDS)
            yield b""

        return half()

    registry._answer = stall
    command = [sys.executable, "-m", "ligan", "--root", puller.stock.store.layout.root, "pull"]
    with subprocess.Popen(
        [*command, f"{registry.host}/app:1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as pull:
        for _ in range(2):
            assert stalled.acquire(timeout=SECONDS)
        pull.send_signal(signal.SIGINT)
        assert pull.communicate(timeout=SECONDS)[1] == b""
    assert pull.returncode == 130
    puller.stock.store.recover()
    registry._answer = answer
    registry.requests.clear()
    assert len(puller.pull().images) == 1
    assert len([item for item in registry.requests if "range" in item.headers]) == 2


def test_layer_that_is_wrong_does_not_wait_for_one_that_is_silent(puller: Puller) -> None:
    registry = puller.registry
    registry.add_image("app", "1", TARS)
    base, top = (archives.digest(gzip.compress(tar, mtime=0)) for tar in TARS)
    begun = threading.Event()
    answer = registry._answer

    def lie(request: Request) -> Reply | None:
        if request.path.endswith(base):
            begun.set()
            registry.ended.wait(SECONDS)
            return [b""]
        if request.path.endswith(top):
            assert begun.wait(SECONDS)
            return reply(200, bytes(len(registry.blobs["app", top])))
        return answer(request)

    registry._answer = lie
    started = time.monotonic()
    puller.fails(Corrupt, f"filesystem layer verification failed for digest {top}")
    assert time.monotonic() - started < SECONDS


def test_pull_that_breaks_off_goes_on_where_it_ended(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    digest = archives.digest(gzip.compress(BASE, mtime=0))
    puller.registry.broken.add(digest)
    puller.stock.engine.remote = FAST.replace(attempts=1)
    with pytest.raises(Unavailable):
        puller.pull()
    assert not puller.stock.images()
    puller.registry.requests.clear()
    puller.pull()
    (request,) = [item for item in puller.registry.requests if item.path.endswith(digest)]
    assert int(request.headers["range"].removeprefix("bytes=").rstrip("-")) > 0
    assert not os.listdir(puller.stock.store.layout.ingest)


def test_bytes_of_an_earlier_pull_that_are_damaged_are_fetched_again(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    digest = archives.digest(gzip.compress(BASE, mtime=0))
    folder = f"{puller.stock.store.layout.ingest}/download-{digest[7:]}"
    os.mkdir(folder)
    with open(f"{folder}/data", "wb") as file:
        file.write(b"not what came" * 100)
    assert len(puller.pull().images) == 1


def test_two_pulls_at_once_fetch_each_blob_once(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def pull() -> None:
        store = Store(puller.stock.store.layout, puller.stock.store.policy)
        try:
            engine = EmbeddedEngine(store, "test")
            engine.remote = FAST
            start.wait()
            engine.pull(f"{puller.registry.host}/app:1", lambda _message: None)
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for tar in TARS:
        assert puller.registry.fetched().count(archives.digest(gzip.compress(tar, mtime=0))) == 1


def test_equal_layers_are_fetched_once(puller: Puller) -> None:
    puller.registry.add_image("app", "1", [BASE, BASE])
    puller.pull()
    assert puller.registry.fetched().count(archives.digest(gzip.compress(BASE, mtime=0))) == 1


def test_event_tells_of_the_pull(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    (event,) = [item for item in puller.stock.engine.events_after(0, 10) if item.action == "pull"]
    name = f"{puller.registry.host}/app"
    assert (event.actor, event.attributes) == (f"{name}:1", {"name": name})


def test_manifest_goes_with_the_last_of_its_image(puller: Puller) -> None:
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    engine = puller.stock.engine
    engine.remove_images([f"{puller.registry.host}/app:1"])
    count = "SELECT count(*) FROM manifest"
    with puller.stock.store.database.read() as tx:
        assert tx.value(count) == 1
    engine.reclaim(drop_all=True)
    with puller.stock.store.database.read() as tx:
        assert (tx.value(count), tx.value("SELECT count(*) FROM layer_remote")) == (0, 0)
    assert not os.listdir(puller.stock.store.layout.blobs)


@pytest.mark.parametrize("point", ["ingest.synced", "commit.linked", "commit.rows", "commit.done"])
def test_killed_pull_leaves_a_sound_store_and_goes_on(puller: Puller, point: str) -> None:
    puller.registry.add_image("app", "1", TARS)
    root = puller.stock.store.layout.root
    command = [sys.executable, "-m", "ligan", "--root", root, "pull", f"{puller.registry.host}/app:1"]
    environment = {**os.environ, "LIGAN_FAILPOINTS": f"{point}=kill", "DOCKER_CONFIG": root}
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = puller.stock.store
    store.recover()
    assert not fsck.check(store.database, store.layout)
    puller.registry.requests.clear()
    assert len(puller.pull().images) == 1
    for tar in TARS:
        digest = archives.digest(gzip.compress(tar, mtime=0))
        if point != "ingest.synced":  # by then only one of the two is sure to be there
            assert digest not in puller.registry.fetched()
    assert not os.listdir(store.layout.ingest)


def test_layer_that_swells_beyond_the_policy_is_refused(puller: Puller) -> None:
    store = puller.stock.store
    store.policy = store.policy.replace(max_layer_size=1 << 20)
    puller.registry.add_image("app", "1", [archives.layer({"zeros": bytes(4 << 20)})])
    puller.fails(Invalid, "decompressed content exceeds the limit of 1048576 bytes")


def test_registry_that_answers_a_digest_with_another_is_refused(puller: Puller) -> None:
    wanted = puller.registry.add_image("app", "1", TARS)
    other = puller.registry.add_image("app", "2", [BASE])
    puller.registry.manifests["app", wanted] = puller.registry.manifests["app", other]
    puller.fails(Corrupt, f"^manifest verification failed for digest {wanted}$", f"app@{wanted}")


def test_up_to_date_pull_imports_nothing_that_is_slow(puller: Puller) -> None:
    """It is one request: TLS, JSON, threads and whatever unpacks layers would each take longer."""
    puller.registry.add_image("app", "1", TARS)
    puller.pull()
    program = (
        "import sys; before = set(sys.modules); from ligan.cli.main import main; main(sys.argv[1:]); "
        "print(*set(sys.modules) - before, file=sys.stderr)"
    )
    python = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"]
    root = puller.stock.store.layout.root
    ended = subprocess.run(
        [*python, "--root", root, "pull", f"{puller.registry.host}/app:1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines()[-2].startswith("Status: Image is up to date for ")
    slow = {"ssl", "socket", "http.client", "email", "urllib.parse", "ipaddress", "json", "re", "enum"}
    slow |= {"threading", "datetime", "hashlib", "base64", "typing", "tarfile", "ligan.remote.pulling"}
    slow |= {"ligan.remote.auth", "ligan.remote.credentials"}
    assert not slow & set(ended.stderr.split())
