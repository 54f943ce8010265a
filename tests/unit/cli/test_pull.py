"""`pull`, `push` and `copy`: docker's lines, off a terminal and on one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import NotFound
from ligan.images.removal import Row
from ligan.insight.outcome import ArgumentOutcome, RemovalOutcome
from ligan.remote.progress import Message, Pushed
from ligan.remote.pull import PullOutcome
from tests.support import archives
from tests.support.fake_engine import ID, NOTHING, OTHER_ID, FakeEngine
from tests.support.honest_registry import HonestRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import CommandLine

PULLING = (
    Message("Pulling from library/app", "1"),
    Message("Pulling fs layer", "0123456789ab", True),
    Message("Downloading", "0123456789ab", True, 50, 100),
    Message("Pull complete", "0123456789ab", True),
    Message("Digest: sha256:x"),
)
PULLED = PullOutcome((ID,), ())


def telling(*messages: Message, outcome: Any = PULLED) -> Callable[..., Any]:
    def verb(_name: str, report: Callable[[Message], None], **_options: Any) -> Any:
        for message in messages:
            report(message)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return verb


def test_pull_prints_all_lines_without_bars_and_the_name(ligan: CommandLine) -> None:
    assert ligan("pull", "app:1", engine=FakeEngine(pull=telling(*PULLING))) == (
        0,
        "1: Pulling from library/app\n0123456789ab: Pulling fs layer\n0123456789ab: Pull complete\n"
        "Digest: sha256:x\napp:1\n",
        "",
    )


def test_pull_names_the_default_tag(ligan: CommandLine) -> None:
    engine = FakeEngine(pull=telling())
    assert ligan("pull", "app", engine=engine).out == "Using default tag: latest\napp:latest\n"
    assert engine.calls[0][1][0] == "app:latest"


def test_quiet_pull_prints_the_name_alone(ligan: CommandLine) -> None:
    assert ligan("pull", "-q", "app", engine=FakeEngine(pull=telling(*PULLING))).out == "app:latest\n"


def test_pull_of_all_tags_names_none(ligan: CommandLine) -> None:
    engine = FakeEngine(pull=telling())
    assert ligan("pull", "-a", "app", engine=engine).out == "app\n"
    assert engine.calls[0][1][0] == "app"
    refused = ligan("pull", "-a", "app:1")
    assert (refused.status, refused.err) == (1, "tag can't be used with --all-tags/-a\n")


def test_error_is_the_daemons_until_the_first_message(ligan: CommandLine) -> None:
    error = NotFound("gone", "Look elsewhere.")
    before = ligan("pull", "app:1", engine=FakeEngine(pull=telling(outcome=error)))
    assert before == (1, "", "Error response from daemon: gone\nligan: Look elsewhere.\n")
    after = ligan("pull", "app:1", engine=FakeEngine(pull=telling(PULLING[0], outcome=error)))
    assert after == (1, "1: Pulling from library/app\n", "gone\nligan: Look elsewhere.\n")


def test_rm_replaced_removes_what_lost_its_name(ligan: CommandLine) -> None:
    row = Row("Deleted", OTHER_ID)
    outcome = RemovalOutcome((ArgumentOutcome(OTHER_ID, (row,), None),), NOTHING)
    engine = FakeEngine(
        pull=telling(outcome=PullOutcome((ID,), (OTHER_ID,))), remove_images=lambda _names: outcome
    )
    assert ligan("pull", "--rm-replaced", "app:1", engine=engine).err == (
        f"ligan: {OTHER_ID[7:19]} was replaced, and is removed\n"
    )


def test_push_prints_lines_and_keeps_what_is_for_programs(ligan: CommandLine) -> None:
    messages = (Message("Preparing", "0123456789ab", True), Pushed("", tag="1", digest="x", size=3))
    assert (
        ligan("push", "app:1", engine=FakeEngine(push=telling(*messages))).out == "0123456789ab: Preparing\n"
    )
    assert ligan("push", "-q", "app:1", engine=FakeEngine(push=telling(*messages))).out == "app:1\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("push", "app@sha256:" + "a" * 64), "cannot push a digest reference"),
        (("push", "-a", "app:1"), "tag can't be used with --all-tags/-a"),
        (("pull", "UPPER"), "invalid reference format: repository name (library/UPPER) must be lowercase"),
    ],
)
def test_what_the_client_refuses(ligan: CommandLine, words: tuple[str, ...], error: str) -> None:
    assert ligan(*words) == (1, "", f"{error}\n")


def test_copy_prints_the_digest(ligan: CommandLine) -> None:
    engine = FakeEngine(copy=lambda *_arguments, **_options: "sha256:x")
    assert ligan("copy", "-q", "a:1", "oci:b", engine=engine).out == "sha256:x\n"
    refused = ligan("copy", "--all-platforms", "--platform", "linux/arm64", "a", "b")
    assert refused.err == "--all-platforms and --platform exclude each other\n"


def test_terminal_shows_one_line_a_layer(tmp_path: object) -> None:
    tar = archives.layer({"file": b"content" * 1000})
    with HonestRegistry() as registry:
        registry.add_image("app", "1", [tar])
        command = f"{sys.executable} -m ligan --root {tmp_path}/root pull {registry.host}/app:1"
        environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
        shown = subprocess.run(
            ["script", "--quiet", "--command", command, "/dev/null"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout.decode()
    assert shown.startswith("1: Pulling from app\r\n")
    assert shown.count("\x1b[2K\r") > 3
    assert shown.count("Pull complete") == 1
