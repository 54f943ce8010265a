from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Invalid, NotFound
from tests.support.fake_engine import ID, FakeEngine

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

DOCUMENT = {"Id": ID, "RepoTags": ["app:1"], "Author": "<me>\u2028", "Config": {"Labels": {}}}


def engine() -> FakeEngine:
    def inspect_image(name: str) -> dict[str, Any]:
        if name == "app":
            return DOCUMENT
        if name == "Bad":
            raise Invalid("invalid reference format: repository name must be lowercase")
        raise NotFound(f"No such image: {name}:latest", "Look.")

    return FakeEngine(inspect_image=inspect_image)


INDENTED = f"""\
[
    {{
        "Id": "{ID}",
        "RepoTags": [
            "app:1"
        ],
        "Author": "<me>\\u2028",
        "Config": {{
            "Labels": {{}}
        }}
    }}
]
"""


@pytest.mark.parametrize("words", [["inspect"], ["image", "inspect"], ["inspect", "--type", "image"]])
def test_the_document_is_indented_by_four(ligan: CommandLine, words: list[str]) -> None:
    assert ligan(*words, "app", engine=engine()) == (0, INDENTED, "")
    assert ligan(*words, "app", "--format", "", engine=engine()) == (0, INDENTED, "")


def test_json_is_compact(ligan: CommandLine) -> None:
    out = ligan("inspect", "-f", "json", "app", "app", engine=engine()).out
    one = f'{{"Id":"{ID}","RepoTags":["app:1"],"Author":"<me>\\u2028","Config":{{"Labels":{{}}}}}}'
    assert out == f"[{one},{one}]\n"


def test_a_template_is_printed_once_an_image(ligan: CommandLine) -> None:
    assert ligan("inspect", "-f", "{{.Id}} {{.RepoTags}}", "app", "app", engine=engine()).out == (
        f"{ID} [app:1]\n" * 2
    )


NO_SUCH = "Error response from daemon: no such image: x: No such image: x:latest\n"


def test_what_is_found_is_printed_before_what_is_not(ligan: CommandLine) -> None:
    """Golden g_inspect_format."""
    assert ligan("image", "inspect", "x", "app", engine=engine()) == (1, INDENTED, f"{NO_SUCH}ligan: Look.\n")
    assert ligan("image", "inspect", "x", engine=engine()).out == "[]\n"
    assert ligan("image", "inspect", "-f", "{{.Id}}", "x", engine=engine()).out == "\n"
    assert ligan("image", "inspect", "-f", "{{.Id}}", "x", "app", engine=engine()).out == f"{ID}\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["inspect", "x"], "Error: No such object: x\nligan: Look.\n"),
        (["inspect", "Bad"], "Error: No such object: Bad\n"),
        (["inspect", "--type", "image", "x"], f"{NO_SUCH}ligan: Look.\n"),
        (["inspect", "--type", "container", "x"], "Error response from daemon: No such container: x\n"),
        (["image", "inspect", ""], "Error: No such image: \n"),
        (
            ["image", "inspect", "Bad"],
            "Error response from daemon: no such image: Bad: "
            "invalid reference format: repository name must be lowercase\n",
        ),
    ],
)
def test_absence_has_the_words_of_docker(ligan: CommandLine, words: list[str], error: str) -> None:
    assert ligan(*words, engine=engine()) == (1, "[]\n", error)


def test_damage_is_not_taken_for_absence(ligan: CommandLine) -> None:
    broken = FakeEngine(inspect_image=Corrupt("the config is damaged"))
    assert ligan("inspect", "app", engine=broken) == (1, "[]\n", "the config is damaged\n")


def test_an_unknown_type_is_refused(ligan: CommandLine) -> None:
    assert ligan("inspect", "--type", "bogus", "x") == (
        1,
        "",
        'unknown type: "bogus": must be one of "config", "container", "image", "network", "node", '
        '"plugin", "secret", "service", "task", "volume"\n',
    )


def test_sizes_of_images_are_no_option(ligan: CommandLine) -> None:
    assert ligan("inspect", "-s", "app", engine=engine()).err == "WARNING: --size ignored for image\n"


def test_a_template_that_cannot_be_parsed_is_status_64(ligan: CommandLine) -> None:
    assert ligan("inspect", "-f", "{{.Os", "app") == (
        64,
        "",
        "template parsing error: template: :1: unclosed action\n",
    )


def test_a_template_that_fails_is_status_1(ligan: CommandLine) -> None:
    assert ligan("inspect", "-f", "{{.Nope}}", "app", engine=engine()) == (
        1,
        "\n",
        'template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"\n',
    )
