from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from ligan.errors import NotFound
from ligan.images.removal import NoSuchImage
from ligan.insight.plan import Stays
from ligan.oci.reference import InvalidReference
from tests.support import archives

if TYPE_CHECKING:
    from tests.support.stores import Stock

DIGEST = f"@sha256:{'1' * 64}"


def holders(stock: Stock, name: str) -> list[tuple[str, str, str, bool]]:
    return [
        (holder.kind, holder.name, holder.detail, holder.blocks) for holder in stock.engine.why(name).holders
    ]


def diff_id(content: str) -> str:
    return archives.digest(archives.layer({"file": content.encode()}))


def test_every_kind_of_holder_of_an_image_is_named(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", f"app{DIGEST}"])
    child = stock.image("a", "b", parent=image, names=["child:1"])
    other = stock.image("a", "c")
    stopped = stock.container(image, "c1")
    running = stock.container(image, "c2", "paused")
    stock.engine.pin("app:*")
    assert holders(stock, "app:1") == [
        ("tag", "app:1", "", True),
        ("digest", f"app{DIGEST}", "", True),
        ("child", child.short, "child:1", True),
        ("container", stopped[:12], "stopped", True),
        ("container", running[:12], "running", True),
        ("pin", "app:*", "", True),
        ("sharing", other.short, "<none>", False),
    ]


def test_a_command_can_be_pasted_whatever_a_pin_is(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    stock.engine.pin("[!']pp*")
    assert shlex.split(stock.engine.why("app:1").commands[0]) == ["ligan", "unpin", "[!']pp*"]


def test_a_plan_says_what_holds_an_image_that_it_leaves(stock: Stock) -> None:
    image = stock.image("a", names=["app:1", "app:2", "old/app:1"])
    child = stock.image("a", "b", parent=image, names=["child:1"])
    gone = stock.image("a", "c", parent=image)
    container = stock.container(image, "c1")
    plan = stock.engine.plan_removal(["app:1", gone, "child:1"])
    holders = ("tag app:2", "tag old/app:1", f"container {container[:12]}")
    assert plan.stays == (Stays(image, ("app:1",), holders),)
    stock.engine.remove_images(["app:1", "app:2"])
    (stays,) = stock.engine.plan_removal(["old/app:1"], force=True).stays
    assert stays == Stays(
        image, ("old/app:1",), (f"child {child.short}", f"child {gone.short}", f"container {container[:12]}")
    )


def test_an_image_without_blockers_has_one_command(stock: Stock) -> None:
    image = stock.image("a")
    answer = stock.engine.why(image)
    assert (answer.kind, answer.id, answer.holders) == ("image", image, ())
    assert answer.commands == (f"ligan rmi {image.short}",)
    assert answer.bytes == stock.disk_bytes()


def test_the_commands_come_in_the_order_in_which_they_work(stock: Stock) -> None:
    base = stock.image("a", names=["base:1"])
    middle = stock.image("a", "b", parent=base)
    top = stock.image("a", "b", "c", parent=middle, names=["app:1", "app:2", f"app{DIGEST}"])
    leaf = stock.image("a", "d", parent=base)
    container = stock.container(top, "c1")
    stock.engine.pin("app:1")
    unpin, remove, rmi = stock.engine.why("base:1").commands
    assert unpin == "ligan unpin 'app:1'"
    assert remove == f"ligan rm -f {container[:12]}"
    assert rmi.split()[:2] == ["ligan", "rmi"]
    assert set(rmi.split()[2:]) == {"app:1", "app:2", leaf.short, "base:1"}
    assert rmi.endswith(" base:1")


def test_bytes_are_those_that_only_it_and_its_children_hold(stock: Stock) -> None:
    stock.image("shared", "a", names=["app:1"])
    stock.image("shared", names=["app:2"])
    before = stock.disk_bytes()
    said = stock.engine.why("app:1").bytes
    stock.engine.remove_images(["app:1"], now=True)
    assert before - stock.disk_bytes() == said


def test_an_image_tells_what_it_was_called(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.now += 3
    other = stock.image("b", parent=image)
    stock.name(other, "app:1")
    answer = stock.engine.why(image)
    assert [(former.name, former.until) for former in answer.former_names] == [("app:1", stock.now)]
    child = stock.image("c", parent=image)
    stock.engine.remove_images(["app:1"], prune_parents=False)
    assert holders(stock, image) == [("child", child.short, "<none>", True)]
    stock.name(child, "app:2")
    stock.now += 1
    stock.name(image, "app:2")
    assert holders(stock, image)[1] == ("child", child.short, "<none>, was app:2", True)


def test_a_layer_is_explained_by_chain_id_and_by_diff_id(stock: Stock) -> None:
    image = stock.image("a", "b", names=["app:1"])
    top = stock.engine.inspect_image("app:1")["RootFS"]["Layers"][1]
    for name in (top, top[7:20]):
        answer = stock.engine.why(name)
        assert answer.kind == "layer"
        assert [(holder.kind, holder.name, holder.detail) for holder in answer.holders] == [
            ("image", image.short, "app:1")
        ]
        assert answer.commands == ("ligan rmi --now app:1",)
        assert answer.bytes == stock.disk_bytes(), "with the image goes the layer below"
    base = stock.engine.why(diff_id("a"))
    assert [holder.kind for holder in base.holders] == ["image", "layer"]
    assert base.bytes == stock.disk_bytes()


def test_a_layer_that_undo_holds_names_the_entry(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    entry = stock.engine.remove_images(["app:1"]).report.deletion
    answer = stock.engine.why(diff_id("a"))
    assert [(holder.kind, holder.name, holder.detail) for holder in answer.holders] == [
        ("undo", str(entry), "test")
    ]
    assert answer.commands == (f"ligan reclaim {entry}",)


def test_a_layer_that_only_a_container_holds_names_it(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    container = stock.container(image, "c1")
    stock.engine.remove_images(["app:1"], force=True, now=True)
    answer = stock.engine.why(diff_id("a"))
    assert [(holder.kind, holder.name) for holder in answer.holders] == [("container", container[:12])]
    assert answer.commands == (f"ligan rm -f {container[:12]}",)


def test_one_diff_id_on_several_parents_is_explained_as_one(stock: Stock) -> None:
    one = stock.image("a", "x", names=["app:1"])
    two = stock.image("b", "x", names=["app:2"])
    answer = stock.engine.why(diff_id("x")[7:30])
    assert answer.id == diff_id("x")
    assert {holder.name for holder in answer.holders} == {one.short, two.short}


def test_the_config_of_an_image_is_the_image(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    assert stock.engine.why(image[:20]).kind == "image"
    stock.engine.remove_images([image])
    answer = stock.engine.why(image)
    assert (answer.kind, [holder.kind for holder in answer.holders]) == ("blob", ["undo"])
    assert [former.name for former in answer.former_names] == ["app:1"]
    assert answer.commands[0].startswith("ligan reclaim ")


def test_a_compressed_layer_is_held_by_its_layer(stock: Stock) -> None:
    image = stock.image("a", names=["app:1"])
    stock.compressed(archives.layer({"file": b"a"}), b"compressed")
    answer = stock.engine.why(archives.digest(b"compressed"))
    assert (answer.kind, [holder.name for holder in answer.holders]) == ("blob", [image.short])


def test_what_is_not_there_is_told(stock: Stock) -> None:
    stock.image("a", names=["app:1"])
    with pytest.raises(NoSuchImage, match=r"^No such image: nosuch:latest$"):
        stock.engine.why("nosuch")
    with pytest.raises(InvalidReference):
        stock.engine.why("Bad")
    with pytest.raises(NotFound, match=r"^No such image, layer or blob: 0123456789abcdef$"):
        stock.engine.why("0123456789abcdef")


def test_an_ambiguous_prefix_asks_for_more_digits(stock: Stock) -> None:
    stock.image(*[str(number) for number in range(40)], names=["app:1"])
    image = stock.names()["app:1"]
    digits = [diff_id(str(number))[7] for number in range(40)]
    twice = next(digit for digit in digits if digits.count(digit) > 1 and digit != image.hex[0])
    with pytest.raises(NotFound) as refused:
        stock.engine.why(twice)
    assert "give more digits" in refused.value.hint
