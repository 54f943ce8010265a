"""A stand-in for testcontainers' reaper (ryuk), which speaks its protocol, and an image to run it from.

The program below runs in a container, by nothing but the standard library. Its image is packed from the
interpreter that runs the tests: the modules that the program has loaded, and what the kernel has mapped.

Protocol: a client sends lines of filters such as `label=a=b&label=c`, each answered by ACK; when the last
client has gone for a while, what bears these labels is removed.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import urllib.parse

PORT = 8080
DOCKER_SOCKET = "/var/run/docker.sock"
SECONDS = 0.2
"""How long after a client has gone the next may come. The real one waits for ten seconds."""


def main() -> None:
    filters: list[list[str]] = []
    with socket.create_server(("", PORT)) as server:
        print("Started!", flush=True)
        while True:
            try:
                client, _ = server.accept()
            except TimeoutError:
                break
            with client:
                filters += _listen(client)
            if filters:  # else nobody has yet come for whom there is something to do
                server.settimeout(SECONDS)
    for labels in filters:
        _remove(labels)


def _listen(client: socket.socket) -> list[list[str]]:
    """Return the labels of each line that a client sends until it goes, in whatever way."""
    heard = []
    with client.makefile("rb") as lines:
        try:
            for line in lines:
                heard.append(urllib.parse.parse_qs(line.decode().strip())["label"])
                client.sendall(b"ACK\n")
        except ConnectionError:
            pass  # it was killed before it read the answer
    return heard


def _remove(labels: list[str]) -> None:
    chosen = urllib.parse.quote(json.dumps({"label": labels}))
    for container in _ask("GET", f"/containers/json?all=1&filters={chosen}"):
        _ask("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    for network in _ask("GET", f"/networks?filters={chosen}"):
        _ask("DELETE", f"/networks/{network['Id']}")
    for volume in _ask("GET", f"/volumes?filters={chosen}")["Volumes"]:
        _ask("DELETE", f"/volumes/{volume['Name']}")


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(DOCKER_SOCKET)


def _ask(method: str, path: str):  # type: ignore[no-untyped-def]  # a document of any shape
    connection = _Connection("docker")
    try:
        connection.request(method, f"/v1.41{path}")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status < 300, body
        return json.loads(body) if body else None
    finally:
        connection.close()


def image() -> tuple[bytes, list[str]]:
    """Return the tar of a root file system with this program, and the command that runs it."""
    listing = subprocess.run(
        [sys.executable, "-I", "-S", __file__, "--list"], check=True, capture_output=True, text=True
    )
    files = listing.stdout.splitlines()
    loader = next(path for path in files if os.path.basename(path).startswith("ld-"))
    folders = sorted({os.path.dirname(path) for path in files if ".so" in os.path.basename(path)})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in [*files, *_links(folders, files)]:
            tar.add(path, path[1:])
        tar.add(__file__, "reaper.py")
    python = os.path.realpath(sys.executable)
    command = [loader, "--library-path", ":".join(folders), python, "-I", "-S", "/reaper.py"]
    return packed.getvalue(), command


def _links(folders: list[str], files: list[str]) -> list[str]:
    """Return the links in these folders that name one of the files: a library is looked for by its link."""
    entries = [entry.path for folder in folders for entry in os.scandir(folder) if entry.is_symlink()]
    return [path for path in entries if os.path.realpath(path) in files]


def _list_files() -> None:
    """Print the paths of all files that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        mapped = [line.split(maxsplit=5)[5].strip() for line in maps if len(line.split(maxsplit=5)) == 6]
    modules = [getattr(module, "__file__", None) for module in sys.modules.values()]
    paths = {os.path.realpath(path) for path in [*mapped, *modules] if path and path.startswith("/")}
    print(*sorted(path for path in paths if os.path.isfile(path)), sep="\n")


if __name__ == "__main__":
    _list_files() if sys.argv[1:] == ["--list"] else main()
