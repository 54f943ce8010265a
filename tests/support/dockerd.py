"""A real dockerd of one's own, in a folder, reachable by its socket alone."""

from __future__ import annotations

import os
import shutil
import subprocess

SERVERS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "servers")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str | None:
    """Say what a dockerd needs and this machine lacks, or None."""
    if os.geteuid() != 0:
        return "needs a real dockerd, so root"
    for program in ("dockerd", "docker", "curl"):
        if shutil.which(program, path=SYSTEM_PATH) is None:
            return f"needs a real dockerd: no {program} (Debian packages docker.io, curl)"
    return None


def start(folder: str) -> str:
    """Start a dockerd that keeps everything in `folder`; return its DOCKER_HOST once it answers.

    Raises CalledProcessError, whose `stderr` is the end of the daemon's log.
    """
    command = [os.path.join(SERVERS, "dockerd.sh"), folder]
    try:
        started = subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return started.stdout.strip().removeprefix("DOCKER_HOST=")


def stop(folder: str) -> None:
    """End the dockerd of `folder` by its process ID, then unmount and remove what it left."""
    subprocess.run([os.path.join(SERVERS, "stop.sh"), folder], check=True)
    shutil.rmtree(folder)
