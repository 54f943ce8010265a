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
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.waiting import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE_SECONDS = 0.2
"""How long a client listens on that has its whole answer, where the connection stays."""


class Daemon:
    """A daemon that runs. `host` is what DOCKER_HOST would be, `path` that of its socket."""

    def __init__(self, path: str, log: str, process: subprocess.Popen[bytes]) -> None:
        self.path = path
        self.host = f"unix://{path}"
        self.process = process
        self.is_killed = False
        self._log = log

    def connect(self, timeout: float = SECONDS) -> socket.socket:
        """Return a new connection, on which nothing waits for longer than the timeout (in seconds)."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def ask(self, request: bytes, *, whole: bool = True, patience: float = SECONDS) -> bytes:
        """Return what is answered to these bytes before the daemon hangs up.

        Where neither these bytes ask for that, nor the daemon does it by itself, what
        comes before it is silent with nothing of an answer owed. Of a request that is not `whole` the
        client goes without waiting. Raises TimeoutError where nothing comes for so many seconds.
        """
        is_last = b"connection: close" in request.lower()
        with self.connect(patience) as connection:
            answer = b""
            try:
                connection.sendall(request)
                if not whole:
                    connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(1 << 16):
                    answer += chunk
                    connection.settimeout(SECONDS if is_last or is_cut(answer) else SILENCE_SECONDS)
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

    def await_log(self, pattern: str) -> re.Match[str]:
        """Return the first match in the log, once there is one."""
        return until(lambda: re.search(pattern, self.log()), self.log)


def is_cut(answer: bytes) -> bool:
    """Whether more of an answer has to come: of its head, or of a body whose length that tells."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return not blank or (length is not None and len(body) < int(length[1]))


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
    def is_there() -> bool:
        assert daemon.process.poll() is None, f"the daemon does not start: {daemon.log()}"
        try:
            daemon.connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    until(is_there, lambda: f"the daemon does not answer: {daemon.log()}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
