"""What a container asks of its host, in the fields and order of Docker's Go structs.

Source: engine 20.10, api/types/container.HostConfig, api/types/mount, api/types/network; golden k_containers.
"""

from __future__ import annotations

from ligan.oci.gostruct import (
    ALWAYS,
    UNLESS_EMPTY,
    UNLESS_NIL,
    boolean,
    embedded,
    integer,
    list_of,
    map_of,
    mapping,
    of,
    optional_boolean,
    optional_integer,
    pointer_to,
    string,
    strings,
    words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.oci.gostruct import Fields


def _sizes(value: Any, name: str) -> list[int]:
    """The console's height and width: an array, so never null."""
    items = [integer(item, name) for item in of(value, list, name) or ()]
    return [*items, 0, 0][:2]


_LOG: Fields = (("Type", string, ALWAYS), ("Config", mapping, ALWAYS))
_RESTART: Fields = (("Name", string, ALWAYS), ("MaximumRetryCount", integer, ALWAYS))
_BINDING: Fields = (("HostIp", string, ALWAYS), ("HostPort", string, ALWAYS))
_WEIGHT: Fields = (("Path", string, ALWAYS), ("Weight", integer, ALWAYS))
_RATE: Fields = (("Path", string, ALWAYS), ("Rate", integer, ALWAYS))
_DEVICE: Fields = (
    ("PathOnHost", string, ALWAYS),
    ("PathInContainer", string, ALWAYS),
    ("CgroupPermissions", string, ALWAYS),
)
_DEVICE_REQUEST: Fields = (
    ("Driver", string, ALWAYS),
    ("Count", integer, ALWAYS),
    ("DeviceIDs", strings, ALWAYS),
    ("Capabilities", list_of(strings), ALWAYS),
    ("Options", mapping, ALWAYS),
)
_ULIMIT: Fields = (("Name", string, ALWAYS), ("Hard", integer, ALWAYS), ("Soft", integer, ALWAYS))
_DRIVER: Fields = (("Name", string, UNLESS_EMPTY), ("Options", mapping, UNLESS_EMPTY))
_MOUNT: Fields = (
    ("Type", string, UNLESS_EMPTY),
    ("Source", string, UNLESS_EMPTY),
    ("Target", string, UNLESS_EMPTY),
    ("ReadOnly", boolean, UNLESS_EMPTY),
    ("Consistency", string, UNLESS_EMPTY),
    (
        "BindOptions",
        pointer_to((("Propagation", string, UNLESS_EMPTY), ("NonRecursive", boolean, UNLESS_EMPTY))),
        UNLESS_NIL,
    ),
    (
        "VolumeOptions",
        pointer_to(
            (
                ("NoCopy", boolean, UNLESS_EMPTY),
                ("Labels", mapping, UNLESS_EMPTY),
                ("DriverConfig", pointer_to(_DRIVER), UNLESS_NIL),
            )
        ),
        UNLESS_NIL,
    ),
    (
        "TmpfsOptions",
        pointer_to((("SizeBytes", integer, UNLESS_EMPTY), ("Mode", integer, UNLESS_EMPTY))),
        UNLESS_NIL,
    ),
)
_RESOURCES: Fields = (
    ("CpuShares", integer, ALWAYS),
    ("Memory", integer, ALWAYS),
    ("NanoCpus", integer, ALWAYS),
    ("CgroupParent", string, ALWAYS),
    ("BlkioWeight", integer, ALWAYS),
    ("BlkioWeightDevice", list_of(embedded(_WEIGHT)), ALWAYS),
    ("BlkioDeviceReadBps", list_of(embedded(_RATE)), ALWAYS),
    ("BlkioDeviceWriteBps", list_of(embedded(_RATE)), ALWAYS),
    ("BlkioDeviceReadIOps", list_of(embedded(_RATE)), ALWAYS),
    ("BlkioDeviceWriteIOps", list_of(embedded(_RATE)), ALWAYS),
    ("CpuPeriod", integer, ALWAYS),
    ("CpuQuota", integer, ALWAYS),
    ("CpuRealtimePeriod", integer, ALWAYS),
    ("CpuRealtimeRuntime", integer, ALWAYS),
    ("CpusetCpus", string, ALWAYS),
    ("CpusetMems", string, ALWAYS),
    ("Devices", list_of(embedded(_DEVICE)), ALWAYS),
    ("DeviceCgroupRules", strings, ALWAYS),
    ("DeviceRequests", list_of(embedded(_DEVICE_REQUEST)), ALWAYS),
    ("KernelMemory", integer, ALWAYS),
    ("KernelMemoryTCP", integer, ALWAYS),
    ("MemoryReservation", integer, ALWAYS),
    ("MemorySwap", integer, ALWAYS),
    ("MemorySwappiness", optional_integer, ALWAYS),
    ("OomKillDisable", optional_boolean, ALWAYS),
    ("PidsLimit", optional_integer, ALWAYS),
    ("Ulimits", list_of(embedded(_ULIMIT)), ALWAYS),
    ("CpuCount", integer, ALWAYS),
    ("CpuPercent", integer, ALWAYS),
    ("IOMaximumIOps", integer, ALWAYS),
    ("IOMaximumBandwidth", integer, ALWAYS),
)
_HOST_CONFIG: Fields = (
    ("Binds", strings, ALWAYS),
    ("ContainerIDFile", string, ALWAYS),
    ("LogConfig", embedded(_LOG), ALWAYS),
    ("NetworkMode", string, ALWAYS),
    ("PortBindings", map_of(list_of(embedded(_BINDING))), ALWAYS),
    ("RestartPolicy", embedded(_RESTART), ALWAYS),
    ("AutoRemove", boolean, ALWAYS),
    ("VolumeDriver", string, ALWAYS),
    ("VolumesFrom", strings, ALWAYS),
    ("CapAdd", words, ALWAYS),
    ("CapDrop", words, ALWAYS),
    ("CgroupnsMode", string, ALWAYS),
    ("Dns", strings, ALWAYS),
    ("DnsOptions", strings, ALWAYS),
    ("DnsSearch", strings, ALWAYS),
    ("ExtraHosts", strings, ALWAYS),
    ("GroupAdd", strings, ALWAYS),
    ("IpcMode", string, ALWAYS),
    ("Cgroup", string, ALWAYS),
    ("Links", strings, ALWAYS),
    ("OomScoreAdj", integer, ALWAYS),
    ("PidMode", string, ALWAYS),
    ("Privileged", boolean, ALWAYS),
    ("PublishAllPorts", boolean, ALWAYS),
    ("ReadonlyRootfs", boolean, ALWAYS),
    ("SecurityOpt", strings, ALWAYS),
    ("StorageOpt", mapping, UNLESS_EMPTY),
    ("Tmpfs", mapping, UNLESS_EMPTY),
    ("UTSMode", string, ALWAYS),
    ("UsernsMode", string, ALWAYS),
    ("ShmSize", integer, ALWAYS),
    ("Sysctls", mapping, UNLESS_EMPTY),
    ("Runtime", string, UNLESS_EMPTY),
    ("ConsoleSize", _sizes, ALWAYS),
    ("Isolation", string, ALWAYS),
    *_RESOURCES,
    ("Mounts", list_of(embedded(_MOUNT)), UNLESS_EMPTY),
    ("MaskedPaths", strings, ALWAYS),
    ("ReadonlyPaths", strings, ALWAYS),
    ("Init", optional_boolean, UNLESS_NIL),
)
_ENDPOINT: Fields = (
    (
        "IPAMConfig",
        pointer_to(
            (
                ("IPv4Address", string, UNLESS_EMPTY),
                ("IPv6Address", string, UNLESS_EMPTY),
                ("LinkLocalIPs", strings, UNLESS_EMPTY),
            )
        ),
        ALWAYS,
    ),
    ("Links", strings, ALWAYS),
    ("Aliases", strings, ALWAYS),
    ("NetworkID", string, ALWAYS),
    ("EndpointID", string, ALWAYS),
    ("Gateway", string, ALWAYS),
    ("IPAddress", string, ALWAYS),
    ("IPPrefixLen", integer, ALWAYS),
    ("IPv6Gateway", string, ALWAYS),
    ("GlobalIPv6Address", string, ALWAYS),
    ("GlobalIPv6PrefixLen", integer, ALWAYS),
    ("MacAddress", string, ALWAYS),
    ("DriverOpts", mapping, ALWAYS),
)
_POOL: Fields = (
    ("Subnet", string, UNLESS_EMPTY),
    ("IPRange", string, UNLESS_EMPTY),
    ("Gateway", string, UNLESS_EMPTY),
    ("AuxiliaryAddresses", mapping, UNLESS_EMPTY),
)
_IPAM: Fields = (
    ("Driver", string, ALWAYS),
    ("Options", mapping, ALWAYS),
    ("Config", list_of(embedded(_POOL)), ALWAYS),
)
_NETWORK: Fields = (
    ("Name", string, ALWAYS),
    ("CheckDuplicate", optional_boolean, UNLESS_NIL),
    ("Driver", string, ALWAYS),
    ("Scope", string, ALWAYS),
    ("EnableIPv6", boolean, ALWAYS),
    ("IPAM", pointer_to(_IPAM), ALWAYS),
    ("Internal", boolean, ALWAYS),
    ("Attachable", boolean, ALWAYS),
    ("Ingress", boolean, ALWAYS),
    ("ConfigOnly", boolean, ALWAYS),
    ("ConfigFrom", pointer_to((("Network", string, ALWAYS),)), ALWAYS),
    ("Options", mapping, ALWAYS),
    ("Labels", mapping, ALWAYS),
)

_READ_HOST_CONFIG = embedded(_HOST_CONFIG)
_READ_RESOURCES = embedded((*_RESOURCES, ("RestartPolicy", embedded(_RESTART), ALWAYS)))
_READ_ENDPOINT = embedded(_ENDPOINT)
_READ_NETWORK = embedded(_NETWORK)
_READ_NETWORKING = embedded((("EndpointsConfig", map_of(pointer_to(_ENDPOINT)), ALWAYS),))

_WHAT = "invalid container config"


def host_config(document: object) -> dict[str, Any]:
    """Return a HostConfig as Docker marshals it. Raises Invalid for a value of the wrong kind."""
    return _READ_HOST_CONFIG(document, f"{_WHAT}: HostConfig")


def resources(document: object) -> dict[str, Any]:
    """Return the limits and the restart policy that an update may change."""
    return _READ_RESOURCES(document, _WHAT)


def endpoint_settings(document: object) -> dict[str, Any]:
    """Return how a container takes part in a network; what only a running one has is empty."""
    return _READ_ENDPOINT(document, f"{_WHAT}: EndpointSettings")


def networking_config(document: object) -> dict[str, Any]:
    """Return the networks that a new container asks for."""
    return _READ_NETWORKING(document, f"{_WHAT}: NetworkingConfig")


def network_request(document: object) -> dict[str, Any]:
    """Return what a new network is to be; `CheckDuplicate` is there only where it was said."""
    return _READ_NETWORK(document, "invalid network")
