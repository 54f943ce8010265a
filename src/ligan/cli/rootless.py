"""Commands of users who are not root: which of them run in the user namespace of the store."""

from __future__ import annotations

import os

from ligan.cli.settings import ROOTLESS_UID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

_MAKING = (
    *(["run"], ["create"], ["container", "run"], ["container", "create"]),
    *(["build"], ["image", "build"], ["builder", "build"]),
)
_LOOKING = (["serve"], ["info"], ["system", "info"])


def enter_where_needed(words: Sequence[str], root: str, environ: MutableMapping[str, str]) -> None:
    """On return this process is in the namespace, where what the words name needs it.

    What makes containers does, and then everything that is done with a store which has had some: files of
    other IDs may have to be removed. `serve` and `info` are there where that is possible. Others need none.
    Raises CannotEnter.
    """
    from ligan.store.layout import Layout

    layout, uid = Layout(root), os.getuid()
    has_namespace = os.path.exists(layout.user_namespace)
    if not has_namespace and not _begins(words, _MAKING + _LOOKING):
        return
    from ligan.containers import rootless

    if not has_namespace and _begins(words, _LOOKING) and not rootless.is_possible():
        return
    rootless.enter(layout)
    environ[ROOTLESS_UID] = str(uid)


def _begins(words: Sequence[str], commands: Sequence[Sequence[str]]) -> bool:
    return any(list(words[: len(command)]) == command for command in commands)
