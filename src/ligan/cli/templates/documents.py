"""The documents that docker inspects through a Go struct, with the types of its fields."""

from __future__ import annotations

from ligan.cli.templates.values import Duration, NilList, NilMap, Struct, Time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_EMPTY: Mapping[str, object] = {
    "string": "",
    "int": 0,
    "bool": False,
    "list": NilList(),
    "map": NilMap(),
    "set": NilMap(),
    "duration": Duration(0),
    "time": Time("0001-01-01T00:00:00Z"),
    "pointer": None,
}

_HEALTHCHECK = {
    "Test": "list",
    "Interval": "duration",
    "Timeout": "duration",
    "StartPeriod": "duration",
    "StartInterval": "duration",
    "Retries": "int",
}
_CONFIG = {
    "User": "string",
    "ExposedPorts": "set",
    "Env": "list",
    "Entrypoint": "list",
    "Cmd": "list",
    "Volumes": "set",
    "WorkingDir": "string",
    "Labels": "map",
    "StopSignal": "string",
    "ArgsEscaped": "bool",
    "Healthcheck": "pointer",
    "OnBuild": "list",
    "Shell": "list",
}
_CONTAINER_CONFIG = {
    "Hostname": "string",
    "Domainname": "string",
    "User": "string",
    "AttachStdin": "bool",
    "AttachStdout": "bool",
    "AttachStderr": "bool",
    "ExposedPorts": "set",
    "Tty": "bool",
    "OpenStdin": "bool",
    "StdinOnce": "bool",
    "Env": "list",
    "Cmd": "list",
    "Healthcheck": "pointer",
    "ArgsEscaped": "bool",
    "Image": "string",
    "Volumes": "set",
    "WorkingDir": "string",
    "Entrypoint": "list",
    "NetworkDisabled": "bool",
    "MacAddress": "string",
    "OnBuild": "list",
    "Labels": "map",
    "StopSignal": "string",
    "StopTimeout": "pointer",
    "Shell": "list",
}
_IMAGE = {
    "ID": "string",
    "RepoTags": "list",
    "RepoDigests": "list",
    "Parent": "string",
    "Comment": "string",
    "Created": "string",
    "Container": "string",
    "ContainerConfig": "pointer",
    "DockerVersion": "string",
    "Author": "string",
    "Config": "pointer",
    "Architecture": "string",
    "Variant": "string",
    "Os": "string",
    "OsVersion": "string",
    "Size": "int",
    "VirtualSize": "int",
    "GraphDriver": "pointer",
    "RootFS": "pointer",
    "Metadata": "pointer",
    "Descriptor": "pointer",
    "Manifests": "list",
}
_RENAMED = {"ID": "Id"}
_CONTAINER_CONFIG_OPTIONAL = (
    "ExposedPorts",
    "Healthcheck",
    "ArgsEscaped",
    "NetworkDisabled",
    "MacAddress",
    "StopSignal",
    "StopTimeout",
    "Shell",
)
_IMAGE_OPTIONAL = (
    "Created",
    "Container",
    "ContainerConfig",
    "Variant",
    "OsVersion",
    "VirtualSize",
    "Descriptor",
    "Manifests",
)


def image_document(document: Mapping[str, Any]) -> Struct:
    """Return an image's inspect document as the struct that docker's client 28 decodes it to.

    Fields that the document lacks have Go's zero values, and its other keys are
    left out: a template that names one is given the document itself instead.
    """
    fields = _typed(document, _IMAGE)
    fields["ContainerConfig"] = _config(document.get("ContainerConfig"), "container.Config")
    fields["Config"] = _config(document.get("Config"), "spec.DockerOCIImageConfig")
    driver = {"Data": "map", "Name": "string"}
    fields["GraphDriver"] = Struct(_typed(document.get("GraphDriver") or {}, driver), "storage.DriverData")
    layers = {"Type": "string", "Layers": "list"}
    fields["RootFS"] = Struct(
        _typed(document.get("RootFS") or {}, layers), "image.RootFS", ("Type", "Layers")
    )
    tagged = _typed(document.get("Metadata") or {}, {"LastTagTime": "time"})
    fields["Metadata"] = Struct(tagged, "image.Metadata")
    return Struct(fields, "image.InspectResponse", _IMAGE_OPTIONAL, _RENAMED)


def _config(document: Mapping[str, Any] | None, go_type: str) -> Struct | None:
    if document is None:
        return None
    oci = go_type == "spec.DockerOCIImageConfig"
    fields = _typed(document, _CONFIG if oci else _CONTAINER_CONFIG)
    if document.get("Healthcheck"):
        check = _typed(document["Healthcheck"], _HEALTHCHECK)
        fields["Healthcheck"] = Struct(check, "spec.HealthcheckConfig", _HEALTHCHECK)
    return Struct(fields, go_type, _CONFIG if oci else _CONTAINER_CONFIG_OPTIONAL)


def _typed(document: Mapping[str, Any], shape: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of `shape`, in its order, with the document's values or empty ones."""
    fields: dict[str, Any] = {}
    for name, kind in shape.items():
        value = document.get(_RENAMED.get(name, name))
        if value is None:
            value = _EMPTY[kind]
        elif kind == "duration":
            value = Duration(value)
        elif kind == "time":
            value = Time(value)
        elif kind == "set":
            value = {key: Struct({}) for key in value}
        fields[name] = value
    return fields


_MAPS = (
    "Annotations",
    "AuxiliaryAddresses",
    "Containers",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "IndexConfigs",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
)
_POINTERS = (
    "Healthcheck",
    "IPAMConfig",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "StopTimeout",
)
_LATER = {"State": "Health", "Config": "Healthcheck"}
"""Pointers that a document lacks while they are nil."""


def engine_document(document: Mapping[str, Any]) -> Struct:
    """Return the inspect document of a container, volume or network as nested structs.

    Its keys are the fields: Go's own, which an engine writes all of.
    """
    return _struct(document, "")


_VERSION_KEYS = {"APIVersion": "ApiVersion"}
_INFO_KEYS = {
    "BridgeNfIP6tables": "BridgeNfIp6tables",
    "CPUCfsPeriod": "CpuCfsPeriod",
    "CPUCfsQuota": "CpuCfsQuota",
    "HTTPProxy": "HttpProxy",
    "HTTPSProxy": "HttpsProxy",
}


def version_document(server: Mapping[str, Any]) -> Struct:
    """Return what docker's `version` formats: the client, which here is the same program, and the server."""
    client = {
        "Platform": server["Platform"],
        "Version": server["Version"],
        "ApiVersion": server["ApiVersion"],
        "DefaultAPIVersion": server["ApiVersion"],
        **{key: server[key] for key in ("GitCommit", "GoVersion", "Os", "Arch", "BuildTime")},
        "Context": "default",
    }
    parts = {
        "Client": _renamed(client, _VERSION_KEYS, "system.clientVersion", ("BuildTime",)),
        "Server": _renamed(server, _VERSION_KEYS, "types.Version", ("BuildTime",)),
    }
    return Struct(parts, "system.versionInfo")


def info_document(document: Mapping[str, Any]) -> Struct:
    """Return what docker's `info` formats, with Ligan's own facts below `Ligan`."""
    return _renamed(document, _INFO_KEYS, "system.dockerInfo")


def _renamed(
    document: Mapping[str, Any], keys: Mapping[str, str], go_type: str, optional: tuple[str, ...] = ()
) -> Struct:
    """Return a document as a struct. `keys` are the fields that have another name in JSON, with that."""
    names = {key: field for field, key in keys.items()}
    fields = {names.get(key, key): _value(value, key, "") for key, value in document.items()}
    return Struct(fields, go_type, optional, keys)


def _struct(document: Mapping[str, Any], name: str) -> Struct:
    fields = {key: _value(value, key, name) for key, value in document.items()}
    optional = _LATER.get(name, "")
    if optional:
        fields.setdefault(optional, None)
    return Struct(fields, optional=(optional,))


def _value(value: object, name: str, parent: str) -> object:
    is_map = name in _MAPS or (name == "Config" and parent == "LogConfig")
    if value is None:
        return None if name in _POINTERS else NilMap() if is_map else NilList()
    if isinstance(value, dict):
        if is_map:
            return {key: _value(item, "", name) for key, item in value.items()}
        return _struct(value, name)
    if isinstance(value, list):
        return [_value(item, "", name) for item in value]
    if parent == "Healthcheck" and name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        return Duration(value)  # type: ignore[call-overload]  # a number there
    return value
