"""Names and IDs of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.containers import naming
from ligan.errors import Conflict, Invalid

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.mark.parametrize("name", ["ab", "A.b", "1_-", "/web", "a" * 300])
def test_names_of_two_characters_and_more(name: str) -> None:
    assert naming.checked(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["a", "/", "_a", "bad name", "bad/name", "a\n", "é1", "//ab", ".a"])
def test_other_names_are_refused_in_dockers_words(name: str) -> None:
    with pytest.raises(Invalid) as error:
        naming.checked(name)
    assert error.value.message == (
        f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )


def test_an_id_whose_beginning_is_a_number_is_not_taken() -> None:
    drawn = iter([b"\x12" * 32, b"\xab" * 32])
    assert naming.new_id(lambda _size: next(drawn)) == "ab" * 32


def test_ids_differ() -> None:
    assert len({naming.new_id() for _ in range(10)}) == 10


def test_a_generated_name_is_an_adjective_and_a_surname(stock: Stock) -> None:
    with stock.store.database.read() as tx:
        name = naming.generated(tx, "f" * 64)
    adjective, surname = name.split("_")
    assert adjective.isalpha()
    assert surname.isalpha()
    assert naming.is_valid(name)


def test_wozniak_is_not_boring(stock: Stock) -> None:
    boring, wozniak = naming._ADJECTIVES.split().index("boring"), naming._SURNAMES.split().index("wozniak")
    drawn = iter([number.to_bytes(4, "little") for number in (boring, wozniak, 0, 0)])
    with stock.store.database.read() as tx:
        name = naming.generated(tx, "f" * 64, lambda _size: next(drawn))
    assert name == f"{naming._ADJECTIVES.split()[0]}_{naming._SURNAMES.split()[0]}"


def test_a_taken_name_gets_a_digit_and_at_last_the_id_stands_for_it(stock: Stock) -> None:
    image = stock.image("a")
    first = f"{naming._ADJECTIVES.split()[0]}_{naming._SURNAMES.split()[0]}"
    container = "c" * 64
    with stock.store.database.read() as tx:
        assert naming.generated(tx, container, bytes) == first
    stock.container(image, first)
    with stock.store.database.read() as tx:
        assert naming.generated(tx, container, bytes) == f"{first}0"
    stock.container(image, f"{first}0")
    with stock.store.database.read() as tx:
        assert naming.generated(tx, container, bytes) == container[:12]


def test_a_taken_name_is_told_with_its_holder(stock: Stock) -> None:
    holder = stock.container(stock.image("a"), "n1")
    with stock.store.database.read() as tx, pytest.raises(Conflict) as error:
        naming.check_free(tx, "n1")
    assert error.value.message == (
        f'Conflict. The container name "/n1" is already in use by container "{holder}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
