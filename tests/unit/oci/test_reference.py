"""Sources: golden j_tag_errors, and the grammar in the module's docstring."""

from __future__ import annotations

import pytest

from ligan.errors import Invalid
from ligan.oci.reference import (
    InvalidReference,
    Reference,
    familiar,
    is_tag,
    parse,
    parse_tag_target,
    repository_of,
    tag_of,
)

ZEROS = "0" * 64
FORMAT = "invalid reference format"
LOWER = "invalid reference format: repository name must be lowercase"


@pytest.mark.parametrize(
    ("text", "canonical", "shown"),
    [
        ("new", "docker.io/library/new", "new"),
        ("busybox:latest", "docker.io/library/busybox:latest", "busybox:latest"),
        ("a__b", "docker.io/library/a__b", "a__b"),
        ("a--b/c_d.e:T.1-x_Y", "docker.io/a--b/c_d.e:T.1-x_Y", "a--b/c_d.e:T.1-x_Y"),
        ("a.b-c_d/e:T.1-x_Y", "a.b-c_d/e:T.1-x_Y", "a.b-c_d/e:T.1-x_Y"),
        ("example.com:5000/x", "example.com:5000/x", "example.com:5000/x"),
        ("example.com:99999/x", "example.com:99999/x", "example.com:99999/x"),
        ("EXAMPLE.com/x", "EXAMPLE.com/x", "EXAMPLE.com/x"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("docker.io/library/dl", "docker.io/library/dl", "dl"),
        ("docker.io/dl", "docker.io/library/dl", "dl"),
        ("index.docker.io/idx/x", "docker.io/idx/x", "idx/x"),
        ("library/a", "docker.io/library/a", "a"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("sha256:foo", "docker.io/library/sha256:foo", "sha256:foo"),
        (f"x@sha256:{ZEROS}", f"docker.io/library/x@sha256:{ZEROS}", f"x@sha256:{ZEROS}"),
        (f"x:1@sha256:{ZEROS}", f"docker.io/library/x@sha256:{ZEROS}", f"x@sha256:{ZEROS}"),
        (f"x:{'t' * 128}", f"docker.io/library/x:{'t' * 128}", f"x:{'t' * 128}"),
        ("x/" + "p" * 243, "docker.io/x/" + "p" * 243, "x/" + "p" * 243),
    ],
)
def test_a_reference_in_its_two_forms(text: str, canonical: str, shown: str) -> None:
    reference = parse(text)
    assert (reference.canonical, reference.familiar) == (canonical, shown)
    assert parse(canonical).canonical == parse(shown).canonical == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORMAT),
        ("new:", FORMAT),
        (":tag", FORMAT),
        ("a:b:c", FORMAT),
        ("a//b", FORMAT),
        ("/a", FORMAT),
        ("a/", FORMAT),
        ("-bad", FORMAT),
        ("_bad", FORMAT),
        ("bad_", FORMAT),
        ("a___b", FORMAT),
        ("a..b", FORMAT),
        ("a._b", FORMAT),
        ("new:-x", FORMAT),
        ("new:.x", FORMAT),
        ("new:x y", FORMAT),
        (f"new:{'x' * 129}", FORMAT),
        ("https://x/y", FORMAT),
        ("a\n", FORMAT),
        ("a:b\n", FORMAT),
        ("á", FORMAT),
        ("a:é", FORMAT),
        ("exa_mple.com:1/x", FORMAT),
        ("example.com:/x", FORMAT),
        ("example.com:²/x", FORMAT),
        ("-a.com/x", FORMAT),
        ("x@", FORMAT),
        ("x@sha256", FORMAT),
        ("x@sha256:abc", FORMAT),
        (f"x@sha256:{'g' * 64}", FORMAT),
        (f"x@-:{ZEROS}", FORMAT),
        (f"x@sha256:{'0' * 40}", "invalid checksum digest length"),
        (f"x@sha256:{'A' * 64}", "invalid checksum digest format"),
        (f"x@md5:{'0' * 32}", "unsupported digest algorithm"),
        ("New", LOWER),
        ("EXAMPLE/x", LOWER),
        ("example.com/X:1", LOWER),
        (ZEROS, f"invalid repository name ({ZEROS}), cannot specify 64-byte hexadecimal strings"),
        ("x/" + "p" * 244, "repository name must not be more than 255 characters"),
    ],
)
def test_a_refusal_in_the_daemons_words(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as refused:
        parse(text)
    assert str(refused.value) == message


def test_a_refusal_of_upper_case_tells_the_path() -> None:
    with pytest.raises(InvalidReference) as refused:
        parse("team/New:1")
    assert refused.value.uppercase == "team/New"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"new@sha256:{ZEROS}", "refusing to create a tag with a digest reference"),
        (f"new:1@sha256:{ZEROS}", "refusing to create a tag with a digest reference"),
        ("sha256", "refusing to create an ambiguous tag using digest algorithm as name"),
        ("sha256:foo", "refusing to create an ambiguous tag using digest algorithm as name"),
        (f"sha256:{ZEROS}", "refusing to create an ambiguous tag using digest algorithm as name"),
    ],
)
def test_a_new_name_that_would_mislead_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_tag_target(text)
    assert str(refused.value) == message


def test_a_new_name_without_a_tag_is_latest() -> None:
    assert parse_tag_target("new").canonical == "docker.io/library/new:latest"
    assert parse_tag_target("team/sha256").familiar == "team/sha256:latest"


def test_only_a_bare_repository_gets_the_default_tag() -> None:
    assert parse("a").with_default_tag() == Reference("docker.io", "library/a", "latest")
    assert parse("a:1").with_default_tag() == parse("a:1")
    assert parse(f"a@sha256:{ZEROS}").with_default_tag().tag == ""


def test_the_parts_of_a_canonical_reference() -> None:
    assert repository_of("localhost:5000/a:1") == "localhost:5000/a"
    assert tag_of("localhost:5000/a:1") == "1"
    assert repository_of(f"localhost:5000/a@sha256:{ZEROS}") == "localhost:5000/a"
    assert familiar("localhost:5000/a:1") == "localhost:5000/a:1"


@pytest.mark.parametrize(
    ("text", "answer"), [("1", True), ("_", True), ("", False), ("-", False), ("a/b", False), ("ä", False)]
)
def test_what_a_tag_is(text: str, answer: bool) -> None:
    assert is_tag(text) is answer
