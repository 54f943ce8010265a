"""The modern builder: from a Dockerfile to one image, its stages side by side, its steps out of the cache.

Each stage is made by a thread with a `Store` of its own; a stage that another needs is waited for by the step
that needs it. What fails first ends the build: commands that run elsewhere are killed.
"""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import contextmanager

from ligan.build import bases, cache
from ligan.build.graph import SCRATCH, Graph, StagePlan, plan
from ligan.build.locks import Locks
from ligan.build.progress import PullProgress
from ligan.build.sources import Sources
from ligan.build.stage import SolveError, Stage
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.lint import check_advice, is_told
from ligan.dockerfile.nodes import Instruction
from ligan.dockerfile.parse import parse, parse_trigger
from ligan.errors import LiganError
from ligan.images.host import host_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from ligan.build.bases import Made, Pull
    from ligan.build.building import Trees
    from ligan.build.contexts import Context
    from ligan.build.progress import Progress, Vertex
    from ligan.build.request import BuildRequest
    from ligan.build.runs import Run
    from ligan.dockerfile.nodes import Advice
    from ligan.store.store import Store


class Cancelled(LiganError):
    """Another step has failed, so this one was not made."""

    def __init__(self) -> None:
        super().__init__("context canceled")


class Build:
    """One build, from `with` to its end. What its threads share is here."""

    def __init__(
        self,
        store: Store,
        request: BuildRequest,
        context: Context,
        trees: Trees,
        progress: Progress,
        pull: Pull,
    ) -> None:
        self.store = store
        self.request = request
        self.trees = trees
        self.progress = progress
        self._is_indexed: bool | None = None
        self.locks = Locks(store.layout)
        self.dockerfile = parse(context.text, classic=False, name=context.name)
        self.advice = list(self.dockerfile.advice)
        self.platform = request.platform
        self.graph: Graph = plan(
            self.dockerfile, request.arguments, predefined(request), request.target, request.contexts
        )
        self.used: list[int] = []
        self._pull = pull
        self._ignored = context.ignored
        self._stages: dict[int, _StageTask] = {}
        self._lock = allocate_lock()
        self._runs: list[Run] = []
        self._failure: BaseException | None = None
        self.sources = Sources(self)

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.locks.__exit__()

    @property
    def indexed(self) -> bool:
        """Whether layers are indexed as they are made. To find out takes a mount, the first time."""
        if self._is_indexed is None:
            from ligan.layers.snapshots.indexing import are_wanted

            self._is_indexed = are_wanted(self.store)
        return self._is_indexed

    def solve(self) -> Made:
        """Return what the target comes to, every needed stage made. Raises what failed first."""
        check_advice(self.dockerfile, self.advice)
        plans = self.graph.stages
        for planned in plans.values():
            self.sources.load_base(self.store, planned)
            self.sources.load_steps(self.store, planned, planned.stage.steps)
        if self._ignored is not None:
            with self.progress.begin("[internal] load .dockerignore") as vertex:
                vertex.status("transferring context:", self._ignored)
        if len(plans) == 1:
            planned = plans[self.graph.target]
            self._stages[planned.index] = task = _StageTask()
            task.made = self.make_stage(self.store, planned)
        else:
            self._solve_in_threads(list(plans.values()))
        made = self._stages[self.graph.target].made
        assert made is not None
        return made

    def _solve_in_threads(self, wanted: Sequence[StagePlan]) -> None:
        from threading import Thread

        from ligan.store.store import Store

        for planned in wanted:
            self._stages[planned.index] = _StageTask(_event())

        def work(planned: StagePlan) -> None:
            task = self._stages[planned.index]
            store = None
            try:
                store = Store(self.store.layout, self.store.policy, self.store.now)
                task.made = self.make_stage(store, planned)
            except BaseException as error:  # noqa: BLE001  # it is raised where the build is waited for
                self.fail(error, store)
            finally:
                if store is not None:
                    store.close()
                assert task.done is not None
                task.done.set()

        threads = [Thread(target=work, args=(planned,), name=f"stage {planned.index}") for planned in wanted]
        for thread in threads:
            thread.start()
        try:
            self._await_all()
        except BaseException as error:
            self.fail(error, self.store)
            self._await_all()
            raise
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _await_all(self) -> None:
        """Return when every stage has come to its end.

        Not by `join`: an interrupted one takes the thread for ended.
        """
        for task in list(self._stages.values()):
            assert task.done is not None
            task.done.wait()

    def fail(self, error: BaseException, store: Store | None) -> None:
        """Have everything else end: only what failed first counts."""
        if self._failure is None and not _is_cancelled(error):
            self._failure = error
            for run in list(self._runs):
                if store is not None:
                    run.stop(store)

    def check_going(self, vertex: Vertex | None = None) -> None:
        """Raise Cancelled where another step has failed."""
        if self._failure is not None:
            if vertex is not None:
                vertex.cancelled = True
            raise Cancelled

    @contextmanager
    def running(self, run: Run) -> Iterator[None]:
        """Have a command killed when the build fails meanwhile."""
        self._runs.append(run)
        try:
            yield
        finally:
            self._runs.remove(run)

    def new_locks(self) -> Locks:
        return Locks(self.store.layout)

    def stage_made(self, store: Store, index: int) -> Made:
        """Return what a stage comes to, once it is made. Raises Cancelled where it failed elsewhere.

        One that only a trigger of a base image names is made here, by the first who wants it.
        """
        with self._lock:
            task = self._stages.get(index)
            is_late = task is None
            if task is None:
                task = self._stages[index] = _StageTask(_event())
        if is_late:
            try:
                task.made = self._made_late(store, self.graph.every[index])
            finally:
                assert task.done is not None
                task.done.set()
        if task.done is not None:
            task.done.wait()
        if task.made is None:
            raise Cancelled
        return task.made

    def _made_late(self, store: Store, planned: StagePlan) -> Made:
        self.sources.load_base(store, planned)
        self.sources.load_steps(store, planned, planned.stage.steps)
        return self.make_stage(store, planned)

    def make_stage(self, store: Store, planned: StagePlan) -> Made:
        base = self._base(store, planned)
        stage = Stage(self, store, planned, base)
        if planned.below is None and planned.base != SCRATCH:
            name = stage.next_name(f"FROM {planned.base}")
            if self.sources.is_context(planned.base):
                from ligan.build.copy_step import context_step

                self.sources.open_context(planned.base)
                context_step(stage, planned.base, name)
        steps = planned.stage.steps
        if base.triggers:
            stage.run(self._triggers(store, base, planned))
        stage.run(steps)
        if planned.index == self.graph.target and self.request.labels:
            stage.settings["Labels"] = {**(stage.settings.get("Labels") or {}), **self.request.labels}
        return stage.made()

    def _base(self, store: Store, planned: StagePlan) -> Made:
        """Return what a stage begins with. The ONBUILD of a stage is for those on it, as that of an image."""
        if planned.below is not None:
            made = self.stage_made(store, planned.below)
            triggers = tuple(made.settings.get("OnBuild") or ())
            return made.replace(triggers=triggers, settings={**made.settings, "OnBuild": None})
        if planned.base == SCRATCH or self.sources.is_context(planned.base):
            return bases.nothing(planned.platform or self.platform)
        return self.sources.base(planned)

    def image(self, store: Store, name: str, platform: str, vertex: Vertex) -> tuple[Made, bool]:
        """Return what an image has, and whether it was pulled, of which the vertex tells."""
        report = PullProgress(vertex)
        return bases.image(store, name, platform, refresh=self.request.pull, pull=self._pull, report=report)

    def _triggers(self, store: Store, base: Made, planned: StagePlan) -> list[Instruction]:
        """Return the instructions that the base has for whoever builds on it, with FROM's line."""
        line = planned.stage.instruction
        try:
            found = [parse_trigger(text, classic=False) for text in base.triggers]
        except DockerfileError as error:
            raise DockerfileError(error.message, line.line, line.end) from None
        steps = [step.replace(line=line.line, end=line.end) for step in found]
        self.sources.load_steps(store, planned, steps)
        return steps

    def stage_index(self, name: str, before: int) -> int | None:
        """Return the stage before this one that a name or number means."""
        return self.graph.find(name, before)

    def view(self, store: Store, layer: int | None) -> ViewOrNothing:
        """Return `with` what all layers from this one down show, as a folder; None for no layer."""
        return ViewOrNothing(store, layer)

    def advise(self, advice: Advice) -> None:
        """Note what is found to be wrong with a step. Raises DockerfileError where that is an error."""
        if is_told(self.dockerfile, advice) and advice not in self.advice:
            check_advice(self.dockerfile, [advice])
            self.advice.append(advice)

    def note_uses(self) -> None:
        """Write that what the cache had was used."""
        if self.used:
            with self.store.database.write() as tx:
                cache.use(tx, self.used, self.store.now())


class _StageTask:
    """A stage that is being made: `done` is set at its end, `made` is None where that was a failure."""

    def __init__(self, done: Event | None = None) -> None:
        self.done = done
        self.made: Made | None = None


def _event() -> Event:
    from threading import Event  # which a build of one stage can do without

    return Event()


class ViewOrNothing:
    """`with` it: the folder of a view of layers, or None where there are none."""

    def __init__(self, store: Store, layer: int | None) -> None:
        self._store = store
        self._layer = layer

    def __enter__(self) -> str | None:
        if self._layer is None:
            return None
        from ligan.layers.snapshots import Snapshots

        self._view = Snapshots(self._store).view(self._layer)
        return self._view.__enter__()

    def __exit__(self, *exception: object) -> None:
        if self._layer is not None:
            self._view.__exit__(*exception)


def _is_cancelled(error: BaseException) -> bool:
    return isinstance(error, Cancelled) or (
        isinstance(error, SolveError) and isinstance(error.error, Cancelled)
    )


def predefined(request: BuildRequest) -> dict[str, str]:
    """Return the arguments of the platform that is built on, and for."""
    from ligan.oci.platform import parse as parse_platform

    here = host_platform()
    target = parse_platform(request.platform) if request.platform else here
    found: dict[str, str] = {}
    for prefix, platform in (("BUILD", here), ("TARGET", target)):
        found |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return found | {"TARGETSTAGE": request.target or "default"}
