"""Chain IDs and v1 IDs; the expected ones are those of archives that dockerd 20.10.24 saved."""

from __future__ import annotations

from ligan.oci.digest import ChainID, DiffID, sha256
from ligan.oci.identity import EMPTY_LAYER, V1_EPOCH, chain_id, chain_ids, v1_id
from ligan.oci.runconfig import run_config

# busybox and two layers on it (golden e_save_load).
DIFF_IDS = [
    DiffID("sha256:457cb9a32ac4b837e0459b1d0ecc63d817937e9011cee4207f6fe3ce7f8c27a1"),
    DiffID("sha256:87b3731d781da8207c5eefa72aee362a43510cd2cda2836a11c7906a29aaedf1"),
    DiffID("sha256:22170b704259267b421fd816521d13af6d389470e1c766f4d0f051247260c2b7"),
]
V1_IDS = [
    "cf0902aa7313b385a408d790ad7667ae7ef191db4a4da17850670d324d3b6478",
    "b91c33d7704ed990a5fdb9d322b8952c5681f0d3f78a84a1ced04fd53a18a5cd",
]
BELOW = {"created": V1_EPOCH, "container_config": run_config({})}


def test_chain_of_one_layer_is_its_diff_id() -> None:
    assert str(chain_id(None, DIFF_IDS[0])) == str(DIFF_IDS[0])
    assert len(chain_ids(DIFF_IDS[:1])) == 1


def test_chain_ids_are_those_docker_deletes() -> None:
    assert list(map(str, chain_ids(DIFF_IDS))) == [
        str(DIFF_IDS[0]),
        "sha256:6b051bee6a4e01a4fb52c153448093dfdb954d7da2158b7c5885b0bf863be026",
        "sha256:cc3722cb34a482b3ac1f5da8a81a4d3e175f9286aea38f3f9cffc3d029ea493d",
    ]


def test_chain_depends_on_order() -> None:
    assert chain_ids(DIFF_IDS)[-1] != chain_ids(DIFF_IDS[::-1])[-1]


def test_no_layers_have_no_chain() -> None:
    assert chain_ids([]) == []


def test_v1_ids_are_the_folders_of_a_saved_archive() -> None:
    chain = chain_ids(DIFF_IDS)
    assert v1_id(BELOW, chain[0], "") == V1_IDS[0]
    assert v1_id(BELOW, chain[1], V1_IDS[0]) == V1_IDS[1]


def test_v1_id_sorts_keys_at_the_top_only() -> None:
    layer = ChainID(DIFF_IDS[0])
    swapped = {"container_config": BELOW["container_config"], "created": V1_EPOCH}
    assert v1_id(swapped, layer, "") == V1_IDS[0]
    reordered = {"created": V1_EPOCH, "container_config": dict(reversed(run_config({}).items()))}
    assert v1_id(reordered, layer, "") != V1_IDS[0]


def test_empty_layer_is_two_blocks_of_zeros() -> None:
    assert sha256(bytes(1024)) == EMPTY_LAYER
