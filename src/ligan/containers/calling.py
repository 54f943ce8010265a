"""How a container's processes, and later ones, call Ligan again."""

from __future__ import annotations

import os
import sys

from ligan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.store.layout import Layout


def ligan_words(layout: Layout, *words: str) -> list[str]:
    """Return the words of a command of this very Ligan on this root, the first an absolute path.

    By interpreter and module, which lead to the same package from a virtual environment, from pipx and from
    a checkout, whatever PATH is then. `-P`: a folder that somebody stands in must not be imported from.
    """
    return [sys.executable, "-P", "-m", "ligan", "--root", layout.root, *words]


def exit_command(layout: Layout, container_id: str) -> tuple[str, ...]:
    """Return what conmon runs when the container has ended.

    It waits for whoever watches the run, and starts Ligan only where the end was not written down by then:
    the exit status, which conmon writes first, is taken away by the one who does that.
    """
    folder = layout.container(container_id)
    return _locked(
        layout,
        container_id,
        [],
        "/bin/sh",
        "-c",
        'test ! -e "$0" || exec "$@"',
        f"{folder}/exit/{container_id}",
        *ligan_words(layout, "container", "cleanup", container_id),
    )


def spawn_cleanup(layout: Layout, container_id: str) -> None:
    """Start what conmon's exit command would, for a container that nobody watches; does not wait for it."""
    words = ligan_words(layout, "container", "cleanup", container_id)
    spawn(_locked(layout, container_id, ["--nonblock"], *words))


def spawn(words: Sequence[str]) -> None:
    """Start a process that outlives this one and has a session of its own; does not wait for it."""
    from ligan.containers.spawning import run

    run([program("setsid"), "--fork", *words])


def _locked(layout: Layout, container_id: str, flags: list[str], *words: str) -> tuple[str, ...]:
    """Return the words of a command that runs with the container's `watch` in its hand."""
    return (program("flock"), *flags, f"{layout.container(container_id)}/watch", *words)


def program(name: str) -> str:
    """Return the path of a program of util-linux. Raises Unavailable where it is not installed."""
    for folder in (*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin", "/bin"):
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            return path
    raise Unavailable(f"{name} is not installed", "Install it: apt-get install util-linux")
