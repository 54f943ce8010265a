"""Pulling: one name or all of a repository, and what Docker says of it."""

from __future__ import annotations

from ligan.errors import Forbidden
from ligan.images import catalog
from ligan.images.events import record
from ligan.images.host import host_platform
from ligan.oci.platform import parse as parse_platform
from ligan.oci.reference import DEFAULT_DOMAIN, parse
from ligan.remote.faults import BadAnswer, Interrupted, RemoteError, pull_error
from ligan.remote.origins import known_image
from ligan.remote.progress import Message
from ligan.remote.repository import Registry
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ligan.oci.digest import Digest, ImageID
    from ligan.oci.documents import Descriptor
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.places import Origin
    from ligan.remote.progress import Report
    from ligan.remote.repository import Repository
    from ligan.store.store import Store


class PullOutcome(Value):
    """The image of each name, in the order of the pull, and the images that lost their name to one."""

    images: tuple[ImageID, ...]
    replaced: tuple[ImageID, ...]


def pull(
    store: Store,
    name: str,
    report: Report,
    settings: RemoteSettings,
    credentials: Credentials | None = None,
    *,
    platform: str = "",
    is_wanted: Callable[[], bool] | None = None,
) -> PullOutcome:
    """Pull an image, or all tags of a repository that is named without tag or digest.

    `report` is told Docker's messages, in this thread. `platform` chooses among
    the manifests of an image for several; it is this machine's unless given. On
    return the images and their names are stored; after an error those before
    the faulty one are. Raises what registries raise, in Docker's words; Unavailable where `is_wanted`,
    asked several times a second while layers come, says no.
    """
    reference = pullable(name)
    wanted = parse_platform(platform) if platform else host_platform()
    one = _Pull(store, reference, wanted, report, credentials, is_wanted)
    try:
        try:
            one.run(settings)
        except (BadAnswer, Interrupted):
            if reference.domain != DEFAULT_DOMAIN or not settings.mirrors:
                raise
            one.run(settings.replace(mirrors=()))  # a mirror is no reason not to get what Docker Hub has
    except RemoteError as error:
        raise pull_error(error, reference.with_default_tag()) from None
    with store.database.write() as tx:
        familiar, repository_name = reference.familiar, reference.familiar_repository
        record(tx, store.now(), "pull", familiar, name=repository_name)
    outcome = "Downloaded newer image for" if one.is_news else "Image is up to date for"
    report(Message(f"Status: {outcome} {familiar}"))
    return PullOutcome(tuple(one.images.values()), tuple(one.replaced))


class _Pull:
    """What a pull has got so far."""

    def __init__(
        self,
        store: Store,
        reference: Reference,
        platform: Platform,
        report: Report,
        credentials: Credentials | None,
        is_wanted: Callable[[], bool] | None,
    ) -> None:
        self._store = store
        self._reference = reference
        self._platform = platform
        self._report = report
        self._credentials = credentials
        self._is_wanted = is_wanted
        self._has_begun = False
        self.images: dict[str, ImageID] = {}
        """By name."""
        self.replaced: list[ImageID] = []
        self.is_news = False

    def run(self, settings: RemoteSettings) -> None:
        with Registry.open(self._reference.domain, settings, self._credentials) as registry:
            repository = registry.repository(self._reference.path)
            for each in _references(repository, self._reference):
                self._run(repository, each)

    def _run(self, repository: Repository, reference: Reference) -> None:
        head = repository.head_manifest(reference.digest or reference.tag)
        here = _up_to_date(self._store, reference, head, self._platform)
        if here is not None and head is not None:
            shown = reference.familiar if reference.digest else reference.tag
            self._report(Message(f"Pulling from {reference.path}", shown))
            self._report(Message(f"Digest: {head.digest}"))
            self.images[reference.canonical] = here
            return
        if not self._has_begun:
            self._store.recover()  # not for who is up to date: that takes as long as asking
            self._has_begun = True
        from ligan.remote.pulling import Pulling

        with Pulling(
            self._store, repository, reference, self._platform, self._report, is_wanted=self._is_wanted
        ) as pulling:
            self.is_news |= pulling.run(head)
        self.images[reference.canonical] = pulling.image
        if pulling.replaced is not None:
            self.replaced.append(pulling.replaced)


def pull_from(
    store: Store,
    origin: Origin,
    source: str,
    reference: Reference,
    platform: Platform,
    report: Report,
) -> Digest:
    """Store what a place calls `source` by the name of the reference; returns its digest."""
    from ligan.remote.pulling import Pulling

    with Pulling(store, origin, reference, platform, report, source=source) as pulling:
        pulling.run(origin.head_manifest(source))
    return pulling.digest


def _up_to_date(
    store: Store, reference: Reference, head: Descriptor | None, platform: Platform
) -> ImageID | None:
    """Return the image that the name means here, if that is what it means in the registry too."""
    if head is None or reference.digest not in ("", head.digest):
        return None
    with store.database.read() as tx:
        image = known_image(tx, reference, head.digest, platform)
        named = catalog.find_by_reference(tx, reference.canonical)
    return image if named is not None and named.id == image else None


def pullable(name: str) -> Reference:
    """Return what a pull names. Raises InvalidReference, or Forbidden in Docker's words for `scratch`."""
    reference = parse(name)
    if reference.familiar_repository == "scratch":
        raise Forbidden("'scratch' is a reserved name")
    return reference


def _references(repository: Repository, reference: Reference) -> Iterable[Reference]:
    if not reference.is_name_only:
        return [reference]
    return [reference.replace(tag=tag) for tag in repository.tags()]
