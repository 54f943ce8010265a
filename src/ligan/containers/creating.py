"""Making a container: a row, its volumes, its writable layer. Nothing runs.

Source of rules and words: engine 20.10, daemon/create.go, daemon/create_unix.go; golden k_containers.
"""

from __future__ import annotations

import os
from posixpath import normpath

from ligan.containers import naming, rows
from ligan.containers.merging import merge
from ligan.containers.mounts import Mount
from ligan.errors import Invalid, LiganError, NotFound
from ligan.oci.documents import whole_characters
from ligan.oci.hostconfig import endpoint_settings, host_config, networking_config
from ligan.oci.runconfig import run_config
from ligan.store import failpoints
from ligan.store.folders import NewFolders
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.images.catalog import ImageRow
    from ligan.store.db import ReadTransaction, WriteTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store


class CreateRequest(Value):
    """What a container is to be. The documents are Docker's, as a client sends them.

    `platform` is `os/architecture[/variant]`, or empty for whatever platform the image has.
    """

    name: str = ""
    config: Mapping[str, Any] | None = None
    host_config: Mapping[str, Any] | None = None
    networking: Mapping[str, Any] | None = None
    platform: str = ""


class Created(Value):
    """The whole ID of a new container, and what Docker would warn of."""

    id: str
    warnings: tuple[str, ...]


def create(store: Store, request: CreateRequest) -> Created:
    """Make a container. Raises NoSuchImage, NameTaken, or Invalid for what it asks; nothing is left then."""
    from ligan.containers import filling
    from ligan.containers.checks import check_config, check_host_config, check_text, fill_in
    from ligan.containers.host import Host
    from ligan.containers.validity import check_request
    from ligan.layers.snapshots import Snapshots

    if not request.config:
        raise Invalid("Config cannot be empty in order to create a container")
    # Words of a command line may be no text.
    config, host_settings, networking = whole_characters(
        [request.config, request.host_config or {}, request.networking or {}]
    )
    asked = run_config(config, "Config", "invalid container config")
    host = host_config(host_settings)
    endpoints = networking_config(networking)["EndpointsConfig"] or {}
    check_text([asked, host, endpoints])
    check_config(asked)
    check_host_config(host)
    warnings = check_request(asked, host, endpoints)
    host, more = fill_in(host, Host.read())
    snapshots = Snapshots(store)
    driver = snapshots.prepare(_top_layer(store, asked["Image"], request.platform))
    with (
        store.lease() as lease,
        NewFolders(store.layout, lease) as folders,
        store.database.write() as tx,
    ):
        maker = _Maker(tx, store, driver)
        container = maker.make(request, asked, host, endpoints)
        _make_folders(store.layout, folders, container)
        failpoints.hit("create.rows")
    failpoints.hit("create.done")
    try:
        snapshots.create(container.id, container.layer)
        filling.fill_volumes(store, container)
    except (LiganError, OSError):
        from ligan.containers import removing

        removing.discard(store, container)
        raise
    return Created(container.id, (*warnings, *more, *maker.warnings))


def _make_folders(layout: Layout, folders: NewFolders, container: rows.Container) -> None:
    """Make what a container and its volumes need from the first: there are locks in a container's folder."""
    folders.make([layout.container_name(container.id)])
    volumes = [mount.name for mount in container.mounts if mount.type == "volume"]
    if volumes:
        from ligan.containers.volumes import make_folders

        make_folders(layout, folders, volumes)


def _top_layer(store: Store, image: str, platform: str) -> int | None:
    with store.database.read() as tx:
        found = _find_image(tx, image, platform)
        return found.layer if found else None


def _find_image(tx: ReadTransaction, name: str, platform: str) -> ImageRow | None:
    """Return the image of a new container, or None for one on nothing. Raises NoSuchImage, or NotFound."""
    if not name:
        return None
    from ligan.images.catalog import resolve

    image = resolve(tx, name).image
    if platform:
        from ligan.oci.platform import parse

        wanted, actual = parse(platform), _platform(tx, image)
        if not actual.satisfies(wanted):
            raise NotFound(
                f"image with reference {name} was found but does not match the specified platform: "
                f"wanted {wanted}, actual: {actual}"
            )
    return image


def _platform(tx: ReadTransaction, image: ImageRow) -> Any:
    from ligan.oci.platform import normalise

    return normalise(*tx.one("SELECT os, architecture, variant FROM image WHERE key = ?", (image.key,)))


class _Maker:
    """The making of one container inside one transaction."""

    def __init__(self, tx: WriteTransaction, store: Store, driver: str) -> None:
        self.tx = tx
        self.store = store
        self.driver = driver
        self.now = store.now()
        self.warnings: list[str] = []

    def make(
        self,
        request: CreateRequest,
        asked: dict[str, Any],
        host: dict[str, Any],
        endpoints: Mapping[str, Any],
    ) -> rows.Container:
        """Write the rows and the event. Returns the container."""
        image = _find_image(self.tx, asked["Image"], request.platform)
        config = self._config(asked, image, request.platform)
        container_id = naming.new_id()
        name = naming.checked(request.name) if request.name else naming.generated(self.tx, container_id)
        naming.check_free(self.tx, name)
        host = self._host_config(host)
        config["Hostname"] = config["Hostname"] or _hostname(host, container_id)
        mounts = _Mounts(self, host, config).all()
        container = rows.Container(
            key=0,
            id=container_id,
            name=name,
            image=image.key if image else None,
            image_id=image.id if image else "",
            layer=image.layer if image else None,
            created=self.now,
            image_name=asked["Image"],
            driver=self.driver,
            config=config,
            host_config=host,
            networking=self._networking(config, host, endpoints),
            mounts=mounts,
            labels=config["Labels"] or {},
        )
        container = container.replace(key=rows.insert(self.tx, container))
        self._hold_volumes(container)
        if image:
            self.tx.execute("UPDATE image SET last_used = ? WHERE key = ?", (self.now, image.key))
        rows.record(self.tx, self.now, "create", container)
        return container

    def _config(self, asked: dict[str, Any], image: ImageRow | None, platform: str) -> dict[str, Any]:
        """Return the run settings: those asked for, and where they are silent the image's."""
        config = asked
        if image is not None:
            from ligan.images.inspect import read_document

            document = read_document(self.store.layout, image.id)
            if document.get("config") is not None:
                config = run_config(merge(asked, run_config(document["config"])))
            if not platform:
                self._warn_of_platform(image)
        if config["Entrypoint"] == [""]:  # how a client asks for none
            config["Entrypoint"] = None
        if not config["Entrypoint"] and not config["Cmd"]:
            raise Invalid("No command specified")
        if config["WorkingDir"]:
            config["WorkingDir"] = "/" + normpath(config["WorkingDir"]).lstrip("/")
        return config

    def _warn_of_platform(self, image: ImageRow) -> None:
        from ligan.images.host import host_platform

        actual, here = _platform(self.tx, image), host_platform()
        if not here.satisfies(actual):
            self.warnings.append(
                f"The requested image's platform ({actual}) does not match the detected host platform "
                f"({here}) and no specific platform was requested"
            )

    def _host_config(self, host: dict[str, Any]) -> dict[str, Any]:
        """Return the HostConfig with the defaults that Docker keeps of it."""
        from ligan.containers.spec import MASKED_PATHS, READONLY_PATHS

        host["NetworkMode"] = host["NetworkMode"] or "default"
        host["LogConfig"] = {
            "Type": host["LogConfig"]["Type"] or "json-file",
            "Config": host["LogConfig"]["Config"] or {},
        }
        if not host["Privileged"]:
            for field, paths in (("MaskedPaths", MASKED_PATHS), ("ReadonlyPaths", READONLY_PATHS)):
                host[field] = list(paths) if host[field] is None else host[field]
        # By its ID another container is found also after it was renamed.
        for field in ("PidMode", "IpcMode", "NetworkMode"):
            kind, colon, other = host[field].partition(":")
            if kind == "container" and colon:
                host[field] = f"container:{self._id_of(other, is_needed=field != 'NetworkMode')}"
        if host["NetworkMode"] in ("default", "bridge"):
            for link in host["Links"] or ():
                self._check_link(link)
        host["Runtime"] = host.get("Runtime") or "runc"
        return host_config(host)

    def _id_of(self, name: str, *, is_needed: bool) -> str:
        try:
            return rows.resolve_id(self.tx, name)
        except LiganError as error:
            if is_needed:
                raise Invalid(error.message) from None
            return name  # its absence is told when the container starts

    def _check_link(self, link: str) -> None:
        name = link.partition(":")[0]
        try:
            rows.resolve_id(self.tx, name)
        except LiganError as error:
            raise Invalid(f"could not get container for {name}: {error.message}") from None

    def _networking(
        self, config: Mapping[str, Any], host: Mapping[str, Any], endpoints: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the networks that the container is part of, by name (updateContainerNetworkSettings)."""
        mode = host["NetworkMode"]
        if config.get("NetworkDisabled") or mode.startswith("container:"):
            return {"EndpointsConfig": {}}
        name = "bridge" if mode == "default" else self._network_name(mode)
        asked = {self._network_name(key): settings for key, settings in endpoints.items()}
        if mode == "default" and "default" in asked:
            asked["bridge"] = asked.pop("default")
        return {"EndpointsConfig": asked or {name: endpoint_settings({})}}

    def _network_name(self, text: str) -> str:
        """Return the name of a network that is named by its ID, too."""
        found = self.tx.value("SELECT name FROM network WHERE id = ? OR name = ?", (text, text))
        return text if found is None else str(found)

    def _hold_volumes(self, container: rows.Container) -> None:
        self.tx.execute_many(
            """INSERT INTO container_volume (container, destination, volume)
               SELECT ?, ?, key FROM volume WHERE name = ?""",
            [
                (container.key, mount.destination, mount.name)
                for mount in container.mounts
                if mount.type == "volume"
            ],
        )


def _hostname(host: Mapping[str, Any], container_id: str) -> str:
    if host["NetworkMode"] == "host":
        return os.uname().nodename
    return container_id[:12]


class _Mounts:
    """What a new container mounts (registerMountPoints): later kinds take the place of earlier ones."""

    def __init__(self, maker: _Maker, host: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        self.maker = maker
        self.host = host
        self.config = config
        self.found: dict[str, Mount] = {}
        self.own: set[str] = set()

    def all(self) -> tuple[Mount, ...]:
        from ligan.containers.mounts import in_order, parse_bind, parse_mount

        self._from_containers()
        for bind in self.host["Binds"] or ():
            mount = parse_bind(bind, self.host["VolumeDriver"])
            if mount.destination in (self.host.get("Tmpfs") or {}):
                raise _duplicate(mount.destination)
            self._add(mount, {})
        for document in self.host.get("Mounts") or ():
            self._add(parse_mount(document), document.get("VolumeOptions") or {})
        self._anonymous()
        return in_order(self.found)

    def _from_containers(self) -> None:
        from ligan.containers.mounts import parse_volumes_from

        for spec in self.host["VolumesFrom"] or ():
            name, writable = parse_volumes_from(spec)
            try:
                other = rows.resolve(self.maker.tx, name)
            except NotFound as error:
                # Not as what is missing: a client would take it for the image, and pull.
                raise Invalid(error.message) from None
            for mount in other.mounts:
                self.found[mount.destination] = mount.replace(rw=mount.rw and writable, copy=False)

    def _add(self, mount: Mount, options: Mapping[str, Any]) -> None:
        if mount.destination in self.own:
            raise _duplicate(mount.destination)
        self.own.add(mount.destination)
        if mount.type == "volume":
            mount = self._with_volume(mount.replace(mode=mount.mode or "z"), options)
        elif mount.type == "bind":
            mount = self._checked_bind(mount)
        self.found[mount.destination] = mount

    def _with_volume(self, mount: Mount, options: Mapping[str, Any]) -> Mount:
        from ligan.containers import volumes

        layout = self.maker.store.layout
        volume = volumes.ensure(
            self.maker.tx,
            mount.name,
            self.maker.now,
            driver=mount.driver,
            options=(options.get("DriverConfig") or {}).get("Options"),
            labels=options.get("Labels"),
        )
        return mount.replace(name=volume.name, source=layout.volume_data(volume.name), driver=volumes.DRIVER)

    def _checked_bind(self, mount: Mount) -> Mount:
        """Keep what the store mounts from staying mounted in a container (validateBindDaemonRoot)."""
        root = self.maker.store.layout.root
        if not f"{root}/".startswith(mount.source.rstrip("/") + "/") and not mount.source.startswith(
            f"{root}/"
        ):
            return mount
        if mount.propagation == "rprivate" and "rprivate" not in mount.mode.split(","):
            return mount.replace(propagation="rslave")
        if mount.propagation not in ("rslave", "rshared"):
            raise Invalid(
                'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount '
                f'source is within the daemon root, daemon root: "{root}", '
                f'bind mount source: "{mount.source}", propagation: "{mount.propagation}"'
            )
        return mount

    def _anonymous(self) -> None:
        """Give each folder that the settings call a volume one, unless something is mounted there."""
        for path in self.config["Volumes"] or {}:
            destination = "/" + normpath(path).lstrip("/")
            if destination not in self.found and destination not in (self.host.get("Tmpfs") or {}):
                mount = Mount("volume", "", destination, driver=self.host["VolumeDriver"], copy=True)
                self.found[destination] = self._with_volume(mount, {})


def _duplicate(destination: str) -> Invalid:
    return Invalid(f"Duplicate mount point: {destination}")
