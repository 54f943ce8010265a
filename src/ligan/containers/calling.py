"""How a container's processes, and later ones, call Ligan again."""

from __future__ import annotations

import sys

from ligan.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def spawn(words: tuple[str, ...] | list[str]) -> None:
    """Start a process that outlives this one, and is nobody's child."""
    import os
    import subprocess

    with open(os.devnull, "r+b") as nothing:
        # A shell between us and it: the kernel hands what it leaves behind to the first process.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *words],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
            check=True,
        )


def _locked(layout: Layout, container_id: str, flags: list[str], *words: str) -> tuple[str, ...]:
    """Return the words of a command that runs with the container's `watch` in its hand."""
    return (_flock(), *flags, f"{layout.container(container_id)}/watch", *words)


def _flock() -> str:
    from shutil import which

    path = which("flock")
    if path is None:
        raise Unavailable("flock is not installed", "Install it: apt-get install util-linux")
    return path
