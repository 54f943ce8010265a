"""Migrations from a daemon that is made up: what comes in one go, and what happens when it cannot."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import NoSpace, NotFound, Unavailable, Unsupported
from ligan.hosts import migration
from ligan.hosts.docker import Unreachable
from ligan.hosts.migration import layer_sizes
from tests.support import archives

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ligan.hosts.docker import DockerHost
    from ligan.hosts.migration import HostImage
    from ligan.images.staging import LoadProgress
    from tests.support.archives import Image
    from tests.support.stores import Stock

EARLY = "2023-01-02T03:04:05Z"


class Daemon:
    """Has images, and cannot give those whose IDs are in `broken`."""

    address = "unix:///made-up"

    def __init__(self, images: Sequence[tuple[Image, dict[str, Any]]]) -> None:
        self.info: dict[str, Any] = {}
        self.images = {image.id: (image, facts) for image, facts in images}
        self.broken: dict[str, Exception] = {}
        self.saved: list[list[str]] = []

    def get_list(self, path: str, _query: object = ()) -> list[dict[str, Any]]:
        if path == "/images/json":
            return [{"Id": image} for image in self.images]
        image, _ = self.images[path.split("/")[2]]
        sizes = iter([len(layer) for layer in image.layers])
        steps = [
            {"CreatedBy": step["created_by"], "Size": 0 if step.get("empty_layer") else next(sizes)}
            for step in image.history()
        ]
        return steps[::-1]

    def get(self, path: str) -> dict[str, Any]:
        if path == "/info":
            return self.info
        image, facts = self.images[path.split("/")[2]]
        return {"RootFS": {"Layers": [archives.digest(layer) for layer in image.layers]}} | facts

    def stream(
        self, _path: str, query: Sequence[tuple[str, str]], progress: Callable[[int], None]
    ) -> io.BytesIO:
        names = [name for _, name in query]
        self.saved.append(names)
        for name in names:
            if name in self.broken:
                raise self.broken[name]
        archive = archives.docker_archive([archives.Item(self.images[name][0]) for name in names])
        progress(len(archive))
        return io.BytesIO(archive)


class Log:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.left: list[tuple[str, str]] = []

    def inspected(self, count: int, total: int) -> None:
        assert 0 < count <= total

    def receiving(self, _batch: int, current: int, total: int) -> None:
        assert current >= total

    def loading(self, progress: LoadProgress) -> None:
        assert 0 <= progress.current <= progress.total

    def migrated(self, image: HostImage) -> None:
        self.came.append(image.id)

    def failed(self, image: HostImage, reason: str) -> None:
        self.left.append((image.id, reason))


def run(daemon: Daemon, stock: Stock) -> tuple[Log, list[str]]:
    log = Log()
    host: DockerHost = daemon  # type: ignore[assignment]  # it has the methods that count
    plan = migration.plan(host, stock.engine, log)
    return log, migration.migrate(host, stock.engine, plan, log)


def a_chain() -> tuple[Image, Image, Image]:
    base = archives.image("COPY base", EARLY, add=archives.layer({"a": b"base"}))
    child = archives.image("ENV a=b", EARLY, parent=base)
    return base, child, archives.image("COPY leaf", EARLY, parent=child, add=archives.layer({"b": b"leaf"}))


def test_parents_names_and_times_are_the_daemons(stock: Stock) -> None:
    base, child, leaf = a_chain()
    daemon = Daemon(
        [
            (leaf, {"Parent": child.id, "RepoTags": ["leaf:1"], "RepoDigests": [f"leaf@{base.id}"]}),
            (child, {"Parent": base.id, "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}),
            (base, {"RepoTags": ["base:1"], "Metadata": {"LastTagTime": "2024-01-01T00:00:00.5Z"}}),
        ]
    )
    log, differences = run(daemon, stock)
    assert differences == []
    assert daemon.saved == [[base.id, child.id, leaf.id]]
    assert log.came == daemon.saved[0]
    parents = {image.id: image.parent for image in stock.engine.list_images({}, show_all=True)}
    assert parents == {base.id: "", child.id: base.id, leaf.id: child.id}
    assert stock.names() == {"leaf:1": leaf.id, f"leaf@{base.id}": leaf.id, "base:1": base.id}
    assert stock.engine.inspect_image("base:1")["Metadata"]["LastTagTime"] == "2024-01-01T00:00:00.5Z"


def test_a_link_that_the_daemon_has_lost_is_not_made_up(stock: Stock) -> None:
    base, child, _ = a_chain()
    run(Daemon([(base, {}), (child, {"Parent": base.id})]), stock)
    assert stock.engine.inspect_image(child.id)["Parent"] == base.id
    stock.engine.remove_images([child.id], now=True)
    run(Daemon([(base, {}), (child, {})]), stock)
    assert stock.engine.inspect_image(child.id)["Parent"] == ""


def test_a_parent_that_cannot_be_one_is_told(stock: Stock) -> None:
    base, child, leaf = a_chain()
    daemon = Daemon([(base, {"Parent": leaf.id}), (leaf, {"Parent": child.id})])
    _, differences = run(daemon, stock)
    assert differences == [
        f"{base.id[7:19]} was not built on {leaf.id[7:19]}, its parent there",
        f"{leaf.id[7:19]} has no parent here: {child.id[7:19]} is not here",
    ]
    assert stock.images() == {base.id, leaf.id}


def test_ids_of_manifests_are_refused(stock: Stock) -> None:
    daemon = Daemon([(a_chain()[0], {})])
    daemon.info["DriverStatus"] = [["driver-type", "io.containerd.snapshotter.v1"]]
    with pytest.raises(Unsupported, match="keeps its images in containerd"):
        run(daemon, stock)
    assert daemon.saved == []


def test_one_image_that_cannot_be_saved_does_not_keep_the_others(stock: Stock) -> None:
    base, child, leaf = a_chain()
    daemon = Daemon([(base, {}), (child, {"Parent": base.id}), (leaf, {"Parent": child.id})])
    daemon.broken[child.id] = Unavailable("layer is gone")
    log, differences = run(daemon, stock)
    assert log.left == [(child.id, "layer is gone")]
    assert log.came == [base.id, leaf.id]
    assert differences == [f"{leaf.id[7:19]} has no parent here: {child.id[7:19]} is not here"]
    daemon.broken.clear()
    log, differences = run(daemon, stock)
    assert (log.came, log.left, differences) == ([child.id], [], [])
    assert stock.engine.inspect_image(leaf.id)["Parent"] == child.id


@pytest.mark.parametrize("error", [NoSpace("the disk is full"), Unreachable("the daemon is gone")])
def test_what_no_image_would_survive_ends_it(error: Exception, stock: Stock) -> None:
    base, child, _ = a_chain()
    daemon = Daemon([(base, {}), (child, {})])
    daemon.broken[child.id] = error
    with pytest.raises(type(error)):
        run(daemon, stock)
    assert len(daemon.saved) == 1


def test_an_image_that_is_deleted_meanwhile_is_none(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    base, child, _ = a_chain()
    daemon = Daemon([(base, {}), (child, {})])
    inspect = daemon.get

    def get(path: str) -> dict[str, Any]:
        if child.id in path:
            raise NotFound("No such image")
        return inspect(path)

    monkeypatch.setattr(daemon, "get", get)
    log, _ = run(daemon, stock)
    assert (log.came, log.left) == ([base.id], [])


def test_many_images_come_in_several_archives(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "BATCH_IMAGES", 2)
    base, child, leaf = a_chain()
    daemon = Daemon([(leaf, {}), (child, {}), (base, {})])
    run(daemon, stock)
    assert list(map(len, daemon.saved)) == [2, 1]
    assert stock.images() == {base.id, child.id, leaf.id}


def test_large_images_come_in_several_archives(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    base, child, leaf = a_chain()
    monkeypatch.setattr(migration, "BATCH_BYTES", len(base.layers[0]))
    daemon = Daemon([(leaf, {}), (child, {}), (base, {})])
    run(daemon, stock)
    assert daemon.saved[-1] == [leaf.id]
    assert len(daemon.saved[0]) == 2, "the settings of child cost nothing"


@pytest.mark.parametrize(
    ("steps", "count", "sizes"),
    [
        ([("COPY a", 5), ("RUN b", 7)], 2, (5, 7)),
        ([("/bin/sh -c #(nop) COPY a", 5), ("/bin/sh -c #(nop)  ENV a=b", 0), ("RUN b", 7)], 2, (5, 7)),
        ([("/bin/sh -c #(nop)  ENV a=b", 0), ("WORKDIR /w", 0), ("RUN b", 7)], 2, (0, 7)),
        ([("RUN mkdir", 0), ("LABEL a=b", 0), ("RUN b", 7), ("CMD x", 0)], 2, (0, 7)),
        ([], 2, (0, 0)),
        ([("COPY a", 5)], 0, ()),
    ],
)
def test_sizes_of_layers_are_found_in_the_history(
    steps: list[tuple[str, int]], count: int, sizes: tuple[int, ...]
) -> None:
    history = [{"CreatedBy": words, "Size": size} for words, size in reversed(steps)]
    assert layer_sizes(history, count) == sizes
