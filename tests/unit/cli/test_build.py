from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.build.building import BuildFailed
from ligan.build.contexts import Context
from ligan.build.files_tree import FilesTree
from ligan.build.request import BuildOutcome, BuildRequest, Replaced
from ligan.dockerfile.faults import DockerfileError
from ligan.oci.digest import ImageID
from tests.support.fake_engine import ID, OTHER_ID, FakeEngine

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

DONE = BuildOutcome(ImageID(ID))


class Recorded(FakeEngine):
    """Remembers what it was asked to build."""

    request: BuildRequest

    def build(self, request: BuildRequest, *_more: Any) -> BuildOutcome:
        self.request = request
        return DONE


def test_what_is_asked_for(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWN", "from here")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    engine = Recorded()
    words = ["-q", "-t", "app:1", "-t", "app:2", "--build-arg", "A=1", "--build-arg", "KNOWN"]
    words += ["--build-arg", "UNKNOWN", "--label", "a=b", "--label", "c", "--build-context", "x=/y"]
    words += ["--secret", "id=s,env=KNOWN", "--add-host", "h:1.2.3.4", "--shm-size", "1m", "."]
    assert ligan("build", *words, engine=engine) == (0, f"{ID}\n", "")
    found = engine.request
    assert (found.place, found.names, found.epoch) == (".", ("app:1", "app:2"), 5 * 10**9)
    assert found.arguments == {"A": "1", "KNOWN": "from here"}
    assert (found.labels, found.contexts) == ({"a": "b", "c": ""}, {"x": "/y"})
    assert found.secrets["s"].value == b"from here"
    assert found.host == {"ExtraHosts": ["h:1.2.3.4"], "ShmSize": 1 << 20}


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["--progress", "odd", "."], 1, "invalid progress mode odd"),
        (["--network", "mine", "."], 1, "not supported by buildkit"),
        (["-t", "BAD:1", "."], 125, "(library/BAD) must be lowercase"),
        (["--secret", "src=/x", "."], 1, "id is required"),
        (["--secret", "id=x,src=/not/there", "."], 1, "stat /not/there: no such file or directory"),
        (["--build-context", "x", "."], 1, "expected key=value"),
        (["-o", "type=odd,dest=/x", "."], 1, "could not be found"),
        (["-o", "type=local", "."], 1, "dest is required for local exporter"),
        (["-o", "a", "-o", "b", "."], 1, "multiple outputs"),
        ([], 1, "requires 1 argument"),
    ],
)
def test_what_is_refused(words: list[str], status: int, error: str, ligan: CommandLine) -> None:
    result = ligan("build", *words, engine=Recorded())
    assert result.status == status
    assert error in result.err


def test_what_lost_its_name_is_said_and_removed_where_that_is_asked_for(ligan: CommandLine) -> None:
    other = ImageID(OTHER_ID)
    outcome = DONE.replace(replaced=(Replaced("app:1", other, True), Replaced("app:2", other, False)))
    engine = FakeEngine(build=outcome)
    assert ligan("build", "-q", "-t", "app:1", ".", engine=engine).err == (
        f"ligan: app:1 was {other.short}, which has no name now; remove it: ligan rmi {other.short}\n"
    )


def test_a_failure_shows_the_lines(ligan: CommandLine) -> None:
    class Failing(FakeEngine):
        def build(self, *_asked: Any) -> BuildOutcome:
            context = Context(FilesTree({}), "FROM a\nODD\n", "Dockerfile")
            raise BuildFailed(DockerfileError("unknown instruction: ODD", 2, 2), context)

    result = ligan("build", ".", engine=Failing())
    assert (result.status, result.out) == (1, "")
    assert "Dockerfile:2\n" in result.err
    assert "   2 | >>> ODD\n" in result.err
    assert result.err.endswith("ERROR: failed to solve: unknown instruction: ODD\n")


def test_files_about_the_image(ligan: CommandLine, tmp_path: os.PathLike[str]) -> None:
    iid, metadata = f"{tmp_path}/iid", f"{tmp_path}/metadata"
    ligan("build", "-q", "--iidfile", iid, "--metadata-file", metadata, "-t", "app", ".", engine=Recorded())
    with open(iid) as file, open(metadata) as other:
        assert file.read() == ID
        assert json.load(other) == {
            "containerimage.config.digest": ID,
            "containerimage.digest": ID,
            "image.name": "docker.io/library/app:latest",
        }
