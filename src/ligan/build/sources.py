"""What a build takes from: base images, the build context, other contexts by name, and its own stages."""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import ExitStack, contextmanager

from ligan.build import bases
from ligan.build.folder_tree import FolderTree
from ligan.build.graph import SCRATCH, check_allowed, context_key, needs_context, sources_of
from ligan.build.stage import SolveError
from ligan.build.sums import content_digest
from ligan.errors import Invalid, LiganError
from ligan.oci.digest import ChainID, DiffID
from ligan.oci.identity import chain_id
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ligan.build.bases import Made
    from ligan.build.graph import StagePlan
    from ligan.build.solver import Build
    from ligan.build.stage import Stage
    from ligan.build.trees import Tree
    from ligan.dockerfile.nodes import Instruction
    from ligan.store.blobs import Lease
    from ligan.store.store import Store

_IMAGE = "docker-image://"


class _Image(Value):
    """An image that was looked up: what it has, its whole name, and whether it was pulled for this build."""

    made: Made
    name: str
    pulled: bool


class KnownLayer(Value):
    """A layer of an image: its chain ID, and when history says it was made, in nanoseconds since 1970."""

    chain: ChainID
    created: int


def known_layers(store: Store, name: str) -> dict[tuple[ChainID | None, str], KnownLayer]:
    """Return the layers of an image by the chain ID below and the row of history; none if it is not here."""
    from ligan.oci.times import parse_time

    made = bases.local(store, name, "")
    if made is None:
        return {}
    found: dict[tuple[ChainID | None, str], KnownLayer] = {}
    rows = [row for row in made.history if not row.empty_layer]
    below: ChainID | None = None
    for row, diff_id in zip(rows, made.diff_ids, strict=False):
        chain = chain_id(below, DiffID(diff_id))
        seconds, nanoseconds = parse_time((row.kept or {}).get("created") or "1970-01-01T00:00:00Z")
        found[below, row.created_by] = KnownLayer(chain, seconds * 10**9 + nanoseconds)
        below = chain
    return found


class Sources:
    """The sources of one build, looked up once each. For any thread."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._images: dict[tuple[str, str], _Image] = {}
        self._told: set[tuple[str, str]] = set()
        self._opened: set[str] = set()
        self._lock = allocate_lock()
        self._opening = allocate_lock()
        self._known: dict[tuple[ChainID | None, str], KnownLayer] | None = None

    def load_base(self, store: Store, planned: StagePlan) -> None:
        """Look up the image that a stage begins with, if it does. Raises SolveError."""
        if planned.below is None and planned.base != SCRATCH and not self.is_context(planned.base):
            try:
                self._look_up(store, *self._wanted(planned))
            except LiganError as error:
                raise SolveError(_unresolved(planned.base, error), planned.stage.instruction) from error

    def load_steps(self, store: Store, planned: StagePlan, steps: Sequence[Instruction]) -> None:
        """Look up every image that instructions name. Raises SolveError, for what they may not do too."""
        build = self._build
        for step in steps:
            try:
                check_allowed(step, build.request.allowed)
                for name in sources_of(step):
                    if not self.is_context(name) and build.stage_index(name, planned.index) is None:
                        self._look_up_source(store, name)
            except LiganError as error:
                raise SolveError(error, step) from error

    def _look_up_source(self, store: Store, name: str) -> None:
        try:
            self._look_up(store, self._image_name(name), self._build.platform)
        except LiganError as error:
            raise _unresolved(name, error) from error

    def open_context(self, name: str) -> None:
        """Open a further context, if it is not open."""
        self._open(context_key(name), f"[context {name}] load from client")

    def _open(self, name: str, title: str) -> None:
        """Open a context once, so that what is wrong with it is told of itself."""
        with self._opening:  # not the other lock: who has a tree to itself may want that one
            if name in self._opened:
                return
            self._opened.add(name)
            with self._build.progress.begin(title) as vertex, self._build.trees.tree(name):
                vertex.status("transferring context:")

    def is_context(self, name: str) -> bool:
        """Return whether a name means the files of a further context."""
        target = self._context(name)
        return bool(target) and not target.startswith(_IMAGE)

    def _context(self, name: str) -> str:
        contexts = self._build.request.contexts
        return contexts.get(context_key(name), "") if contexts else ""

    def known_layer(self, store: Store, below: ChainID | None, created_by: str) -> KnownLayer | None:
        """Return what an image of --cache-from has on these layers by such a row of history."""
        if not self._build.request.cache_from or self._build.request.no_cache:
            return None
        with self._lock:
            if self._known is None:
                self._known = {}
                for name in self._build.request.cache_from:
                    self._known |= known_layers(store, name.removeprefix("type=registry,ref="))
        return self._known.get((below, created_by))

    def _wanted(self, planned: StagePlan) -> tuple[str, str]:
        return self._image_name(planned.base), planned.platform or self._build.platform

    def _image_name(self, name: str) -> str:
        """Return the image that a name means: one of a context's, or itself."""
        target = self._context(name)
        return target.removeprefix(_IMAGE) if target.startswith(_IMAGE) else name

    def _look_up(self, store: Store, name: str, platform: str) -> _Image:
        with self._lock:
            if (name, platform) not in self._images:
                build = self._build
                whole = bases.canonical(name)
                with build.progress.begin(f"[internal] load metadata for {whole}") as vertex:
                    made, pulled = build.image(store, name, platform, vertex)
                self._images[name, platform] = _Image(made, whole, pulled)
            return self._images[name, platform]

    def base(self, planned: StagePlan) -> Made:
        """Return what a stage that begins with an image begins with, and tell of it: once of each image."""
        wanted = self._wanted(planned)
        found = self._images[wanted]
        with self._lock:
            is_told = wanted in self._told
            self._told.add(wanted)
        if is_told:
            return found.made
        platform = f"{planned.platform} " if planned.platform else ""
        total = str(planned.steps + len(found.made.triggers))
        name = f"[{platform}{planned.label}{1:{len(total)}}/{total}] FROM {found.name}"
        with self._build.progress.begin(name) as vertex:
            vertex.cached = not found.pulled
        return found.made

    def _stage(self, stage: Stage, name: str) -> Made | None:
        """Return what another stage or an image comes to; None for a context."""
        build = self._build
        if self.is_context(name):
            return None
        index = build.stage_index(name, stage.planned.index)
        if index is not None:
            return build.stage_made(stage.store, index)
        return self._images[self._image_name(name), build.platform].made

    @contextmanager
    def tree(self, stage: Stage, name: str) -> Iterator[Tree]:
        """Yield what `--from` names: a stage, an image or a context; the build context for none."""
        made = self._stage(stage, name) if name else None
        if made is None:
            with self._build.trees.tree(name and context_key(name)) as tree:
                yield tree
        else:
            with self._build.view(stage.store, made.layer) as root, ExitStack() as stack:
                folder = root or stack.enter_context(stage.store.lease()).folder()
                yield stack.enter_context(FolderTree(folder))

    def prepare(self, stage: Stage, step: Instruction) -> None:
        """Return when what an instruction takes from is there. Raises Cancelled for a stage that failed."""
        if step.name not in ("ADD", "COPY", "RUN"):
            return
        for name in sources_of(step):
            if self.is_context(name):
                self.open_context(name)
            else:
                self._stage(stage, name)
        if needs_context(step):
            self._open("", "[internal] load build context")

    def chain(self, stage: Stage, name: str) -> str | None:
        """Return the chain ID of what a name means where it has one: it covers all that is in it."""
        if not name or (made := self._stage(stage, name)) is None:
            return None
        return str(made.chain)

    def has_own_content(self, stage: Stage, name: str, path: str) -> bool:
        """Return whether a path of another stage may stay the same where that stage as a whole does not."""
        return path != "/" and self._build.stage_index(name, stage.planned.index) is not None

    def content(self, stage: Stage, name: str, path: str, *, itself: bool = False) -> str:
        """Return what covers the content of a path that is mounted: more than that, unless `itself`."""
        found = self.chain(stage, name)
        if found is not None and not (itself and self.has_own_content(stage, name, path)):
            return found
        with self.tree(stage, name) as tree:
            top = tree.find(path)
            if top is None:
                raise Invalid(f'failed to calculate checksum of ref: "{path}": not found')
            owners = found is not None or tree.owners_count
            digest = content_digest(tree, path, owners=owners)
        # A folder that is mounted is seen itself, too.
        owner = f" {top.uid}:{top.gid}" if owners else ""
        return f"{digest} {top.mode:o}{owner}" if top.path else digest

    @contextmanager
    def folder(self, stage: Stage, name: str, lease: Lease) -> Iterator[str]:
        """Yield what a name means as a folder that can be mounted, and that nobody may write to."""
        made = self._stage(stage, name) if name else None
        if made is not None:
            with self._build.view(stage.store, made.layer) as root:
                yield root or lease.folder()
            return
        yield self._build.trees.folder(name and context_key(name))


def _unresolved(name: str, error: LiganError) -> LiganError:
    """Return the error of an image that is not to be had, in BuildKit's words."""
    try:
        whole = bases.canonical(name)
    except LiganError:
        return error
    return LiganError(f"{name}: failed to resolve source metadata for {whole}: {error.message}", error.hint)
