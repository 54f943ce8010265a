"""The files of a run: the OCI specification and what the container knows of names."""

from __future__ import annotations

import os
import stat

from ligan.containers import rows, spec
from ligan.containers.host import Host, devices
from ligan.containers.name_files import extra_hosts, hosts, resolv_conf
from ligan.containers.users import User, resolve_user
from ligan.errors import Conflict, Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.containers.network import Connection
    from ligan.containers.rows import Container
    from ligan.store.layout import Layout
    from ligan.store.store import Store

NAME_FILES = ("hostname", "hosts", "resolv.conf")

_INIT_PROGRAMS = ("docker-init", "catatonit", "tini")


class Joined(Value):
    """What a container takes over of others: paths of namespaces, the folder of /dev/shm, and name files."""

    network: str = ""
    pid: str = ""
    ipc: str = ""
    shm: str = ""
    hostname: str = ""
    names_of: str = ""


def join(store: Store, container: Container) -> Joined:
    """Return what `container:X` modes mean now. Raises Conflict where X does not run."""
    network = _other(store, container, "NetworkMode")
    pid = _other(store, container, "PidMode")
    ipc = _other(store, container, "IpcMode")
    shm = ""
    if ipc is not None:
        shm = _shared_memory(store.layout, ipc)
    elif container.host_config.get("IpcMode") == "host":
        shm = "/dev/shm"  # noqa: S108  # the host's is what was asked for
    elif container.host_config.get("IpcMode") == "shareable":
        shm = f"{store.layout.container(container.id)}/shm"
    return Joined(
        network=f"/proc/{network.pid}/ns/net" if network else "",
        pid=f"/proc/{pid.pid}/ns/pid" if pid else "",
        ipc=f"/proc/{ipc.pid}/ns/ipc" if ipc else "",
        shm=shm,
        hostname=network.config.get("Hostname", "") if network else "",
        names_of=network.id if network else "",
    )


_WHAT = {"NetworkMode": "network", "PidMode": "PID", "IpcMode": "IPC"}


def _other(store: Store, container: Container, mode: str) -> Container | None:
    kind, _, name = (container.host_config.get(mode) or "").partition(":")
    if kind != "container":
        return None
    with store.database.read() as tx:
        other = rows.resolve(tx, name)
    if other.state not in ("running", "paused"):
        if mode == "NetworkMode":
            raise Conflict(f"cannot join network of a non running container: {other.id}")
        raise Conflict(f"cannot join {_WHAT[mode]} of a non running container: {other.id}")
    if other.id == container.id:
        raise Invalid("cannot join own network")
    return other


def _shared_memory(layout: Layout, other: Container) -> str:
    mode = other.host_config.get("IpcMode")
    if mode == "host":
        return "/dev/shm"  # noqa: S108  # the host's is what was asked for
    if mode != "shareable":
        raise Conflict(
            f"can't join IPC of container {other.id}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )
    return f"{layout.container(other.id)}/shm"


def write_bundle(
    store: Store, container: Container, root: str, joined: Joined, connection: Connection | None
) -> None:
    """Write config.json and the name files of a container whose root is mounted. Raises Invalid."""
    from ligan.oci.gojson import go_json

    folder = store.layout.container(container.id)
    config = _with_hostname(container, joined)
    linked_hosts, variables = _linked(store, container) if connection else ((), ())
    if not joined.names_of:
        _write_names(container, config, folder, connection, linked_hosts)
    names = store.layout.container(joined.names_of) if joined.names_of else folder
    document = spec.runtime_spec(
        spec.Container(
            id=container.id,
            config=config,
            host_config=container.host_config,
            rootfs=root,
            user=_user(container, root),
            mounts=container.mounts,
            files={f"/etc/{name}": f"{names}/{name}" for name in reversed(NAME_FILES)},
            network_namespace=joined.network or (connection.namespace if connection else ""),
            pid_namespace=joined.pid,
            ipc_namespace=joined.ipc,
            shm=joined.shm,
            init=_init_program() if container.host_config.get("Init") else "",
            linked=variables,
        ),
        Host.read(),
        devices,
    )
    with open(f"{folder}/config.json", "wb") as file:
        file.write(go_json(document))


def renew_names(store: Store, container: Container, connection: Connection) -> None:
    """Tell a container that runs what has become of its addresses and nameservers."""
    folder = store.layout.container(container.id)
    hosts, _ = _linked(store, container, is_starting=False)
    _write_names(container, container.config, folder, connection, hosts)


def _linked(
    store: Store, container: Container, *, is_starting: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the container's links give: entries of /etc/hosts, and variables."""
    from ligan.containers.links import resolve

    with store.database.read() as tx:
        links = resolve(tx, container, is_starting=is_starting)
    return links.hosts, links.variables


def _with_hostname(container: Container, joined: Joined) -> dict[str, object]:
    """Return the configuration with the name that the host, or the other container, lends."""
    if joined.names_of:
        return {**container.config, "Hostname": joined.hostname}
    if container.host_config.get("NetworkMode") == "host" and not container.config.get("Hostname"):
        return {**container.config, "Hostname": os.uname().nodename}
    return container.config


def _write_names(
    container: Container,
    config: dict[str, object],
    folder: str,
    connection: Connection | None,
    linked: Sequence[str],
) -> None:
    hostname = str(config.get("Hostname") or "")
    host_config = container.host_config
    if host_config.get("NetworkMode") == "host":
        extra = extra_hosts(host_config.get("ExtraHosts") or ())
        texts = [f"{hostname}\n", _read("/etc/hosts") + extra, _read("/etc/resolv.conf")]
    else:
        texts = [
            f"{hostname}\n",
            hosts(
                hostname,
                str(config.get("Domainname") or ""),
                [*(host_config.get("ExtraHosts") or ()), *linked],
                connection.addresses if connection else (),
                gateway=connection.gateway if connection else "",
            ),
            resolv_conf(_read("/etc/resolv.conf"), host_config, connection.nameservers if connection else ()),
        ]
    for name, text in zip(NAME_FILES, texts, strict=True):
        # Written in place: whoever is in a container's network has the file mounted.
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _user(container: Container, root: str) -> User:
    added = container.host_config.get("GroupAdd") or ()
    text = container.config.get("User") or ""
    return resolve_user(text, *user_files(root, text), added)


def user_files(root: str, user: str) -> tuple[str, str]:
    """Return the texts of passwd and group of a root file system, empty where it has none.

    A link in it leads nowhere outside. Raises Invalid where one is a folder: `user` is then not found.
    """
    return _text_in(root, "etc/passwd", user), _text_in(root, "etc/group", user)


_MOST = 16 << 20
"""Bytes of passwd and group that are read: the files are the image's."""


def _text_in(root: str, path: str, user: str) -> str:
    from ligan.layers import beneath

    folder = beneath.open_root(root)
    try:
        file = os.open(beneath.resolve(folder, path), beneath.FILE, dir_fd=folder)
    except OSError:
        return ""
    finally:
        os.close(folder)
    if stat.S_ISDIR(os.fstat(file).st_mode):
        os.close(file)
        raise Invalid(f"unable to find user {user or 0}: read /{path}: is a directory")
    with open(file, "rb") as opened:
        return opened.read(_MOST).decode("utf-8", "surrogateescape")


def _init_program() -> str:
    from shutil import which

    return next((path for path in map(which, _INIT_PROGRAMS) if path), "")
