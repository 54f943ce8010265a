"""Replaying what a real Docker client and engine answered, with `ligan` in the place of `docker`.

Image IDs vary with the time of a build. So each ID of the golden is matched
with the one that stands in its place, and must then stand there always. Times,
and the widths of columns that follow from them, are not compared.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import re
import shlex
import subprocess
import sys
import tarfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ligan.cli.main import main
from tests.support import archives, normalise
from tests.support.archives import Image, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pytest

DATA = os.path.join(os.path.dirname(os.path.dirname(__file__)), "golden", "data")

_ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
_TYPED_ID = re.compile(r"(?<![0-9a-zA-Z:./-])(?:sha256:)?[0-9a-f]{4,64}(?![0-9a-zA-Z:./-])")
_AGE = re.compile(
    r"Less than a second|About an? (?:minute|hour)|\d+ (?:second|minute|hour|day|week|month|year)s?"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?")

_WITH_STREAMS = ("run", "start", "exec", "logs", "cp")
"""Commands that give this process's own streams to a container."""

_SHELL = re.compile(r"[|<>;&$`*?]")

Step = tuple[str, "Mapping[str, bytes] | None"]
"""What a build step did: its `created_by`, and the files of its layer if it made one."""


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Replay:
    """One scenario, replayed on a store of its own that starts with the base images."""

    def __init__(self, scenario: str, folder: str, base_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with lzma.open(os.path.join(DATA, f"{scenario}.json.xz")) as file:
            self.steps: list[dict[str, Any]] = json.load(file)["steps"]
        self._folder = os.path.join(folder, "work")
        os.mkdir(self._folder)
        monkeypatch.chdir(self._folder)
        monkeypatch.setenv("LIGAN_ROOT", os.path.join(folder, "root"))
        monkeypatch.setenv("LIGAN_UNDO_DISK_LIMIT", "100%")
        monkeypatch.setenv("PYTHON", sys.executable)
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        self._monkeypatch = monkeypatch
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}
        self._cache: dict[tuple[str, str], Image] = {}
        self._clock = int(time.time()) - 3600
        self.busybox = _image_of(base_images, "busybox:latest")
        os.symlink(base_images, os.path.join(self._folder, "base_images.tar"))
        self.run("docker load -i base_images.tar")
        for known in _ID.findall(self.run("docker images -aq --no-trunc").stdout):
            self._match(known, known)

    def run(self, command: str) -> Answer:
        """Run a command line of a golden, `docker` being `ligan`; by bash where it needs one."""
        words = command.split()
        if words[0] == "docker" and words[1] not in _WITH_STREAMS and not _SHELL.search(command):
            return self._run_here(shlex.split(command)[1:])
        program = f'docker() {{ "$PYTHON" -m ligan "$@"; }}\n{command}'
        ended = subprocess.run(
            ["bash", "-c", program], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return Answer(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def _run_here(self, words: list[str]) -> Answer:
        with self._monkeypatch.context() as patch:
            streams = [io.TextIOWrapper(io.BytesIO()) for _ in range(3)]
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                patch.setattr(sys, name, stream)
            status = main(words)
        out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])
        return Answer(status, out, err)

    def build(
        self, tag: str, steps: Iterable[Step], *, labels: Mapping[str, str] | None = None, cache: bool = True
    ) -> None:
        """Do what `docker build` does on busybox: one image a step, each the parent of the next.

        A step that was built before, and is still there, is not built again.
        """
        here = set(self.run("docker images -aq --no-trunc").stdout.split())
        items = [Item(self.busybox)]
        for created_by, files in steps:
            parent = items[-1].image
            key = (parent.id, created_by)
            built = self._cache.get(key)
            if built is None or built.id not in here or not cache:
                self._clock += 1
                added = None if files is None else _layer(files, 0 if cache else self._clock)
                created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock))
                built = archives.image(created_by, created, parent=parent, add=added, labels=labels)
                self._cache[key] = built
            items.append(Item(built, parent=parent))
        items[-1] = items[-1]._replace(tags=(tag,))
        self.load(items)

    def load(self, items: Iterable[Item]) -> None:
        self.write("built.tar", archives.docker_archive(items))
        loaded = self.run("docker load -q -i built.tar")
        assert loaded.returncode == 0, loaded.stderr

    def write(self, name: str, content: bytes) -> None:
        path = os.path.join(self._folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def check(self, *indices: int, reading: Callable[[str], str] = normalise.listing) -> None:
        """Run these steps, and assert that everything they print is what docker printed."""
        for index in indices:
            step = self.steps[index]
            command = _TYPED_ID.sub(lambda found: self._translate(found[0]), step["cmd"])
            answer = self.run(command)
            where = f"step {index}: {command}"
            self._compare(reading(step["stdout"]), reading(answer.stdout), where)
            self._compare_errors(step["stderr"], answer.stderr, where)
            assert answer.returncode == step["exit_code"], where

    def check_range(self, first: int, last: int, *, without: Iterable[int] = ()) -> None:
        """Check all commands from the first to the last step, both included."""
        left_out = set(without)
        for index in range(first, last + 1):
            if self.steps[index]["kind"] == "cli" and index not in left_out:
                self.check(index)

    def _compare_errors(self, theirs: str, ours: str, where: str) -> None:
        expected = _as_ligan(theirs)
        own = [line for line in ours.splitlines() if not _is_note(line, expected)]
        self._compare(expected, "\n".join(own), where)

    def _compare(self, theirs: str, ours: str, where: str) -> None:
        assert _plain(ours) == _plain(theirs), where
        for one, other in zip(_ID.findall(theirs), _ID.findall(ours), strict=True):
            assert self._match(one, other), f"{where}: {other} stands for {one}, and did not before"

    def _match(self, theirs: str, ours: str) -> bool:
        if len(theirs) == 64 or theirs[:12] not in self._ours:
            self._ours.setdefault(theirs[:12], ours)
            if len(ours) > len(self._ours[theirs[:12]]):
                self._ours[theirs[:12]] = ours
            self._theirs.setdefault(ours[:12], theirs[:12])
        return self._ours[theirs[:12]][:12] == ours[:12] and self._theirs[ours[:12]] == theirs[:12]

    def _translate(self, word: str) -> str:
        """Return the ID of ours that a command means, cut to the same length."""
        prefix, digits = ("sha256:", word[7:]) if word.startswith("sha256:") else ("", word)
        for theirs, ours in self._ours.items():
            if theirs.startswith(digits[:12]):
                return prefix + ours[: len(digits)]
        return word


def _layer(files: Mapping[str, bytes], mtime: int) -> bytes:
    """Return the tar of a layer. A name that ends in a slash is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size, member.mtime = len(content), mtime
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _image_of(archive: str, name: str) -> Image:
    with tarfile.open(archive) as tar:

        def read(member: str) -> bytes:
            file = tar.extractfile(member)
            assert file is not None
            return file.read()

        for item in json.loads(read("manifest.json")):
            if name in (item["RepoTags"] or ()):
                return Image(read(item["Config"]), tuple(map(read, item["Layers"])))
    raise LookupError(name)


def without_ids(text: str) -> str:
    """Leave out IDs, where rows come in any order."""
    return normalise.pruning(_ID.sub("ID", text))


_DATA_PATH = re.compile(r"/\S*/docker-import-\d+/")


def _as_ligan(stderr: str) -> str:
    """Return docker's words with the other name, without its slip of the pen and the daemon's own paths."""
    return _DATA_PATH.sub("", stderr).replace("docker", "ligan").replace("SRun '", "Run '")


def _is_note(line: str, expected: str) -> bool:
    return line.startswith("ligan: ") and _plain(line) not in _plain(expected).splitlines()


def _plain(text: str) -> str:
    """Leave out IDs, times, the widths of columns, and what is left at the end."""
    text = _ID.sub("ID", text)
    text = _DATE.sub("DATE", _AGE.sub("AGE", text))
    return re.sub(" {2,}", "  ", text).rstrip("\n")
