"""One stage of a build: its instructions, one after the other, from the base to what it comes to.

Source of words and history: BuildKit, frontend/dockerfile/dockerfile2llb/convert.go.
"""

from __future__ import annotations

from ligan.build import cache
from ligan.build.bases import Made
from ligan.build.graph import expanded, pairs
from ligan.build.image import HistoryRow
from ligan.dockerfile import settings
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.lint import undefined
from ligan.dockerfile.words import Lexer, Noted, expand_document
from ligan.errors import Invalid, LiganError
from ligan.images import catalog
from ligan.oci.compact_json import dumps
from ligan.oci.digest import ChainID, DiffID, sha256
from ligan.oci.identity import chain_id
from ligan.store import failpoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ligan.build.graph import StagePlan
    from ligan.build.layers import NewLayer
    from ligan.build.progress import Vertex
    from ligan.build.solver import Build
    from ligan.dockerfile.nodes import Instruction
    from ligan.dockerfile.words import Variables
    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction
    from ligan.store.store import Store

    Make = Callable[[Lease, Vertex], NewLayer]
    Facts = Callable[[], Mapping[str, object]]


class Stage:
    """A stage that is being made, by one thread."""

    def __init__(self, build: Build, store: Store, planned: StagePlan, base: Made) -> None:
        self.build = build
        self.store = store
        self.planned = planned
        self.escape = build.dockerfile.escape
        self.layer = base.layer
        self.chain = base.chain
        self.diff_ids = list(base.diff_ids)
        self.state = settings.State(base.settings, classic=False)
        self.state.author = base.author
        self.history = list(base.history)
        self.arguments: dict[str, str | None] = dict(base.arguments)
        self.platform = base.platform
        self._steps = str(planned.steps + len(base.triggers))  # ENV and the like too, as in BuildKit
        self._number = 0
        self._missing: set[str] = set()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of what runs of this, as they stand."""
        return self.state.config

    def made(self) -> Made:
        return Made(
            layer=self.layer,
            chain=self.chain,
            diff_ids=tuple(self.diff_ids),
            settings=self.settings,
            history=tuple(self.history),
            platform=self.platform,
            author=self.state.author,
            arguments=self.arguments,
        )

    def next_name(self, text: str) -> str:
        """Return what the next step is called: its place in the stage, and its instruction."""
        self._number += 1
        return f"[{self.planned.label}{self._number:{len(self._steps)}}/{self._steps}] {text}"

    def run(self, steps: Sequence[Instruction]) -> None:
        """Do the instructions. Raises what is wrong with one as a DockerfileError of its lines."""
        for step in steps:
            self.build.check_going()
            self._missing.clear()
            known = self.variables
            try:
                self._do(step)
                for name in sorted(self._missing.difference(self.arguments)):
                    self.build.advise(undefined(step, name, known))
            except DockerfileError:
                raise
            except LiganError as error:
                raise SolveError(error, step) from error

    def _do(self, step: Instruction) -> None:
        self.build.sources.prepare(self, step)
        if step.name == "RUN":
            from ligan.build.run_step import run_step

            run_step(self, step)
        elif step.name in ("COPY", "ADD"):
            from ligan.build.copy_step import copy_step

            copy_step(self, step)
        elif step.name == "WORKDIR":
            self._workdir(step)
        elif step.name == "ARG":
            self._argument(step)
        else:
            whole = settings.expanded(step, self._noted(step), self.escape, classic=False)
            if told := settings.apply(self.state, whole):
                self.record(told)

    @property
    def variables(self) -> dict[str, str]:
        """What words are expanded with: arguments, and over them the image's variables."""
        values = {key: value for key, value in self.arguments.items() if value is not None}
        return values | self.state.environment

    def _noted(self, step: Instruction) -> Variables:
        """Return the variables of an instruction. What it lacks is noted, but for EXPOSE, as in BuildKit."""
        return self.variables if step.name == "EXPOSE" else Noted(self.variables, self._missing)

    def expand(self, step: Instruction, word: str) -> str:
        return expanded(step, word, self._noted(step), self.escape)

    def expand_document(self, step: Instruction, text: str) -> str:
        """Return a heredoc with its variables; quotes in it are no quotes."""
        try:
            return expand_document(text, self._noted(step))
        except Invalid as error:
            raise DockerfileError(error.message, step.line, step.end) from None

    def shown(self, step: Instruction) -> str:
        """Return an instruction as progress names it: variables that are set replaced, quotes as they are."""
        lexer = Lexer(
            step.original,
            self.variables,
            self.escape,
            classic=False,
            raw_quotes=True,
            raw_escapes=True,
            keep_unset=True,
        )
        try:
            return "".join([text for text, _splits in lexer.pieces("")])
        except LiganError:
            return step.original

    def record(self, created_by: str, *, layer: bool = False, created: int | None = None) -> None:
        """Write a row of history. One of a layer has the time of that layer, if no other is asked for."""
        epoch = self.build.request.epoch
        time = created if layer else None
        self.history.append(
            HistoryRow(created_by, not layer, time if epoch is None else epoch, self.state.author)
        )

    def _argument(self, step: Instruction) -> None:
        shown = []
        for key, default in pairs(step):
            given, outer = self.build.request.arguments, self.build.graph.arguments
            if key in given:
                value: str | None = given[key]
            elif default is not None:
                value = self.expand(step, default)
            else:
                value = outer.get(key)
            self.arguments[key] = value
            shown.append(key if value is None else f"{key}={value}")
        self.record(f"ARG {' '.join(shown)}")

    def _workdir(self, step: Instruction) -> None:
        whole = settings.expanded(step, self._noted(step), self.escape, classic=False)
        text, path = settings.apply(self.state, whole), str(self.settings["WorkingDir"])
        name = self.next_name(f"WORKDIR {whole.arguments[0]}")
        if path == "/":
            with self.build.progress.begin(name) as vertex:
                vertex.cached = True
            self.record(text)
            return
        made = self.layer_step(
            name, text, lambda: {"workdir": path}, lambda lease, _: self._folder(lease, path)
        )
        self.record(text, layer=True, created=made)

    def _folder(self, lease: Lease, path: str) -> NewLayer:
        """Return the layer that makes a folder, where it is not there."""
        from ligan.build import layers
        from ligan.build.folders import folder_layer

        epoch = self.build.request.epoch
        time = self.store.now() if epoch is None else epoch
        with self.build.view(self.store, self.layer) as root:
            chunks = folder_layer(root, path, time // 10**9)
        return layers.stage(lease, chunks, index=self.build.indexed)

    def layer_step(
        self,
        name: str,
        description: str,
        facts: Facts,
        make: Make,
        *,
        content: Facts | None = None,
        apart: bool = False,
        forget: Callable[[WriteTransaction], None] = lambda _tx: None,
    ) -> int:
        """Put a layer on this stage, out of the cache or made now. Returns when that was, in nanoseconds.

        `facts` tells all that the layer depends on besides what is below it. `content`, which takes longer to
        tell, is that of a step by what it copies, or mounts; with `apart` the layer depends on nothing
        else, so that one which was made on other layers will do. `forget` is called in the transaction that
        writes it.
        """
        with self.build.progress.begin(name) as vertex:
            known = facts()
            digest = self._digest(known, self.chain)
            result = self._cached(digest, None, description)
            if result is None:
                inner = self._digest(content(), None if apart else self.chain) if content else None
                with self.build.locks.step(inner or digest):
                    result = self._cached(digest, inner, description)
                    if result is None:
                        result = self._imported(digest, known, description)
                        vertex.cached = result is not None
                    if result is None:
                        self.build.check_going(vertex)
                        result = self._make(digest, inner, description, make, vertex, forget)
                    else:
                        vertex.cached = True
            else:
                vertex.cached = True
            if vertex.cached:
                self.build.used.append(result.row)
        self.layer, self.chain = result.layer, result.chain_id
        self.diff_ids.append(result.diff_id)
        return result.created

    def _digest(self, facts: Mapping[str, object], below: ChainID | None) -> str:
        """Return the digest of a step on what is below it."""
        epoch = self.build.request.epoch
        whole = dumps([below, epoch, dict(facts)])
        return sha256(whole.encode("utf-8", "surrogatepass")).hex

    def _cached(self, digest: str, content: str | None, description: str) -> cache.Result | None:
        """Return the result of a step, from now on in use by this build."""
        if self.build.request.no_cache:
            return None
        while True:
            with self.store.database.read() as tx:
                found = cache.find(tx, digest)
                other = cache.find_content(tx, content) if found is None and content else None
            result = found or other
            if result is None:
                return None
            self.build.locks.use(result.row)
            with self.store.database.read() as tx:
                is_there = cache.is_there(tx, result.row)
            if is_there:
                if other is not None:
                    with self.store.database.write() as tx:
                        result = self._taken(tx, other, digest, content, description)
                return result

    def _taken(
        self, tx: WriteTransaction, found: cache.Result, digest: str, content: str | None, description: str
    ) -> cache.Result:
        """Have a result be found by the digest next time. If its layer is on others, put it on these."""
        whole = chain_id(self.chain, DiffID(found.diff_id))
        if whole == found.chain_id:
            cache.rename(tx, found.row, digest)
            return found
        size, blob = tx.one("SELECT size, blob FROM layer WHERE key = ?", (found.layer,))
        layer = catalog.ensure_layer(tx, whole, self.layer, DiffID(found.diff_id), size, blob)
        row = cache.add(tx, digest, content, layer, description, found.created)
        self.build.locks.use(row)
        return cache.Result(row, layer, whole, found.diff_id, found.created)

    def _imported(self, digest: str, facts: Mapping[str, object], description: str) -> cache.Result | None:
        """Return the layer that an image of --cache-from has for a RUN on just these layers.

        By its text alone: that is all that an image tells. So what mounts something is not found there.
        """
        if "run" not in facts or facts.get("mounts"):
            return None
        found = self.build.sources.known_layer(self.store, self.chain, description)
        if found is None:
            return None
        with self.store.database.write() as tx:
            row = tx.one("SELECT key, chain_id, diff_id FROM live_layer WHERE chain_id = ?", (found.chain,))
            if row is None:
                return None
            key = cache.add(tx, digest, None, row[0], description, found.created)
            self.build.locks.use(key)
        return cache.Result(key, row[0], ChainID(row[1]), row[2], found.created)

    def _make(
        self,
        digest: str,
        content: str | None,
        description: str,
        make: Make,
        vertex: Vertex,
        forget: Callable[[WriteTransaction], None],
    ) -> cache.Result:
        from ligan.build import layers

        with self.store.lease() as lease:
            new = make(lease, vertex)
            now = self.store.now()
            with self.store.database.write() as tx:
                blobs = lease.commit(tx, new.staged)
                layer = layers.add(tx, blobs, new, self.layer)
                row = cache.add(tx, digest, content, layer, description, now)
                forget(tx)
                self.build.locks.use(row)
                chain = ChainID(tx.value("SELECT chain_id FROM layer WHERE key = ?", (layer,)))
        failpoints.hit("step.committed")
        return cache.Result(row, layer, chain, new.diff_id, now)


class SolveError(LiganError):
    """A step failed. `error` is why; `line` to `end` are those of its instruction."""

    def __init__(self, error: LiganError, step: Instruction) -> None:
        super().__init__(error.message, error.hint)
        self.error = error
        self.line = step.line
        self.end = step.end
