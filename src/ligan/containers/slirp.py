"""The network of a container without root: slirp4netns, a process that speaks to the world on its behalf.

Source: slirp4netns.1 (API socket, `--ready-fd`), tried with 1.2.0. All its containers have the same address.
"""

from __future__ import annotations

import os

from ligan.containers.ports import ANY
from ligan.containers.processes import Process, await_end, is_alive, send
from ligan.containers.spawning import inherited_environment, spawn
from ligan.errors import Unavailable, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.containers.ports import Port

ADDRESS, GATEWAY, NAMESERVER = "10.0.2.100", "10.0.2.2", "10.0.2.3"

_SIGKILL = 9
_TUN = "/dev/net/tun"
_HINT = "Install it: apt-get install slirp4netns. Without it there are --network none and host."


def start(folder: str, namespace: str, ports: Sequence[Port]) -> None:
    """Connect a network namespace. On return its eth0 is up and its ports are published.

    `folder` is the container's: by a file there `stop` knows the process. Raises Unavailable, naming the
    package, Unsupported for a protocol that cannot be published.
    """
    from shutil import which

    path = which("slirp4netns")
    if path is None:
        raise Unavailable(
            "slirp4netns is not installed: without root containers need it for this network", _HINT
        )
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise Unavailable(f"slirp4netns needs {_TUN}, which this user may not open", f"chmod 666 {_TUN}")
    ready, say = os.pipe2(os.O_CLOEXEC)
    errors, place = os.memfd_create("slirp4netns"), _open(folder)
    words = [
        *(path, "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3"),
        *("--api-socket", "/proc/self/fd/4/slirp", "--netns-type=path", namespace, "eth0"),
    ]
    try:
        pid = spawn(words, {2: errors, 3: say, 4: place}, inherited_environment())
        os.close(say)
        say = -1
        _write_down(folder, pid)
        if not os.read(ready, 1):
            lines = os.pread(errors, 1 << 16, 0).decode("utf-8", "replace").splitlines()
            raise Unavailable(f"slirp4netns: {lines[-1] if lines else 'it ended'}")
    finally:
        for file in (ready, errors, place, say):
            if file >= 0:
                os.close(file)
    for port in ports:
        _publish(folder, port)


def stop(folder: str) -> None:
    """On return the process that connects the container has ended. Of nothing, do nothing."""
    try:
        with open(_note(folder), encoding="ascii") as file:
            pid, started, boot = file.read().split()
    except FileNotFoundError:
        return
    process = Process(int(pid), int(started), boot)
    if is_alive(process):
        send(process, _SIGKILL)
        await_end(process)
    for path in (_socket(folder), _note(folder)):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def _note(folder: str) -> str:
    return f"{folder}/slirp4netns"


def _socket(folder: str) -> str:
    return f"{folder}/slirp"


def _write_down(folder: str, pid: int) -> None:
    process = Process.of(pid)
    if process is not None:
        with open(_note(folder), "w", encoding="ascii") as file:
            file.write(f"{process.pid} {process.started} {process.boot_id}")


def _publish(folder: str, port: Port) -> None:
    if port.protocol not in ("tcp", "udp"):
        raise Unsupported(f"without root a port of {port.protocol} cannot be published")
    answer = _ask(
        folder,
        "add_hostfwd",
        {
            "proto": port.protocol,
            "host_addr": port.host_address or ANY,
            "host_port": port.host_port,
            "guest_port": port.port,
        },
    )
    if "error" in answer:
        raise Unavailable(f"cannot publish port {port.host_port}: {answer['error'].get('desc', '')}")


def _open(folder: str) -> int:
    """Return a descriptor of the folder: by it its socket has a path of less than 108 bytes (unix(7))."""
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _ask(folder: str, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    import json
    import socket

    place = _open(folder)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(f"/proc/self/fd/{place}/slirp")
            client.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            client.shutdown(socket.SHUT_WR)
            answer: dict[str, Any] = json.loads(b"".join(iter(lambda: client.recv(4096), b"")))
            return answer
    finally:
        os.close(place)
