"""A daemon of Ligan of one's own: `ligan serve` on a socket in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 30
STOP_SECONDS = 30
SILENCE_SECONDS = 0.2


class Daemon:
    """A daemon that runs. `host` is what DOCKER_HOST would be, `path` that of its socket."""

    def __init__(self, path: str, log: str, process: subprocess.Popen[bytes]) -> None:
        self.path = path
        self.host = f"unix://{path}"
        self.process = process
        self.is_killed = False
        self._log = log

    def connect(self, timeout: float = 20.0) -> socket.socket:
        """Return a new connection, on which nothing waits for longer than the timeout (in seconds)."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def ask(self, request: bytes, *, whole: bool = True, patience: float = 20.0) -> bytes:
        """Return what is answered to these bytes before the daemon hangs up, or is silent for a while.

        Of a request that is not `whole` the client goes without waiting. Raises
        TimeoutError where nothing comes for so many seconds.
        """
        with self.connect(patience) as connection:
            answer = b""
            try:
                connection.sendall(request)
                if not whole:
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(1 << 16):
                    answer += chunk
                    connection.settimeout(SILENCE_SECONDS)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it had enough, and hung up with some of our bytes unread
            except TimeoutError:
                if not answer:
                    raise
            return answer

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self.is_killed = True
        self.process.kill()
        self.process.wait()

    def memory(self, which: str = "VmHWM") -> int:
        """Return the most bytes of memory that the daemon has had, or with VmRSS those it has."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            found = re.search(rf"{which}:\s+(\d+) kB", status.read())
        assert found
        return int(found[1]) * 1024

    def log(self) -> str:
        with open(self._log, encoding="utf-8") as file:
            return file.read()


NO_PROXY_THERE = "http://127.0.0.1:1"


@contextmanager
def serving(root: str, *flags: str, python: str = sys.executable) -> Iterator[Daemon]:
    """Serve the store at `root` by the Ligan of that Python.

    At the end the daemon, unless it was killed, must stop in order, with no fault in its log.
    """
    folder = tempfile.mkdtemp(prefix="ligan-")  # not the test's folder: the path of a socket has to be short
    log = os.path.join(folder, "log")
    path = os.path.join(folder, "ligan.sock")
    command = [python, "-m", "ligan", "--root", root, "serve", "--host", f"unix://{path}", *flags]
    environment = {
        **os.environ,
        "LIGAN_UNDO_DISK_LIMIT": "100%",
        # No test asks a registry beyond loopback: such a request ends at a proxy that is not there.
        "HTTP_PROXY": NO_PROXY_THERE,
        "HTTPS_PROXY": NO_PROXY_THERE,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    try:
        with (
            open(log, "wb") as errors,
            subprocess.Popen(command, env=environment, stdout=errors, stderr=errors) as process,
        ):
            daemon = Daemon(path, log, process)
            try:
                _await_answer(daemon)
                yield daemon
            finally:
                status = _stop(process)
        assert status == (-signal.SIGKILL if daemon.is_killed else 0), daemon.log()
        assert "Traceback" not in daemon.log(), daemon.log()
    finally:
        shutil.rmtree(folder)


def _await_answer(daemon: Daemon) -> None:
    deadline = time.monotonic() + START_SECONDS
    while daemon.process.poll() is None and time.monotonic() < deadline:
        try:
            daemon.connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the daemon does not answer: {daemon.log()}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
