from __future__ import annotations

from ligan.build.progress import Began, Finished, Message, Progress, Status, Wrote
from ligan.cli.build_progress import Plain, Table, Vertices, failure

MILLI = 10**6


def build() -> list[Message]:
    """Return what a small build tells: two steps side by side, of which one fails."""
    return [
        Began(1, 0, "[internal] load build definition from Dockerfile"),
        Status(1, 0, "transferring dockerfile:", 2070),
        Finished(1, 0),
        Began(2, 0, "[1/3] FROM docker.io/library/alpine:latest"),
        Finished(2, 0, cached=True),
        Began(3, 0, "[2/3] RUN a"),
        Began(4, 0, "[3/3] RUN " + "b" * 80),
        Wrote(4, 123 * MILLI, 1, b"to"),
        Wrote(3, 200 * MILLI, 1, b"first\nsec"),
        Wrote(4, 300 * MILLI, 1, b"gether\n"),
        Finished(3, 1500 * MILLI),
        Finished(4, 12_345 * MILLI, error="process did not complete"),
    ]


def plain(messages: list[Message]) -> str:
    written: list[str] = []
    shown = Plain(written.append)
    for message in messages:
        shown.say(message)
    shown.finish()
    return "".join(written)


def test_plain_lines() -> None:
    assert plain(build()) == (
        "#1 [internal] load build definition from Dockerfile\n"
        "#1 transferring dockerfile: 2.07kB done\n"
        "#1 DONE 0.0s\n"
        "\n"
        "#2 [1/3] FROM docker.io/library/alpine:latest\n"
        "#2 CACHED\n"
        "\n"
        "#3 [2/3] RUN a\n"
        "#3 0.200 first\n"
        "#3 1.500 sec\n"
        "#3 DONE 1.5s\n"
        "\n"
        f"#4 [3/3] RUN {'b' * 62}...\n"
        "#4 0.300 together\n"
        "#4 ERROR: process did not complete\n"
    )


def test_a_cancelled_step() -> None:
    messages = [Began(1, 0, "[1/1] RUN x"), Finished(1, 0, error="context canceled", cancelled=True)]
    assert plain(messages).endswith("#1 CANCELED\n")


def test_the_block_of_what_failed() -> None:
    vertices = Vertices()
    for message in build():
        vertices.take(message)
    assert failure(vertices) == f"------\n > [3/3] RUN {'b' * 80}:\n0.300 together\n------\n"


def table(messages: list[Message]) -> str:
    written: list[str] = []
    shown = Table(lambda: 12_345 * MILLI, written.append, lambda: (60, 24))
    for message in messages:
        shown.say(message)
    shown.finish()
    return written[-1]


def test_the_table_on_a_terminal() -> None:
    last = table(build()[:5])
    rows = (
        " => [internal] load build definition from Dockerfile",
        " => => transferring dockerfile: 2.07kB",
        " => CACHED [1/3] FROM docker.io/library/alpine:latest",
    )
    drawn = "".join([f"\x1b[34m{row:54} 0.0s\x1b[0m\n" for row in rows])
    assert last.endswith(f"[+] Building 0.0s (2/2) FINISHED\n{drawn}\x1b[?25h")


def test_the_table_of_a_build_that_failed() -> None:
    last = table(build())
    assert "[+] Building 0.0s (4/4)\n" in last
    assert "\x1b[31m => ERROR [3/3] RUN bbb" in last


def test_vertices_have_the_numbers_of_their_beginnings() -> None:
    told: list[Message] = []
    progress = Progress(told.append, lambda: 5)
    with progress.begin("one") as one, progress.begin("two") as two:
        one.cached = True
        two.write(2, b"x")
    assert told == [
        Began(1, 5, "one"),
        Began(2, 5, "two"),
        Wrote(2, 5, 2, b"x"),
        Finished(2, 5),
        Finished(1, 5, cached=True),
    ]
