"""The same layers pushed, mounted, deleted, undone and pulled by 16 clients, while the registry is killed."""

from __future__ import annotations

import shutil

import pytest

from tests.support import registry as real_registry
from tests.support.ligan_registry import Client
from tests.support.soaking import Soak


def soak(root: str, seconds: float, seed: int) -> Soak:
    """Return a run in which everything was done, and no promise broken."""
    run = Soak(root, seconds, seed)
    run.run()
    assert run.faults == []
    return run


def serve_by_registry_2(run: Soak, folder: str) -> None:
    """Let docker-registry serve a copy of the folder: it has to serve every image, whole, and no other."""
    shutil.copytree(run.root, f"{folder}/data")
    with real_registry.running(folder) as address:
        client = Client(address)
        for repository, tag in run.ledger.tags():
            if known := run.ledger.look(repository, tag)[1]:
                client.pull(repository, tag)
                client.pull(repository, known)


@pytest.mark.docker_registry
def test_no_acknowledged_image_is_lost(registry_root: str, tmp_path: str) -> None:
    serve_by_registry_2(soak(registry_root, 12, 1), f"{tmp_path}/real")


@pytest.mark.soak
@pytest.mark.docker_registry
@pytest.mark.parametrize("seed", range(2, 5))
def test_no_acknowledged_image_is_lost_for_long(registry_root: str, tmp_path: str, seed: int) -> None:
    serve_by_registry_2(soak(registry_root, 120, seed), f"{tmp_path}/real")
