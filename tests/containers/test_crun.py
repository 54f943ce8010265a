"""Containers by the real crun.

It refuses a hierarchy that mixes versions of cgroups. There the tests look at the machine from a mount
namespace that shows the controllers of version 1 alone: then Ligan chooses crun, and crun runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.faults import REPOSITORY
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.homes import Home

    Ligan = Callable[..., tuple[int, str, str]]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("crun") is None, reason="needs crun (Debian package crun)"),
]

VERSION_1_ALONE = """
set -e
if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then
    mount -t tmpfs cgroups "$0"
    for path in /sys/fs/cgroup/*; do
        name=${path##*/}
        [ "$name" = unified ] || { mkdir "$0/$name"; mount --rbind "$path" "$0/$name"; }
    done
    mount --rbind "$0" /sys/fs/cgroup
fi
echo there
read -r _
"""


@pytest.fixture
def ligan(home: Home, tmp_path: os.PathLike[str]) -> Iterator[Ligan]:
    """Run the command line where crun can run; returns status, stdout and stderr."""
    folder = os.path.join(tmp_path, "cgroups")
    os.mkdir(folder)
    with subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", VERSION_1_ALONE, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as place:
        assert place.stdout is not None
        assert place.stdout.readline() == "there\n"

        def run(*words: str) -> tuple[int, str, str]:
            command = [sys.executable, "-m", "ligan", "--root", home.root, *words]
            done = subprocess.run(
                ["nsenter", f"--mount=/proc/{place.pid}/ns/mnt", f"--wd={REPOSITORY}", *command],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
            )
            return done.returncode, done.stdout, done.stderr

        yield run
        run("rm", "-f", *run("ps", "-aq")[1].split())
        place.communicate("\n")


def test_it_is_chosen_and_runs(ligan: Ligan) -> None:
    assert "Runtime: crun\n" in ligan("info")[1]
    alone = ("--rm", "--network", "none", "busybox")
    assert ligan("run", *alone, "sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    status, _, said = ligan("run", *alone, "nosuch")
    assert status == 127
    assert "crun: executable file `nosuch` not found in $PATH: no such file or directory: unknown" in said
    status, _, said = ligan("run", *alone, "/etc/passwd")
    assert status == 126, said


def test_life_of_a_container(ligan: Ligan) -> None:
    limits = ("--memory", "64m", "--pids-limit", "20")
    started = ligan("run", "-d", "--name", "it", "--network", "none", *limits, "busybox", "sleep", "1000")
    assert started[0] == 0, started
    assert ligan("exec", "it", "cat", "/sys/fs/cgroup/pids/pids.max")[1] == "20\n"
    until(lambda: ligan("exec", "it", "cat", "/proc/1/comm")[1] == "sleep\n")  # crun has just become that
    assert ligan("exec", "it", "nosuch")[0] == 126
    assert ligan("update", "--pids-limit", "30", "it")[0] == 0
    assert ligan("exec", "it", "cat", "/sys/fs/cgroup/pids/pids.max")[1] == "30\n"
    assert ligan("pause", "it")[0] == 0
    assert ligan("inspect", "-f", "{{.State.Status}}", "it")[1] == "paused\n"
    assert ligan("unpause", "it")[0] == 0
    assert "64MiB" in ligan("stats", "--no-stream", "it")[1]
    assert "sleep 1000" in ligan("top", "it")[1]
    assert ligan("diff", "it") == (0, "", "")
    assert ligan("stop", "-t", "0", "it")[0] == 0
    assert ligan("inspect", "-f", "{{.State.ExitCode}}", "it")[1] == "137\n"
    assert ligan("rm", "it") == (0, "it\n", "")
