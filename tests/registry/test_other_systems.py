"""What needs a registry and no store works where Unix's modules are not, and says so of the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry

_ELSEWHERE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty", "uvloop"}:
            raise ModuleNotFoundError(name)

import os, select, socket, ssl, subprocess, threading
sys.meta_path.insert(0, Missing())
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules.pop(name, None)
for name in ("geteuid", "getuid", "getegid", "getgid", "chown", "fchown", "copy_file_range", "statvfs"):
    delattr(os, name)
del socket.AF_UNIX, select.poll
sys.platform = "win32"
from ligan.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""Ligan on a Python like that of Windows."""


def _run(home: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": home, "DOCKER_CONFIG": os.path.join(home, ".docker")}
    return subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, *words],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_registry_is_asked_from_other_systems(shared: Registry, tmp_path: os.PathLike[str]) -> None:
    digest = shared.push_image("elsewhere", "1", b"layer")
    home = os.fspath(tmp_path)
    name = f"{shared.address}/elsewhere"
    assert _run(home, "tags", name).stdout == "1\n"
    inspected = _run(home, "manifest", "inspect", "--verbose", f"{name}:1")
    assert (inspected.returncode, digest in inspected.stdout) == (0, True)
    logged_in = _run(home, "login", "--username", "a", "--password-stdin", shared.address, given="b")
    assert (logged_in.returncode, logged_in.stdout.splitlines()[-1]) == (0, "Login Succeeded")
    assert _run(home, "logout", shared.address).returncode == 0


@pytest.mark.parametrize("verb", ["images", "serve"])
def test_a_store_is_refused_in_clear_words_on_other_systems(tmp_path: os.PathLike[str], verb: str) -> None:
    refused = _run(os.fspath(tmp_path), "--root", os.path.join(tmp_path, "store"), verb)
    assert refused.returncode == 1
    assert refused.stderr.startswith("a store needs Linux, and this is win32")
