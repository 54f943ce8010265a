"""The Engine role: what the command line and the API ask of an engine.

The embedded engine (`ligan.engine.embedded`) implements it on a local store.
Names of images are what a person typed; every method raises the kinds of
`ligan.errors` and nothing else. Times are nanoseconds since 1970, sizes bytes.
"""

from __future__ import annotations

from typing import Protocol

from ligan.engine.build_role import BuildEngine
from ligan.engine.container_role import ContainerEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, BinaryIO

    from ligan.build.building import Checked, Export
    from ligan.build.cache import CachePruned, CacheRecord
    from ligan.build.progress import Say
    from ligan.build.request import BuildOutcome, BuildRequest
    from ligan.images.adopting import Provenance
    from ligan.images.events import Event
    from ligan.images.importing import ImportRequest
    from ligan.images.inspect import HistoryEntry
    from ligan.images.listing import ImageSummary
    from ligan.images.load import LoadOutcome
    from ligan.images.pins import Pin
    from ligan.images.staging import LoadProgress
    from ligan.images.usage import DiskUsage, ImageUsage
    from ligan.insight.outcome import PruneOutcome, RemovalOutcome, UndoOutcome
    from ligan.insight.plan import Plan
    from ligan.insight.undo import UndoEntry
    from ligan.insight.why import Why
    from ligan.layers.compression import Source as Readable
    from ligan.oci.digest import Digest
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.looking import RemoteImage
    from ligan.remote.progress import Report
    from ligan.remote.pull import PullOutcome
    from ligan.store.fsck import Fault

    Filters = Mapping[str, Sequence[str]]
    """Docker's filters: name -> values, as given by `--filter name=value`."""


class Engine(ContainerEngine, BuildEngine, Protocol):
    """Everything about images and, by its bases, about containers and building."""

    command: str
    """What undo entries say did it: the command as typed, or the request."""

    remote: RemoteSettings
    """How registries are spoken to."""

    def list_images(self, filters: Filters, *, show_all: bool = False) -> list[ImageSummary]:
        """Newest first. Intermediate images only with `show_all`."""

    def inspect_image(self, name: str) -> dict[str, Any]:
        """Return the document of `GET /images/{name}/json`, API 1.41, its keys in Docker's order."""

    def inspect_raw_config(self, name: str) -> bytes:
        """Return the exact bytes of the image's config."""

    def history(self, name: str) -> list[HistoryEntry]:
        """Newest step first."""

    def tag_image(self, source: str, target: str) -> None:
        """Give an image one more name; the name silently leaves the image that had it."""

    def remove_images(
        self, names: Sequence[str], *, force: bool = False, prune_parents: bool = True, now: bool = False
    ) -> RemovalOutcome:
        """Delete each argument in turn, under one undo entry. A refused argument is part of the outcome.

        `now` frees the bytes at once instead of keeping them for undo.
        """

    def prune_images(self, filters: Filters, *, now: bool = False) -> PruneOutcome:
        """Delete dangling images, or with the filter dangling=false every unused one."""

    def plan_removal(
        self, names: Sequence[str], *, force: bool = False, prune_parents: bool = True, now: bool = False
    ) -> Plan:
        """Return what remove_images would do. Nothing changes."""

    def plan_prune(self, filters: Filters, *, now: bool = False) -> Plan:
        """Return what prune_images would do. Nothing changes."""

    def apply_plan(self, plan: Plan) -> RemovalOutcome:
        """Do exactly what the plan says, or raise PlanOutdated and do nothing."""

    def why(self, name: str) -> Why:
        """Return everything that holds an image, layer or blob."""

    def load(self, source: BinaryIO | str, report: Callable[[LoadProgress | str], None]) -> LoadOutcome:
        """Load an archive, or the folder of an OCI layout by its path.

        `report` is told how far each layer is, and each of Docker's messages once it is true.
        On return every image and name of the archive is stored. After an error the images
        before the faulty one are, with their names, and nothing of the others.
        """

    def save(self, names: Sequence[str], target: BinaryIO, *, layout: str = "docker") -> None:
        """Write an archive of layout docker (20.10), docker-25 or oci. Equal stores give equal bytes."""

    def check_save(self, names: Sequence[str]) -> None:
        """Raise what save would raise for these names, before anything is written."""

    def import_image(self, source: BinaryIO | Readable, request: ImportRequest) -> str:
        """Make an image of one layer from a tar; returns its ID."""

    def pull(
        self,
        name: str,
        report: Report,
        credentials: Credentials | None = None,
        *,
        platform: str = "",
        is_wanted: Callable[[], bool] | None = None,
    ) -> PullOutcome:
        """Pull an image, or all tags of a repository that is named without tag or digest.

        `report` is told Docker's messages. Credentials that are not given are looked up in docker's
        config. On return the images and their names are stored; after an error those before it are. A pull
        that `is_wanted`, asked several times a second, says no of ends even where the registry is silent.
        """

    def push(self, name: str, report: Report, credentials: Credentials | None = None) -> tuple[Digest, ...]:
        """Push an image, or all tags of a repository that is named without one.

        On return the registry has them, and each a name by digest here. Returns their manifests' digests.
        """

    def build(self, request: BuildRequest, say: Say, export: Export | None = None) -> BuildOutcome:
        """Build a Dockerfile by the modern builder; `say` is told its progress.

        On return the image and its names are stored, or what `export` has made of the result is there. After
        an error the steps that were made stay in the cache.
        """

    def check_build(self, request: BuildRequest, say: Say) -> Checked:
        """Tell what the Dockerfile of a build had better not say, and build nothing. Raises as `build`."""

    def build_cache(self) -> list[CacheRecord]:
        """Return what builds can use again, the least recently used first."""

    def prune_build_cache(self, filters: Filters, *, everything: bool = False, keep: int = 0) -> CachePruned:
        """Remove what no build uses; what images have too only with `everything`.

        The least recently used goes first, until no more than `keep` bytes are left.
        """

    def copy(
        self, source: str, target: str, report: Report, *, platform: str = "", all_platforms: bool = False
    ) -> Digest:
        """Copy an image between registries, OCI layouts, archives and this store; returns its digest."""

    def login(self, domain: str, credentials: Credentials) -> str:
        """Try credentials at a registry. Returns the identity token it gave for them, or an empty string."""

    def inspect_remote(self, name: str, credentials: Credentials | None = None) -> RemoteImage:
        """Return what a name means in its registry."""

    def adopt(self, images: Sequence[Provenance]) -> list[str]:
        """Give images the names and parents that another engine knows them by.

        What was here before stays. Returns in words what could not be made so.
        """

    def disk_usage(self) -> DiskUsage:
        """Return the sums of `system df`."""

    def image_usage(self) -> list[ImageUsage]:
        """Return what each listed image shares, newest first."""

    def undo(self, key: int | None = None, *, force: bool = False) -> UndoOutcome:
        """Bring back what an undo entry holds; the newest entry if no key is given."""

    def plan_undo(self, key: int | None = None, *, force: bool = False) -> UndoOutcome:
        """Return what undo would bring back, or raise as it would, and change nothing."""

    def undo_entries(self) -> list[UndoEntry]:
        """Newest first."""

    def reclaim(self, keys: Sequence[int] = (), *, drop_all: bool = False) -> int:
        """Drop undo entries: the due ones, the named ones, or all. Returns the bytes freed."""

    def plan_reclaim(self, keys: Sequence[int] = (), *, drop_all: bool = False) -> int:
        """Return the bytes that reclaim would free, and drop nothing."""

    def pin(self, target: str, reason: str = "") -> str:
        """Protect a name, a glob over names, or an image by ID. Returns the pin's pattern."""

    def unpin(self, pattern: str) -> None: ...

    def pins(self) -> list[Pin]: ...

    def last_event(self) -> int:
        """Return the key of the newest event, whichever process wrote it; 0 where there is none."""

    def event_before(self, at: int) -> int:
        """Return the key after which every event of `at` or later comes."""

    def events_after(self, key: int, limit: int) -> list[Event]:
        """Return the events after `key`, oldest first, `limit` at most."""

    def fsck(self, *, repair: bool = False, read_data: bool = True) -> list[Fault]:
        """Return the faults that are left."""

    def info(self) -> dict[str, Any]:
        """Return the facts that `ligan info` shows."""

    def close(self) -> None: ...
