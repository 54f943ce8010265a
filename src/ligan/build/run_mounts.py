"""`RUN --mount`: what is mounted for one step, and what of it the step depends on.

Source of the rules: BuildKit, frontend/dockerfile/dockerfile2llb/convert_runmount.go and docs/reference.md.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from posixpath import join, normpath

from ligan.build import cache
from ligan.containers.mounts import Mount as Mounted
from ligan.errors import Invalid, LiganError, NotFound
from ligan.layers import beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ligan.build.stage import Stage
    from ligan.dockerfile.mounts import Mount
    from ligan.store.blobs import Lease

    Prepare = Callable[[str], Sequence[Mounted]]

_SECRETS = "/run/secrets"
_AGENTS = "/run/buildkit"
_MEMORY = 16 << 20
"""Bytes that the secrets of a step may have together."""


class Mounts:
    """The mounts of one RUN. `script` is a heredoc's name and content, mounted as a file of that name."""

    def __init__(
        self, stage: Stage, mounts: Sequence[Mount], folder: str, script: tuple[str, str] | None
    ) -> None:
        self._stage = stage
        self._mounts = mounts
        self._folder = folder
        self._script = script

    def facts(self, *, itself: bool = False) -> list[list[object]]:
        """Return what a step depends on: of what is bound its content, of secrets and caches their names.

        With `itself` that is the content of no more of a stage than is bound, which takes longer to tell.
        """
        return [
            [*map(str, mount._astuple()), self._content(mount, itself=itself and mount.type == "bind")]
            for mount in self._mounts
        ]

    @property
    def have_own_content(self) -> bool:
        """Whether `facts` of the content itself may stay the same where the others do not."""
        sources = self._stage.build.sources
        return any(
            mount.type == "bind" and sources.has_own_content(self._stage, mount.base, _source(mount))
            for mount in self._mounts
        )

    def _content(self, mount: Mount, *, itself: bool = False) -> str:
        if mount.type not in ("bind", "cache") or not (mount.base or mount.type == "bind"):
            return ""
        return self._stage.build.sources.content(self._stage, mount.base, _source(mount), itself=itself)

    @contextmanager
    def made(self, lease: Lease) -> Iterator[tuple[list[Mounted], list[str], Prepare]]:
        """Yield what is mounted, variables that name it or are it, and what makes the files in memory."""
        with ExitStack() as stack:
            self._lock_caches(stack)
            folders: dict[str, str] = {}
            found: list[Mounted] = []
            environment: list[str] = []
            files: list[tuple[str, bytes, int, int, int]] = []
            for number, mount in enumerate(self._mounts):
                if mount.type == "secret":
                    self._secret(mount, environment, files)
                elif mount.type == "ssh":
                    found += self._agent(mount, number, environment, stack, lease)
                elif mount.type == "tmpfs":
                    found.append(Mounted("tmpfs", "", self._target(mount), options=_tmpfs_options(mount)))
                elif mount.type == "cache":
                    found.append(self._cache(mount, folders, stack, lease))
                else:
                    found.append(self._bind(mount, stack, lease))
            if self._script is not None:
                found.append(_script(lease, *self._script))
            yield found, environment, lambda folder: _in_memory(folder, files)

    def _target(self, mount: Mount, default: str = "") -> str:
        target = mount.target or default
        if not target:
            raise Invalid(f"{mount.type} mount needs a target")
        path = normpath(join("/", self._folder, target))
        if path == "/":
            raise Invalid('invalid mount target "/"')
        return path

    def _bind(self, mount: Mount, stack: ExitStack, lease: Lease) -> Mounted:
        root = stack.enter_context(self._stage.build.sources.folder(self._stage, mount.base, lease))
        source = _inside(root, mount.source)
        if not mount.read_only:
            source = stack.enter_context(_writable(source, lease))
        return self._bound(mount, source)

    def _bound(self, mount: Mount, source: str) -> Mounted:
        return Mounted(
            "bind",
            source,
            self._target(mount),
            rw=not mount.read_only,
            propagation="rprivate",
            must_exist=True,
        )

    def _lock_caches(self, stack: ExitStack) -> None:
        """Take the locked caches: each once, and in an order in which no two steps wait for each other."""
        caches = [mount for mount in self._mounts if mount.type == "cache" and mount.sharing == "locked"]
        for step in sorted({cache.mount_step(*self._identity(mount)) for mount in caches}):
            stack.enter_context(self._stage.build.locks.step(step))

    def _identity(self, mount: Mount) -> tuple[str, str]:
        """Return the ID of a cache, and its origin: see `cache.mount_folder`."""
        begins = (self._content(mount), mount.source if mount.base else "", mount.uid, mount.gid, mount.mode)
        is_usual = begins == ("", "", None, None, None)
        return normpath(mount.id or self._target(mount)), "" if is_usual else str(begins)

    def _cache(self, mount: Mount, folders: dict[str, str], stack: ExitStack, lease: Lease) -> Mounted:
        """Return the mount of a cache. `folders` are those that this step has, by what the cache goes by."""
        identity = self._identity(mount)
        step = cache.mount_step(*identity)
        if step not in folders:
            folders[step] = self._cache_folder(mount, identity, stack, lease)
        folder = folders[step]
        source = folder if mount.base else _inside(folder, mount.source)
        return self._bound(mount, source)

    def _cache_folder(self, mount: Mount, identity: tuple[str, str], stack: ExitStack, lease: Lease) -> str:
        build = self._stage.build
        is_private = mount.sharing == "private"
        locks = stack.enter_context(build.new_locks()) if is_private else build.locks
        folder = cache.mount_folder(self._stage.store, locks, *identity, private=is_private)
        if folder.is_new:
            if mount.base:
                with build.sources.folder(self._stage, mount.base, lease) as root:
                    _copy(lease, _inside(root, mount.source), folder.path)
            os.chown(folder.path, mount.uid or 0, mount.gid or 0)
            os.chmod(folder.path, 0o755 if mount.mode is None else mount.mode)
        return folder.path

    def _secret(
        self, mount: Mount, environment: list[str], files: list[tuple[str, bytes, int, int, int]]
    ) -> None:
        name = mount.id or mount.source or os.path.basename(mount.target)
        secret = self._stage.build.request.secrets.get(name)
        if secret is None:
            if mount.required:
                raise NotFound(f"secret {name}: not found")
            return
        value = secret.value if secret.value is not None else _read(secret.path)
        if mount.env is not None:
            environment.append(f"{mount.env or name}={value.decode('utf-8', 'surrogateescape')}")
        if mount.env is None or mount.target:
            target = self._target(mount, f"{_SECRETS}/{name}")
            mode = 0o400 if mount.mode is None else mount.mode
            files.append((target, value, mode, mount.uid or 0, mount.gid or 0))

    def _agent(
        self, mount: Mount, number: int, environment: list[str], stack: ExitStack, lease: Lease
    ) -> list[Mounted]:
        if mount.source:
            raise Invalid("ssh does not support source")
        name = mount.id or "default"
        agent = self._stage.build.request.agents.get(name)
        if agent is None:
            if mount.required:
                raise NotFound(f"unset ssh forward key {name}")
            return []
        from ligan.build.agents import ForwardedAgent

        mode = 0o600 if mount.mode is None else mount.mode
        forwarded = ForwardedAgent(lease.folder(), agent, mode, mount.uid or 0, mount.gid or 0)
        stack.enter_context(forwarded)
        target = self._target(mount, f"{_AGENTS}/ssh_agent.{number}")
        if not any(variable.startswith("SSH_AUTH_SOCK=") for variable in environment):
            environment.append(f"SSH_AUTH_SOCK={target}")
        return [Mounted("bind", forwarded.path, target, propagation="rprivate", must_exist=True)]


def _source(mount: Mount) -> str:
    return normpath(f"/{mount.source}")


def _tmpfs_options(mount: Mount) -> str:
    """Return the options of memory that is mounted: as in BuildKit, what lies in it can be run."""
    size = f",size={mount.size}" if mount.size else ""
    return f"exec,dev,{'ro' if mount.read_only else 'rw'}{size}"


def _inside(root: str, source: str) -> str:
    """Return what a path leads to below a folder, no link leading out of it. Raises Invalid."""
    folder = beneath.open_root(root)
    try:
        path = f"{root}/{beneath.resolve(folder, normpath(join('/', source)).lstrip('/'))}".rstrip("/")
    finally:
        os.close(folder)
    if not os.path.lexists(path):
        raise Invalid(f"failed to calculate checksum of ref: {source}: not found")
    return path


@contextmanager
def _writable(source: str, lease: Lease) -> Iterator[str]:
    """Yield a path that shows a folder, or a file, and forgets what is written there."""
    from ligan.layers.mounting import mount_overlay
    from ligan.store.mounts import unmount

    folder, name = (source, "") if os.path.isdir(source) else os.path.split(source)
    upper, work, target = lease.folder(), lease.folder(), lease.folder()
    found = os.stat(folder)
    os.chown(upper, found.st_uid, found.st_gid)
    os.chmod(upper, found.st_mode & 0o7777)
    mount_overlay([folder], target, upper=upper, work=work)
    try:
        yield f"{target}/{name}" if name else target
    finally:
        unmount(target)


def _copy(lease: Lease, source: str, target: str) -> None:
    """Copy what is in a folder into another one."""
    from ligan.build.materialize import unpack_tar
    from ligan.layers.tree_tar import export_tar

    unpack_tar(lease, export_tar(source), target)


def _script(lease: Lease, name: str, content: str) -> Mounted:
    path = lease.spool([content.encode("utf-8", "surrogateescape")])
    os.chmod(path, 0o755)  # noqa: S103  # whoever the step's user is runs it
    return Mounted("bind", path, f"/dev/pipes/{name}", rw=False, propagation="rprivate", must_exist=True)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise LiganError(f"cannot read the secret {path}: {(error.strerror or '').lower()}") from None


def _in_memory(folder: str, files: Sequence[tuple[str, bytes, int, int, int]]) -> list[Mounted]:
    """Write files into memory that is mounted in a container's folder; return their mounts."""
    if not files:
        return []
    from ligan.layers.mounting import mount_shared_memory

    place = f"{folder}/secrets"
    os.mkdir(place, 0o700)
    mount_shared_memory(place, size=_MEMORY)
    mounted = []
    for number, (target, content, mode, uid, gid) in enumerate(files):
        path = f"{place}/{number}"
        with open(path, "xb", opener=lambda name, how: os.open(name, how, 0o600)) as file:
            file.write(content)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        mounted.append(Mounted("bind", path, target, rw=False, propagation="rprivate", must_exist=True))
    return mounted
