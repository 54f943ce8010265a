from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from ligan.cli.listing import image_names, shorten
from ligan.errors import Invalid, NotFound
from tests.support.fake_engine import ID, OTHER_ID, FakeEngine, step, summary

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

DIGEST = "sha256:" + "e" * 64


def hour_ago() -> int:
    return int(time.time()) - 3700


def images(*listed: object) -> FakeEngine:
    return FakeEngine(list_images=list(listed))


def test_images_are_a_table_of_one_row_a_tag(ligan: CommandLine) -> None:
    engine = images(summary(tags=("app:1", "app:2"), created_s=hour_ago()), summary(OTHER_ID, created_s=0))
    assert ligan("images", engine=engine).out == (
        "REPOSITORY   TAG       IMAGE ID       CREATED             SIZE\n"
        "app          1         0123456789ab   About an hour ago   1.99MB\n"
        "app          2         0123456789ab   About an hour ago   1.99MB\n"
        f"<none>       <none>    ba9876543210   {int(time.time()) // 86400 // 365} years ago        1.99MB\n"
    )


def test_an_image_that_does_not_say_when_it_was_made_has_no_age_but_in_the_table(ligan: CommandLine) -> None:
    engine = images(summary(tags=("app:1",), created_s=-62135596800))
    for words in (["images"], ["images", "--format", "table"]):
        assert ligan(*words, engine=engine).out == (
            "REPOSITORY   TAG       IMAGE ID       CREATED   SIZE\n"
            "app          1         0123456789ab   N/A       1.99MB\n"
        )
    assert ligan("images", "--format", "[{{.CreatedSince}}]", engine=engine).out == "[]\n"


def test_the_words_become_filters(ligan: CommandLine) -> None:
    engine = images()
    ligan("images", "-a", "-f", "dangling=true", "-f", "label=x=y", "app*", engine=engine)
    filters = {"dangling": ["true"], "label": ["x=y"], "reference": ["app*"]}
    assert engine.calls == [("list_images", (filters,), {"show_all": True})]


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["-q"], "0123456789ab\n0123456789ab\n"),
        (["-q", "--no-trunc"], f"{ID}\n{ID}\n"),
        (["-q", "--format", "{{.Tag}}"], "1\n2\n"),
        (
            ["--format", "{{.Repository}}:{{.Tag}} {{.VirtualSize}} {{.Containers}}"],
            "app:1 1.986MB N/A\napp:2 1.986MB N/A\n",
        ),
        (["--format", "raw", "-q"], "image_id: 0123456789ab\nimage_id: 0123456789ab\n"),
        (
            ["--format", "table {{.ID}}\\t{{.Tag}}"],
            "IMAGE ID       TAG\n0123456789ab   1\n0123456789ab   2\n",
        ),
    ],
)
def test_formats(ligan: CommandLine, words: list[str], out: str) -> None:
    assert ligan("images", *words, engine=images(summary(tags=("app:1", "app:2")))) == (0, out, "")


def test_digests_are_shown_when_asked_for(ligan: CommandLine) -> None:
    image = summary(tags=("app:1",), digests=(f"app@{DIGEST}",), created_s=hour_ago())
    header, row = ligan("images", "--digests", engine=images(image)).out.splitlines()
    assert header.split()[:3] == ["REPOSITORY", "TAG", "DIGEST"]
    assert row.split()[:3] == ["app", "1", DIGEST]
    assert ligan("images", "--format", "{{.Digest}}", engine=images(image)).out == f"{DIGEST}\n"
    assert ligan("images", "--format", "{{ .Digest }}", engine=images(image)).out == "<none>\n"


def test_names_of_rows_are_dockers() -> None:
    """Goldens m_registry and a_dangling_rebuild."""
    none = ("<none>", "<none>", "<none>")
    assert image_names(summary(), digests=True) == [none]
    tagged = summary(tags=("a:1", "a:2", "b:1"), digests=(f"a@{DIGEST}", f"c@{DIGEST}"))
    assert image_names(tagged, digests=True) == [
        ("a", "1", DIGEST),
        ("a", "2", DIGEST),
        ("b", "1", "<none>"),
        ("c", "<none>", DIGEST),
    ]
    assert image_names(tagged, digests=False) == [
        ("a", "1", "<none>"),
        ("a", "2", "<none>"),
        ("b", "1", "<none>"),
        ("c", "<none>", ""),
    ]


def test_a_registrys_port_is_no_tag() -> None:
    assert image_names(summary(tags=("localhost:5000/a:1",)), digests=False) == [
        ("localhost:5000/a", "1", "<none>")
    ]


def test_a_template_that_fails_is_the_clients_error(ligan: CommandLine) -> None:
    """Golden a_dangling_rebuild."""
    assert ligan("images", "--format", "{{.Nope}}", engine=images(summary())) == (
        1,
        "",
        'template parsing error: template: :1:2: executing "" at <.Nope>: '
        "can't evaluate field Nope in type *formatter.imageContext\n",
    )


def test_a_word_that_is_a_command_is_asked_about(ligan: CommandLine) -> None:
    assert ligan("images", "ls", engine=images()) == (
        0,
        "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n",
        'No images found matching "ls": did you mean "ligan image ls"?\n',
    )


def test_nothing_on_a_terminal_says_where_it_looked(
    ligan: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr("ligan.cli.session.is_terminal", lambda stream: stream is sys.stdout)
    monkeypatch.setattr("ligan.cli.settings.SYSTEM_ROOT", str(tmp_path))
    assert ligan("images", "-q", engine=images()).err == (
        f"ligan: no images in the store {tmp_path}/root\n"
        f"ligan: the store of the system is another one: ligan --root {tmp_path} images\n"
    )
    assert ligan("images", "-q", "app", engine=images()).err == ""


def test_half_a_surrogate_pair_prints_as_a_question_mark(ligan: CommandLine) -> None:
    engine = FakeEngine(history=[step("\ud800")])
    assert ligan("history", "--format", "{{.CreatedBy}}", "x", engine=engine).out == "?\n"


def test_history_in_words_and_in_numbers(ligan: CommandLine) -> None:
    steps = [step("a\tb", hour_ago(), size=12345), step("x" * 50, 946684800, "<missing>")]
    engine = FakeEngine(history=steps)
    assert ligan("history", "app", engine=engine).out == (
        f"IMAGE          CREATED             CREATED BY{' ' * 38}SIZE      COMMENT\n"
        f"0123456789ab   About an hour ago   a b{' ' * 45}12.3kB    \n"
        f"<missing>      N/A                 {'x' * 44}…   0B        \n"
    )
    out = ligan(
        "history",
        "-H=false",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Size}} {{.CreatedBy}}",
        "app",
        engine=engine,
    ).out
    assert out == f"{ID} 12345 a b\n<missing> 0 {'x' * 50}\n"


def test_history_tells_times_in_the_local_zone(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(history=[step("", 1_700_000_000)])
    for zone, expected in (("UTC", "2023-11-14T22:13:20Z"), ("NPT-5:45", "2023-11-15T03:58:20+05:45")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert ligan("history", "--format", "{{.CreatedAt}}", "x", engine=engine).out == f"{expected}\n"
    monkeypatch.undo()
    time.tzset()


def test_shorten_counts_columns() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten("日本語", 6) == "日本語"
    assert shorten("日本語", 5) == "日本…"
    assert shorten("日本語", 4) == "日…"


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        (
            "busybox",
            "New",
            '"New" is not a valid repository/tag: '
            "invalid reference format: repository name (library/New) must be lowercase",
        ),
        ("busybox", "new:", '"new:" is not a valid repository/tag: invalid reference format'),
        ("", "new", '"" is not a valid repository/tag: invalid reference format'),
        (
            "NoSuch",
            "new",
            '"NoSuch" is not a valid repository/tag: '
            "invalid reference format: repository name (library/NoSuch) must be lowercase",
        ),
        (
            "busybox",
            "EXAMPLE/X",
            '"EXAMPLE/X" is not a valid repository/tag: '
            "invalid reference format: repository name (X) must be lowercase",
        ),
    ],
)
def test_tag_refuses_in_the_clients_words(ligan: CommandLine, source: str, target: str, error: str) -> None:
    """Golden j_tag_errors."""
    assert ligan("tag", source, target) == (1, "", f"Error parsing reference: {error}\n")


def test_tag_leaves_the_rest_to_the_engine(ligan: CommandLine) -> None:
    """The client takes EXAMPLE for a domain, the daemon does not (golden j_tag_errors)."""
    message = "invalid reference format: repository name must be lowercase"
    engine = FakeEngine(tag_image=Invalid(message))
    assert ligan("tag", "busybox", "EXAMPLE/x", engine=engine) == (
        1,
        "",
        f"Error response from daemon: {message}\n",
    )
    assert engine.calls == [("tag_image", ("busybox", "EXAMPLE/x"), {})]
    assert ligan("tag", "busybox", f"new@{DIGEST}") == (
        1,
        "",
        "refusing to create a tag with a digest reference\n",
    )
    engine = FakeEngine(tag_image=NotFound("No such image: x"))
    assert ligan("tag", ID[7:], "x", engine=engine).status == 1


def test_tag_is_silent(ligan: CommandLine) -> None:
    assert ligan("image", "tag", "a", "b", engine=FakeEngine(tag_image=None)) == (0, "", "")
