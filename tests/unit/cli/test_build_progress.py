from __future__ import annotations

from ligan.build.progress import Began, Finished, Message, Progress, PullProgress, Status, Wrote
from ligan.cli.build_progress import Plain, Quiet, Table, failure
from ligan.remote.progress import Message as Pulled

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
        "#3 0.200 sec\n"
        "#3 DONE 1.5s\n"
        "\n"
        f"#4 [3/3] RUN {'b' * 80}\n"
        "#4 0.123 together\n"
        "#4 ERROR: process did not complete\n"
    )


def test_a_pull_is_told_layer_by_layer() -> None:
    told: list[Message] = []
    times = iter(range(0, 10**12, 100 * MILLI))
    progress = Progress(told.append, lambda: next(times))
    with progress.begin("[internal] load metadata for docker.io/library/a:latest") as vertex:
        report = PullProgress(vertex)
        report(Pulled("Pulling from library/a", "latest"))
        for current in (100, 101, 200):
            report(Pulled("Downloading", "0123456789ab", True, current * 1000, 200_000))
        for status in ("Download complete", "Extracting", "Pull complete"):
            report(Pulled(status, "0123456789ab", True))
    assert plain(told) == (
        "#1 [internal] load metadata for docker.io/library/a:latest\n"
        "#1 0123456789ab 100.00kB / 200.00kB\n"
        "#1 0123456789ab 200.00kB / 200.00kB 0.2s\n"
        "#1 0123456789ab 200.00kB / 200.00kB 0.3s done\n"
        "#1 extracting 0123456789ab\n"
        "#1 extracting 0123456789ab 0.1s done\n"
        "#1 DONE 0.7s\n"
    )


def test_a_cancelled_step() -> None:
    messages = [Began(1, 0, "[1/1] RUN x"), Finished(1, 0, error="context canceled", cancelled=True)]
    assert plain(messages).endswith("#1 CANCELED\n")


def test_what_ends_is_shown_at_once_and_what_goes_on_comes_back() -> None:
    told: list[Message] = [
        Began(1, 0, "[a 1/1] RUN slow"),
        Wrote(1, 0, 1, b"on\n"),
        Began(2, 0, "[b 1/2] RUN fast"),
        Wrote(2, 100 * MILLI, 1, b"quick\n"),
        Finished(2, 200 * MILLI),
        Wrote(1, 300 * MILLI, 1, b"and on\n"),
        Finished(1, 400 * MILLI),
    ]
    assert plain(told) == (
        "#1 [a 1/1] RUN slow\n#1 0.000 on\n#1 ...\n"
        "\n#2 [b 1/2] RUN fast\n#2 0.100 quick\n#2 DONE 0.2s\n"
        "\n#1 [a 1/1] RUN slow\n#1 0.300 and on\n#1 DONE 0.4s\n"
    )


def test_one_that_is_silent_gives_way_to_one_that_writes() -> None:
    told: list[Message] = [
        Began(1, 0, "[a 1/1] RUN silent"),
        Began(2, 0, "[b 1/1] RUN speaks"),
        Wrote(2, 4000 * MILLI, 1, b"early\n"),
        Wrote(2, 6000 * MILLI, 1, b"late\n"),
    ]
    assert plain(told) == (
        "#1 [a 1/1] RUN silent\n#1 ...\n\n#2 [b 1/1] RUN speaks\n#2 4.000 early\n#2 6.000 late\n"
    )


def test_the_block_of_what_failed() -> None:
    shown = Quiet()
    for message in build():
        shown.say(message)
    assert failure(shown) == f"------\n > [3/3] RUN {'b' * 80}:\n0.123 together\n------\n"


def test_the_block_has_the_last_lines_alone() -> None:
    shown = Quiet()
    lines = b"".join([b"%d\n" % number for number in range(30)])
    for message in (Began(1, 0, "RUN x"), Wrote(1, 0, 1, lines), Finished(1, 0, error="no")):
        shown.say(message)
    assert failure(shown).count("\n") == 10 + 3


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
    assert max(map(len, rows)) == 53
    drawn = "".join([f"\x1b[34m{row[:53]:54} 0.0s\x1b[0m\n" for row in rows])
    assert last.endswith(f"[+] Building 0.0s (2/2) FINISHED\n{drawn}\x1b[?25h")


def test_the_table_of_a_build_that_failed() -> None:
    last = table(build())
    assert "[+] Building 0.0s (4/4) FINISHED\n" in last
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
