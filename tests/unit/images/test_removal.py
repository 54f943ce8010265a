"""The decision of a delete, row by row of engine 20.10's image_delete.go and image_prune.go.

What Docker answered is in the goldens c_two_tags, d_rmi_in_use and b_build_intermediates.
"""

from __future__ import annotations

import pytest

from ligan.errors import LiganError
from ligan.images.removal import (
    ContainerFacts,
    ImageFacts,
    ImageInUse,
    LayerFacts,
    NoSuchImage,
    ReferenceInUse,
    RemovalFacts,
    RemovalPlan,
    RemovalRequest,
    decide,
    decide_each,
    decide_prune,
    matches_pin,
)
from ligan.oci.digest import ChainID, ImageID
from ligan.oci.reference import parse

RUNNING = ContainerFacts("c" * 64, running=True)
STOPPED = ContainerFacts("d" * 64, running=False)
DIGEST = f"@sha256:{'e' * 64}"


def identity(letter: str) -> ImageID:
    return ImageID(f"sha256:{letter * 64}")


def canonical(name: str) -> str:
    return parse(name).with_default_tag().canonical


class Facts:
    """Images by one letter each; every image has one layer of its own on its parent's."""

    def __init__(self) -> None:
        self.images: dict[ImageID, ImageFacts] = {}
        self.layers: dict[int, LayerFacts] = {}

    def image(
        self,
        letter: str,
        *names: str,
        parent: str = "",
        containers: tuple[ContainerFacts, ...] = (),
        pins: tuple[str, ...] = (),
        size: int = 10,
    ) -> None:
        above = self.images.get(identity(parent)) if parent else None
        key = len(self.layers) + 1
        below = above.layer if above else None
        self.layers[key] = LayerFacts(key, ChainID(f"layer {letter}"), below, 1 + len(containers), size)
        if above is not None:
            assert below is not None
            self.images[above.id] = above.replace(children=above.children + 1)
            self.layers[below] = self.layers[below].replace(holders=self.layers[below].holders + 1)
        self.images[identity(letter)] = ImageFacts(
            identity(letter),
            above.id if above else None,
            tuple(sorted(map(canonical, names))),
            0,
            containers,
            key,
            pins,
        )

    def request(self, argument: str, *, force: bool = False, prune_parents: bool = True) -> RemovalRequest:
        """By ID for a single letter, else by name."""
        if len(argument) == 1:
            return RemovalRequest(argument * 12, identity(argument), "", force, prune_parents)
        name = canonical(argument)
        image = next(image.id for image in self.images.values() if name in image.references)
        return RemovalRequest(argument, image, name, force, prune_parents)

    def remove(self, argument: str, *, force: bool = False, prune_parents: bool = True) -> list[str]:
        return rows(
            decide(
                RemovalFacts(self.images, self.layers),
                self.request(argument, force=force, prune_parents=prune_parents),
            )
        )

    def each(self, *arguments: str) -> list[list[str] | str]:
        """Rows of each argument, or the words that refuse it."""
        decisions, plan = decide_each(
            RemovalFacts(self.images, self.layers), [self.request(item) for item in arguments]
        )
        assert rows(plan) == [str(row) for item in decisions for row in item.rows]
        return [str(item.error) if item.error else [str(row) for row in item.rows] for item in decisions]

    def prune(self, *letters: str, dangling_only: bool = True) -> list[str]:
        return rows(
            decide_prune(
                RemovalFacts(self.images, self.layers), map(identity, letters), dangling_only=dangling_only
            )
        )


def rows(plan: RemovalPlan) -> list[str]:
    return [str(row) for row in plan.rows]


def deleted(*letters: str) -> list[str]:
    return [row for letter in letters for row in (f"Deleted: {identity(letter)}", f"Deleted: layer {letter}")]


@pytest.fixture
def facts() -> Facts:
    return Facts()


def refusal(facts: Facts, argument: str, *, force: bool = False) -> str:
    with pytest.raises((ImageInUse, ReferenceInUse)) as refused:
        facts.remove(argument, force=force)
    return str(refused.value)


class TestByName:
    def test_the_only_name_goes_with_its_image(self, facts: Facts) -> None:
        facts.image("a", "one:2")
        assert facts.remove("one:2") == ["Untagged: one:2", *deleted("a")]

    def test_one_of_several_names_goes_alone(self, facts: Facts) -> None:
        facts.image("a", "one:1", "two:1")
        assert facts.remove("one:1") == ["Untagged: one:1"]

    def test_the_only_name_of_an_image_in_use_stays(self, facts: Facts) -> None:
        facts.image("a", "one", containers=(STOPPED,))
        words = 'conflict: unable to remove repository reference "one" (must force) - container dddddddddddd '
        assert refusal(facts, "one") == words + "is using its referenced image aaaaaaaaaaaa"

    def test_a_running_container_keeps_the_image_though_forced(self, facts: Facts) -> None:
        facts.image("a", "one", containers=(RUNNING,))
        assert facts.remove("one", force=True) == ["Untagged: one:latest"]

    def test_a_stopped_container_keeps_layers_though_the_image_is_forced_out(self, facts: Facts) -> None:
        facts.image("b")
        facts.image("a", "one", parent="b", containers=(STOPPED,))
        assert facts.remove("one", force=True) == [
            "Untagged: one:latest",
            f"Deleted: {identity('a')}",
            f"Deleted: {identity('b')}",
        ]

    def test_one_of_several_names_of_an_image_in_use_goes(self, facts: Facts) -> None:
        facts.image("a", "one:1", "one:2", containers=(RUNNING,))
        assert facts.remove("one:1") == ["Untagged: one:1"]

    def test_the_last_tag_of_a_repository_takes_its_digests_along(self, facts: Facts) -> None:
        facts.image("a", "one:1", f"one{DIGEST}", "two:1")
        assert facts.remove("one:1") == ["Untagged: one:1", f"Untagged: one{DIGEST}"]

    def test_a_tag_with_another_of_its_repository_leaves_the_digests(self, facts: Facts) -> None:
        facts.image("a", "one:1", "one:2", f"one{DIGEST}")
        assert facts.remove("one:1") == ["Untagged: one:1"]

    def test_a_digest_goes_alone(self, facts: Facts) -> None:
        facts.image("a", "one:1", f"one{DIGEST}")
        assert facts.remove(f"one{DIGEST}") == [f"Untagged: one{DIGEST}"]

    def test_a_tag_and_digests_of_its_repository_are_one_name_to_containers(self, facts: Facts) -> None:
        facts.image("a", "one:1", f"one{DIGEST}", containers=(STOPPED,))
        assert "container dddddddddddd is using" in refusal(facts, "one:1")
        facts.image("b", "one:3", f"two{DIGEST}", containers=(STOPPED,))
        assert facts.remove("one:3") == ["Untagged: one:3"]

    def test_a_parent_loses_its_name_only(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a")
        assert facts.remove("base:1") == ["Untagged: base:1"]


class TestByID:
    def test_all_names_of_one_repository_with_one_tag_go(self, facts: Facts) -> None:
        facts.image("a", "one:1", f"one{DIGEST}")
        assert facts.remove("a") == ["Untagged: one:1", f"Untagged: one{DIGEST}", *deleted("a")]

    @pytest.mark.parametrize("names", [("one:1", "one:2"), ("one:1", "two:1"), ("one:1", f"two{DIGEST}")])
    def test_several_names_must_be_forced(self, facts: Facts, names: tuple[str, ...]) -> None:
        facts.image("a", *names)
        words = "conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is referenced in multiple "
        assert refusal(facts, "a") == words + "repositories"
        assert facts.remove("a", force=True) == [*(f"Untagged: {name}" for name in names), *deleted("a")]

    def test_names_go_in_canonical_order(self, facts: Facts) -> None:
        facts.image("a", "p:1", "q/w:x", "localhost:5000/a:b")
        assert facts.remove("a", force=True)[:3] == [
            "Untagged: p:1",
            "Untagged: q/w:x",
            "Untagged: localhost:5000/a:b",
        ]

    def test_children_keep_it_though_forced(self, facts: Facts) -> None:
        facts.image("a", "base:1", containers=(RUNNING,))
        facts.image("b", parent="a")
        words = (
            "conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image has dependent child images"
        )
        assert refusal(facts, "a") == refusal(facts, "a", force=True) == words

    def test_a_running_container_keeps_it_and_its_names_though_forced(self, facts: Facts) -> None:
        facts.image("a", "one:1", "two:1", containers=(STOPPED, RUNNING))
        words = "conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is being used by running "
        assert refusal(facts, "a", force=True) == words + "container cccccccccccc"

    def test_a_stopped_container_keeps_it_unless_forced(self, facts: Facts) -> None:
        facts.image("a", "one:1", containers=(STOPPED,))
        words = "conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is being used by stopped "
        assert refusal(facts, "a") == words + "container dddddddddddd"
        assert facts.remove("a", force=True) == ["Untagged: one:1", f"Deleted: {identity('a')}"]

    def test_names_are_told_before_stopped_containers(self, facts: Facts) -> None:
        facts.image("a", "one:1", "two:1", containers=(STOPPED,))
        assert "multiple repositories" in refusal(facts, "a")


class TestParents:
    def test_untagged_parents_go_upwards_layer_by_layer(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", parent="a")
        facts.image("c", "app:1", parent="b")
        assert facts.remove("app:1") == ["Untagged: app:1", *deleted("c", "b", "a")]

    @pytest.mark.parametrize(
        "held",
        [{"names": ("base:1",)}, {"names": (f"base{DIGEST}",)}, {"containers": (STOPPED,)}, {"pins": ("x",)}],
    )
    def test_they_stay_from_the_first_that_is_held(
        self, facts: Facts, held: dict[str, tuple[str, ...]]
    ) -> None:
        names = held.pop("names", ())
        facts.image("a")
        facts.image("b", *names, parent="a", **held)  # type: ignore[arg-type]  # one of the three
        facts.image("c", "app:1", parent="b")
        assert facts.remove("app:1", force=True) == ["Untagged: app:1", *deleted("c")]

    def test_a_parent_with_another_child_stays(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", "app:1", parent="a")
        facts.image("c", "app:2", parent="a")
        assert facts.remove("app:1") == ["Untagged: app:1", *deleted("b")]

    def test_no_prune_leaves_them(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", "app:1", parent="a")
        assert facts.remove("app:1", prune_parents=False) == ["Untagged: app:1", *deleted("b")]

    def test_a_layer_that_another_image_holds_stays(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", "app:1", parent="a")
        layer = facts.images[identity("a")].layer
        assert layer is not None
        facts.layers[layer] = facts.layers[layer].replace(holders=3)
        assert facts.remove("app:1") == ["Untagged: app:1", *deleted("b"), f"Deleted: {identity('a')}"]

    def test_the_freed_size_is_that_of_the_deleted_layers(self, facts: Facts) -> None:
        facts.image("a", size=7)
        facts.image("b", "app:1", parent="a", size=100)
        plan = decide(RemovalFacts(facts.images, facts.layers), facts.request("app:1"))
        assert plan.diff_size == 107
        assert plan.images == (identity("b"), identity("a"))


class TestSeveralArguments:
    def test_a_common_untagged_parent_goes_with_the_last_child(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", "c1:1", parent="a")
        facts.image("c", "c2:1", parent="a")
        assert facts.each("c1:1", "c2:1") == [
            ["Untagged: c1:1", *deleted("b")],
            ["Untagged: c2:1", *deleted("c", "a")],
        ]

    def test_a_name_given_twice_is_gone_the_second_time(self, facts: Facts) -> None:
        facts.image("a", "app")
        assert facts.each("app", "app") == [
            ["Untagged: app:latest", *deleted("a")],
            "No such image: app:latest",
        ]

    def test_an_id_after_all_its_names_is_gone(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1")
        assert facts.each("app:1", "web:1", "a")[1:] == [
            ["Untagged: web:1", *deleted("a")],
            "No such image: aaaaaaaaaaaa:latest",
        ]

    def test_an_id_after_all_but_one_of_its_names_needs_no_force(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1")
        assert facts.each("app:1", "a") == [["Untagged: app:1"], ["Untagged: web:1", *deleted("a")]]

    def test_a_parent_after_its_only_child_can_go_by_id(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a")
        assert facts.each("app:1", "a") == [
            ["Untagged: app:1", *deleted("b")],
            ["Untagged: base:1", *deleted("a")],
        ]

    def test_a_refusal_keeps_nothing_from_the_arguments_after_it(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a")
        refused, done = facts.each("a", "app:1")
        assert "dependent child images" in refused
        assert done == ["Untagged: app:1", *deleted("b")]

    def test_an_argument_that_already_is_an_error_stays_one(self, facts: Facts) -> None:
        error: LiganError = NoSuchImage("x:latest")
        decisions, plan = decide_each(RemovalFacts(facts.images, facts.layers), [error])
        assert (decisions[0].error, bool(plan)) == (error, False)


class TestPins:
    def test_a_pinned_image_keeps_all_its_names(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1", pins=(identity("a"),))
        words = "conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is pinned by "
        for argument in ("a", "app:1"):
            assert refusal(facts, argument, force=True) == f'{words}"{identity("a")}"'

    def test_a_pinned_name_stays_and_others_go(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1", pins=("app:*",))
        assert 'image is pinned by "app:*"' in refusal(facts, "app:1", force=True)
        assert 'image is pinned by "app:*"' in refusal(facts, "a", force=True)
        assert facts.remove("web:1") == ["Untagged: web:1"]

    def test_a_pinned_digest_keeps_the_tag_that_would_take_it_along(self, facts: Facts) -> None:
        facts.image("a", "app:1", f"app{DIGEST}", pins=("app@*",))
        assert 'image is pinned by "app@*"' in refusal(facts, "app:1", force=True)

    @pytest.mark.parametrize(
        ("pattern", "name", "answer"),
        [
            ("app:1", "app:1", True),
            ("app", "app:1", True),
            ("app:*", "app:1", True),
            ("app:*", "team/app:1", False),
            ("*/app:1", "localhost:5000/team/app:1", True),
            ("a[pq]p", "app:1", True),
            ("docker.io/library/app:1", "app:1", False),
        ],
    )
    def test_a_pin_covers_a_familiar_name_or_repository(self, pattern: str, name: str, answer: bool) -> None:
        assert matches_pin(pattern, canonical(name)) is answer


class TestPrune:
    def test_dangling_images_go_with_their_untagged_parents(self, facts: Facts) -> None:
        facts.image("a")
        facts.image("b", parent="a")
        facts.image("c", "app:1")
        assert facts.prune("a", "b", "c") == deleted("b", "a")

    def test_an_image_with_digests_only_is_dangling(self, facts: Facts) -> None:
        facts.image("a", f"app{DIGEST}")
        assert facts.prune("a") == [f"Untagged: app{DIGEST}", *deleted("a")]

    def test_all_takes_every_name_of_an_unused_image(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1", f"app{DIGEST}")
        assert facts.prune("a", dangling_only=False) == [
            "Untagged: app:1",
            f"Untagged: app{DIGEST}",
            "Untagged: web:1",
            *deleted("a"),
        ]

    def test_all_takes_no_name_from_an_image_in_use(self, facts: Facts) -> None:
        facts.image("a", "app:1", "app:2", containers=(STOPPED,))
        assert facts.prune("a", dangling_only=False) == []

    def test_all_takes_no_name_from_the_base_of_an_image_in_use(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a", containers=(RUNNING,))
        assert facts.prune("a", "b", dangling_only=False) == []

    def test_all_takes_a_base_after_its_unused_children_whatever_their_order(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a")
        expected = ["Untagged: app:1", *deleted("b"), "Untagged: base:1", *deleted("a")]
        assert facts.prune("a", "b", dangling_only=False) == expected
        assert facts.prune("b", "a", dangling_only=False) == expected

    def test_a_pinned_image_stays(self, facts: Facts) -> None:
        facts.image("a", "app:1", "web:1", pins=("app:1",))
        assert facts.prune("a", dangling_only=False) == []

    def test_what_is_no_candidate_stays(self, facts: Facts) -> None:
        facts.image("a", "base:1")
        facts.image("b", "app:1", parent="a")
        assert facts.prune("a", dangling_only=False) == []
