"""The embedded engine: the Engine role on a local store, without a daemon.

One method a verb. What a verb needs is imported when it is called: `images`
must not pay for `load`.
"""

from __future__ import annotations

from ligan.engine.embedded_builds import EmbeddedBuilds
from ligan.engine.embedded_containers import EmbeddedContainers
from ligan.store.layout import Layout
from ligan.store.store import Policy, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, BinaryIO

    from ligan.build.building import Checked, Export
    from ligan.build.cache import CachePruned, CacheRecord
    from ligan.build.progress import Say
    from ligan.build.request import BuildOutcome, BuildRequest
    from ligan.engine.role import Filters
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


def open_engine(root: str, policy: Policy | None = None, *, command: str = "") -> EmbeddedEngine:
    """Open the store at `root`, making it where there is none.

    `command` is what undo entries will say did it. Raises Unavailable,
    Unsupported or Busy where the store cannot be used.
    """
    return EmbeddedEngine(Store(Layout(root.rstrip("/") or "/"), policy or Policy()), command)


class EmbeddedEngine(EmbeddedContainers, EmbeddedBuilds):
    """See `ligan.engine.role.Engine` for what each method promises."""

    def __init__(self, store: Store, command: str) -> None:
        self.store = store
        self.command = command
        self._remote: RemoteSettings | None = None

    def close(self) -> None:
        self.store.close()

    def set_policy(self, policy: Policy) -> None:
        """Keep what is deleted by these rules from the next call on."""
        self.store.policy = policy

    @property
    def remote(self) -> RemoteSettings:
        if self._remote is None:
            from ligan.remote.endpoint import RemoteSettings

            self._remote = RemoteSettings()
        return self._remote

    @remote.setter
    def remote(self, settings: RemoteSettings) -> None:
        self._remote = settings

    def list_images(self, filters: Filters, *, show_all: bool = False) -> list[ImageSummary]:
        from ligan.images.listing import list_images

        with self.store.database.read() as tx:
            return list_images(tx, filters, show_all=show_all, now=self.store.now())

    def inspect_image(self, name: str) -> dict[str, Any]:
        from ligan.images.inspect import inspect

        return self.store.read_files(lambda tx: inspect(tx, self.store.layout, name))

    def inspect_raw_config(self, name: str) -> bytes:
        from ligan.images.catalog import resolve
        from ligan.images.inspect import read_config

        return self.store.read_files(
            lambda tx: read_config(self.store.layout, resolve(tx, name).image.id).raw
        )

    def history(self, name: str) -> list[HistoryEntry]:
        from ligan.images.inspect import history

        return self.store.read_files(lambda tx: history(tx, self.store.layout, name))

    def tag_image(self, source: str, target: str) -> None:
        from ligan.images.tagging import tag_image

        tag_image(self.store, source, target)

    def remove_images(
        self, names: Sequence[str], *, force: bool = False, prune_parents: bool = True, now: bool = False
    ) -> RemovalOutcome:
        from ligan.engine.deletes import remove

        self.store.recover()
        return remove(self.store, names, self.command, force=force, prune_parents=prune_parents, now=now)

    def prune_images(self, filters: Filters, *, now: bool = False) -> PruneOutcome:
        from ligan.engine.deletes import prune

        self.store.recover()
        return prune(self.store, filters, self.command, now=now)

    def plan_removal(
        self, names: Sequence[str], *, force: bool = False, prune_parents: bool = True, now: bool = False
    ) -> Plan:
        from ligan.engine.deletes import plan_removal

        return plan_removal(self.store, names, force=force, prune_parents=prune_parents, now=now)

    def plan_prune(self, filters: Filters, *, now: bool = False) -> Plan:
        from ligan.engine.deletes import plan_prune

        return plan_prune(self.store, filters, now=now)

    def apply_plan(self, plan: Plan) -> RemovalOutcome:
        from ligan.engine.deletes import apply_plan

        self.store.recover()
        return apply_plan(self.store, plan, self.command)

    def why(self, name: str) -> Why:
        from ligan.insight.why import why

        with self.store.database.read() as tx:
            return why(tx, self.store.layout, name)

    def load(self, source: BinaryIO | str, report: Callable[[LoadProgress | str], None]) -> LoadOutcome:
        from ligan.images.load import load

        self.store.recover()
        return load(self.store, source, report)

    def save(self, names: Sequence[str], target: BinaryIO, *, layout: str = "docker") -> None:
        from ligan.images.save import save

        save(self.store, names, target, layout=layout)

    def check_save(self, names: Sequence[str]) -> None:
        from ligan.images.save import plan_save

        self.store.read_files(lambda tx: plan_save(tx, self.store.layout, names))

    def import_image(self, source: BinaryIO | Readable, request: ImportRequest) -> str:
        from ligan.images.importing import import_image

        self.store.recover()
        return import_image(self.store, source, request)

    def pull(
        self,
        name: str,
        report: Report,
        credentials: Credentials | None = None,
        *,
        platform: str = "",
        is_wanted: Callable[[], bool] | None = None,
    ) -> PullOutcome:
        from ligan.remote.pull import pull

        return pull(
            self.store, name, report, self.remote, credentials, platform=platform, is_wanted=is_wanted
        )

    def push(self, name: str, report: Report, credentials: Credentials | None = None) -> tuple[Digest, ...]:
        from ligan.remote.push import push

        return push(self.store, name, report, self.remote, credentials)

    def build(self, request: BuildRequest, say: Say, export: Export | None = None) -> BuildOutcome:
        from ligan.build.building import build
        from ligan.build.exporting import export_image
        from ligan.containers.ending import reconcile

        self.store.recover()
        reconcile(self.store)
        return build(self.store, request, say, self._pull_for_build, export or export_image)

    def check_build(self, request: BuildRequest, say: Say) -> Checked:
        from ligan.build.building import check

        return check(self.store, request, say)

    def _pull_for_build(self, store: Store, name: str, platform: str, report: Report) -> None:
        from ligan.remote.pull import pull

        pull(store, name, report, self.remote, platform=platform)

    def build_cache(self) -> list[CacheRecord]:
        from ligan.build.cache import records

        return records(self.store)

    def prune_build_cache(self, filters: Filters, *, everything: bool = False, keep: int = 0) -> CachePruned:
        from ligan.build.cache import prune

        if not self.store.database.is_rehearsing:
            self.store.recover()
        return prune(self.store, filters, everything=everything, keep=keep)

    def copy(
        self, source: str, target: str, report: Report, *, platform: str = "", all_platforms: bool = False
    ) -> Digest:
        from ligan.remote.copy import copy

        self.store.recover()
        return copy(
            self.store, source, target, report, self.remote, platform=platform, all_platforms=all_platforms
        )

    def login(self, domain: str, credentials: Credentials) -> str:
        from ligan.remote.repository import Registry

        with Registry.open(domain, self.remote, credentials) as registry:
            return registry.login()

    def inspect_remote(self, name: str, credentials: Credentials | None = None) -> RemoteImage:
        from ligan.remote.looking import look_up

        return look_up(name, self.remote, credentials)

    def adopt(self, images: Sequence[Provenance]) -> list[str]:
        from ligan.images.adopting import adopt

        return adopt(self.store, images)

    def disk_usage(self) -> DiskUsage:
        from ligan.images.usage import disk_usage

        with self.store.database.read() as tx:
            return disk_usage(tx)

    def image_usage(self) -> list[ImageUsage]:
        from ligan.images.usage import image_usage

        with self.store.database.read() as tx:
            return image_usage(tx)

    def undo(self, key: int | None = None, *, force: bool = False) -> UndoOutcome:
        from ligan.engine.deletes import undo_deletion

        self.store.recover()
        return undo_deletion(self.store, key, self.command, force=force)

    def plan_undo(self, key: int | None = None, *, force: bool = False) -> UndoOutcome:
        from ligan.engine.deletes import plan_undo

        return plan_undo(self.store, key, force=force)

    def undo_entries(self) -> list[UndoEntry]:
        from ligan.insight.undo import entries

        with self.store.database.read() as tx:
            return entries(tx)

    def reclaim(self, keys: Sequence[int] = (), *, drop_all: bool = False) -> int:
        from ligan.engine.deletes import reclaim

        return reclaim(self.store, keys, drop_all=drop_all)

    def plan_reclaim(self, keys: Sequence[int] = (), *, drop_all: bool = False) -> int:
        from ligan.engine.deletes import plan_reclaim

        return plan_reclaim(self.store, keys, drop_all=drop_all)

    def pin(self, target: str, reason: str = "") -> str:
        from ligan.images import pins

        with self.store.database.write() as tx:
            return pins.add(tx, target, reason, self.store.now())

    def unpin(self, pattern: str) -> None:
        from ligan.images import pins

        with self.store.database.write() as tx:
            pins.remove(tx, pattern)

    def pins(self) -> list[Pin]:
        from ligan.images import pins

        with self.store.database.read() as tx:
            return pins.all_pins(tx)

    def last_event(self) -> int:
        from ligan.images import events

        with self.store.database.read() as tx:
            return events.last_key(tx)

    def event_before(self, at: int) -> int:
        from ligan.images import events

        with self.store.database.read() as tx:
            return events.key_before(tx, at)

    def events_after(self, key: int, limit: int) -> list[Event]:
        from ligan.images import events

        with self.store.database.read() as tx:
            return events.after(tx, key, limit)

    def fsck(self, *, repair: bool = False, read_data: bool = True) -> list[Fault]:
        from ligan.store import fsck

        if repair:
            fsck.repair(self.store.database, self.store.layout)
        return fsck.check(self.store.database, self.store.layout, read_data=read_data)

    def info(self) -> dict[str, Any]:
        from ligan.engine.info import info

        return info(self.store, self.remote)
