"""The context of a classic build: the tar that a client sends, or what a URL names, and the Dockerfile in it.

Source: engine 20.10, builder/remotecontext/detect.go.
"""

from __future__ import annotations

from ligan.build.contexts import DOCKERFILE, open_remote
from ligan.build.files_tree import FilesTree
from ligan.build.tar_tree import open_tar
from ligan.dockerfile.parse import parse
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ligan.build.tar_tree import TarTree
    from ligan.build.trees import Tree
    from ligan.dockerfile.nodes import Dockerfile
    from ligan.layers.compression import Source as Readable
    from ligan.store.blobs import Lease

_IGNORE_FILE = ".dockerignore"


def take_dockerfile(tree: TarTree, name: str) -> tuple[str, str]:
    """Return the text and the name of the Dockerfile; it leaves the context where .dockerignore says so.

    Raises Invalid where there is none.
    """
    entry = tree.find(name)
    if entry is None and name == DOCKERFILE and tree.find(name.lower()) is not None:
        name = name.lower()
        entry = tree.find(name)
    if entry is None:
        raise Invalid(f"Cannot locate specified Dockerfile: {name}")
    if entry.is_folder:
        raise Invalid(f"unexpected error reading Dockerfile: read {name}: is a directory")
    text = tree.text(entry)
    ignored = tree.find(_IGNORE_FILE)
    if ignored is not None and not ignored.is_folder:
        from ligan.dockerfile.ignore import Ignore

        try:
            ignore = Ignore(tree.text(ignored))
        except Invalid:
            return text, name  # clients refuse such a file; Docker's daemon does not mind
        for path in (_IGNORE_FILE, name):
            if ignore.matches(path):
                tree.remove(path)
    return text, name


class Opened:
    """`with Opened(...) as opened`: the Dockerfile and the tree of a context, a stream or a URL.

    Raises Invalid, Corrupt and Unavailable.
    """

    dockerfile: Dockerfile
    tree: Tree

    def __init__(
        self, context: Readable | str, dockerfile: str, lease: Lease, proxies: Mapping[str, str] | None = None
    ) -> None:
        self._context = context
        self._name = dockerfile
        self._lease = lease
        self._proxies = proxies

    def __enter__(self) -> Opened:
        tree, text, name = None, "", self._name
        if isinstance(self._context, str):
            tree, text = open_remote(self._context, self._lease, self._proxies)
        else:
            tree = open_tar(self._context, self._lease)
        self.tree = FilesTree({}) if tree is None else tree
        try:
            if tree is not None:
                text, name = take_dockerfile(tree, self._name)
            self.dockerfile = parse(text, classic=True, name=name)
        except BaseException:
            self.tree.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.tree.close()
