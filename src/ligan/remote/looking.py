"""What a name means in its registry, without fetching the image."""

from __future__ import annotations

from ligan.oci.documents import INDEX_TYPES, ImageConfig, Index, Manifest
from ligan.oci.reference import parse
from ligan.remote.faults import RemoteError, pull_error
from ligan.remote.repository import Registry
from ligan.remote.resolving import check_type, kind_of, verified_config
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.digest import Digest
    from ligan.oci.platform import Platform
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import RemoteSettings


class RemoteImage(Value):
    """What a name means: a manifest or an index of `size` bytes, for these platforms."""

    media_type: str
    digest: Digest
    size: int
    platforms: tuple[Platform, ...]


def look_up(name: str, settings: RemoteSettings, credentials: Credentials | None = None) -> RemoteImage:
    """Return what the registry says of a name. Raises what registries raise, in Docker's words."""
    reference = parse(name).with_default_tag()
    try:
        with Registry.open(reference.domain, settings, credentials) as registry:
            repository = registry.repository(reference.path)
            fetched = repository.get_manifest(reference.digest or reference.tag)
            media_type = kind_of(fetched)
            check_type(media_type, reference.familiar)
            platforms: tuple[Platform, ...] = ()
            if media_type in INDEX_TYPES:
                entries = Index.parse(fetched.raw, media_type).manifests
                platforms = tuple([entry.platform for entry in entries if entry.platform is not None])
            else:
                descriptor = Manifest.parse(fetched.raw, media_type).config
                platforms = (ImageConfig.parse(verified_config(repository, descriptor)).platform,)
    except RemoteError as error:
        raise pull_error(error, reference) from None
    return RemoteImage(media_type, fetched.digest, len(fetched.raw), platforms)
