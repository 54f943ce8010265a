"""Containers of a user who is not root, from load to fsck; nothing of them is left, no process either."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

import ligan
from tests.support.bundles import await_no_conmon, processes_of
from tests.support.stores import check_store
from tests.support.waiting import SECONDS, alone, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

NAME = "games"  # a user that every Debian has, and that nobody is
SOURCE = os.path.dirname(os.path.dirname(ligan.__file__))
TABLES = ("/etc/subuid", "/etc/subgid")
PROGRAMS = ("newuidmap", "newgidmap", "slirp4netns", "conmon", "runc")

# As the user, in a mount namespace of the command's own: there /dev/net/tun is for everybody.
AS_USER = 'mount --bind "$0" /dev/net/tun && exec setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}"'


class User:
    """A user with a home, and the command line as that user."""

    def __init__(self, home: str) -> None:
        self.uid, self.gid = pwd.getpwnam(NAME)[2:4]
        self.home = home
        self.root = f"{home}/.local/share/ligan"
        self._tun = f"{home}/tun"
        os.mknod(self._tun, 0o020666, os.makedev(10, 200))
        os.chmod(self._tun, 0o666)  # noqa: S103 - as udev makes it

    def run(self, *words: str, status: int = 0) -> str:
        """Return what a command says: its output, or its error where it is to fail."""
        command = [_interpreter(self.uid), "-P", "-m", "ligan", *words]
        finished = subprocess.run(
            ["unshare", "--mount", "bash", "-c", AS_USER, self._tun, str(self.uid), str(self.gid), *command],
            env={
                "HOME": self.home,
                "PATH": "/usr/sbin:/usr/bin:/bin",
                "PYTHONPATH": SOURCE,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == status, finished.stderr
        return finished.stderr if status else finished.stdout


def _interpreter(uid: int) -> str:
    """Return a Python that the user can run: that of the tests may be in root's home."""
    for path in (sys.executable, "/usr/bin/python3"):
        words = ["setpriv", "--reuid", str(uid), "--clear-groups", path, "-c", "import sys, tomllib, sqlite3"]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip("needs a Python 3.11 that others than root can run")


@pytest.fixture
def user(base_images: str) -> Iterator[User]:
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs {' and '.join(missing)}")
    with alone(TABLES[0]):  # one test at a time has this user
        home = tempfile.mkdtemp(prefix="ligan-rootless-")
        try:
            one = User(home)
            shutil.copyfile(base_images, f"{home}/base.tar")
            os.chown(home, one.uid, one.gid)
            for table in TABLES:
                _take_away(table)  # what a run that was broken off has left
            line = f"{NAME}:{_free_id()}:65536\n"
            for table in TABLES:
                _add(table, line)
            yield one
            for name in one.run("ps", "-aq").split():
                one.run("rm", "-f", name)
            await_no_conmon(one.root)
            check_store(one.root)
        finally:
            for table in TABLES:
                _take_away(table)
            shutil.rmtree(home)
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            assert home not in mounts.read()


def _free_id() -> int:
    """Return an ID above all that somebody has."""
    ends = [100000]
    for table in TABLES:
        with open(table, encoding="utf-8") as file:
            ends += [
                int(start) + int(count) for start, count in re.findall(r":(\d+):(\d+)$", file.read(), re.M)
            ]
    return max(ends)


def _add(table: str, line: str) -> None:
    with open(table, "a", encoding="utf-8") as file:
        file.write(line)


def _take_away(table: str) -> None:
    """Take the user's ranges out of a table."""
    with open(table, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(f"{NAME}:")]
    with open(table, "w", encoding="utf-8") as file:
        file.writelines(lines)


def test_images_need_no_namespace(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    assert "alpine" in user.run("images")
    user.run("rmi", "alpine:3.10")
    assert not os.path.exists(f"{user.root}/namespace")


def test_a_container_lives_from_command_to_command(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    assert user.run("run", "--rm", "--network", "none", "alpine:latest", "id", "-u") == "0\n"
    user.run("run", "-d", "--name", "one", "--network", "none", "alpine:latest", "tail", "-f", "/dev/null")
    user.run(
        "exec", "one", "sh", "-c", "echo mine > /file; chown 33:33 /file; rm -r /etc/apk; mkdir /etc/apk"
    )
    assert user.run("exec", "-u", "33", "one", "cat", "/file") == "mine\n"
    assert "one" in user.run("ps")
    assert "tail -f /dev/null" in user.run("top", "one")
    assert {"A /file", "C /etc"} <= set(user.run("diff", "one").splitlines())
    keeper = [line for line in processes_of(user.root) if line.startswith("/usr/bin/flock --exclusive")]
    assert len(keeper) == 1
    user.run("stop", "-t", "0", "one")
    user.run("commit", "one", "changed")
    assert user.run("run", "--rm", "--network", "host", "changed", "stat", "-c", "%u", "/file") == "33\n"
    assert user.run("run", "--rm", "--network", "none", "changed", "ls", "/etc/apk") == ""
    user.run("rm", "one")
    user.run("rmi", "changed", "alpine:latest")
    user.run("reclaim", "--all")
    assert os.listdir(f"{user.root}/layers") == []
    user.run("fsck")


def test_an_image_is_built(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    folder = f"{user.home}/context"
    os.mkdir(folder)
    with open(f"{folder}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(
            "FROM alpine\nCOPY --chown=33:44 Dockerfile /file\n"
            "RUN --mount=type=cache,target=/c touch /c/x && chown 55 /file\n"
            "USER 33\nRUN --mount=type=bind,target=/ctx,rw id -u > /tmp/who\n"
        )
    os.chmod(folder, 0o755)  # noqa: S103 - the user is to read it
    image = user.run("build", "-q", "--network", "none", folder)
    assert user.run("build", "-q", "--network", "none", folder) == image
    script = "stat -c %u:%g /file; cat /tmp/who"
    said = user.run("run", "--rm", "--network", "none", image.strip(), "sh", "-c", script)
    assert said == "55:44\n33\n"
    user.run("build", "-q", "--network", "none", "-o", f"{user.home}/out", folder)
    assert os.path.exists(f"{user.home}/out/file")
    user.run("builder", "prune", "-af")
    user.run("fsck")


def test_two_first_commands_share_one_namespace(user: User) -> None:
    from concurrent.futures import ThreadPoolExecutor

    user.run("load", "-i", f"{user.home}/base.tar")
    words = ("--network", "none", "alpine:latest", "sleep", "1000")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: user.run("run", "-d", "--name", name, *words), ("one", "two")))
    assert user.run("exec", "one", "readlink", "/proc/self/ns/user") == user.run(
        "exec", "two", "readlink", "/proc/self/ns/user"
    )


def test_a_port_is_published_without_root(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    program = "echo hello > /index; exec nc -l -p 80 < /index"
    user.run("run", "-d", "--name", "web", "-p", "127.0.0.1::80", "alpine:latest", "sh", "-c", program)
    address, _, port = user.run("port", "web", "80").strip().rpartition(":")
    assert address == "127.0.0.1"

    def ask() -> bytes:
        try:
            with socket.create_connection((address, int(port)), SECONDS) as client:
                return client.recv(100)
        except ConnectionError:  # nc does not listen yet
            return b""

    assert until(ask) == b"hello\n"


def test_a_missing_range_of_ids_is_named(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    _take_away(TABLES[1])
    said = user.run("run", "--rm", "alpine:latest", "true", status=125)
    assert f"{NAME} has no range of IDs in /etc/subgid" in said
    assert "usermod --add-subgids" in said


def test_what_needs_root_says_so(user: User) -> None:
    user.run("load", "-i", f"{user.home}/base.tar")
    user.run("run", "-d", "--name", "one", "--network", "none", "alpine:latest", "sleep", "1000")
    said = user.run("commit", "one", status=1)
    assert "no cgroup" in said
    assert "--pause=false" in said
    assert "no cgroup" in user.run("stats", "--no-stream", "one", status=1)
    user.run("network", "create", "own")
    words = ("run", "--rm", "--network", "own", "alpine:latest", "true")
    assert "without root there are the networks" in user.run(*words, status=125)
