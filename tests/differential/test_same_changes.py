"""A real dockerd and Ligan see the same changes in a container, and make the same layers and archives."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ligan.errors import Invalid
from ligan.layers.beneath import NoSuchPath
from ligan.layers.diff import KINDS, overlay_changes, overlay_layer, upper_size
from ligan.layers.stack import Tree
from ligan.layers.tree_tar import export_tar, path_tar
from tests.support.overlays import merged_view

if TYPE_CHECKING:
    from collections.abc import Iterator

# One after the other in one container, each looked at before the next.
OPERATIONS = r"""
    true
    echo new > /new
    mkdir -p /made/a/b/c /made/empty
    touch "/made/a b" /made/a.b /made/é "/made/line
break" "/made/$(printf '\377')"
    mkdir /usr/made && rmdir /usr/made
    echo more >> /etc/passwd
    chmod 700 /etc/group
    chown 33:1000 /etc/shadow
    touch -d '2001-02-03 04:05:06' /etc/shadow
    setcap /bin/busybox
    setcap /etc/group
    chmod 4755 /new && chown 1000:50 /made
    ln /new /again && ln -s /new /link && ln /link /second
    ln /etc/passwd /etc/passwd2
    mkfifo /etc/pipe && mknod /null c 1 3 && mknod /disk b 7 200 && mknod /far b 259 70000
    rm /bin/cat /bin/date /bin/ls
    mkdir /bin/ls && echo x > /bin/ls/x
    rm -r /bin/ls && echo file > /bin/ls
    rm -r /home && mkdir /home && echo x > /home/x
    rm -r /var/spool && echo file > /var/spool
    rm -r /var/spool && mkdir /var/spool && mkdir /var/spool/mail
    rm -r /made/a && mkdir /made/a && touch /made/a/b
    mv /etc/group /made/group
    mv /lib /moved
    mv /new /made/new
    touch /bin/busybox.new && rm /bin/busybox.new
    truncate -s 3M /sparse && echo end >> /sparse
    mkdir -p /long/$(printf 'n%.0s' $(seq 200))/$(printf 'm%.0s' $(seq 120))
    touch /long/$(printf 'l%.0s' $(seq 99)) /long/$(printf 'l%.0s' $(seq 130))
    ln -s $(printf 't%.0s' $(seq 150)) /long/link
    touch -d '1960-01-01 00:00:00' /long
    chmod 1777 /tmp && chmod 2750 /root
    rm /link /second && mkdir /link
    rm -r /root
"""
SCRIPT = [
    line.strip().replace("\0", "\n") for line in OPERATIONS.replace("line\nbreak", "line\0break").split("\n")
]

PATHS = """
    /made /made/ /made/. /made/./ made/a /made/../made/new /made/up /made/up/ /made/up/. /made/up/../new
    /bin/sh /bin/sh/ /shell /shell/ /null /made/pipe /none /none/ /made/none/x /made/new/x /made/new/.
"""
EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


class Container:
    """A busybox that sleeps in a real dockerd."""

    def __init__(self, host: str, config: str) -> None:
        self._socket = host.removeprefix("unix://")
        self._environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": config}
        command = ["run", "--detach", "--network", "none", "busybox", "tail", "-f", "/dev/null"]
        self.id = self.docker(*command).decode().strip()
        self.graph: dict[str, str] = self.inspect(self.id)["GraphDriver"]["Data"]

    def docker(self, *arguments: str) -> bytes:
        command = ["docker", *arguments]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True).stdout

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker("inspect", name))[0]
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the API; return status and body."""
        url = f"http://docker/v1.41/containers/{self.id}/{path}"
        asked = subprocess.run(
            ["curl", "--silent", "--unix-socket", self._socket, "--write-out", "%{http_code}", url],
            check=True,
            capture_output=True,
        )
        return int(asked.stdout[-3:]), asked.stdout[:-3]

    def changes(self) -> list[tuple[str, str]]:
        found = json.loads(self.get("changes")[1]) or []
        return sorted((change["Path"], KINDS[change["Kind"]]) for change in found)

    def layer(self) -> tuple[str, int]:
        """Commit; return diff ID and size of the layer that was made."""
        image = self.docker("commit", self.id).decode().strip()
        size = self.docker("history", "--human=false", "--format", "{{.Size}}", image).split()[0]
        below = self.inspect("busybox")["RootFS"]["Layers"]
        layers = self.inspect(image)["RootFS"]["Layers"][len(below) :] or [EMPTY]
        self.docker("rmi", image)
        return layers[0], int(size)


@pytest.fixture
def container(dockerd: str, base_images: str, tmp_path: os.PathLike[str]) -> Iterator[Container]:
    environment = {**os.environ, "DOCKER_HOST": dockerd}
    subprocess.run(
        ["docker", "load", "--quiet", "--input", base_images],
        env=environment,
        check=True,
        capture_output=True,
    )
    container = Container(dockerd, os.fspath(tmp_path))
    try:
        yield container
    finally:
        container.docker("rm", "--force", container.id)


def our_layer(upper: str) -> tuple[str, int]:
    layer = hashlib.sha256()
    for chunk in overlay_layer(upper):
        layer.update(chunk)
    return f"sha256:{layer.hexdigest()}", upper_size(upper)


def our_archive(merged: str, path: str, container: str) -> tuple[int, bytes | str]:
    """Return what the API has to answer. Docker says of a path through a file that the server has failed."""
    try:
        return 200, b"".join(path_tar(merged, path))
    except NoSuchPath as missing:
        return 404, f"{missing} in container {container}"
    except Invalid as refused:
        return 500, str(refused)


@pytest.mark.dockerd
def test_same_changes_and_layers(container: Container, tmp_path: os.PathLike[str]) -> None:
    upper, merged = container.graph["UpperDir"], container.graph["MergedDir"]
    with merged_view(container.graph["LowerDir"], os.path.join(tmp_path, "lower")) as lower:
        for operation in filter(None, SCRIPT):
            if operation.startswith("setcap "):  # which no program of this image can do
                capability = bytes.fromhex("0100000200200000000000000000000000000000")
                os.setxattr(merged + operation.removeprefix("setcap "), "security.capability", capability)
            else:
                container.docker("exec", container.id, "/bin/busybox", "sh", "-c", operation)
            # Where a name is not UTF-8, Go's JSON has a replacement character for each byte that is wrong.
            ours = [
                (os.fsencode(path).decode("utf-8", "replace"), kind)
                for path, kind in overlay_changes(upper, Tree(lower)).items()
            ]
            assert sorted(ours) == container.changes(), operation
            assert our_layer(upper) == container.layer(), operation


@pytest.mark.dockerd
def test_same_archives(container: Container) -> None:
    script = (
        "mkdir -p /made/a; touch /made/new /made/a/x; ln -s ../../made/a /made/up; ln -s /bin/sh /shell;"
        "chown 33:1000 /made/new; chown 12345:8 /made/a; mkfifo /made/pipe; mknod /null c 1 3"
    )
    container.docker("exec", container.id, "sh", "-c", script)
    merged = container.graph["MergedDir"]
    assert b"".join(export_tar(merged)) == container.get("export")[1]
    for path in PATHS.split():
        status, body = container.get(f"archive?path={quote(path)}")
        theirs = body if status == 200 else json.loads(body)["message"].replace(merged, "")
        assert our_archive(merged, path, container.id) == (status, theirs), path
