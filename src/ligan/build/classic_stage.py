"""One stage of a classic build: what each instruction does to its settings, and the image that it makes.

Source: engine 20.10, builder/dockerfile/dispatchers.go and evaluator.go.
"""

from __future__ import annotations

from contextlib import ExitStack
from posixpath import normpath

from ligan.build import copying, sums
from ligan.build.classic_images import write_image
from ligan.build.folder_tree import FolderTree
from ligan.build.owners import owner_of
from ligan.build.urls import check_named, fetch_file, is_url
from ligan.dockerfile.flags import flags_of
from ligan.dockerfile.parse import parse_trigger
from ligan.dockerfile.settings import State, apply, expanded
from ligan.errors import Invalid, LiganError
from ligan.images.children import Step
from ligan.oci.runconfig import run_config
from ligan.remote.progress import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ligan.build.classic import Builder
    from ligan.build.classic_containers import StepContainer
    from ligan.build.classic_images import Base
    from ligan.build.copying import Source
    from ligan.build.trees import Tree
    from ligan.dockerfile.nodes import Instruction
    from ligan.store.blobs import Lease
    from ligan.store.db import WriteTransaction

    Config = Mapping[str, Any]

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEEDS_BUILDKIT = (
    "the --{} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build "
    "images with BuildKit enabled"
)


class Stage:
    """A stage that is being built: `base` is its image so far."""

    def __init__(self, builder: Builder, base: Base) -> None:
        self._builder = builder
        self.base = base
        settings = base.document.get("config")
        self._state = State(run_config(settings if settings is not None else {}), classic=True)
        self._config.update(OpenStdin=False, StdinOnce=False)
        if "PATH" not in self._state.environment:
            self._config["Env"] = [*(self._config["Env"] or ()), _PATH]
        self._arguments = builder.arguments.stage()
        # Docker makes the folder of every container, be it one that runs nothing.
        self._folder_is_there = False

    @property
    def _config(self) -> dict[str, Any]:
        """The settings so far."""
        return self._state.config

    def run_triggers(self) -> None:
        """Do the ONBUILD instructions of the base image."""
        triggers = self._config["OnBuild"] or ()
        self._config["OnBuild"] = None
        if not triggers:
            return
        plural = ["s"] if len(triggers) > 1 else []
        self._builder.output.say(f"# Executing {len(triggers)} build trigger", *plural, "\n")
        for text in triggers:
            self.run(parse_trigger(text, classic=True))

    def run(self, instruction: Instruction) -> None:
        """Do one instruction, and remove its container as the request wants it."""
        containers, request = self._builder.containers, self._builder.request
        self._config["Image"] = self.base.id
        try:
            self._do(instruction)
        except LiganError:
            if request.force_remove:
                containers.remove_all()
            raise
        if request.remove:
            containers.remove_all()
        else:
            containers.leave_all()

    def _do(self, instruction: Instruction) -> None:
        known = self._state.environment
        known |= dict([entry.partition("=")[::2] for entry in self._variables()])
        instruction = expanded(instruction, known, self._builder.escape, classic=True)
        if instruction.name == "RUN":
            self._run(instruction)
        elif instruction.name in ("COPY", "ADD"):
            self._copy(instruction, known)
        elif instruction.name == "WORKDIR":
            self._workdir(instruction)
        else:
            note = self._declare(instruction) if instruction.name == "ARG" else self._change(instruction)
            self._commit([*self._state.shell, "#(nop) ", note])

    def _variables(self) -> list[str]:
        """Return `name=value` of the build arguments that count here."""
        return self._arguments.beside(self._config["Env"] or ())

    def _declare(self, instruction: Instruction) -> str:
        """Do an ARG; returns what history says of it."""
        words, told = instruction.arguments, []
        for name, default in zip(words[::2], words[1::2], strict=True):
            assert name is not None
            self._arguments.declare(name, default)
            told.append(name if default is None else f"{name}={default}")
        return f"ARG {' '.join(told)}"

    def _change(self, instruction: Instruction) -> str:
        """Do what changes settings; returns what history says of it."""
        if instruction.name == "HEALTHCHECK":
            before = (self._config.get("Healthcheck") or {}).get("Test") or ("NONE",)
            if before[0] != "NONE":
                self._builder.output.say(f"Note: overriding previous HEALTHCHECK: [{' '.join(before)}]\n")
        return apply(self._state, instruction)

    def _commit(self, command: list[str]) -> None:
        """Make the image of a step that changes nothing but settings."""
        recorded = run_config(self._config | {"Cmd": command})
        if self._is_cached(recorded):
            return
        layer = None if self._folder_is_there else self._folder_layer(self._config["WorkingDir"])
        self._write_settings(recorded, layer)

    def _write_settings(self, recorded: Config, layer: list[bytes] | None) -> None:
        """Write the image of a step that runs nothing, with a container that it could have run in."""
        container = self._builder.containers.make(self.base, recorded)
        if self._config.get("Healthcheck") is not None:
            # Docker makes the container with this very object, and fills what is empty in it.
            self._config["Healthcheck"] = container.config["Healthcheck"]
        self._write(container.config, layer, container)
        self._folder_is_there = True

    def _is_cached(self, recorded: Config) -> bool:
        found = self._builder.cache.find(self.base, recorded)
        if found is None:
            return False
        self._builder.output.say(" ---> Using cache\n")
        self.base = found
        return True

    def _write(
        self,
        recorded: Config,
        layer: Iterable[bytes] | None,
        container: StepContainer | None = None,
    ) -> None:
        """Write the image of a step, with the events of a container that was only told of."""
        builder = self._builder
        base = self.base
        step = Step(
            run_config(self._config),
            run_config(recorded),
            container.id if container else "",
            self._state.author,
        )

        def also(tx: WriteTransaction) -> None:
            if container is not None and not container.is_real:
                builder.containers.tell_events(tx, base, container)

        self.base = write_image(builder.store, builder.snapshots, base, step, layer, also)

    def _workdir(self, instruction: Instruction) -> None:
        note = f"#(nop) {apply(self._state, instruction)}"
        recorded = run_config(self._config | {"Cmd": [*self._state.shell, note]})
        if self._is_cached(recorded):
            return
        self._write_settings(recorded, self._folder_layer(self._config["WorkingDir"]))

    def _folder_layer(self, path: str) -> list[bytes] | None:
        """Return the layer that makes a folder, or None where it is there. Raises Invalid."""
        if path in ("", "/"):
            return None
        from ligan.build.upper import Upper

        builder = self._builder
        with builder.snapshots.view(self.base.layer) as root:
            upper = Upper(root, builder.store.now() // 10**9, None)
            try:
                wanted = upper.resolve(normpath(f"/{path}").lstrip("/"))
                kind = upper.kind(wanted)
                if kind == "folder":
                    return None
                if kind:
                    raise Invalid(f"Cannot mkdir: {path} is not a directory")
                try:
                    upper.folder(wanted, (0, 0))
                except Invalid:
                    raise Invalid(f"lstat {path}: not a directory") from None
                return list(upper.tar())
            finally:
                upper.close()

    def _run(self, instruction: Instruction) -> None:
        if instruction.flags:
            raise Invalid(_NEEDS_BUILDKIT.format(instruction.flags[0][2:].partition("=")[0]))
        words = [word for word in instruction.arguments if word is not None]
        command = words if instruction.is_json else [*self._state.shell, *words]
        variables = self._variables()
        recorded = command
        if variables:
            seen = self._arguments.seen_by_cache(variables)
            recorded = [f"|{len(seen)}", *seen, *command]
        probe = self._config | {"Cmd": recorded}
        if probe["Entrypoint"]:
            probe["Entrypoint"] = None
        probe = run_config(probe)
        if self._is_cached(probe):
            return
        asked = self._config | {
            "Cmd": command,
            "Env": [*(self._config["Env"] or ()), *variables],
            "Healthcheck": {"Test": ["NONE"]},
        }
        if asked["Entrypoint"]:
            asked["Entrypoint"] = [""]
        containers = self._builder.containers
        container = containers.make(self.base, asked, runs=True)
        containers.run(container, command)
        with containers.still(container) as layer:
            self._write(probe, layer, container)
        self._folder_is_there = False

    def _copy(self, instruction: Instruction, variables: Mapping[str, str]) -> None:
        from ligan.dockerfile.words import expand

        flags = flags_of(instruction, classic=True)
        if flags.one("chmod"):
            raise Invalid(_NEEDS_BUILDKIT.format("chmod"))
        destination = str(instruction.arguments[-1])
        chown = expand(flags.one("chown"), variables, self._builder.escape)
        with (
            self._builder.store.lease() as lease,
            self._builder.open_source(flags.one("from")) as tree,
            ExitStack() as fetched,
        ):
            try:
                in_context = not flags.one("from")
                sources = self._sources(instruction, tree, lease, fetched, in_context=in_context)
            except LiganError as error:
                raise Invalid(f"{instruction.name} failed: {error.message}") from None
            copying.check_destination(instruction.name, sources, destination)
            total = sums.sources_sum([sums.path_sum(source.tree, source.path) for source in sources])
            owner = f"--chown={chown}" if chown else ""
            note = f"#(nop) {instruction.name} {owner}{total} in {destination} "
            recorded = run_config(self._config | {"Cmd": [*self._state.shell, note]})
            if self._is_cached(recorded):
                return
            self._builder.output.flush()
            options = copying.Options(
                classic=True,
                owner=None if flags.one("from") and not chown else (0, 0),
                unpack=instruction.name == "ADD",
                time=self._builder.store.now() // 10**9,
            )
            target = copying.destination_path(self._config["WorkingDir"], destination)
            with self._builder.snapshots.view(self.base.layer) as root:
                if chown:
                    options = options.replace(owner=_owner(root, chown))
                try:
                    layer = copying.copy_layer(root, sources, target, options, lease)
                except LiganError as error:
                    raise Invalid(f"failed to copy files: {error.message}") from None
                self._write(recorded, layer)

    def _sources(
        self, instruction: Instruction, tree: Tree, lease: Lease, fetched: ExitStack, *, in_context: bool
    ) -> list[Source]:
        """Return what is copied; trees of what is fetched close with `fetched`."""
        *paths, destination = [str(word) for word in instruction.arguments]
        found: list[Source] = []
        for path in paths:
            if not is_url(path):
                found += copying.find_sources(tree, [path], in_context=in_context)
                continue
            if instruction.name == "COPY":
                raise Invalid("source can't be a URL for COPY")
            source = fetch_file(path, lease, proxies=self._builder.request.proxies, watch=self._tell_download)
            fetched.enter_context(source.tree)
            check_named(source, path, destination)
            self._builder.output.say("\n")
            found.append(source)
        return found

    def _tell_download(self, current: int, total: int) -> None:
        self._builder.output.report(Message("Downloading", "", True, current, total))


def _owner(root: str, chown: str) -> tuple[int, int]:
    try:
        with FolderTree(root) as tree:
            return owner_of(tree, chown, classic=True)
    except LiganError as error:
        words = f"unable to convert uid/gid chown string to host mapping: {error.message}"
        raise Invalid(words) from None
