"""COPY and ADD in a stage.

Source of words and history: BuildKit, frontend/dockerfile/dockerfile2llb/convert.go (dispatchCopy).
"""

from __future__ import annotations

from contextlib import ExitStack
from posixpath import normpath

from ligan.build.copying import (
    MissingSource,
    Source,
    check_destination,
    destination_path,
    find_sources,
)
from ligan.build.files_tree import file_tree
from ligan.build.folder_tree import FolderTree
from ligan.build.git import is_git
from ligan.build.sums import content_digest
from ligan.dockerfile.faults import quoted
from ligan.dockerfile.flags import flags_of
from ligan.dockerfile.heredocs import parse_mark
from ligan.errors import Invalid, LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.build.layers import NewLayer
    from ligan.build.progress import Vertex
    from ligan.build.stage import Stage
    from ligan.build.trees import Tree
    from ligan.dockerfile.flags import Flags
    from ligan.dockerfile.ignore import Ignore
    from ligan.dockerfile.nodes import Heredoc, Instruction
    from ligan.store.blobs import Lease


def copy_step(stage: Stage, step: Instruction) -> None:
    """Copy what the instruction names, or find the layer that did."""
    with ExitStack() as stack:
        copy = _Copy(stage, step, stack)
        name = stage.next_name(stage.shown(step))
        made = stage.layer_step(
            name, copy.created_by, copy.facts, copy.make, content=copy.content, apart=copy.is_apart
        )
    stage.record(copy.created_by, layer=True, created=made)


def context_step(stage: Stage, context: str, name: str) -> None:
    """Begin a stage with the files of a further context, in a step of that name."""
    from ligan.build import layers
    from ligan.build.copying import Options, copy_layer

    created_by = f"[context {context}] load from client"
    epoch = stage.build.request.epoch
    with stage.build.sources.tree(stage, context) as tree:

        def make(lease: Lease, _vertex: Vertex) -> NewLayer:
            options = Options(classic=False, latest=None if epoch is None else epoch // 10**9)
            chunks = copy_layer(None, find_sources(tree, ["/"], classic=False), "/", options, lease)
            return layers.stage(lease, chunks, index=stage.build.indexed)

        def facts() -> dict[str, object]:
            return {"context": content_digest(tree, "/", owners=False)}

        made = stage.layer_step(name, created_by, facts, make)
    stage.record(created_by, layer=True, created=made)


class _Copy:
    """One COPY or ADD. What it opens goes with `stack`."""

    def __init__(self, stage: Stage, step: Instruction, stack: ExitStack) -> None:
        self._stage = stage
        self._step = step
        self._stack = stack
        self._flags: Flags = flags_of(step, classic=False)
        self._from = self._flags.one("from")
        self._owner = stage.expand(step, self._flags.one("chown"))
        self._mode = stage.expand(step, self._flags.one("chmod"))
        words = [
            str(word) if _document(step, str(word)) else stage.expand(step, str(word))
            for word in step.arguments
        ]
        *self._paths, target = words
        self._checksum = stage.expand(step, self._flags.one("checksum"))
        self._check()
        self._destination = destination_path(stage.settings.get("WorkingDir") or "/", target)
        self._found: list[Source] | None = None
        flags = ["--parents"] if self._flags.switch("parents") else []
        flags += [f"--chown={self._owner}"] if self._owner else []
        flags += [f"--chmod={self._mode}"] if self._mode else []
        documents = [_document(step, path) for path in self._paths]
        plain = [path for path, found in zip(self._paths, documents, strict=True) if found is None]
        shown = [*plain, *[f"<<{found.name}" for found in documents if found is not None]]
        self.created_by = " ".join([step.name, *flags, *shown, target, "# buildkit"])

    def _check(self) -> None:
        """Raise Invalid for what cannot be copied so. `--checksum` is ADD's alone, as flags have it."""
        remote = [path for path in self._paths if _is_remote(path)]
        if remote and self._step.name == "COPY":
            kind = "git ref" if is_git(remote[0]) else "URL"
            raise Invalid(f"source can't be a {kind} for COPY")
        if self._checksum and len(self._paths) != 1:
            raise Invalid("checksum can't be specified for multiple sources")
        if self._checksum and not remote:
            raise Invalid("checksum requires HTTP(S) or Git sources")

    @property
    def is_apart(self) -> bool:
        """Whether the layer is the same on all others: linked, and no file of those has to name its owner."""
        return bool(self._flags.switch("link")) and not self._owner.strip("0123456789:")

    def _copied(self) -> dict[str, object]:
        """Return how it is copied."""
        flags = self._flags
        return {
            "copy": self._step.name,
            "destination": self._destination,
            "owner": self._owner,
            "mode": self._mode,
            "link": flags.switch("link"),
            "parents": flags.switch("parents"),
            "exclude": flags.many("exclude"),
            "unpack": flags.switch("unpack"),
            "checksum": self._checksum,
            "git": flags.switch("keep-git-dir"),
        }

    def facts(self) -> dict[str, object]:
        """Return all that the layer depends on, by where it comes from where that tells all."""
        chain = self._stage.build.sources.chain(self._stage, self._from)
        if chain is not None:
            return self._copied() | {"from": chain, "paths": self._paths}
        return self.content()

    def content(self) -> dict[str, object]:
        """Return all that the layer depends on, by what is copied."""
        owners = bool(self._from) and not self._owner
        exclude = self._exclude()
        return self._copied() | {
            "sources": [
                [
                    source.path
                    if self._flags.switch("parents")
                    else ""
                    if source.entry.is_folder
                    else source.name,
                    content_digest(source.tree, source.path, owners=owners, exclude=exclude),
                ]
                for source in self._sources()
            ]
        }

    def _sources(self) -> list[Source]:
        if self._found is None:
            found: list[Source] = []
            tree = None
            for path in self._paths:
                if (document := _document(self._step, path)) is not None:
                    found.append(self._heredoc(document))
                elif self._step.name == "ADD" and _is_remote(path):
                    found += self._remote(path)
                else:
                    if tree is None:
                        tree = self._stack.enter_context(
                            self._stage.build.sources.tree(self._stage, self._from)
                        )
                    found += self._local(tree, path)
            check_destination(self._step.name, found, self._destination)
            self._found = found
        return self._found

    def _local(self, tree: Tree, path: str) -> list[Source]:
        try:
            parents = bool(self._flags.switch("parents"))
            return find_sources(tree, [path], in_context=not self._from, classic=False, parents=parents)
        except MissingSource as error:
            shown = error.path if error.path.startswith("/") else f"/{error.path}"
            raise Invalid(
                f'failed to calculate checksum of ref: "{shown}": not found',
                "" if self._from else "It is not in the build context, or .dockerignore leaves it out.",
            ) from None

    def _heredoc(self, document: Heredoc) -> Source:
        """Return the source that a document is: a file of its name, whose content is in the Dockerfile."""
        text = document.content
        if document.expand:
            text = self._stage.expand_document(self._step, text)
        name, epoch = document_name(document), self._stage.build.request.epoch
        now = self._stage.store.now() if epoch is None else epoch
        content = text.encode("utf-8", "surrogateescape")
        tree = self._stack.enter_context(file_tree(name, content, mtime=now))
        entry = tree.entry(name)
        assert entry is not None
        return Source(tree, name, entry, name, remote=True)

    def _remote(self, path: str) -> list[Source]:
        from ligan.build.urls import remote_sources

        return remote_sources(
            path,
            self._stack.enter_context(self._stage.store.lease()),
            checksum=self._checksum,
            keep_git=bool(self._flags.switch("keep-git-dir")),
            unpack=bool(self._flags.switch("unpack")),
            proxies=self._stage.build.request.proxies,
        )

    def make(self, lease: Lease, _vertex: Vertex) -> NewLayer:
        from ligan.build import layers
        from ligan.build.copying import Options, copy_layer
        from ligan.build.modes import parse_mode

        stage, flags = self._stage, self._flags
        sources = self._sources()
        epoch = stage.build.request.epoch
        now = stage.store.now() if epoch is None else epoch
        with stage.build.view(stage.store, stage.layer) as root:
            unpack = flags.switch("unpack")
            options = Options(
                classic=False,
                owner=self._owner_in(root),
                mode=parse_mode(self._mode) if self._mode else None,
                unpack=self._step.name == "ADD" if unpack is None else unpack,
                time=now // 10**9,
                latest=None if epoch is None else epoch // 10**9,
                exclude=self._exclude(),
                parents=bool(flags.switch("parents")),
            )
            base = None if flags.switch("link") else root
            try:
                chunks = copy_layer(base, sources, self._destination, options, lease)
            except LiganError as error:
                raise type(error)(f"failed to copy files: {error.message}", error.hint) from None
            return layers.stage(lease, chunks, index=stage.build.indexed)

    def _owner_in(self, root: str | None) -> tuple[int, int] | None:
        if not self._owner:
            return None if self._from else (0, 0)
        from ligan.build.owners import owner_of

        folder = root or self._stack.enter_context(self._stage.store.lease()).folder()
        with FolderTree(folder) as tree:
            return owner_of(tree, self._owner, classic=False)

    def _exclude(self) -> Ignore | None:
        patterns = self._flags.many("exclude")
        if not patterns:
            return None
        from ligan.dockerfile.ignore import Ignore

        return Ignore("\n".join(patterns))


def document_name(document: Heredoc) -> str:
    """Return what the file of a document is called: it lies in a folder of its own. Raises Invalid."""
    name = normpath(f"/{document.name}").lstrip("/")
    if not name or "/" in name:
        raise Invalid(f"a document cannot be a file called {quoted(document.name)}")
    return name


def _document(step: Instruction, word: str) -> Heredoc | None:
    """Return the document that a source is, None for a path."""
    mark = parse_mark(word) if step.heredocs else None
    if mark is None:
        return None
    return next((document for document in step.heredocs if document.name == mark.name), None)


def _is_remote(path: str) -> bool:
    return path.startswith(("http://", "https://", "git://", "git@", "ssh://"))
