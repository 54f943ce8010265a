from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ligan.cli.commands import ALIASES, COMMANDS, load

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_flag_is_completed(ligan: CommandLine, shell: str) -> None:
    status, script, err = ligan("completion", shell)
    assert (status, err) == (0, "")
    for name in [*COMMANDS, *ALIASES]:
        assert name.split()[-1] in script
        for flag in load(ALIASES.get(name, name)).flags:
            assert not flag.help or (f"-l {flag.name} " if shell == "fish" else f"--{flag.name}") in script


def test_an_unknown_shell_is_refused(ligan: CommandLine) -> None:
    assert ligan("completion", "tcsh") == (1, "", 'unknown shell "tcsh": must be one of bash, fish, zsh\n')


def _complete(script: str, *words: str) -> list[str]:
    """Return what bash offers after these words; `ligan` itself answers two names of images."""
    line = " ".join(f"'{word}'" for word in words)
    program = f"""
        ligan() {{ printf '%s\\n' busybox:latest busybox:glibc '<none>:<none>'; }}
        {script}
        COMP_WORDBREAKS=" :="
        COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
        compopt() {{ :; }}
        _ligan
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["ligan", "imag"], ["image", "images"]),
        (["ligan", "image", "r"], ["remove", "rm"]),
        (["ligan", "images", "--no"], ["--no-trunc"]),
        (["ligan", "--root", "/x", "hist"], ["history"]),
        (["ligan", "rmi", "bus"], ["busybox:latest", "busybox:glibc"]),
        (["ligan", "rmi", "busybox", ":"], ["latest", "glibc"]),
        (["ligan", "rmi", "busybox", ":", "la"], ["latest"]),
        (["ligan", "image", "rm", "-f", "bus"], ["busybox:latest", "busybox:glibc"]),
        (["ligan", "container", "un"], ["unpause"]),
        (["ligan", "start", "bus"], ["busybox:latest", "busybox:glibc"]),
        (["ligan", "network", "rm", "bus"], ["busybox:latest", "busybox:glibc"]),
    ],
)
def test_bash_offers_what_can_follow(ligan: CommandLine, words: list[str], offers: list[str]) -> None:
    assert _complete(ligan("completion", "bash").out, *words) == offers
