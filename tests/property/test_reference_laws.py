"""Laws of names: what is shown reads back, and no text is anything but a name or refused."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.oci.reference import InvalidReference, familiar, parse, parse_tag_target, repository_of

law = settings(max_examples=500)

alnum = st.text("abz019", min_size=1, max_size=4)
separators = st.sampled_from([".", "_", "__", "-", "---"])
components = st.builds(
    lambda first, rest: first + "".join(mark + word for mark, word in rest),
    alnum,
    st.lists(st.tuples(separators, alnum), max_size=2),
)
domains = st.sampled_from(
    [
        "",
        "docker.io/",
        "index.docker.io/",
        "localhost/",
        "localhost:5000/",
        "Reg.example.com/",
        "a.b:1/",
        "library/",
    ]
)
tags = st.from_regex(r"\A[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}\Z")
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)
paths = st.builds("/".join, st.lists(components, min_size=1, max_size=3))
texts = st.builds(
    lambda domain, path, tag, digest: domain + path + tag + digest,
    domains,
    # Docker prints docker.io/a.b/c as a.b/c, which reads back as another name: not a law there.
    paths.filter(lambda path: "." not in path.partition("/")[0]),
    st.just("") | tags.map(":".__add__),
    st.just("") | digests.map("@".__add__),
)


@given(texts)
@law
def test_both_forms_of_a_reference_read_back_to_the_same(text: str) -> None:
    reference = parse(text)
    assert parse(reference.canonical).canonical == reference.canonical
    assert parse(reference.familiar).canonical == reference.canonical
    assert familiar(reference.canonical) == reference.familiar
    assert len(reference.familiar) <= len(reference.canonical)


@given(texts)
@law
def test_a_stored_name_tells_its_repository(text: str) -> None:
    reference = parse(text).with_default_tag()
    assert repository_of(reference.canonical) == reference.repository
    assert familiar(reference.repository) == reference.familiar_repository


@given(texts, st.integers(min_value=0, max_value=300), st.text(max_size=3))
@law
def test_any_text_is_refused_or_a_reference_in_ascii(text: str, at: int, junk: str) -> None:
    try:
        reference = parse(text[:at] + junk + text[at:])
    except InvalidReference:
        return
    assert reference.canonical.isascii()
    assert reference.path == reference.path.lower()


@given(texts)
@law
def test_a_new_name_always_has_a_tag(text: str) -> None:
    if "@" not in text:
        reference = parse_tag_target(text)
        assert reference.tag
        assert parse_tag_target(reference.familiar) == reference
