"""A real dockerd and Ligan say the same of bad and odd Dockerfiles, each sent with no context beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.differential.builds import Build
from tests.differential.dockerfiles import FAILING, ODD, REFUSED, UNREADABLE
from tests.differential.test_same_builds import Engine, clear, empty
from tests.support.dockers import containing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.dockerd


@pytest.fixture(scope="module")
def engines(dockerd: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    with containing(str(tmp_path_factory.mktemp("ligan") / "root")) as ligan:
        both = Engine(dockerd), Engine(ligan.host)
        empty(both[0])
        yield both
        clear(both[0])


@pytest.mark.parametrize("text", [*UNREADABLE, *REFUSED, *FAILING, *ODD], ids=lambda text: ascii(text)[1:60])
def test_same_words(text: str, engines: tuple[Engine, Engine]) -> None:
    build = Build("", {"Dockerfile": text.encode("utf-8")}, {"nocache": "1"})
    (theirs, their_image), (ours, our_image) = [engine.build(build) for engine in engines]
    assert ours == theirs
    assert bool(our_image) == bool(their_image)
    assert bool(our_image) or text not in ODD


@pytest.mark.parametrize(
    "files",
    [
        {"dockerfile": "FROM scratch\nENV a"},
        {"dockerfile": ""},
        {"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": "[", "a": ""},
        {"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": "*\n!.dockerignore", "a": ""},
        {"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": "**/Docker*\n/.docker?gnore/", "a": ""},
    ],
    ids=str,
)
def test_same_words_of_files_beside(files: dict[str, str], engines: tuple[Engine, Engine]) -> None:
    build = Build("", {**files}, {"nocache": "1"})
    (theirs, their_image), (ours, our_image) = [engine.build(build) for engine in engines]
    assert ours == theirs
    assert not their_image or engines[1].describe(our_image) == engines[0].describe(their_image)
