"""JSON and times in Go's spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.errors import Invalid
from ligan.oci.gojson import GO_ZERO_TIME, go_json, go_object, go_time, raw_members


def test_html_characters_are_escaped() -> None:
    assert go_json({"a": "<b> & \u2028\u2029"}) == rb'{"a":"\u003cb\u003e \u0026 \u2028\u2029"}'


def test_other_characters_are_not() -> None:
    assert go_json("é 日 \x7f") == '"é 日 \x7f"'.encode()


def test_control_characters_are_those_of_the_engines_go() -> None:
    assert go_json("\b\f\n\x01\\b") == rb'"\u0008\u000c\n\u0001\\b"'


def test_order_of_keys_stays() -> None:
    assert go_json({"b": 1, "a": None, "c": [True]}) == b'{"b":1,"a":null,"c":[true]}'


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert go_json("\ud800") == b'"?"'


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2023-01-09T17:05:20.656498000Z", "2023-01-09T17:05:20.656498Z"),
        ("2023-01-09T17:05:20.000Z", "2023-01-09T17:05:20Z"),
        ("2023-01-09T17:05:20Z", "2023-01-09T17:05:20Z"),
        ("2023-01-09T17:05:20.5+02:00", "2023-01-09T17:05:20.5+02:00"),
        ("2023-01-09T17:05:20.50+00:00", "2023-01-09T17:05:20.5Z"),
        ("2023-01-09T17:05:20-00:00", "2023-01-09T17:05:20Z"),
        ("2023-01-09T17:05:20.1234567891Z", "2023-01-09T17:05:20.123456789Z"),
        ("", GO_ZERO_TIME),
    ],
)
def test_time_loses_zeros_at_the_end(written: str, read: str) -> None:
    assert go_time(written) == read


def test_raw_members_keep_their_text() -> None:
    raw = b' { "a" : 1.0e5 , "b":[ 1 , "x \\u00e9" ], "c" : {"d": -0} } '
    assert raw_members(raw) == {"a": "1.0e5", "b": '[ 1 , "x \\u00e9" ]', "c": '{"d": -0}'}


def test_object_of_raw_members_is_sorted_and_compact() -> None:
    members = {"b": '[ 1 ,\n "x  \\"<\\" y" ]', "a": "1.0e5"}
    assert go_object(members) == b'{"a":1.0e5,"b":[1,"x  \\"\\u003c\\" y"]}'


def test_empty_object() -> None:
    assert raw_members(b"{}") == {}
    assert go_object({}) == b"{}"


@pytest.mark.parametrize("raw", [b"[]", b"1", b"", b"{1:2}", b'{"a" 1}', b'{"a":}', b"\xff"])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"^invalid image JSON: "):
        raw_members(raw)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values), st.sampled_from([None, 1, "\t"]))
def test_nothing_is_lost_on_the_way(document: dict[str, object], indent: int | str | None) -> None:
    raw = json.dumps(document, indent=indent).encode()
    again = go_object(raw_members(raw))
    assert json.loads(again) == document
    assert list(json.loads(again)) == sorted(document)
