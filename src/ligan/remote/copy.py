"""Copying images between registries, OCI layouts, archives and the store. Nothing is unpacked on the way."""

from __future__ import annotations

from contextlib import ExitStack

from ligan.errors import Invalid
from ligan.images.host import host_platform
from ligan.images.source import TarSource, open_layout_folder
from ligan.oci.digest import Digest
from ligan.oci.documents import INDEX_TYPES, Index, Manifest
from ligan.oci.platform import parse as parse_platform
from ligan.oci.reference import parse
from ligan.remote.places import REGISTRY, ArchivePlace, LayoutPlace, StorePlace, parse_place
from ligan.remote.progress import Message, Meter
from ligan.remote.pull import pull_from
from ligan.remote.push import prepare, push_image
from ligan.remote.repository import FetchedManifest, Registry
from ligan.remote.resolving import MAX_DEPTH, check_type, image_manifest, kind_of
from ligan.remote.targets import ArchiveTarget, FolderTarget, NewFile, RepositoryTarget, verified
from ligan.store.team import Team

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ligan.oci.documents import Descriptor
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.places import Name, Origin
    from ligan.remote.progress import Report
    from ligan.remote.targets import Target
    from ligan.store.store import Store


_ONLY = "image"
"""What the image of a place is called that was opened for this one."""


def copy(
    store: Store,
    source: str,
    target: str,
    report: Report,
    settings: RemoteSettings,
    *,
    platform: str = "",
    all_platforms: bool = False,
) -> Digest:
    """Copy an image, or with `all_platforms` every image of an index; returns the digest of what was copied.

    `source` and `target` are names in registries, `oci:FOLDER[:TAG]`, `oci-archive:FILE[:TAG]`,
    `docker-archive:FILE[:NAME]` or `store:NAME`. Every byte is verified. After an error
    the target has no new name.
    """
    there, here = parse_place(source), parse_place(target)
    wanted = parse_platform(platform) if platform else host_platform()
    if there.kind == "store" and here.kind == REGISTRY:
        return _push(store, there, _reference(here), report, settings)
    with ExitStack() as stack:
        origin, name = _open_origin(stack, store, there, settings)
        if here.kind == "store":
            if all_platforms:
                raise Invalid("the store holds images for one platform each: leave out --all-platforms")
            return pull_from(store, origin, name, _reference(here), wanted, report)
        root = origin.get_manifest(name)
        if not all_platforms:
            root = _one(origin, root, wanted, source)
        receiver = _open_target(stack, here, there, settings)
        _Copy(store, origin, receiver, report).run(root, source)
    return root.digest


def _reference(place: Name) -> Reference:
    return parse(place.path).with_default_tag()


def _push(
    store: Store, source: Name, reference: Reference, report: Report, settings: RemoteSettings
) -> Digest:
    image = store.read_files(lambda tx: prepare(tx, store.layout, source.path, reference))
    with Registry.open(reference.domain, settings) as registry:
        return push_image(store, registry.writable(reference.path), image, report)


def _open_origin(stack: ExitStack, store: Store, place: Name, settings: RemoteSettings) -> tuple[Origin, str]:
    """Return what is copied from, and the name of the image in it."""
    if place.kind == REGISTRY:
        reference = _reference(place)
        registry = stack.enter_context(Registry.open(reference.domain, settings))
        return registry.repository(reference.path), reference.digest or reference.tag
    if place.kind == "store":
        reference = parse("copy")  # no registry's manifest is nearer to a copy than another's
        image = store.read_files(lambda tx: prepare(tx, store.layout, place.path, reference))
        return StorePlace(place.path, store.layout, image), _ONLY
    if place.kind == "oci":
        return LayoutPlace(place.path, open_layout_folder(place.path), place.tag), _ONLY
    file = stack.enter_context(_opened(place.path))
    members = TarSource(file.fileno(), 0)
    stack.callback(members.close)
    if place.kind == "oci-archive":
        return LayoutPlace(place.path, members, place.tag), _ONLY
    return ArchivePlace(place.path, members, place.tag), _ONLY


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise Invalid(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _open_target(stack: ExitStack, place: Name, source: Name, settings: RemoteSettings) -> Target:
    if place.kind == REGISTRY:
        reference = _reference(place)
        registry = stack.enter_context(Registry.open(reference.domain, settings))
        came_from = _reference(source) if source.kind == REGISTRY else None
        return RepositoryTarget(registry.writable(reference.path), reference, came_from)
    if place.kind == "oci":
        return FolderTarget(place.path, place.tag)
    file = stack.enter_context(NewFile(place.path))
    if place.kind == "oci-archive":
        return ArchiveTarget(file, place.tag)
    name = parse(place.tag).with_default_tag() if place.tag else parse("copy")
    return ArchiveTarget(file, name.tag, name)


def _one(origin: Origin, root: FetchedManifest, platform: Platform, name: str) -> FetchedManifest:
    """Return the manifest for the platform."""
    digest, manifest = image_manifest(origin, root, platform, name)
    return FetchedManifest(manifest.raw, manifest.media_type, digest)


class _Copy:
    """One copy: blobs first, then manifests, then indexes, so that nothing ever names what is not there."""

    def __init__(self, store: Store, origin: Origin, target: Target, report: Report) -> None:
        self._origin = origin
        self._target = target
        self._report = report
        self._team = Team(store, report, target.threads, in_order=False, stop=self._stop)

    def _stop(self) -> None:
        self._origin.stop()
        self._target.stop()

    def run(self, root: FetchedManifest, name: str) -> None:
        documents = list(self._documents(root, name, MAX_DEPTH, set()))
        blobs: dict[Digest, Descriptor] = {}
        for document, media_type in documents:
            if media_type not in INDEX_TYPES:
                manifest = Manifest.parse(document.raw, media_type)
                for blob in (manifest.config, *manifest.layers):
                    blobs.setdefault(blob.digest, blob)
        if blobs:
            self._team.run(list(blobs.values()), self._copy_blob)
        for document, media_type in documents:
            self._target.put_document(document, media_type, is_root=document is root)

    def _documents(
        self, document: FetchedManifest, name: str, depth: int, known: set[Digest]
    ) -> Iterator[tuple[FetchedManifest, str]]:
        """Yield the documents below this one that are not known yet, then itself, with their media types.

        Few that name each other many times over would else be more than anyone can count.
        """
        media_type = kind_of(document)
        check_type(media_type, name)
        if media_type in INDEX_TYPES:
            if not depth:
                raise Invalid(f"indexes are nested more than {MAX_DEPTH} deep")
            for entry in Index.parse(document.raw, media_type).manifests:
                if entry.digest not in known:
                    known.add(entry.digest)
                    yield from self._documents(
                        self._origin.get_manifest(entry.digest), name, depth - 1, known
                    )
        yield document, media_type

    def _copy_blob(self, blob: Descriptor, tell: Callable[[Message], None]) -> None:
        short = blob.digest.short
        if self._target.has(blob):
            tell(Message("Already exists", short, True))
            return
        source = self._target.mount(blob)
        if source:
            tell(Message(f"Mounted from {source}", short, True))
            return
        self._target.put(blob, lambda: verified(self._origin, blob, Meter(tell, short, "Copying", blob.size)))
        tell(Message("Copied", short, True))
