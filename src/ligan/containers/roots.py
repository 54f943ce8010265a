"""A container's file system, for verbs that read or write it from outside, whether it runs or not."""

from __future__ import annotations

import os

from ligan.containers.ending import current
from ligan.containers.locking import Locked
from ligan.errors import Unsupported
from ligan.store.db import Explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ligan.containers.rows import Container
    from ligan.layers.snapshots import Snapshots
    from ligan.store.store import Store

    Result = TypeVar("Result")

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

_NAME_FILES = (("hostname", "/etc/hostname"), ("hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf"))


class MountedRoot:
    """`with MountedRoot(store, name) as root`: the container's own files are in the folder `root.path`.

    That of a container that does not run is mounted for the time; until then it cannot be started.
    """

    path: str
    container: Container

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._lock: Locked | None = None
        self._snapshots: Snapshots | None = None

    def __enter__(self) -> MountedRoot:
        self.container = current(self._store, self._name)
        self.path = self._store.layout.merged(self.container.id)
        if self.container.state in ("running", "paused"):
            return self
        from ligan.layers.snapshots import Snapshots

        self._lock = Locked(self._store.layout, self.container.id)
        self._lock.__enter__()
        try:
            self.container = current(self._store, self.container.id, is_locked=True)
            if self.container.state not in ("running", "paused"):
                self._snapshots = Snapshots(self._store)
                self._snapshots.mount(self.container.id)
                if not self.container.started:
                    _make_working_dir(self.path, self.container.config["WorkingDir"])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            if self._snapshots is not None:
                self._snapshots.unmount(self.container.id)
        finally:
            if self._lock is not None:
                self._lock.__exit__(None, None, None)

    def with_mounts(self, work: Callable[[str], Result]) -> Result:
        """Return what `work` does with the root folder, in which the container's mounts are, too.

        They are there for `work` alone: it is done by a thread that has left the others' mount namespace, so
        that nothing stays mounted however it ends. Raises Unsupported where this user may not mount.
        """
        layout = self._store.layout
        binds = [
            (mount.source, mount.destination, mount.rw)
            for mount in self.container.mounts
            if mount.type != "tmpfs" and os.path.exists(mount.source)
        ]
        folder = layout.container(self.container.id)
        taken = {destination for _source, destination, _rw in binds}
        binds += [
            (f"{folder}/{name}", destination, True)
            for name, destination in _NAME_FILES
            if destination not in taken and os.path.exists(f"{folder}/{name}")
        ]
        if not binds:
            return work(self.path)
        if os.geteuid() != 0:
            raise Unsupported(
                f"container {self.container.id[:12]} has mounts, which only root can see from outside of it"
            )
        return _in_namespace(lambda: _with_binds(self.path, binds, work))


def settle(store: Store, container: Container) -> None:
    """On return a container that has never run has all that it has at first."""
    if not container.started and container.config["WorkingDir"]:
        with MountedRoot(store, container.id):
            pass


def _make_working_dir(root: str, path: str) -> None:
    """Make the folder in which a container begins. Docker does so at its creation, the runtime at its start.

    Where something else is in its place, the start will tell.
    """
    from ligan.layers.beneath import CHANGED, open_root, resolve

    top = open_root(root)
    try:
        os.close(_open_target(top, resolve(top, path), is_folder=True))
    except OSError as error:
        if error.errno not in CHANGED:
            raise
    finally:
        os.close(top)


def _in_namespace(work: Callable[[], Result]) -> Result:
    """Return what `work` does in a mount namespace of its own."""
    from threading import Thread

    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _leave_namespace()
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again, by the thread that waits
            failures.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _leave_namespace() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        code = ctypes.get_errno()
        raise Unsupported(f"cannot make a mount namespace: {os.strerror(code).lower()}")
    _mount("", "/", _MS_REC | _MS_PRIVATE)  # nothing of it reaches other namespaces


def _with_binds(root: str, binds: list[tuple[str, str, bool]], work: Callable[[str], Result]) -> Result:
    for source, destination, writable in binds:
        with Explained(destination):
            _bind(root, source, destination, writable=writable)
    return work(root)


def _bind(root: str, source: str, destination: str, *, writable: bool) -> None:
    """Mount on what the path leads to inside the root; what is not there is made, as at a start."""
    is_folder = os.path.isdir(source)
    with _Target(root, destination, is_folder=is_folder) as target:
        _mount(source, target, _MS_BIND | _MS_REC)
    if not writable:
        with _Target(root, destination, is_folder=is_folder) as target:  # what is mounted there now
            _mount("", target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)


class _Target:
    """`with _Target(root, path, is_folder=...) as target`: a path by which the kernel gets to it."""

    def __init__(self, root: str, path: str, *, is_folder: bool) -> None:
        from ligan.layers.beneath import open_root, resolve

        top = open_root(root)
        try:
            self._file = _open_target(top, resolve(top, path), is_folder=is_folder)
        finally:
            os.close(top)

    def __enter__(self) -> str:
        return f"/proc/thread-self/fd/{self._file}"

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)


def _open_target(top: int, path: str, *, is_folder: bool) -> int:
    """Return a descriptor of the folder or file at a path without links below a folder, made if need be."""
    folder = os.open(".", _FOLDER, dir_fd=top)
    parts = path.split("/") if path else []
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        try:
            if is_last and not is_folder:
                _make_file(part, folder)
            else:
                _make_folder(part, folder)
            below = os.open(part, _NODE if is_last else _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        pass


def _make_file(name: str, folder: int) -> None:
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755, dir_fd=folder))
    except FileExistsError:
        pass


def _mount(source: str, target: str, flags: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
