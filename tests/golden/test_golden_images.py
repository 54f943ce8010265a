"""Scenarios of listing, naming and deleting, without what needs a builder or containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.golden import without_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.golden import Replay, Step

COPY = "/bin/sh -c #(nop) COPY file:{} in /f "


def test_golden_a_dangling_rebuild(replay: Callable[[str], Replay]) -> None:
    def steps(checksum: str, content: bytes) -> list[Step]:
        return [
            ("/bin/sh -c #(nop)  LABEL stage=demo", None),
            (COPY.format(checksum), {"f": content}),
            ('/bin/sh -c #(nop)  CMD ["cat" "/f"]', None),
        ]

    golden = replay("a_dangling_rebuild")
    golden.build(
        "app:latest", steps("16be6b8aee693ffcae5ae5c21a86fae382a1a232d4ea05a5d7a3ca4f3ac779d4", b"one\n")
    )
    golden.check(2)
    golden.build("app:latest", steps("1" * 64, b"two\n"))
    golden.check_range(7, 55, without=(46, 47, 49))  # two whole documents of built images, and a container


def test_golden_b_build_intermediates(replay: Callable[[str], Replay]) -> None:
    def steps(*words: str) -> list[Step]:
        head: list[Step] = [("/bin/sh -c #(nop)  ENV A=1", None)]
        return head + [(f"/bin/sh -c echo {word} > /{word}", {word: f"{word}\n".encode()}) for word in words]

    tail: list[Step] = [
        ("/bin/sh -c #(nop) WORKDIR /w", {"w/": b""}),
        ('/bin/sh -c #(nop)  CMD ["sh" "-c" "cat /one /two"]', None),
    ]
    golden = replay("b_build_intermediates")
    golden.build("chain:1", steps("one", "two") + tail)
    golden.check_range(2, 15, without=(10, 11))
    golden.build("chain:2", steps("one", "two") + tail, cache=False)
    golden.check_range(19, 26, without=(22, 24))  # images of the same second, in any order


def test_golden_c_two_tags(replay: Callable[[str], Replay]) -> None:
    steps: list[Step] = [(COPY.format("1" * 64), {"f": b"1\n"})]
    golden = replay("c_two_tags")
    first, last = 0, 0
    for index, step in enumerate(golden.steps[:41]):
        if step["kind"] == "cli" and "docker build" in step["cmd"]:
            golden.build(step["cmd"].split()[4], steps)
        elif step["kind"] == "cli":
            golden.check(index)
            last = index
        first = first or last
    assert last == 40


def test_golden_h_filters(replay: Callable[[str], Replay]) -> None:
    golden = replay("h_filters")
    for number in ("1", "2", "3"):
        steps: list[Step] = [
            ("/bin/sh -c #(nop)  ARG N", None),
            (f"/bin/sh -c #(nop)  LABEL n={number} com.example.team=core", None),
            (f"|1 N={number} /bin/sh -c echo $N > /n", {"n": f"{number}\n".encode()}),
        ]
        golden.build(f"h:{number}", steps, labels={"n": number, "com.example.team": "core"})
    # Docker 25 takes all of several times, and knows until: so does Ligan (docs/compatibility.md).
    golden.check_range(4, 62, without=(9, 46, 47, 54))


def test_golden_j_tag_errors(replay: Callable[[str], Replay]) -> None:
    golden = replay("j_tag_errors")
    # Not the daemon's page for an empty name, nor run, create, pull and push.
    golden.check_range(0, 66, without=(49, *range(55, 64)))


def test_golden_f_prune(replay: Callable[[str], Replay]) -> None:
    def build(tag: str, number: str, keep: str) -> None:
        steps: list[Step] = [
            ("/bin/sh -c #(nop)  ARG N=1", None),
            (f"/bin/sh -c #(nop)  LABEL n={number} keep={keep}", None),
            (f"|1 N={number} /bin/sh -c echo $N > /n", {"n": f"{number}\n".encode()}),
        ]
        golden.build(tag, steps, labels={"n": number, "keep": keep})

    def build_all() -> None:
        build("p:1", "1", "no")
        build("p:1", "2", "no")
        build("k:1", "3", "yes")
        build("k:1", "4", "yes")

    golden = replay("f_prune_df")
    build_all()
    golden.check(6)
    golden.check(7, reading=str)
    golden.check_range(8, 18)
    build_all()
    golden.check(24, reading=without_ids)
    golden.check_range(26, 31)


def test_golden_i_history(replay: Callable[[str], Replay]) -> None:
    golden = replay("i_history")
    history = json.loads(golden.steps[2]["api"][-1]["response_body"])[:-2]  # the last two are busybox's
    contents = {12: {"hello": b"hello\nagain\n"}, 3000: {"f": b"x" * 3000}}
    steps: list[Step] = [(row["CreatedBy"], contents.get(row["Size"])) for row in reversed(history)]
    golden.build("hist:1", steps)
    golden.check_range(2, 18)
