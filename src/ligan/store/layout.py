"""Every path below a store's root; nobody else joins paths.

ROOT/ligan.db             the database (and its -wal and -shm)
ROOT/schema.lock          shared by every process, exclusive for a migration
ROOT/daemon.lock          held by the one daemon
ROOT/reserve, reserve-<n> disk space and inodes kept for deleting on a full disk
ROOT/blobs/sha256/<hex>   committed blobs
ROOT/layers/<hex>/        the layer of this diff ID, unpacked for overlay
ROOT/mounts/<hex>/        the layer of this diff ID, mounted while containers in use need it
ROOT/containers/<id>/     a container's writable layer, files and sockets (docs/decisions/0006-containers.md)
ROOT/namespace            which process keeps the user namespace of a user who is not root
ROOT/placeholders/<modes> the layer between an image and a container (layers/snapshots/placeholders)
ROOT/running/<id>         there from a container's start until the end of its run has been written down
ROOT/volumes/<name>/_data what a volume holds
ROOT/caches/<id>/         what a cache mount of builds holds
ROOT/builds               a file whose bytes builds lock: which steps are being made, and what is in use
ROOT/networks/            configuration and state of networks
ROOT/ingest/<lease>/      unfinished writes of one process, which holds a lock on the folder
ROOT/ingest/download-<hex>/  bytes of a blob that is being fetched, or was when its process ended
ROOT/trash/<id>           what the sweep took away and is being unlinked
"""

from __future__ import annotations

from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.oci.digest import Digest


_DOWNLOAD = "download-"


class Layout(Value):
    """Paths of one store. `root` is absolute, without a trailing slash."""

    root: str

    @property
    def database(self) -> str:
        return f"{self.root}/ligan.db"

    @property
    def schema_lock(self) -> str:
        return f"{self.root}/schema.lock"

    @property
    def daemon_lock(self) -> str:
        return f"{self.root}/daemon.lock"

    @property
    def reserve(self) -> str:
        return f"{self.root}/reserve"

    @property
    def blobs(self) -> str:
        return f"{self.root}/blobs/sha256"

    @property
    def ingest(self) -> str:
        return f"{self.root}/ingest"

    @property
    def trash(self) -> str:
        return f"{self.root}/trash"

    @property
    def layers(self) -> str:
        return f"{self.root}/layers"

    def tree(self, diff_id: str) -> str:
        """The folder of an unpacked layer."""
        return f"{self.root}/{self.tree_name(diff_id)}"

    def tree_name(self, diff_id: str) -> str:
        """The same below the root, as the outbox keeps it."""
        return f"layers/{diff_id.removeprefix('sha256:')}"

    @property
    def mounts(self) -> str:
        return f"{self.root}/mounts"

    def mount_point(self, diff_id: str) -> str:
        return f"{self.root}/mounts/{diff_id.removeprefix('sha256:')}"

    @property
    def containers(self) -> str:
        return f"{self.root}/containers"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    def container(self, container: str) -> str:
        """The folder of a container, by its whole ID."""
        return f"{self.root}/{self.container_name(container)}"

    def container_name(self, container: str) -> str:
        """The container's folder below the root, as the outbox keeps it."""
        return f"containers/{container}"

    def upper(self, container: str) -> str:
        """What a container has changed; not there with the driver vfs."""
        return f"{self.container(container)}/upper"

    def work(self, container: str) -> str:
        """The folder that overlay needs beside the upper one."""
        return f"{self.container(container)}/work"

    def merged(self, container: str) -> str:
        """Where a container's root file system is mounted; with vfs it is there always."""
        return f"{self.container(container)}/merged"

    def placeholders(self, modes: str) -> str:
        """The folder that lies between a container's image and its own changes."""
        return f"{self.root}/placeholders/{modes}"

    def namespace(self, container: str) -> str:
        """The file that a container's network namespace is mounted on."""
        return f"{self.container(container)}/netns"

    @property
    def networks(self) -> str:
        return f"{self.root}/networks"

    @property
    def user_namespace(self) -> str:
        """The file by which commands of a user who is not root find the user namespace of the store."""
        return f"{self.root}/namespace"

    @property
    def all_running(self) -> str:
        return f"{self.root}/running"

    def running(self, container: str) -> str:
        """The mark of a run that has begun to start and has not ended for good."""
        return f"{self.root}/running/{container}"

    def volume(self, name: str) -> str:
        return f"{self.root}/{self.volume_name(name)}"

    def volume_name(self, name: str) -> str:
        """The volume's folder below the root, as the outbox keeps it."""
        return f"volumes/{name}"

    def volume_data(self, name: str) -> str:
        """What a container sees of a volume."""
        return f"{self.root}/volumes/{name}/_data"

    @property
    def caches(self) -> str:
        return f"{self.root}/caches"

    def cache(self, cache: str) -> str:
        """What a cache mount of builds holds."""
        return f"{self.root}/{self.cache_name(cache)}"

    def cache_name(self, cache: str) -> str:
        """The cache mount's folder below the root, as the outbox keeps it."""
        return f"caches/{cache}"

    @property
    def builds(self) -> str:
        """The file in which each byte is a lock on a step of builds, or on a row of their cache."""
        return f"{self.root}/builds"

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that a store has, parents first."""
        names = ("blobs", "blobs/sha256", "layers", "containers", "ingest", "trash")
        return (self.root, *[f"{self.root}/{name}" for name in names])

    def blob(self, digest: Digest) -> str:
        return f"{self.root}/{self.blob_name(digest)}"

    def blob_name(self, digest: Digest) -> str:
        """The blob's path below the root, as the outbox keeps it."""
        return f"blobs/sha256/{digest.hex}"

    def lease(self, lease: str) -> str:
        return f"{self.root}/ingest/{lease}"

    def download(self, digest: Digest) -> str:
        return f"{self.root}/ingest/{_DOWNLOAD}{digest.hex}"

    def is_download(self, lease: str) -> bool:
        """Return whether a name in the ingest folder is that of a download."""
        return lease.startswith(_DOWNLOAD)

    def absolute(self, name: str) -> str:
        """Turn a name of the outbox into a path."""
        return f"{self.root}/{name}"

    def trashed(self, key: int) -> str:
        return f"{self.root}/trash/{key}"
