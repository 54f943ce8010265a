"""Debian's docker-registry of one's own, on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.dockerd import SERVERS
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


USER, PASSWORD = "joe", "s3cret"
HTPASSWD = f"{USER}:$2y$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n"


def with_password(folder: str) -> str:
    """Return the settings of a registry for USER and nobody else; who that is lies in `folder`."""
    with open(f"{folder}/htpasswd", "w", encoding="ascii") as file:
        file.write(HTPASSWD)
    return f"auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}\n"


def missing() -> str | None:
    """Say what is not installed, or None."""
    for program in ("docker-registry", "curl"):
        if shutil.which(program) is None:
            return f"needs a registry: no {program} (Debian packages docker-registry, curl)"
    return None


@contextmanager
def running(folder: str, settings: str = "", certificate: str = "") -> Iterator[str]:
    """Run a registry that keeps everything in `folder`; yields its `127.0.0.1:PORT`.

    `settings` are YAML, beyond those of every registry. By TLS with `certificate`, a file with its key.
    """
    port = free_port()
    command = [os.path.join(SERVERS, "docker-registry.sh"), folder, str(port), settings]
    by_tls = {f"REGISTRY_HTTP_TLS_{part}": certificate for part in ("CERTIFICATE", "KEY")}
    environment = {**os.environ, **(by_tls if certificate else {})}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run([os.path.join(SERVERS, "stop.sh"), folder], check=True)
        shutil.rmtree(folder)
