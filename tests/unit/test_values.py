from __future__ import annotations

import pickle

import pytest

from ligan.values import Value


class Point(Value):
    x: int
    y: int = 0


class Named(Point):
    name: str = "p"


def test_a_value_is_made_by_position_or_name_with_defaults() -> None:
    assert Point(1) == Point(x=1, y=0) == Point(1, 0)
    assert Named(1, 2) == Named(x=1, y=2, name="p")
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)


def test_rows_become_values() -> None:
    assert Named.from_rows([(1, 2, "a"), (3, 4, "b")]) == [Named(1, 2, "a"), Named(3, 4, "b")]
    assert Named.from_rows([]) == []


def test_rows_that_lack_a_field_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Named.from_rows([(1, 2), (3, 4)])


def test_values_are_equal_by_type_and_fields() -> None:
    assert Point(1, 2) != Point(1, 3)
    assert Named(1, 2) != Point(1, 2)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1), Point(1), Point(2)}) == 2


@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1})])
def test_wrong_fields_are_refused(arguments: tuple[tuple[int, ...], dict[str, int]]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*arguments[0], **arguments[1])


def test_a_value_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        point.x = 2  # type: ignore[misc]  # what is tested
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 1  # type: ignore[attr-defined]  # what is tested


def test_replace_returns_a_copy() -> None:
    point = Point(1, 2)
    assert point.replace(y=5) == Point(1, 5)
    assert point == Point(1, 2)
    with pytest.raises(TypeError):
        point.replace(z=1)


def test_a_value_shows_its_fields_matches_and_pickles() -> None:
    assert repr(Named(1)) == "Named(x=1, y=0, name='p')"
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)
    assert pickle.loads(pickle.dumps(Named(1, 2, "q"))) == Named(1, 2, "q")
