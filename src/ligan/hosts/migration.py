"""Bringing all images of another daemon into an engine of Ligan.

Images travel as `docker save` writes them, a batch at a time, without their
names; names and parents are set afterwards to what the daemon says. Whatever
is here already does not travel, so that a migration that was stopped goes on
where it was.
"""

from __future__ import annotations

import io

from ligan.errors import LiganError, NoSpace, NotFound, Unsupported
from ligan.hosts.docker import Unreachable
from ligan.hosts.layerless import archive_of, rebuild_config
from ligan.images.adopting import Provenance
from ligan.oci.digest import DiffID, ImageID
from ligan.oci.documents import typed
from ligan.oci.identity import chain_ids
from ligan.oci.times import GO_ZERO_SECONDS, parse_time
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO, Protocol

    from ligan.hosts.docker import DockerHost
    from ligan.images.listing import ImageSummary
    from ligan.images.load import LoadOutcome
    from ligan.images.staging import LoadProgress
    from ligan.oci.digest import ChainID

    class Target(Protocol):
        """What a migration asks of the engine that it fills: part of `ligan.engine.role.Engine`."""

        def list_images(
            self, filters: Mapping[str, Sequence[str]], *, show_all: bool = False
        ) -> list[ImageSummary]: ...
        def inspect_image(self, name: str) -> dict[str, Any]: ...
        def load(self, source: BinaryIO, report: Callable[[LoadProgress | str], None]) -> LoadOutcome: ...
        def adopt(self, images: Sequence[Provenance]) -> list[str]: ...

    class Watcher(Protocol):
        """Who is told how a migration goes on."""

        def inspected(self, count: int, total: int) -> None:
            """So many of the daemon's images are known."""

        def receiving(self, batch: int, current: int, total: int) -> None:
            """So many bytes of a batch have come; `total` is what its layers have, without their headers."""

        def loading(self, progress: LoadProgress) -> None:
            """A layer of what was received goes into the store."""

        def migrated(self, image: HostImage) -> None:
            """The image is here, with its names and its parent."""

        def failed(self, image: HostImage, reason: str) -> None:
            """The image stays behind."""


BATCH_BYTES = 2 << 30
"""Layers in one archive: the daemon and the store each keep a whole one on disk for the time of a load."""

BATCH_IMAGES = 64
"""IDs in one request: 80 bytes each, in a line of which servers may take no more than 8 KB."""


_CONTAINERD = ["driver-type", "io.containerd.snapshotter.v1"]
"""What tells the containerd image store of Docker 25 and later: an ID is the digest of a manifest there."""


class HostImage(Value):
    """An image as the daemon describes it. `size` is in bytes, `layer_sizes` those of its diff IDs."""

    provenance: Provenance
    diff_ids: tuple[DiffID, ...]
    layer_sizes: tuple[int, ...]

    @property
    def id(self) -> ImageID:
        return self.provenance.id

    def layers(self) -> dict[ChainID, int]:
        """Return the size of each layer."""
        return dict(zip(chain_ids(self.diff_ids), self.layer_sizes, strict=True))


class Migration(Value):
    """What is to be done. `layers` are those that are not here yet, each once, with its bytes."""

    present: tuple[HostImage, ...]
    batches: tuple[tuple[HostImage, ...], ...]
    layers: dict[ChainID, int]
    layerless: tuple[HostImage, ...]

    @property
    def missing(self) -> int:
        """How many images are to come."""
        return sum(map(len, self.batches)) + len(self.layerless)


def plan(host: DockerHost, target: Target, watcher: Watcher) -> Migration:
    """Return what has to come from the daemon for `target` to have all of its images. Nothing changes.

    Raises Unsupported where the daemon names images by anything but their configs.
    """
    if _CONTAINERD in typed(host.get("/info"), "DriverStatus", list, "info"):
        raise Unsupported(
            f"the daemon at {host.address} keeps its images in containerd, which gives them other IDs",
            "Bring them by name: docker save NAME... | ligan load",
        )
    here = {image.id for image in target.list_images({}, show_all=True)}
    known: set[ChainID] = set()
    for image in here:
        known.update(chain_ids(target.inspect_image(image)["RootFS"].get("Layers", ())))
    images = _survey(host, here, watcher)
    missing = [image for image in images if image.provenance.is_new]
    layers = {chain_id: size for image in missing for chain_id, size in image.layers().items()}
    return Migration(
        present=tuple(image for image in images if not image.provenance.is_new),
        batches=tuple(_batches([image for image in missing if image.diff_ids])),
        layers={chain_id: size for chain_id, size in layers.items() if chain_id not in known},
        layerless=tuple(image for image in missing if not image.diff_ids),
    )


def migrate(host: DockerHost, target: Target, migration: Migration, watcher: Watcher) -> list[str]:
    """Do what the plan says. Returns in words what is now different here from there.

    An image that the daemon cannot give does not keep the others from coming.
    After an error or an interrupt the store holds what has come till then, and
    a new plan holds the rest.
    """
    differences = _adopt(target, _rebuild(host, target, migration.layerless, watcher), watcher)
    for number, batch in enumerate(migration.batches, 1):
        differences += _adopt(target, _transfer(host, target, number, batch, watcher), watcher)
    return differences + target.adopt([image.provenance for image in migration.present])


def _adopt(target: Target, images: Sequence[HostImage], watcher: Watcher) -> list[str]:
    differences = target.adopt([image.provenance for image in images])
    for image in images:
        watcher.migrated(image)
    return differences


def _survey(host: DockerHost, here: set[ImageID], watcher: Watcher) -> list[HostImage]:
    """Return the daemon's images in an order in which parents come first and sharers of layers meet."""
    rows = host.get_list("/images/json", [("all", "1")])
    ids = sorted({ImageID.parse(typed(row, "Id", str, "list of images")) for row in rows})
    images = []
    for count, image_id in enumerate(ids, 1):
        try:
            images.append(_describe(host, image_id, is_new=image_id not in here))
        except NotFound:
            continue  # deleted since it was listed
        watcher.inspected(count, len(ids))
    parents = {image.id: image.provenance.parent for image in images}
    return sorted(images, key=lambda image: (image.diff_ids, _depth(parents, image.id), image.id))


def _depth(parents: Mapping[ImageID, str], image: str) -> int:
    seen = {image}
    while (image := parents.get(ImageID(image), "")) and image not in seen:
        seen.add(image)
    return len(seen)


def _describe(host: DockerHost, image: ImageID, *, is_new: bool) -> HostImage:
    what = "image"
    document = host.get(f"/images/{image}/json")
    parent = typed(document, "Parent", str, what)
    names = [*typed(document, "RepoTags", list, what), *typed(document, "RepoDigests", list, what)]
    tagged = typed(typed(document, "Metadata", dict, what), "LastTagTime", str, what)
    seconds, nanoseconds = parse_time(tagged)
    diff_ids = tuple(
        DiffID.parse(text) for text in typed(typed(document, "RootFS", dict, what), "Layers", list, what)
    )
    return HostImage(
        provenance=Provenance(
            id=image,
            parent=ImageID.parse(parent) if parent else "",
            names=tuple(name for name in names if not name.startswith("<none>")),
            last_tagged=None if seconds == GO_ZERO_SECONDS else seconds * 10**9 + nanoseconds,
            is_new=is_new,
        ),
        diff_ids=diff_ids,
        layer_sizes=layer_sizes(host.get_list(f"/images/{image}/history"), len(diff_ids)) if is_new else (),
    )


def layer_sizes(history: Sequence[Mapping[str, Any]], count: int) -> tuple[int, ...]:
    """Return the sizes of an image's layers, bottom first, out of its history, which is newest first.

    The API does not tell which steps made a layer. Those with bytes did; of the
    others those that can have changed files count first.
    """
    steps = [
        (typed(step, "Size", int, "history"), typed(step, "CreatedBy", str, "history"))
        for step in reversed(history)
    ]
    chances = sorted(range(len(steps)), key=lambda at: (not steps[at][0], _only_settings(steps[at][1]), at))
    sizes = [steps[at][0] for at in sorted(chances[:count])]
    return (*sizes, *[0] * (count - len(sizes)))


_SETTINGS = (
    *("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD"),
    *("SHELL", "STOPSIGNAL", "USER", "VOLUME"),
)


def _only_settings(created_by: str) -> bool:
    """Return whether these words, of the classic builder or of BuildKit, are of a step without a layer."""
    return created_by.rpartition("#(nop)")[2].strip().startswith(_SETTINGS)


def _batches(images: Sequence[HostImage]) -> Iterator[tuple[HostImage, ...]]:
    batch: list[HostImage] = []
    layers: dict[ChainID, int] = {}
    for image in images:
        layers |= image.layers()
        if batch and (len(batch) == BATCH_IMAGES or sum(layers.values()) > BATCH_BYTES):
            yield tuple(batch)
            batch, layers = [], image.layers()
        batch.append(image)
    if batch:
        yield tuple(batch)


def _rebuild(
    host: DockerHost, target: Target, images: Sequence[HostImage], watcher: Watcher
) -> list[HostImage]:
    """Make the images without layers, which docker cannot save. Returns those that are in the store now."""
    came = []
    for image in images:
        config = rebuild_config(image.id, _lineage(host, image.id))
        if config is None:
            watcher.failed(image, "it has no layers, and docker cannot save such an image")
        else:
            target.load(io.BytesIO(archive_of(image.id, config)), lambda _report: None)
            came.append(image)
    return came


def _lineage(host: DockerHost, image: str) -> list[dict[str, Any]]:
    """Return what inspect says of an image and of its parents, oldest first."""
    documents: dict[str, dict[str, Any]] = {}
    while image and image not in documents:
        documents[image] = host.get(f"/images/{image}/json")
        image = typed(documents[image], "Parent", str, "image")
    return [*documents.values()][::-1]


def _transfer(
    host: DockerHost, target: Target, number: int, batch: Sequence[HostImage], watcher: Watcher
) -> list[HostImage]:
    """Return those of the batch that are in the store now."""
    try:
        _load(host, target, number, batch, watcher)
    except (NoSpace, Unreachable):
        raise  # no other image would fare better
    except LiganError as error:
        if len(batch) == 1:
            watcher.failed(batch[0], error.message)
            return []
    else:
        return list(batch)
    # One of them is at fault; what came before it is here.
    here = {image.id for image in target.list_images({}, show_all=True)}
    came = [image for image in batch if image.id in here]
    for image in batch:
        if image.id not in here:
            came += _transfer(host, target, number, [image], watcher)
    return came


def _load(
    host: DockerHost, target: Target, number: int, batch: Sequence[HostImage], watcher: Watcher
) -> None:
    layers = {chain_id: size for image in batch for chain_id, size in image.layers().items()}
    total = sum(layers.values())
    received = 0

    def receive(count: int) -> None:
        nonlocal received
        received += count
        watcher.receiving(number, received, total)

    def report(progress: LoadProgress | str) -> None:
        if not isinstance(progress, str):
            watcher.loading(progress)

    with host.stream("/images/get", [("names", image.id) for image in batch], receive) as archive:
        outcome = target.load(archive, report)
    for image in batch:
        if image.id not in outcome.images:
            raise NotFound(f"the daemon did not give image {image.id}")
