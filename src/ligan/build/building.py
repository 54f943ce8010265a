"""One modern build, from its request to its image."""

from __future__ import annotations

import os
from _thread import RLock
from contextlib import ExitStack, contextmanager

from ligan.build.contexts import open_context, open_tree
from ligan.build.exporting import export_image
from ligan.build.graph import plan
from ligan.build.progress import Progress
from ligan.build.solver import Build, predefined
from ligan.dockerfile.faults import excerpt
from ligan.dockerfile.parse import parse
from ligan.errors import LiganError
from ligan.oci.reference import parse_tag_target
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ligan.build.bases import Made, Pull
    from ligan.build.contexts import Context
    from ligan.build.progress import Say
    from ligan.build.request import BuildOutcome, BuildRequest
    from ligan.build.trees import Tree
    from ligan.dockerfile.nodes import Advice
    from ligan.store.blobs import Lease
    from ligan.store.store import Store

    Export = Callable[[Build, Made], BuildOutcome]


class BuildFailed(LiganError):
    """A build came to nothing. `excerpt` shows the lines of the Dockerfile that are to blame, if any are.

    `warnings` are what it had better not say.
    """

    def __init__(self, error: LiganError, context: Context, advice: Sequence[Advice] = ()) -> None:
        super().__init__(error.message, error.hint)
        self.warnings = tuple(map(str, advice))
        line, end = getattr(error, "line", 0), getattr(error, "end", 0)
        self.excerpt = excerpt(context.text, context.name, line, end) if line else ""


def build(
    store: Store, request: BuildRequest, say: Say, pull: Pull, export: Export = export_image
) -> BuildOutcome:
    """Build what is asked for, tell of it, and give it out.

    Raises Invalid for a name, what `open_context` does for the context, and BuildFailed; what was made until
    then stays in the cache.
    """
    for name in request.names:
        parse_tag_target(name)  # before anything is made
    progress = Progress(say, store.now)
    with (
        store.lease() as lease,
        open_context(
            request.place, lease, dockerfile=request.dockerfile, stdin=request.stdin, proxies=request.proxies
        ) as context,
    ):
        _tell_definition(progress, context)
        advice: Sequence[Advice] = ()
        try:
            with (
                Trees(context.tree, request, lease) as trees,
                Build(store, request, context, trees, progress, pull) as work,
            ):
                advice = work.advice
                return export(work, work.solve()).replace(warnings=tuple(map(str, advice)))
        except LiganError as error:
            raise BuildFailed(error, context, advice) from error
        finally:
            store.sweep()


class Checked(Value):
    """What a Dockerfile had better not say: its text, and what it is called."""

    advice: tuple[Advice, ...]
    text: str
    name: str


def check(store: Store, request: BuildRequest, say: Say) -> Checked:
    """Read the Dockerfile of a build, all that can be told without an image, and build nothing.

    Raises what `open_context` does, and BuildFailed for what no build would begin with.
    """
    with (
        store.lease() as lease,
        open_context(
            request.place, lease, dockerfile=request.dockerfile, stdin=request.stdin, proxies=request.proxies
        ) as context,
    ):
        _tell_definition(Progress(say, store.now), context)
        try:
            dockerfile = parse(context.text, classic=False, name=context.name)
            plan(dockerfile, request.arguments, predefined(request), request.target, request.contexts)
        except LiganError as error:
            raise BuildFailed(error, context) from error
    return Checked(dockerfile.advice, context.text, context.name)


def _tell_definition(progress: Progress, context: Context) -> None:
    with progress.begin(f"[internal] load build definition from {context.name}") as vertex:
        vertex.status("transferring dockerfile:", len(context.text.encode("utf-8", "surrogateescape")))


class Trees:
    """The contexts of a build. A tree is for one thread at a time, so that a step has it to itself."""

    def __init__(self, context: Tree, request: BuildRequest, lease: Lease) -> None:
        self._request = request
        self._lease = lease
        self._stack = ExitStack()
        self._lock = RLock()
        self._open: dict[str, tuple[Tree, RLock]] = {"": (context, RLock())}
        self._folders: dict[str, str] = {}

    def __enter__(self) -> Trees:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @contextmanager
    def tree(self, name: str) -> Iterator[Tree]:
        """Yield the context of a name, the build context for none."""
        with self._lock:
            if name not in self._open:
                tree = open_tree(self._request.contexts[name], self._lease, self._request.proxies)
                self._open[name] = self._stack.enter_context(tree), RLock()
            tree, lock = self._open[name]
        with lock:
            yield tree

    def folder(self, name: str) -> str:
        """Return a folder with the files of a context, made once: what is ignored is not in it."""
        with self.tree(name) as tree:
            if name not in self._folders:
                from ligan.build.copying import Options, copy_layer, find_sources
                from ligan.build.materialize import unpack_tar

                folder = self._lease.folder()
                os.chmod(folder, 0o755)  # noqa: S103  # as the root of a context
                options = Options(classic=False, owner=None if tree.owners_count else (0, 0))
                chunks = copy_layer(None, find_sources(tree, ["/"]), "/", options, self._lease)
                unpack_tar(self._lease, chunks, folder)
                self._folders[name] = folder
            return self._folders[name]
