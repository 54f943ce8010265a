"""Containers as bytes: the shapes of Docker's documents, by API version (golden k_containers)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.containers.listing import ContainerSummary


def row(container: ContainerSummary) -> dict[str, Any]:
    """Return one container of a list. Sizes are there only where they were asked for, and are not 0."""
    document: dict[str, Any] = {
        "Id": container.id,
        "Names": container.names,
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": container.command,
        "Created": container.created,
        "Ports": container.ports,
    }
    if container.size_rw:
        document["SizeRw"] = container.size_rw
    if container.size_root:
        document["SizeRootFs"] = container.size_root
    return document | {
        "Labels": container.labels,
        "State": container.state,
        "Status": container.status,
        "HostConfig": {"NetworkMode": container.network_mode},
        "NetworkSettings": {"Networks": container.networks},
        "Mounts": container.mounts,
    }


def inspection(document: dict[str, Any], api: int) -> dict[str, Any]:
    """Return the engine's document, which is that of API 1.41, as a later version has it."""
    if api >= 44:
        for key in ("KernelMemory", "KernelMemoryTCP"):
            document["HostConfig"].pop(key, None)
    return document
