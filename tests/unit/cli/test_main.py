from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Conflict, NoSpace
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

IMAGES_USAGE = "Usage:  ligan images [OPTIONS] [REPOSITORY[:TAG]]"
SEE_IMAGES = "Run 'ligan images --help' for more information"


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["--version", "images"], ["--root", "/x", "-v"]])
def test_version(ligan: CommandLine, words: list[str]) -> None:
    assert ligan(*words) == (0, "ligan version 0.1.0\n", "")


@pytest.mark.parametrize(
    ("words", "status", "stderr"),
    [
        (["foo"], 1, "ligan: unknown command: ligan foo\n\nRun 'ligan --help' for more information\n"),
        (
            ["image", "foo"],
            1,
            "ligan: unknown command: ligan image foo\n\nUsage:  ligan image\n\n"
            "Run 'ligan image --help' for more information\n",
        ),
        (
            ["--foo"],
            125,
            "unknown flag: --foo\n\nUsage:  ligan [OPTIONS] COMMAND [ARG...]\n\n"
            "Run 'ligan --help' for more information\n",
        ),
        (
            ["image", "--foo"],
            125,
            "unknown flag: --foo\n\nUsage:  ligan image\n\nRun 'ligan image --help' for more information\n",
        ),
        (["images", "--foo"], 125, f"unknown flag: --foo\n\n{IMAGES_USAGE}\n\n{SEE_IMAGES}\n"),
        (
            ["images", "a", "b"],
            1,
            f"ligan: 'ligan images' requires at most 1 argument\n\n{IMAGES_USAGE}\n\n{SEE_IMAGES}\n",
        ),
        (
            ["rmi"],
            1,
            "ligan: 'ligan rmi' requires at least 1 argument\n\n"
            "Usage:  ligan rmi [OPTIONS] IMAGE [IMAGE...]\n\n"
            "See 'ligan rmi --help' for more information\n",
        ),
        (
            ["image", "remove"],
            1,
            "ligan: 'ligan image rm' requires at least 1 argument\n\n"
            "Usage:  ligan image rm [OPTIONS] IMAGE [IMAGE...]\n\n"
            "See 'ligan image rm --help' for more information\n",
        ),
        (
            ["tag", "a"],
            1,
            "ligan: 'ligan tag' requires 2 arguments\n\n"
            "Usage:  ligan tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\n"
            "Run 'ligan tag --help' for more information\n",
        ),
        (
            ["history"],
            1,
            "ligan: 'ligan history' requires 1 argument\n\nUsage:  ligan history [OPTIONS] IMAGE\n\n"
            "Run 'ligan history --help' for more information\n",
        ),
        (
            ["load", "x"],
            1,
            "ligan: 'ligan load' accepts no arguments\n\nUsage:  ligan load [OPTIONS]\n\n"
            "Run 'ligan load --help' for more information\n",
        ),
        (["help", "foo"], 1, "unknown help topic: foo\n"),
        (["help", "image", "ls", "foo"], 1, "unknown help topic: image ls foo\n"),
    ],
)
def test_wrong_words_are_told_as_docker_does(
    ligan: CommandLine, words: list[str], status: int, stderr: str
) -> None:
    assert ligan(*words) == (status, "", stderr)


IMAGES_HELP = """\
Usage:  ligan images [OPTIONS] [REPOSITORY[:TAG]]

List images

Aliases:
  ligan image ls, ligan image list, ligan images

Options:
  -a, --all             Show all images (default hides intermediate images)
      --digests         Show digests
  -f, --filter filter   Filter output based on conditions provided
      --format string   Format output using a custom template:
                        'table':            Print output in table format
                        with column headers (default)
                        'table TEMPLATE':   Print output in table format
                        using the given Go template
                        'json':             Print in JSON format
                        'TEMPLATE':         Print output using the given
                        Go template.
                        Refer to https://docs.docker.com/go/formatting/
                        for more information about formatting output with
                        templates
      --no-trunc        Don't truncate output
  -q, --quiet           Only show image IDs
"""


@pytest.mark.parametrize("words", [["images", "--help"], ["help", "images"], ["--help", "images"]])
def test_help_of_a_command_is_laid_out_as_dockers(ligan: CommandLine, words: list[str]) -> None:
    assert ligan(*words) == (0, IMAGES_HELP, "")


def test_help_of_a_group_lists_its_commands(ligan: CommandLine) -> None:
    status, out, _ = ligan("help", "plan")
    assert status == 0
    assert out == (
        "Usage:  ligan plan COMMAND\n\nShow exactly what a delete would do, and do nothing\n\nCommands:\n"
        "  prune       Show what `ligan image prune` would do\n"
        "  rmi         Show what `ligan rmi` would do\n\n"
        "Run 'ligan plan COMMAND --help' for more information on a command.\n"
    )


def test_a_group_alone_shows_its_help_on_stderr(ligan: CommandLine) -> None:
    status, out, err = ligan("system")
    assert (status, out) == (0, "")
    assert err.startswith("Usage:  ligan system COMMAND\n")


def test_no_words_show_the_help_with_every_command(ligan: CommandLine) -> None:
    from ligan.cli.commands import COMMANDS, GROUPS

    status, out, err = ligan()
    assert (status, out) == (0, "")
    listed = {line.split()[0] for line in err.splitlines() if line.startswith("  ") and line[2] != " "}
    assert {name for name in COMMANDS if " " not in name} | set(GROUPS) <= listed


def test_every_command_has_help_that_fits_a_terminal(ligan: CommandLine) -> None:
    from ligan.cli.commands import COMMANDS

    for name in COMMANDS:
        status, out, _ = ligan(*name.split(), "--help")
        assert status == 0
        assert out.startswith(f"Usage:  ligan {name}")
        options = out.partition("Options:\n")[2]
        assert max((len(line) for line in options.splitlines()), default=0) <= 80, name


def test_aliases_reach_the_same_command(ligan: CommandLine) -> None:
    for words in (["images"], ["image", "ls"], ["image", "list"]):
        engine = FakeEngine(list_images=[])
        assert ligan(*words, "-q", engine=engine) == (0, "", "")
        assert engine.closed


def test_an_empty_root_is_not_the_systems_store(ligan: CommandLine) -> None:
    assert ligan("--root", "", "images") == (1, "", "--root names no folder\n")


def test_the_root_flag_wins_over_the_environment(ligan: CommandLine) -> None:
    ligan("--root", "/somewhere/else", "images", engine=FakeEngine(list_images=[]))
    assert ligan.opened[0][0] == "/somewhere/else"


def test_the_engine_is_told_the_command_as_one_would_type_it(ligan: CommandLine) -> None:
    ligan("images", "-f", "reference=it's *", engine=FakeEngine(list_images=[]))
    assert ligan.opened[0][2] == r"ligan images -f 'reference=it'\''s *'"


def test_a_command_is_told_as_text_whatever_bytes_it_has(ligan: CommandLine) -> None:
    ligan("images", os.fsdecode(b"caf\xe9"), engine=FakeEngine(list_images=[]))
    assert ligan.opened[0][2] == "ligan images 'caf\ufffd'"


def test_an_error_of_the_engine_is_told_as_a_daemons_with_its_hint_apart(ligan: CommandLine) -> None:
    engine = FakeEngine(list_images=Conflict("no", "Do this.\nOr that."))
    assert ligan("images", engine=engine) == (
        1,
        "",
        "Error response from daemon: no\nligan: Do this.\nligan: Or that.\n",
    )
    assert engine.closed


def test_what_a_message_quotes_does_not_steer_the_terminal(ligan: CommandLine) -> None:
    engine = FakeEngine(list_images=Conflict("a\x1bc\x9b31m\n\tb"))
    assert ligan("images", engine=engine).err == "Error response from daemon: a\ufffdc\ufffd31m\n\tb\n"


def test_an_error_in_a_verb_that_docker_lacks_is_ligans(ligan: CommandLine) -> None:
    engine = FakeEngine(why=NoSpace("no space left on device"))
    assert ligan("why", "x", engine=engine) == (1, "", "no space left on device\n")


def test_an_interrupt_is_130_without_a_traceback(ligan: CommandLine) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    assert ligan("images", engine=FakeEngine(list_images=interrupted)) == (130, "", "")


def test_a_fault_of_ligan_is_one_message_and_70(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(list_images=ZeroDivisionError("x"))
    status, _, err = ligan("images", engine=engine)
    assert status == 70
    assert err.startswith("ligan: internal error: ZeroDivisionError: x\nligan: ")
    assert "Traceback" not in err
    monkeypatch.setenv("LIGAN_DEBUG", "1")
    assert "Traceback" in ligan("images", engine=engine).err


def test_a_wrong_failpoint_is_told(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGAN_FAILPOINTS", "nope=kill")
    assert ligan("images") == (1, "", "LIGAN_FAILPOINTS: no such failpoint: nope=kill\n")


def _help_into(stdout: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "ligan", "help", "images"]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False)


def test_a_reader_that_left_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = _help_into(writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_full_disk_under_stdout_is_told() -> None:
    with open("/dev/full", "wb") as full:
        ended = _help_into(full.fileno())
    assert (ended.returncode, ended.stderr) == (1, b"write /dev/stdout: no space left on device\n")


@pytest.mark.parametrize("words", [["--version"], ["images"]])
def test_what_is_slow_to_import_is_not_imported(words: list[str], tmp_path: object) -> None:
    program = (
        "import sys; before = set(sys.modules); from ligan.cli.main import main; main(sys.argv[1:]); "
        "print(*set(sys.modules) - before, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}", *words],
        env={"LIGAN_ROOT": f"{tmp_path}/root", "HOME": f"{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {
        "argparse",
        "collections",
        "typing",
        "re",
        "json",
        "dataclasses",
        "enum",
        "pathlib",
        "inspect",
        "tomllib",
        "shlex",
    }
    assert not slow & set(ended.stderr.split())
