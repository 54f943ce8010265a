"""The part of the Engine role that is about building."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ligan.build.classic import ClassicRequest
    from ligan.build.output import Output
    from ligan.layers.compression import Source as Readable
    from ligan.oci.digest import ImageID
    from ligan.remote.credentials import Credentials


class BuildEngine(Protocol):
    """Everything that makes images of Dockerfiles."""

    def build_classic(
        self,
        context: Readable | str,
        dockerfile: str,
        request: ClassicRequest,
        output: Output,
        credentials: Mapping[str, Credentials],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> ImageID:
        """Build as Docker's classic builder does: an image of every step. Returns the last one's ID.

        `context` is a tar in any compression, or a URL; `dockerfile` is a path in it. `credentials` are by
        registry, for what FROM and --from pull. A build that `is_wanted`, asked several times a second, says
        no to comes to an end.
        """
