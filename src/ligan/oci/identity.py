"""Identities that are computed: chain IDs of layers and legacy v1 IDs."""

from __future__ import annotations

from ligan.oci.digest import ChainID, DiffID, sha256
from ligan.oci.gojson import go_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EMPTY_LAYER = DiffID("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
"""The layer that changes nothing: a tar of two zero blocks."""

V1_EPOCH = "1970-01-01T00:00:00Z"


def chain_id(parent: ChainID | None, diff_id: DiffID) -> ChainID:
    """Return the chain ID of a layer on its parent (OCI image-spec, config.md, "Layer ChainID")."""
    return ChainID(diff_id if parent is None else sha256(f"{parent} {diff_id}".encode()))


def chain_ids(diff_ids: Iterable[DiffID]) -> list[ChainID]:
    """Return the chain ID of every prefix of the diff IDs, bottom first."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return chain


def v1_id(fields: Mapping[str, object], layer: ChainID, parent: str) -> str:
    """Return the 64 hex digits that name a layer's folder in a docker-archive.

    `fields` is the v1 image without its own ID and parent, in Docker's spelling
    and order; `parent` is the v1 ID of the layer below, or empty. The keys at
    the top are sorted before hashing, those below are not (engine 20.10, image/v1).
    """
    document: dict[str, object] = {**fields, "layer_id": layer}
    if parent:
        document["parent"] = f"sha256:{parent}"
    return sha256(go_json({key: document[key] for key in sorted(document)})).hex
