"""The modern builder with real containers: what steps make, what the cache keeps, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from ligan.build.building import BuildFailed
from ligan.build.progress import Began, Finished, Wrote
from ligan.build.request import BuildRequest, Secret
from ligan.containers.ending import reconcile
from ligan.engine.embedded import EmbeddedEngine
from ligan.errors import Invalid
from ligan.oci.digest import Digest
from ligan.store.store import Store
from tests.support.homes import PARENT, cgroups_of
from tests.support.mounts import below as mounts_below
from tests.support.stores import KEEP
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ligan.build.progress import Message
    from tests.support.homes import Home

pytestmark = pytest.mark.root

HOST = {"CgroupParent": PARENT}


class Builds:
    """A home, and a folder for contexts."""

    def __init__(self, home: Home, folder: str) -> None:
        self.home = home
        self.folder = folder
        self.told: list[Message] = []

    def write(self, dockerfile: str, **files: str) -> None:
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            path = f"{self.folder}/{name}"
            with open(path, "w") as file:
                file.write(content)

    def build(self, dockerfile: str, files: dict[str, str] | None = None, **asked: Any) -> str:
        """Return the ID of the image that is made."""
        self.write(dockerfile, **(files or {}))
        self.told.clear()
        network = {"network": "none", "host": HOST}
        request = BuildRequest(self.folder, **{**network, **asked})
        outcome = self.home.engine.build(request, self.told.append)
        assert outcome.image is not None
        return outcome.image

    @property
    def output(self) -> bytes:
        return b"".join([message.data for message in self.told if isinstance(message, Wrote)])

    @property
    def cached(self) -> int:
        return sum(isinstance(message, Finished) and message.cached for message in self.told)

    def members(self, image: str) -> list[list[str]]:
        """Return the names in each layer but those of the base image."""
        document = self.home.engine.inspect_image(image)
        found = []
        for layer in document["RootFS"]["Layers"][1:]:
            with tarfile.open(self.home.store.layout.blob(Digest(layer))) as tar:
                found.append(tar.getnames())
        return found

    def history(self, image: str) -> list[str]:
        return [row.created_by for row in self.home.engine.history(image)]


@pytest.fixture
def builds(home: Home, tmp_path: os.PathLike[str]) -> Iterator[Builds]:
    """When the test is over, nothing of a build may be mounted, and no container be left."""
    folder = f"{tmp_path}/context"
    os.mkdir(folder)
    yield Builds(home, folder)
    assert home.engine.list_containers({}, show_all=True) == []
    assert os.listdir(home.store.layout.containers) == []
    assert mounts_below(home.root) == []


DOCKERFILE = """FROM busybox
ENV A=b
RUN echo $A > /x && rm /bin/vi
WORKDIR /w/x
COPY f .
CMD ["sh"]
"""


def test_one_image_with_buildkits_history(builds: Builds) -> None:
    before = [item.id for item in builds.home.engine.list_images({}, show_all=True)]
    image = builds.build(DOCKERFILE, {"f": "hello"}, names=("app:1",))
    document = builds.home.engine.inspect_image("app:1")
    assert (document["Id"], document["Parent"], document["Comment"]) == (image, "", "buildkit.dockerfile.v0")
    assert builds.history(image)[:5] == [
        'CMD ["sh"]',
        "COPY f . # buildkit",
        "WORKDIR /w/x",
        "RUN /bin/sh -c echo $A > /x && rm /bin/vi # buildkit",
        "ENV A=b",
    ]
    assert builds.members(image) == [
        ["bin", "bin/.wh.vi", "x"],
        ["w", "w/x"],
        ["w", "w/x", "w/x/f"],
    ]
    assert {item.id for item in builds.home.engine.list_images({}, show_all=True)} == {image, *before}


def test_a_second_build_makes_nothing(builds: Builds) -> None:
    first = builds.build(DOCKERFILE, {"f": "hello"})
    assert builds.cached == 1  # the base image
    assert builds.build(DOCKERFILE, {"f": "hello"}) == first
    assert builds.cached == 4
    os.utime(f"{builds.folder}/f", (1, 1))
    assert builds.build(DOCKERFILE) == first
    assert builds.build(DOCKERFILE, {"f": "other"}) != first
    assert builds.cached == 3
    assert builds.build(DOCKERFILE, no_cache=True) != first
    assert builds.cached == 1


def test_an_argument_counts_for_steps_after_it(builds: Builds) -> None:
    text = "FROM busybox\nRUN echo a > /a\nARG V=1\nRUN echo $V > /v\n"
    builds.build(text)
    builds.build(text, arguments={"V": "2"})
    assert builds.cached == 2
    image = builds.build(text, arguments={"V": "2"})
    assert builds.cached == 3
    assert builds.history(image)[0] == "RUN |1 V=2 /bin/sh -c echo $V > /v # buildkit"


def test_a_step_that_fails_keeps_what_was_made_before(builds: Builds) -> None:
    text = "FROM busybox\nRUN echo one > /one\nRUN echo two; exit 3\n"
    with pytest.raises(BuildFailed) as caught:
        builds.build(text)
    assert caught.value.message == (
        'process "/bin/sh -c echo two; exit 3" did not complete successfully: exit code: 3'
    )
    assert "   3 | >>> RUN echo two; exit 3\n" in caught.value.excerpt
    assert builds.output == b"two\n"
    builds.build("FROM busybox\nRUN echo one > /one\n")
    assert builds.cached == 2


def test_stages_side_by_side_and_only_those_that_are_needed(builds: Builds) -> None:
    # Each stage waits for what the other one writes: one after the other they would not come to an end.
    share = "--mount=type=cache,target=/share"
    wait = "for i in $(seq 1200); do test -e /share/{} && exit 0; sleep 0.05; done; exit 1"
    image = builds.build(
        "FROM busybox AS one\n"
        f"RUN {share} touch /one /share/one; {wait.format('two')}\n"
        "FROM busybox AS two\n"
        f"RUN {share} touch /two /share/two; {wait.format('one')}\n"
        "FROM busybox AS unused\n"
        "RUN false\n"
        "FROM busybox\n"
        "COPY --from=one /one /\n"
        "COPY --from=1 --chown=3:4 /two /\n"
    )
    assert builds.members(image) == [["one"], ["two"]]
    names = [message.name for message in builds.told if isinstance(message, Began)]
    assert sum(" FROM " in name for name in names) == 1  # one image


def test_what_fails_in_one_stage_ends_the_others(builds: Builds) -> None:
    share = "--mount=type=cache,target=/share"
    text = (
        f"FROM busybox AS a\nRUN {share} touch /share/a; sleep 1000\n"
        f"FROM busybox AS b\nRUN {share} until test -e /share/a; do sleep 0.05; done; exit 7\n"
        "FROM a\nCOPY --from=b / /\n"
    )
    with pytest.raises(BuildFailed, match="exit code: 7"):
        builds.build(text)
    assert sum(isinstance(message, Finished) and message.cancelled for message in builds.told) >= 1


def test_mounts_of_a_step(builds: Builds) -> None:
    image = builds.build(
        "FROM busybox AS base\n"
        "RUN echo from > /from\n"
        "FROM base\n"
        "RUN --mount=type=secret,id=s cat /run/secrets/s; stat -c %a /run/secrets/s\n"
        "RUN --mount=type=secret,id=s,env=KEY echo $KEY\n"
        "RUN --mount=type=bind,from=base,source=/from,target=/there cat /there; ! touch /there\n"
        "RUN --mount=type=bind,target=/ctx,rw touch /ctx/new; cat /ctx/f; echo\n"
        "RUN --mount=type=bind,target=/ctx test ! -e /ctx/new && test -e /ctx/f\n"
        "RUN --mount=type=tmpfs,target=/fast touch /fast/x\n"
        "RUN --mount=type=cache,target=/c,id=x,mode=0700 echo again >> /c/f; stat -c %a /c\n"
        "RUN --mount=type=cache,target=/d,id=x,mode=0700 cat /d/f\n",
        {"f": "content"},
        secrets={"s": Secret(value=b"password\n")},
    )
    shown = [line for line in builds.output.decode().split("\n") if not line.startswith("touch: ")]
    assert shown == ["password", "400", "password", "from", "content", "700", "again", ""]
    assert builds.members(image) == [["from"], [], [], [], [], [], [], [], []]
    assert not os.path.exists(f"{builds.folder}/new")
    assert b"password" not in _database(builds.home)


def test_what_lies_in_mounted_memory_can_be_run(builds: Builds) -> None:
    builds.build(
        "FROM busybox\n"
        "RUN --mount=type=tmpfs,target=/fast cp /bin/busybox /fast/echo && /fast/echo ran\n"
        "RUN --mount=type=tmpfs,target=/fast,ro ! touch /fast/x 2> /dev/null\n"
    )
    assert builds.output == b"ran\n"


def test_what_of_a_stage_is_not_mounted_may_change(builds: Builds) -> None:
    text = (
        "FROM busybox AS base\nCOPY f /f\nRUN mkdir -m {} /d && echo {} > /d/x && chown 3 /d/x\n"
        "FROM busybox\nRUN --mount=from=base,source=/d,target=/m stat -c '%n %a %u' /m /m/x; cat /m/x\n"
    )
    first = builds.build(text.format(755, "same"), {"f": "one"})
    assert builds.output == b"/m 755 0\n/m/x 644 3\nsame\n"
    assert builds.build(text.format(755, "same"), {"f": "two"}) == first
    for mode, said in ((700, "same"), (755, "other")):
        builds.build(text.format(mode, said))
        assert builds.output == f"/m {mode} 0\n/m/x 644 3\n{said}\n".encode()


def test_a_file_that_is_mounted_can_be_written_to_and_stays_as_it_was(builds: Builds) -> None:
    image = builds.build(
        "FROM busybox\n"
        "WORKDIR /w\n"
        "RUN --mount=type=bind,source=f,target=f,rw echo more >> f; cat f\n"
        "RUN --mount=type=bind,source=f,target=f cat f\n",
        {"f": "content\n"},
    )
    assert builds.output == b"content\nmore\ncontent\n"
    assert builds.members(image) == [["w"], [], []]


@pytest.mark.parametrize("target", ["/", ".", "../.."])
def test_nothing_is_mounted_in_the_place_of_the_root(target: str, builds: Builds) -> None:
    with pytest.raises(BuildFailed, match=r'^invalid mount target "/"$'):
        builds.build(f"FROM busybox\nRUN --mount=type=bind,target={target} true\n")


def test_a_folder_that_is_mounted_is_roots_whoever_has_it_here(builds: Builds) -> None:
    text = "FROM busybox\nRUN --mount=type=bind,target=/ctx stat -c %u:%g /ctx /ctx/f\n"
    builds.write(text, f="content")
    for owner in (1000, 1001):
        os.chown(f"{builds.folder}/f", owner, owner)
        os.chown(builds.folder, owner, owner)
        builds.build(text)
        assert (builds.output, builds.cached) in ((b"0:0\n0:0\n", 1), (b"", 2))


def test_a_cache_that_begins_in_another_way_is_another_one(builds: Builds) -> None:
    builds.build(
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c touch /c/x\n"
        "RUN --mount=type=cache,target=/c,uid=5,gid=6,mode=0700 stat -c '%u %g %a' /c; ls /c\n"
        "RUN --mount=type=cache,target=/c,from=busybox,source=/etc test -e /c/passwd -a ! -e /c/x\n"
        "RUN --mount=type=cache,target=/c stat -c '%u %g %a' /c; ls /c\n"
    )
    assert builds.output == b"5 6 700\n0 0 755\nx\n"


@pytest.mark.parametrize("sharing", ["shared", "locked", "private"])
def test_a_step_mounts_one_cache_twice(sharing: str, builds: Builds) -> None:
    cache = f"--mount=type=cache,id=x,sharing={sharing},target="
    builds.build(f"FROM busybox\nRUN {cache}/one {cache}/two touch /one/file; ls /two\n")
    assert builds.output == b"file\n"


def test_steps_that_lock_caches_in_turns_do_not_wait_for_each_other(builds: Builds) -> None:
    one, two = (f"--mount=type=cache,id={name},sharing=locked,target=/{name}" for name in ("one", "two"))
    builds.build(
        "FROM busybox AS base\n"
        f"RUN {one} {two} touch /one/x /two/x\n"
        "FROM base AS left\n"
        f"RUN {one} {two} touch /l\n"
        "FROM base AS right\n"
        f"RUN {two} {one} touch /r\n"
        "FROM left\n"
        "COPY --from=right /r /r\n"
    )


def test_what_a_copy_leaves_out_may_change(builds: Builds) -> None:
    text = "FROM busybox\nCOPY --exclude=*.md . /x/\nRUN ls /x\n"
    first = builds.build(text, {"f": "content", "a.md": "one"})
    assert builds.build(text, {"a.md": "two", "b.md": "new"}) == first
    assert builds.build(text, {"f": "changed"}) != first


def _database(home: Home) -> bytes:
    found = b""
    for name in ("ligan.db", "ligan.db-wal"):
        if os.path.exists(f"{home.root}/{name}"):
            with open(f"{home.root}/{name}", "rb") as file:
                found += file.read()
    return found


def test_a_secret_that_is_required_and_not_there(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="secret s: not found"):
        builds.build("FROM busybox\nRUN --mount=type=secret,id=s,required=true true\n")


def test_what_is_not_there_is_the_fault_of_its_step(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match='"/nope": not found'):
        builds.build("FROM busybox\nCOPY nope /x\n")
    last = builds.told[-1]
    assert isinstance(last, Finished)
    assert '"/nope": not found' in last.error


@pytest.mark.parametrize("line", ["FROM {}", "FROM busybox\nCOPY --from={} /a /b"])
def test_an_image_that_is_not_to_be_had_is_named(line: str, builds: Builds) -> None:
    name = "127.0.0.1:1/nope"
    with pytest.raises(BuildFailed, match=f"^{name}: failed to resolve source metadata for {name}:latest: "):
        builds.build(line.format(name))


def test_documents_in_the_dockerfile(builds: Builds) -> None:
    image = builds.build(
        "FROM busybox\n"
        "ENV A=b\n"
        'COPY <<one <<"two" /d/\n$A "x"\none\n$A\ntwo\n'
        "RUN <<EOF\necho plain\ncat /d/one /d/two\nEOF\n"
        "RUN <<EOF\n#!/bin/sh\necho $0\nEOF\n"
    )
    assert builds.output == b'plain\nb "x"\n$A\n/dev/pipes/EOF\n'
    assert builds.members(image) == [["d", "d/one", "d/two"], [], []]


@pytest.mark.parametrize("name", ["../../../x", "a/b", ".."])
@pytest.mark.parametrize("line", ["COPY <<{} /d/\nx\n{}\n", "RUN <<{}\n#!/bin/sh\n{}\n"])
def test_a_document_is_no_file_outside_of_its_folder(line: str, name: str, builds: Builds) -> None:
    text = f"FROM busybox\n{line.format(name, name)}"
    if name == "../../../x":  # to BuildKit it lies at the root of nothing
        builds.build(text)
    else:
        with pytest.raises(BuildFailed, match="a document cannot be a file called"):
            builds.build(text)
    for _folder, _folders, files in os.walk(builds.home.root):
        assert "x" not in files


def test_a_name_that_cannot_be_given_is_refused_before_a_step_runs(builds: Builds) -> None:
    with pytest.raises(Invalid, match="refusing to create an ambiguous tag"):
        builds.build("FROM busybox\nRUN echo run\n", names=("sha256:aaaa",))
    assert builds.told == []


def test_a_linked_layer_is_put_on_another_base(builds: Builds) -> None:
    text = "FROM {}\nLABEL {}=1\nCOPY --link {} f /d/\nRUN cat /d/f\n"
    first = builds.build(text.format("busybox", "a", ""), {"f": "x"})
    other = builds.build(text.format("alpine:3.10", "a", ""))
    assert builds.cached == 2
    assert builds.output == b"x"
    assert [builds.members(image)[-2:] for image in (first, other)] == [[["d", "d/f"], []]] * 2
    assert builds.home.engine.fsck() == []
    builds.build(text.format("busybox", "b", "--chown=daemon"))
    builds.build(text.format("alpine:3.10", "b", "--chown=daemon"))
    assert builds.cached == 1  # the base alone: it says who that is
    assert len(builds.home.engine.prune_build_cache({}, everything=True).removed) == 8


def test_the_same_twice_with_an_epoch(builds: Builds) -> None:
    asked: dict[str, Any] = {"epoch": 10**9 * 10**9, "no_cache": True}
    first = builds.build(DOCKERFILE, {"f": "hello"}, **asked)
    assert builds.build(DOCKERFILE, {"f": "hello"}, **asked) == first
    assert builds.home.engine.inspect_image(first)["Created"] == "2001-09-09T01:46:40Z"


def test_steps_out_of_an_image(builds: Builds) -> None:
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /x\nRUN echo end > /end\n"
    image = builds.build(text, names=("app:1",))
    assert len(builds.home.engine.prune_build_cache({}, everything=True).removed) == 2
    assert builds.build(text, cache_from=("app:1", "not/here:1")) == image
    assert builds.cached == 3
    assert len(builds.home.engine.build_cache()) == 2


def test_triggers_of_the_base_image(builds: Builds) -> None:
    builds.build("FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f\n", {"f": "hello\n"}, names=("app:1",))
    image = builds.build("FROM app:1\nRUN echo end\n")
    assert builds.output == b"hello\nend\n"
    assert not builds.home.engine.inspect_image(image)["Config"]["OnBuild"]
    names = [message.name for message in builds.told if isinstance(message, Began)]
    assert [name for name in names if name.startswith("[") and "/4] " in name] == [
        "[1/4] FROM docker.io/library/app:1",
        "[2/4] COPY f /f",
        "[3/4] RUN cat /f",
        "[4/4] RUN echo end",
    ]


def test_triggers_of_a_stage(builds: Builds) -> None:
    image = builds.build(
        "FROM busybox AS base\n"
        "ONBUILD RUN echo once >> /x\n"
        "ONBUILD COPY --from=late /y /y\n"
        "FROM busybox AS late\n"
        "RUN echo made > /y\n"
        "FROM base AS middle\n"
        "FROM middle\n"
        "RUN cat /x /y\n"
    )
    assert builds.output == b"once\nmade\n"
    assert not builds.home.engine.inspect_image(image)["Config"]["OnBuild"]


def test_a_trigger_copies_from_a_stage_that_nothing_else_needs(builds: Builds) -> None:
    builds.build(
        "FROM busybox\n"
        "ONBUILD COPY --from=late /x /x\n"
        "ONBUILD RUN --mount=from=late,target=/late cat /late/x\n",
        names=("app:1",),
    )
    image = builds.build("FROM busybox AS late\nRUN echo made > /x\nFROM app:1\n")
    assert builds.output == b"made\n"
    assert builds.members(image) == [["x"], []]


def test_a_stage_begins_with_the_files_of_a_context(builds: Builds, tmp_path: os.PathLike[str]) -> None:
    other = f"{tmp_path}/other"
    os.mkdir(other)
    with open(f"{other}/file", "w") as file:
        file.write("x")
    asked: dict[str, Any] = {"contexts": {"mine": other}}
    image = builds.build("FROM mine\nCOPY --from=mine /file /copy\n", **asked)
    document = builds.home.engine.inspect_image(image)
    assert len(document["RootFS"]["Layers"]) == 2
    assert builds.history(image) == ["COPY /file /copy # buildkit", "[context mine] load from client"]
    assert builds.build("FROM mine\nCOPY --from=mine /file /copy\n", **asked) == image
    assert builds.cached == 2


@pytest.mark.parametrize(
    ("flag", "privilege"), [("--security=insecure", "security.insecure"), ("--network=host", "network.host")]
)
def test_a_step_has_only_the_privileges_that_were_granted(flag: str, privilege: str, builds: Builds) -> None:
    text = f"FROM busybox\nRUN echo before\nRUN {flag} true\n"
    with pytest.raises(BuildFailed, match=f"^{privilege} is not allowed$") as caught:
        builds.build(text)
    assert f"   3 | >>> RUN {flag} true\n" in caught.value.excerpt
    assert builds.output == b""
    builds.build(text, allowed=(privilege,))


def test_an_agent_has_the_owner_that_the_mount_asks_for(builds: Builds, tmp_path: os.PathLike[str]) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(f"{tmp_path}/agent")
        builds.build(
            "FROM busybox\n"
            "RUN --mount=type=ssh,uid=5,mode=0640 stat -c '%F %u %a' $SSH_AUTH_SOCK\n"
            "RUN --mount=type=ssh,target=/agent stat -c '%n %u %a' $SSH_AUTH_SOCK\n",
            agents={"default": f"{tmp_path}/agent"},
        )
    assert builds.output == b"socket 5 640\n/agent 0 600\n"


def test_a_trigger_that_cannot_be_done_is_the_fault_of_its_from(builds: Builds) -> None:
    builds.build("FROM busybox\nONBUILD FOOBAR a\n", names=("app:1",))
    with pytest.raises(BuildFailed, match=r"^unknown instruction: FOOBAR$") as caught:
        builds.build("# comment\nFROM app:1\n")
    assert "   2 | >>> FROM app:1\n" in caught.value.excerpt


def test_warnings_come_with_what_was_made(builds: Builds) -> None:
    builds.write("FROM busybox\nMAINTAINER x\n")
    outcome = builds.home.engine.build(BuildRequest(builds.folder), lambda _message: None)
    assert outcome.warnings == (
        "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)",
    )


@pytest.mark.parametrize("check", ["", "# check=skip=UndefinedVar\n", "# check=error=true\n"])
def test_a_variable_that_nothing_sets_is_told(check: str, builds: Builds) -> None:
    builds.write(
        f"{check}FROM busybox\nARG FOLDER\nENV FILE=Dockerfile\n"
        "COPY $FOLDER$FILE ${FIEL}/x\nEXPOSE 80 $PORT\n"
    )
    request = BuildRequest(builds.folder)
    if "error" in check:
        with pytest.raises(BuildFailed, match=r"^lint violation found for rules: UndefinedVar$"):
            builds.home.engine.build(request, lambda _message: None)
        return
    line = "UndefinedVar: Usage of undefined variable '$FIEL' (did you mean $FILE?) (line 4)"
    found = builds.home.engine.build(request, lambda _message: None).warnings
    assert found == (() if check else (line,))


def test_a_name_that_moves_says_whose_it_was(builds: Builds) -> None:
    old = builds.build("FROM busybox\nLABEL v=1\n", names=("app:1",))
    builds.write("FROM busybox\nLABEL v=2\n")
    request = BuildRequest(builds.folder, names=("app:1", "app:2"))
    outcome = builds.home.engine.build(request, lambda _message: None)
    assert [(item.name, item.image, item.dangling) for item in outcome.replaced] == [("app:1", old, True)]


def test_two_builds_make_one_step_once(builds: Builds) -> None:
    text = "FROM busybox\nRUN sleep 0.5; cat /proc/sys/kernel/random/uuid > /x\n"
    builds.write(text)
    images: list[object] = []

    def build() -> None:
        engine = EmbeddedEngine(Store(builds.home.store.layout, KEEP), "test")
        request = BuildRequest(builds.folder, network="none", host=HOST)
        images.append(engine.build(request, lambda _message: None).image)
        engine.close()

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 2
    assert images[0] == images[1]
    assert len(builds.home.engine.build_cache()) == 1


@pytest.mark.parametrize("point", ["step.rows", "step.ran", "step.committed@2", "build.rows"])
def test_kill_at(point: str, builds: Builds) -> None:
    builds.write("FROM busybox\nRUN echo one > /one\nRUN echo two > /two; sleep 0.1\n")
    name, _, nth = point.partition("@")
    words = [sys.executable, "-m", "ligan", "--root", builds.home.root, "build", "--network", "none"]
    environment = {**os.environ, "LIGAN_FAILPOINTS": f"{name}=kill@{nth or 1}"}
    command = [*words, "--cgroup-parent", PARENT, "-t", "app:1", builds.folder]
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -9
    running = os.listdir(builds.home.store.layout.containers)
    assert builds.home.engine.list_containers({}, show_all=True) == []
    builds.home.store.recover()
    reconcile(builds.home.store)
    builds.home.store.sweep()
    assert not any(map(cgroups_of, running))
    assert builds.home.engine.fsck() == []
    made = len(builds.home.engine.build_cache())
    assert made == {"step.committed@2": 2, "build.rows": 2}.get(point, 0)
    again = subprocess.run(command, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(b"CACHED") == made + 1


def test_a_step_whose_builder_was_killed_is_ended(builds: Builds) -> None:
    builds.write("FROM busybox\nRUN sleep 1000\n")
    words = [sys.executable, "-m", "ligan", "--root", builds.home.root, "build", "--network", "none"]
    environment = {**os.environ, "LIGAN_FAILPOINTS": "start.started=kill"}
    command = [*words, "--cgroup-parent", PARENT, builds.folder]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == -9
    [container] = os.listdir(builds.home.store.layout.containers)
    assert cgroups_of(container)
    assert builds.home.engine.list_containers({}, show_all=True) == []
    reconcile(builds.home.store)
    assert not cgroups_of(container)
    assert builds.home.engine.build_cache() == []
    builds.home.store.recover()


@pytest.mark.parametrize(
    ("other", "number", "status"),
    [
        ("", signal.SIGINT, 130),
        ("", signal.SIGTERM, 143),
        ("", signal.SIGHUP, 129),
        ("FROM busybox\nRUN sleep 1000\nCOPY --from=a / /\n", signal.SIGINT, 130),
        ("FROM busybox\nRUN sleep 1000\nCOPY --from=a / /\n", signal.SIGTERM, 143),
    ],
)
def test_an_interrupted_build_leaves_nothing(
    other: str, number: signal.Signals, status: int, builds: Builds
) -> None:
    builds.write(f"FROM busybox AS a\nRUN echo speaks; sleep 1000\n{other}")
    words = [sys.executable, "-m", "ligan", "--root", builds.home.root, "build", "--network", "none"]
    command = [*words, "--cgroup-parent", PARENT, "--progress", "plain", "--target", "" if other else "a"]
    with subprocess.Popen([*command, builds.folder], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        if other:  # the two stages take turns on the screen: both run once both have a container that runs
            marks = builds.home.store.layout.all_running
            until(lambda: sum(os.path.getsize(f"{marks}/{name}") > 0 for name in _names(marks)) == 2)
        else:
            assert any(line.endswith(b" speaks\n") for line in process.stderr)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == status
    assert said.count(b"CANCELED") == (2 if other else 1)


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def test_outputs(builds: Builds, tmp_path: os.PathLike[str]) -> None:
    builds.write(
        "FROM busybox AS made\nRUN mkdir /d && echo x > /d/f && ln -s f /d/l\n"
        "FROM scratch\nCOPY --from=made /d /d\n"
    )
    words = [
        sys.executable,
        "-m",
        "ligan",
        "--root",
        builds.home.root,
        "build",
        "--network",
        "none",
        "-t",
        "app:1",
    ]
    words += ["--cgroup-parent", PARENT]

    def run(*more: str) -> bytes:
        done = subprocess.run([*words, *more, builds.folder], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-o", f"{tmp_path}/out")
    with open(f"{tmp_path}/out/d/l") as file:
        assert file.read() == "x\n"
    run("-o", f"type=tar,dest={tmp_path}/files.tar")
    with tarfile.open(f"{tmp_path}/files.tar") as tar:
        assert tar.getnames() == ["d", "d/f", "d/l"]
    run("-o", f"type=docker,dest={tmp_path}/image.tar")
    with tarfile.open(f"{tmp_path}/image.tar") as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["app:1"]
    assert "app:1" not in [tag for item in builds.home.engine.list_images({}) for tag in item.tags]
    run("--iidfile", f"{tmp_path}/iid", "--metadata-file", f"{tmp_path}/metadata", "-q")
    with open(f"{tmp_path}/iid") as file, open(f"{tmp_path}/metadata") as metadata:
        image = file.read()
        assert json.load(metadata)["containerimage.config.digest"] == image
    assert builds.home.engine.inspect_image("app:1")["Id"] == image
