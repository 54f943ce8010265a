"""The embedded engine's builds; see `ligan.engine.build_role`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ligan.build.classic import ClassicRequest
    from ligan.build.output import Output
    from ligan.layers.compression import Source as Readable
    from ligan.oci.digest import ImageID
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import RemoteSettings
    from ligan.store.store import Store


class EmbeddedBuilds:
    """The verbs that build."""

    store: Store
    remote: RemoteSettings

    def build_classic(
        self,
        context: Readable | str,
        dockerfile: str,
        request: ClassicRequest,
        output: Output,
        credentials: Mapping[str, Credentials],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> ImageID:
        from ligan.build.classic import build
        from ligan.build.classic_context import Opened

        self.store.recover()
        with self.store.lease() as lease, Opened(context, dockerfile, lease, request.proxies) as opened:
            return build(
                self.store,
                opened.dockerfile,
                opened.tree,
                request,
                output,
                lambda name, platform: self._pull_base(name, platform, output, credentials, is_wanted),
                is_wanted,
            )

    def _pull_base(
        self,
        name: str,
        platform: str,
        output: Output,
        credentials: Mapping[str, Credentials],
        is_wanted: Callable[[], bool],
    ) -> None:
        from ligan.oci.reference import DEFAULT_DOMAIN
        from ligan.remote.credentials import ANONYMOUS, HUB_KEY, hostname
        from ligan.remote.pull import pull, pullable

        domain = pullable(name).domain
        key = HUB_KEY if domain == DEFAULT_DOMAIN else domain
        found = key if key in credentials else next((k for k in credentials if hostname(k) == domain), "")
        pull(
            self.store,
            name,
            output.report,
            self.remote,
            credentials.get(found, ANONYMOUS),
            platform=platform,
            is_wanted=is_wanted,
        )
