from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ligan.errors import Conflict, Invalid
from ligan.images.catalog import (
    ensure_layer,
    find_by_prefix,
    former_names,
    is_id_argument,
    live_layer,
    resolve,
    set_reference,
)
from ligan.images.removal import NoSuchImage
from ligan.oci.digest import ChainID, DiffID, ImageID
from ligan.oci.reference import InvalidReference, parse
from tests.support.stores import START

if TYPE_CHECKING:
    from tests.support.stores import Stock

DIGEST = f"@sha256:{'1' * 64}"


def found(stock: Stock, name: str) -> ImageID:
    with stock.store.database.read() as tx:
        return resolve(tx, name).image.id


def test_an_image_is_found_by_name_and_by_id(stock: Stock) -> None:
    image = stock.image("a", names=["app", "app:1", f"app{DIGEST}"])
    for name in (
        "app",
        "app:1",
        f"app{DIGEST}",
        f"app:7{DIGEST}",
        "docker.io/library/app",
        "index.docker.io/app:1",
    ):
        assert found(stock, name) == image
    for name in (image, image.hex, image.short, image[:9], image.hex[:3]):
        assert found(stock, name) == image


def test_a_name_comes_before_the_prefix_of_an_id(stock: Stock) -> None:
    image = stock.image("a")
    other = stock.image("b", names=[f"{image.hex[:4]}:latest"])
    assert found(stock, image.hex[:4]) == other
    assert found(stock, image.hex[:5]) == image


def test_64_digits_are_an_id_and_never_a_name(stock: Stock) -> None:
    for name in ("0" * 64, f"sha256:{'0' * 64}"):
        with pytest.raises(NoSuchImage) as absent:
            found(stock, name)
        assert str(absent.value) == f"No such image: sha256:{'0' * 64}"


def test_an_ambiguous_prefix_is_absence_with_a_hint(stock: Stock) -> None:
    prefixes: dict[str, int] = {}
    step = 0
    while max(prefixes.values(), default=0) < 2:
        image = stock.image(step=str(step))
        prefixes[image.hex[:1]] = prefixes.get(image.hex[:1], 0) + 1
        step += 1
    prefix = next(prefix for prefix, count in prefixes.items() if count == 2)
    with pytest.raises(NoSuchImage) as absent:
        found(stock, prefix)
    assert str(absent.value) == f"No such image: {prefix}:latest"
    assert "give more digits" in absent.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "No such image: nosuch:latest"),
        ("nosuch:1", "No such image: nosuch:1"),
        ("000000000000", "No such image: 000000000000:latest"),
        ("sha256:000", "No such image: sha256:000"),
        ("example.com/x/y:z", "No such image: example.com/x/y:z"),
        (f"nosuch{DIGEST}", f"No such image: nosuch{DIGEST}"),
    ],
)
def test_absence_is_told_as_docker_does(stock: Stock, name: str, message: str) -> None:
    with pytest.raises(NoSuchImage) as absent:
        found(stock, name)
    assert (str(absent.value), absent.value.hint) == (message, "")


@pytest.mark.parametrize("name", ["", "NoSuch", "a:b:c", "sha256:", "a b"])
def test_what_cannot_be_a_name_is_refused(stock: Stock, name: str) -> None:
    with pytest.raises(InvalidReference):
        found(stock, name)


def test_a_deleted_name_says_how_to_bring_it_back(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    entry = stock.engine.remove_images(["app:1"]).report.deletion
    with pytest.raises(NoSuchImage) as absent:
        found(stock, "app:1")
    assert f"ligan undo {entry}" in absent.value.hint


@pytest.mark.parametrize(("text", "count"), [("", 0), ("sha256:", 0), ("g", 0), ("A", 0), ("0" * 65, 0)])
def test_what_is_no_hex_is_no_prefix(stock: Stock, text: str, count: int) -> None:
    stock.image()
    with stock.store.database.read() as tx:
        assert len(find_by_prefix(tx, text)) == count


def test_what_starts_as_the_id_is_taken_for_it() -> None:
    image = ImageID("sha256:ab1" + "0" * 61)
    assert is_id_argument("ab1", image)
    assert is_id_argument("sha256:ab1", image)
    assert not is_id_argument("ab1:latest", image)
    assert not is_id_argument("b1", image)


def test_a_name_that_moves_leaves_its_history(stock: Stock) -> None:
    old = stock.image("a", names=["app:1"])
    new = stock.image("b")
    stock.now += 5
    stock.name(new, "app:1")
    assert stock.names() == {"app:1": new}
    with stock.store.database.read() as tx:
        assert former_names(tx, old) == [("docker.io/library/app:1", START + 5)]
        assert former_names(tx, new) == []


def test_former_names_come_newest_first_each_once(stock: Stock) -> None:
    one, two = stock.image("a"), stock.image("b")
    for name in ("app:1", "app:2", "app:1"):
        stock.name(one, name)
        stock.now += 1
        stock.name(two, name)
    with stock.store.database.read() as tx:
        assert [name[-5:] for name, _until in former_names(tx, one)] == ["app:1", "app:2"]


def test_a_name_that_is_back_is_no_former_one(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "app:2"])
    stock.engine.remove_images(["app:1", "app:2"])
    stock.engine.undo()
    stock.engine.remove_images(["app:1"])
    stock.engine.tag_image("app:2", "app:1")
    stock.engine.remove_images(["app:2"])
    with stock.store.database.read() as tx:
        assert [name[-5:] for name, _until in former_names(tx, image)] == ["app:2"]


def test_a_digest_never_means_another_image(stock: Stock) -> None:
    image = stock.image("a", names=[f"app{DIGEST}"])
    stock.name(image, f"app{DIGEST}")
    other = stock.row(stock.image("b"))
    with pytest.raises(Conflict, match="Cannot overwrite digest"), stock.store.database.write() as tx:
        set_reference(tx, parse(f"app{DIGEST}"), other, 0)
    assert stock.names() == {f"app{DIGEST}": image}


def test_an_equal_config_is_the_same_image(stock: Stock) -> None:
    assert stock.image("a") == stock.image("a", names=["app:1"])
    assert len(stock.images()) == 1


def test_an_image_that_comes_again_is_used_by_its_containers(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.container(image, "box")
    stock.engine.remove_images(["app:1"], force=True)
    assert stock.image("a", names=["app:1"]) == image
    (refused,) = stock.engine.remove_images(["app:1"]).arguments
    assert "is using its referenced image" in str(refused.error)


def test_a_layer_without_a_live_holder_does_not_exist(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    with stock.store.database.read() as tx:
        chain = ChainID(tx.value("SELECT chain_id FROM layer"))
        assert live_layer(tx, chain) == stock.row(image).layer
    stock.engine.remove_images(["app:1"])
    with stock.store.database.read() as tx:
        assert live_layer(tx, chain) is None
    stock.image("a")
    with stock.store.database.read() as tx:
        assert live_layer(tx, chain) is not None


def test_125_layers_are_the_limit(stock: Stock) -> None:
    stock.image(*[str(number) for number in range(125)])
    with stock.store.database.read() as tx:
        top, blob = tx.one("SELECT key, blob FROM layer WHERE depth = 125")
    with pytest.raises(Invalid, match=r"^max depth exceeded$"), stock.store.database.write() as tx:
        ensure_layer(tx, ChainID("sha256:x"), top, DiffID("sha256:x"), 1, blob)
