"""Contexts built by a real dockerd and by Ligan: the same words, settings, histories, files and cache."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import socket
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.differential.builds import CASES, MTIME, Build, context
from tests.support.dockers import containing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.dockerd

_ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
_FOLDER = re.compile(r"/[^ ]*/overlay2/ID[0-9]+/merged(?=/)")
"""Where dockerd has mounted something, which it tells in some errors."""

_RED, _PLAIN = "\x1b[91m", "\x1b[0m"
_TIMES = ("Created", "LastTagTime")
_OWN = ("GraphDriver", "DockerVersion", "Metadata", "Size", "VirtualSize")


class Engine:
    """An engine by its socket. IDs are told by numbers, in the order in which they come up."""

    def __init__(self, host: str) -> None:
        self._path = host.removeprefix("unix://")
        self._numbers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(self._path)
        try:
            connection.request(
                method, f"/v1.41{path}", body=body, headers={"Content-Type": "application/x-tar"}
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def build(self, build: Build) -> tuple[list[Any], str]:
        """Return what is said, the text of a command joined, and the ID of the image, empty for none."""
        query = urlencode(build.parameters, doseq=True)
        status, body = self.ask("POST", f"/build?{query}", context(build.dockerfile, build.files))
        if status != 200:
            # Engine 20.10 answers 500 to some faults of a request (docs/compatibility.md).
            return [400 if status == 500 else status, self.numbered(body.decode())], ""
        lines = [json.loads(line) for line in body.split(b"\r\n") if line]
        image = next((line["aux"]["ID"] for line in reversed(lines) if "aux" in line), "")
        lines = [json.loads(self.numbered(json.dumps(line))) for line in lines]
        return _joined(lines), image

    def numbered(self, text: str) -> str:
        def number(match: re.Match[str]) -> str:
            return self._numbers.setdefault(match[0][:12], f"ID{len(self._numbers)}")

        return _FOLDER.sub("", _ID.sub(number, text))

    def describe(self, image: str) -> dict[str, Any]:
        """Return what an image is: its settings, its history, and what its layers hold."""
        document = self.get(f"/images/{image}/json")
        layers = document["RootFS"].pop("Layers", [])
        for key in _OWN:
            document.pop(key, None)
        history = self.get(f"/images/{image}/history")
        # dockerd saves no image without layers.
        config: Any = None
        contents: list[Any] = []
        if layers:
            _, archive = self.ask("GET", f"/images/{image}/get")
            config, contents = _saved(archive, len(layers))
        about = {"inspect": document, "history": history, "config": config}
        return {**json.loads(self.numbered(json.dumps(_timeless(about)))), "layers": contents}

    def left(self) -> Any:
        """Return the containers and images that are there, as far as they can be the same."""
        containers = self.get("/containers/json?all=1")
        images = self.get("/images/json?all=1")
        return [
            sorted([(item["Command"], item["State"]) for item in containers]),
            sorted([item["RepoTags"] or [] for item in images]),
        ]


def _joined(lines: list[Any]) -> list[Any]:
    """Join what commands print, stderr apart from stdout: how they are split is a matter of luck."""
    joined: list[Any] = []
    for line in lines:
        text = line.get("stream")
        if text is None or text.startswith(("Step ", " --->", "\n", "Removing ", "Successfully ")):
            joined.append(line)
            continue
        if not joined or "stdout" not in joined[-1]:
            joined.append({"stdout": "", "stderr": ""})
        is_error = text.startswith("\x1b[91m")
        joined[-1]["stderr" if is_error else "stdout"] += text.removeprefix("\x1b[91m").removesuffix(
            "\x1b[0m"
        )
    return joined


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: 0 if key.title() in _TIMES else _timeless(item)
            for key, item in value.items()
            if key != "docker_version"
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _saved(archive: bytes, layers: int) -> tuple[Any, list[Any]]:
    """Return the config in an archive, and the members of all layers but the lowest."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]  # it is a file
        config = json.load(tar.extractfile(manifest["Config"]))  # type: ignore[arg-type]  # as above
        config["rootfs"].pop("diff_ids", None)
        assert len(manifest["Layers"] or []) == layers
        names = (manifest["Layers"] or [])[0 if layers < 2 else 1 :]
        return config, [_members(tar.extractfile(name).read()) for name in names]  # type: ignore[union-attr]  # as above


def _members(layer: bytes) -> Any:
    if len(layer) > 1 << 20:
        return len(layer)  # a base image
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return sorted([_member(tar, item) for item in tar])


def _member(tar: tarfile.TarFile, item: tarfile.TarInfo) -> Any:
    data = tar.extractfile(item).read() if item.isreg() else b""  # type: ignore[union-attr]  # it is a file
    mtime = item.mtime if not item.isdir() and MTIME - 100 < item.mtime < MTIME + 100 else 0
    facts = (item.name.rstrip("/"), item.type.decode(), item.mode, item.uid, item.gid, item.linkname, mtime)
    return [*facts, item.size, hashlib.sha256(data).hexdigest()]


@pytest.fixture(scope="module")
def ligan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGAN_BRIDGE", "false")  # as the dockerd of these tests
        with containing(str(tmp_path_factory.mktemp("ligan") / "root")) as daemon:
            yield daemon.host


@pytest.fixture(scope="module")
def engines(base_images: str, dockerd: str, ligan: str) -> tuple[str, str]:
    """The addresses of both engines, which have the same images and no others."""
    with open(base_images, "rb") as file:
        archive = file.read()
    for host in (dockerd, ligan):
        engine = Engine(host)
        empty(engine)
        status, answer = engine.ask("POST", "/images/load?quiet=1", archive)
        assert status == 200, answer
    return dockerd, ligan


def clear(engine: Engine) -> None:
    """Remove what builds have left."""
    for container in engine.get("/containers/json?all=1"):
        engine.ask("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    engine.ask("POST", "/images/prune")


def empty(engine: Engine) -> None:
    """Remove every container and image: the tests before have left theirs on the same dockerd."""
    clear(engine)
    engine.ask("POST", f"/images/prune?{urlencode({'filters': json.dumps({'dangling': ['false']})})}")
    assert not engine.get("/images/json?all=1")


@pytest.mark.parametrize("case", CASES)
def test_same_builds(case: str, engines: tuple[str, str]) -> None:
    with ThreadPoolExecutor() as both:
        theirs, ours = both.map(_built, map(Engine, engines), [CASES[case]] * 2)
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        for their, our in zip(one, other, strict=True):
            assert our == their, number


def _built(engine: Engine, builds: list[Build]) -> list[Any]:
    """Return what each build said, made and left."""
    told = []
    for build in builds:
        said, image = engine.build(build)
        told.append((said, engine.describe(image) if image else None, engine.left()))
    clear(engine)
    return told


def test_same_cache_from_a_history(engines: tuple[str, str]) -> None:
    """An image that was loaded has no parents: `--cache-from` goes by its history, and makes them again."""
    docker, ligan = map(Engine, engines)
    dockerfile = "FROM busybox\nENV A=1\nRUN echo x > /x\nCOPY f /f\nENV B=1\n"
    docker.build(Build(dockerfile, {"f": "f"}, {"t": "loaded:1"}))
    _, archive = docker.ask("GET", "/images/loaded:1/get")
    docker.ask("DELETE", "/images/loaded:1")
    known: dict[str, str | list[str]] = {"cachefrom": '["loaded:1"]'}
    for engine in (docker, ligan):
        status, answer = engine.ask("POST", "/images/load?quiet=1", archive)
        assert status == 200, answer
    builds = [
        Build(dockerfile, {"f": "f"}, known),
        Build(dockerfile, {"f": "g"}, known),
        Build(f"{dockerfile}CMD x\n", {"f": "f"}, known),
        Build(dockerfile, {"f": "f"}),
    ]
    engines_anew = map(Engine, engines)  # their IDs are counted anew
    theirs, ours = (_built(engine, builds) for engine in engines_anew)
    assert ours == theirs
    for engine in (docker, ligan):
        engine.ask("DELETE", "/images/loaded:1")
        clear(engine)
