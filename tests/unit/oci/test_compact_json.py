from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.oci.compact_json import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


@given(VALUES)
def test_it_writes_and_reads_what_json_does(value: Any) -> None:
    text = dumps(value)
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert loads(text) == value
    assert loads(f" \n{json.dumps(value, indent=2)}\t\r\n") == value


@pytest.mark.parametrize("text", ["", " ", "x", "{", '{"a":1} x', "[1,]", '"\n"', "\ufeff1", '{"a" 1}'])
def test_it_refuses_in_the_words_of_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(char \d+\)") as told:
        json.loads(text)
    with pytest.raises(ValueError, match=r"\(char \d+\)") as raised:
        loads(text)
    assert str(raised.value) == str(told.value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity"])
def test_it_refuses_what_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="is not a value"):
        loads(text)


def test_it_refuses_to_write_what_is_none() -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        dumps([object()])
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(float("nan"))


def test_depth_is_no_crash() -> None:
    with pytest.raises(RecursionError):
        loads("[" * 100_000)
