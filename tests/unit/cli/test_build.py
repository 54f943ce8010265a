from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from ligan.build.building import BuildFailed, Checked
from ligan.build.contexts import Context
from ligan.build.files_tree import FilesTree
from ligan.build.progress import Began, Finished, Wrote
from ligan.build.request import BuildOutcome, BuildRequest, Replaced
from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.nodes import Advice
from ligan.errors import LiganError
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
    assert found.arguments == {"A": "1", "KNOWN": "from here", "SOURCE_DATE_EPOCH": "5"}
    assert (found.labels, found.contexts) == ({"a": "b", "c": ""}, {"x": "/y"})
    assert found.secrets["s"].value == b"from here"
    assert found.host == {"ExtraHosts": ["h:1.2.3.4"], "ShmSize": 1 << 20}


def test_an_argument_counts_before_the_environment(
    ligan: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    engine = Recorded()
    ligan("build", "-q", "--build-arg", "SOURCE_DATE_EPOCH=7", ".", engine=engine)
    assert engine.request.epoch == 7 * 10**9


def test_what_a_context_of_an_image_goes_by(ligan: CommandLine) -> None:
    engine = Recorded()
    ligan("build", "-q", "--build-context", "docker.io/library/alpine:latest=/y", ".", engine=engine)
    assert engine.request.contexts == {"alpine": "/y"}


def test_privileges_that_are_granted(ligan: CommandLine) -> None:
    engine, other = Recorded(), Recorded()
    ligan("build", "-q", "--allow", "security.insecure", "--network", "host", ".", engine=engine)
    assert engine.request.allowed == ("security.insecure", "network.host")
    ligan("build", "-q", ".", engine=other)
    assert other.request.allowed == ()


def test_flags_of_the_classic_builder_that_mean_nothing_here(ligan: CommandLine) -> None:
    assert ligan("build", "-q", "--rm=false", "--force-rm", "--compress", ".", engine=Recorded()).status == 0
    assert "--force-rm" not in ligan("build", "--help").out


def test_an_agent_is_known_by_its_socket(ligan: CommandLine, tmp_path: os.PathLike[str]) -> None:
    engine = Recorded()
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(f"{tmp_path}/agent")
        ligan("build", "-q", "--ssh", f"default={tmp_path}/agent", ".", engine=engine)
    assert engine.request.agents == {"default": f"{tmp_path}/agent"}


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["--progress", "plain", "-q", "."], 1, "progress=plain and quiet cannot be used together"),
        (["--allow", "all", "."], 1, "unknown entitlement all"),
        (["--ssh", "default=/not/there", "."], 1, "stat /not/there: no such file or directory"),
        (["--ssh", "default=/", "."], 1, "/ is no socket of an agent"),
        (["--iidfile", "x", "-o", "out", "."], 1, "incompatible with image ID file"),
        (["--iidfile", "/", "."], 1, "removing image ID file: remove /: is a directory"),
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
            advice = [Advice("Rule", "Do not", 1, 1)]
            raise BuildFailed(DockerfileError("unknown instruction: ODD", 2, 2), context, advice)

    assert "warning" not in ligan("build", "-q", ".", engine=Failing()).err
    result = ligan("build", ".", engine=Failing())
    assert result.err.startswith("\n 1 warning found (use --check to expand):\n - Rule: Do not (line 1)\n")
    assert (result.status, result.out) == (1, "")
    assert "Dockerfile:2\n" in result.err
    assert "   2 | >>> ODD\n" in result.err
    assert result.err.endswith("ERROR: failed to solve: unknown instruction: ODD\n")


def test_a_file_does_not_tell_of_the_build_before(ligan: CommandLine, tmp_path: os.PathLike[str]) -> None:
    iid = f"{tmp_path}/iid"
    with open(iid, "w") as file:
        file.write("old")
    failing = FakeEngine(build=LiganError("no"))
    assert ligan("build", "--iidfile", iid, ".", engine=failing).status == 1
    assert not os.path.exists(iid)


def test_a_file_that_cannot_be_written_is_told(ligan: CommandLine) -> None:
    result = ligan("build", "-q", "--iidfile", "/not/there", ".", engine=Recorded())
    assert (result.status, result.err) == (
        1,
        "writing image ID file: open /not/there: no such file or directory\n",
    )


@pytest.mark.parametrize(("form", "out"), [("quiet", f"{ID}\n"), ("none", "")])
def test_a_quiet_build_tells_the_image_and_none_tells_nothing(
    form: str, out: str, ligan: CommandLine
) -> None:
    assert ligan("build", "--progress", form, ".", engine=Recorded()) == (0, out, "")


def test_an_archive_on_stdout_has_no_id_in_it(ligan: CommandLine) -> None:
    assert ligan("build", "-q", "-o", "type=oci,dest=-", ".", engine=Recorded()) == (0, "", "")


def test_a_check_tells_all_and_builds_nothing(ligan: CommandLine) -> None:
    text = "FROM a\nMAINTAINER b\n"
    advice = (Advice("MaintainerDeprecated", "It is deprecated", 2, 2),)
    found = ligan("build", "--check", ".", engine=FakeEngine(check_build=Checked(advice, text, "Dockerfile")))
    assert (found.status, found.out) == (
        1,
        "Check complete, 1 warning has been found!\n\n"
        "WARNING: MaintainerDeprecated - "
        "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/\n"
        "It is deprecated\n"
        "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> MAINTAINER b\n   3 |     \n"
        "--------------------\n",
    )
    nothing = FakeEngine(check_build=Checked((), text, "Dockerfile"))
    assert ligan("build", "--check", ".", engine=nothing) == (0, "Check complete, no warnings found.\n", "")


def test_a_quiet_failure_shows_what_the_step_wrote(ligan: CommandLine) -> None:
    class Failing(FakeEngine):
        def build(self, _request: BuildRequest, say: Any, *_more: Any) -> BuildOutcome:
            messages = (
                Began(1, 0, "[2/2] RUN x"),
                Wrote(1, 0, 2, b"why\n"),
                Finished(1, 0, error="it failed"),
            )
            for message in messages:
                say(message)
            raise LiganError("it failed")

    result = ligan("build", "-q", ".", engine=Failing())
    assert result == (1, "", "------\n > [2/2] RUN x:\n0.000 why\n------\nERROR: it failed\n")


@pytest.mark.parametrize("flag", ["--push", "--cache-to=x", "--attest=x", "--builder=x"])
def test_flags_that_there_are_not(flag: str, ligan: CommandLine) -> None:
    result = ligan("build", flag, ".", engine=Recorded())
    assert result.status == 125
    assert result.err.startswith(f"unknown flag: {flag.partition('=')[0]}\n")


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
