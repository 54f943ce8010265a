"""Containers without root: the user namespace of a store, in which its user is root.

There the user's subordinate IDs are the IDs of containers' users and of files, and layers can be mounted. All
commands on one store share one user and one mount namespace, or they would not see each other's mounts. These
are kept by a process that does nothing but wait for a lock: whoever lives in the namespaces has the lock,
shared, in a descriptor that every program started from there is given on. So nothing stays when the last
container and the last command have ended, and what was mounted goes with the namespaces.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ligan.containers.calling import program
from ligan.containers.processes import Process, is_alive
from ligan.containers.spawning import NAMESPACE_FILE, run
from ligan.errors import Unavailable
from ligan.store.mounts import call_libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.store.layout import Layout

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000

_MAPPERS = (
    ("newuidmap", "/etc/subuid", "usermod --add-subuids"),
    ("newgidmap", "/etc/subgid", "usermod --add-subgids"),
)


class CannotEnter(Unavailable):
    """This user cannot have containers on this machine, as it is set up."""


def is_possible() -> bool:
    """Return whether this user has all that `enter` needs, but for the kernel's leave."""
    try:
        _all_ranges()
    except CannotEnter:
        return False
    return True


def enter(layout: Layout) -> None:
    """On return this process, which has one thread, is root in the user namespace of the store.

    It is for those who are not root. Raises CannotEnter, with what to install or to set up; then the
    process is as before, or has no more rights than it had.
    """
    ranges = _all_ranges()
    os.makedirs(layout.root, 0o700, exist_ok=True)
    root = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)  # one at a time: a second namespace would have mounts of its own
        _keep(layout)
        keeper = _keeper(layout)
        if keeper is None or not _join(keeper):
            _make(ranges)
            _start_keeper(layout)
    finally:
        os.close(root)


def _keep(layout: Layout) -> None:
    """Take the shared lock that keeps the namespaces, in the descriptor that is given on."""
    file = os.open(layout.user_namespace, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_SH)
    os.dup2(file, NAMESPACE_FILE, inheritable=True)
    os.close(file)


def _keeper(layout: Layout) -> Process | None:
    """Return the process that keeps the namespaces, or None: it ends as soon as nobody is in them."""
    with open(layout.user_namespace, encoding="ascii") as file:
        words = file.read().split()
    if len(words) != 3:
        return None
    keeper = Process(int(words[0]), int(words[1]), words[2])
    return keeper if is_alive(keeper) else None


def _join(keeper: Process) -> bool:
    """Enter the namespaces of a process; returns False where it has just ended."""
    try:
        pidfd = os.pidfd_open(keeper.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(keeper):
            return False
        _call("setns", pidfd, _CLONE_NEWUSER | _CLONE_NEWNS)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise CannotEnter(f"cannot enter the store's user namespace: {_words(error)}") from None
    finally:
        os.close(pidfd)
    return True


def _make(ranges: Sequence[Sequence[str]]) -> None:
    """Enter new namespaces, whose IDs a child that stays outside writes down."""
    ready, go_on = os.pipe2(os.O_CLOEXEC)
    said, say = os.pipe2(os.O_CLOEXEC)
    own = (os.geteuid(), os.getegid())
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(go_on)
        os._exit(_write_maps(ready, say, parent, own, ranges))
    os.close(ready)
    os.close(say)
    try:
        _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS)
        os.write(go_on, b"\0")
    except OSError as error:
        raise CannotEnter(
            f"cannot make a user namespace: {_words(error)}", _HINTS.get(error.errno or 0, "")
        ) from None
    finally:
        os.close(go_on)
        with open(said, "rb") as answer:
            words = answer.read().decode("utf-8", "replace").strip()
        os.waitpid(child, 0)
    if words:
        raise CannotEnter(words, "Its range in /etc/subuid and /etc/subgid must be this user's own.")


_FORBIDDEN = (
    "User namespaces are not for this user: see `sysctl kernel.unprivileged_userns_clone` "
    "and `sysctl kernel.apparmor_restrict_unprivileged_userns`."
)
_HINTS = {
    errno.EPERM: _FORBIDDEN,
    errno.EACCES: _FORBIDDEN,
    errno.ENOSPC: "There are none: see `sysctl user.max_user_namespaces`.",
    errno.EINVAL: "This kernel is built without user namespaces.",
}


def _write_maps(ready: int, say: int, pid: int, own: tuple[int, int], ranges: Sequence[Sequence[str]]) -> int:
    """Give a process's user namespace its IDs once it is there: 0 is the user, from 1 on come its own."""
    try:
        if not os.read(ready, 1):
            return 1  # it is not there
        for (name, _file, _command), owner, words in zip(_MAPPERS, own, ranges, strict=True):
            finished = run([program(name), str(pid), "0", str(owner), "1", *words])
            if finished.status:
                os.write(say, finished.errors or f"{name} failed".encode())
                return 1
    except Exception as error:  # noqa: BLE001 - a child that must not return: its parent tells
        os.write(say, str(error).encode())
        return 1
    return 0


def _start_keeper(layout: Layout) -> None:
    """Start the process that keeps the namespaces, and write down which it is."""
    path = layout.user_namespace
    # What is written there goes before the lock does: nobody is to join what is about to end.
    words = [program("flock"), "--exclusive", path, program("truncate"), "--size", "0", path]
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    pid = os.posix_spawn(
        words[0],
        words,
        {},
        file_actions=[
            *[(os.POSIX_SPAWN_DUP2, nothing, number) for number in range(3)],
            (os.POSIX_SPAWN_CLOSE, NAMESPACE_FILE),
        ],
        setsid=True,
    )
    os.close(nothing)
    keeper = Process.of(pid)
    assert keeper is not None, "it waits for a lock that this process has"
    os.pwrite(NAMESPACE_FILE, f"{keeper.pid} {keeper.started} {keeper.boot_id}\n".encode(), 0)


def _all_ranges() -> list[list[str]]:
    return [_ranges(*mapper) for mapper in _MAPPERS]


def _ranges(mapper: str, table: str, command: str) -> list[str]:
    """Return the words by which a mapper maps all subordinate IDs of this user, from 1 on."""
    try:
        program(mapper)
    except Unavailable:
        raise CannotEnter(
            f"{mapper} is not installed: without root containers need it",
            "Install it: apt-get install uidmap",
        ) from None
    import pwd

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    words: list[str] = []
    first = 1
    for owner, start, count in _entries(table):
        if owner in (name, str(uid)):
            words += [str(first), str(start), str(count)]
            first += count
    if not words:
        raise CannotEnter(
            f"{name} has no range of IDs in {table}: without root containers need one",
            f"Give the user one: {command} 100000-165535 {name}",
        )
    return words


def _entries(table: str) -> list[tuple[str, int, int]]:
    """Return owner, first ID and number of IDs of each line (subuid(5))."""
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        return []
    return [
        (fields[0], int(fields[1]), int(fields[2]))
        for fields in lines
        if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal()
    ]


def _call(name: str, *arguments: int) -> None:
    if code := call_libc(name, *arguments):
        raise OSError(code, os.strerror(code))


def _words(error: OSError) -> str:
    return (error.strerror or "").lower()
