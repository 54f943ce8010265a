from __future__ import annotations

import os

import pytest

from ligan.errors import Invalid
from ligan.oci.platform import Platform, best, normalise, parse


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("Linux/x86_64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64", "v8")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("linux/amd64/v1", Platform("linux", "amd64")),
        ("ARM64", Platform("linux", "arm64")),
        ("x86_64", Platform("linux", "amd64")),
        ("windows", Platform("windows", normalise("", os.uname().machine).architecture)),
    ],
)
def test_a_platform_is_spelled_as_go_spells_it(text: str, platform: Platform) -> None:
    assert parse(text) == platform


@pytest.mark.parametrize("text", ["", "what", "linux/", "a/b/c/d", "linux/amd 64", "/amd64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"invalid argument$"):
        parse(text)


def test_an_image_without_an_os_is_for_linux() -> None:
    assert str(normalise("", "amd64")) == "linux/amd64"


@pytest.mark.parametrize(
    ("image", "wanted", "answer"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/amd64", "linux/arm64", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_a_missing_variant_is_the_usual_one(image: str, wanted: str, answer: bool) -> None:
    assert parse(image).satisfies(parse(wanted)) is answer


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/s390x", "linux/amd64"], 1),
        ("linux/amd64", ["linux/386", "linux/amd64"], 1),
        ("linux/amd64", ["linux/386"], 0),
        ("linux/amd64", ["linux/amd64/v3"], None),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], 1),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64"], 1),
        ("linux/arm64", ["linux/arm/v7"], 0),
        ("linux/amd64", ["windows/amd64"], None),
        ("linux/s390x", ["", "linux/s390x"], 1),
        ("linux/s390x", ["linux/386", ""], 1),
    ],
)
def test_best_is_containerds_choice(wanted: str, offered: list[str], chosen: int | None) -> None:
    assert best([parse(text) if text else None for text in offered], parse(wanted)) == chosen
