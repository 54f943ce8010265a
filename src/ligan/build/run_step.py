"""RUN in a stage: its words, variables and mounts, and what it is called.

Source of words and history: BuildKit, frontend/dockerfile/dockerfile2llb (convert.go, convert_runmount.go).
"""

from __future__ import annotations

from ligan.build.bases import PROXIES
from ligan.build.run_mounts import Mounts
from ligan.build.runs import Command
from ligan.dockerfile.flags import flags_of
from ligan.dockerfile.heredocs import parse_mark
from ligan.dockerfile.mounts import parse_mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.build.layers import NewLayer
    from ligan.build.progress import Vertex
    from ligan.build.runs import Run
    from ligan.build.stage import Stage
    from ligan.dockerfile.nodes import Instruction
    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction

_SHELL = ("/bin/sh", "-c")
_SCRIPTS = "/dev/pipes"
"""Where a heredoc that is a script of its own is mounted."""


def run_step(stage: Stage, step: Instruction) -> None:
    """Run the instruction's command, or find what it made."""
    flags = flags_of(step, classic=False)
    request = stage.build.request
    words, script = _words(stage, step)
    image = list(stage.settings.get("Env") or ())
    arguments = _environment(stage)
    command = Command(
        words=tuple(words),
        environment=(*arguments, *_proxies(stage), *image),
        folder=stage.settings.get("WorkingDir") or "/",
        user=stage.settings.get("User") or "",
        network=flags.one("network") or request.network,
        privileged=flags.one("security") == "insecure",
        host=request.host,
    )
    asked = [parse_mount(text, lambda word: stage.expand(step, word)) for text in flags.many("mount")]
    mounts = Mounts(stage, asked, command.folder, script)

    def facts(*, itself: bool = False) -> dict[str, object]:
        return {
            "run": words,
            "environment": [*arguments, *image],
            "folder": command.folder,
            "user": command.user,
            "network": command.network,
            "privileged": command.privileged,
            "script": script,
            "hosts": list(request.host.get("ExtraHosts") or ()),
            "mounts": mounts.facts(itself=itself),
        }

    def content() -> dict[str, object]:
        return facts(itself=True)

    row = " ".join([*([f"|{len(shown)}", *shown] if (shown := _shown_arguments(stage)) else []), *words])
    created_by = f"RUN {row} # buildkit"
    runner = _Runner(stage, command, mounts)
    name = stage.next_name(_name(stage, step))
    made = stage.layer_step(
        name,
        created_by,
        facts,
        runner.make,
        content=content if mounts.have_own_content else None,
        forget=runner.forget,
    )
    stage.record(created_by, layer=True, created=made)


class _Runner:
    """Runs the command where the cache has no result."""

    def __init__(self, stage: Stage, command: Command, mounts: Mounts) -> None:
        self._stage = stage
        self._command = command
        self._mounts = mounts
        self._run: Run | None = None

    def make(self, lease: Lease, vertex: Vertex) -> NewLayer:
        from ligan.build import layers
        from ligan.build.runs import Run

        stage, build = self._stage, self._stage.build
        with self._mounts.made(lease) as (mounts, environment, prepare):
            command = self._command
            run = Run(stage.store, stage.layer, command, mounts, prepare, environment)
            with run, build.running(run):
                try:
                    run.execute(vertex.write)
                finally:
                    build.check_going(vertex)  # it was killed, or it is of no use any more
                new = layers.stage(lease, run.layer(build.request.epoch), index=build.indexed)
                run.keep_until_forgotten()
        self._run = run
        return new

    def forget(self, tx: WriteTransaction) -> None:
        if self._run is not None:
            self._run.forget(tx)


def _words(stage: Stage, step: Instruction) -> tuple[list[str], tuple[str, str] | None]:
    """Return what is run, and name and content of a script that is mounted for it."""
    words = [str(word) for word in step.arguments]
    if step.is_json:
        return words, None
    shell = list(stage.settings.get("Shell") or _SHELL)
    if not step.heredocs:
        return [*shell, words[0] if words else ""], None
    if parse_mark(words[0]):
        document = step.heredocs[0]
        if document.content.startswith("#!"):
            from ligan.build.copy_step import document_name

            name = document_name(document)
            return [f"{_SCRIPTS}/{name}"], (name, document.content)
        return [*shell, document.content], None
    whole = words[0] + "".join([f"\n{document.content}{document.name}" for document in step.heredocs])
    return [*shell, whole], None


def _environment(stage: Stage) -> list[str]:
    """Return the arguments that are variables of a RUN: the image's own come before them."""
    taken = {variable.partition("=")[0] for variable in stage.settings.get("Env") or ()}
    return [
        f"{key}={value}" for key, value in stage.arguments.items() if value is not None and key not in taken
    ]


def _shown_arguments(stage: Stage) -> list[str]:
    return [f"{key}={value or ''}" for key, value in stage.arguments.items()]


def _proxies(stage: Stage) -> list[str]:
    """Return proxies that were given: a RUN has them undeclared, and does not depend on them."""
    given = stage.build.request.arguments
    return [f"{key}={given[key]}" for key in PROXIES if key in given and key not in stage.arguments]


def _name(stage: Stage, step: Instruction) -> str:
    name = stage.shown(step)
    if step.heredocs and parse_mark(str(step.arguments[0])):
        lines = step.heredocs[0].content.strip().splitlines()
        name += f" ({lines[0] if lines else ''}{'...' if len(lines) > 1 else ''})"
    return name
