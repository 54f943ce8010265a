"""docker-py, which leaves the socket of a stream that it has read to the collector."""

from __future__ import annotations

import gc
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import docker
import pytest

from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:.*<socket:pytest.PytestUnraisableExceptionWarning")
"""For tests by such a client."""


@contextmanager
def docker_py(daemon: Daemon) -> Iterator[Any]:
    """Give a client. At the end the collector comes: a later test would be blamed for what it finds."""
    with closing(docker.DockerClient(base_url=daemon.host, timeout=SECONDS)) as client:
        yield client
    gc.collect()
