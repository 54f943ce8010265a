"""A client that does not read what its container writes: the container's end is told right all the same."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.dockers import docker
from tests.support.logs import await_standstill
from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from tests.support.serving import Daemon

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]

LINES = 20_000
"""Which a pipe alone would not hold."""


@pytest.mark.parametrize("tty", [False, True])
def test_status_is_known_before_a_slow_client_is_done(
    isolated: Daemon, store_root: str, *, tty: bool
) -> None:
    """conmon, which tells the status, waits for all who attached: pipes and sockets are full at the end."""
    # The kernel ends seq in the midst of it.
    script = "seq 1000000 & until test -e /end; do sleep 0.01; done; exit 7"
    flags = ["--name", "slow", *(["-t"] if tty else [])]
    command = ["docker", "-H", isolated.host, "run", *flags, "busybox", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline().rstrip() == b"1"
        container = docker(isolated, "inspect", "-f", "{{.Id}}", "slow").strip()
        await_standstill(f"{store_root}/containers/{container}/log", LINES)
        docker(isolated, "exec", "slow", "touch", "/end")
        state = ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "slow")
        assert (
            until(lambda: not (told := docker(isolated, *state)).startswith("running") and told)
            == "exited 7\n"
        )
        numbers = client.stdout.read().splitlines()
        assert numbers[:-1] == [b"%d" % number for number in range(2, len(numbers) + 1)]
        assert len(numbers) > LINES
        assert client.wait(SECONDS) == 7
