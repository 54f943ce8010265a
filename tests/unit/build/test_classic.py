"""The rules of the classic builder that need no store; whole builds are compared in tests/differential."""

from __future__ import annotations

import pytest

from ligan.build.classic import build_tags
from ligan.build.classic_arguments import Arguments
from ligan.build.classic_cache import is_same
from ligan.build.output import Output, Text
from ligan.errors import Invalid


def test_an_argument_counts_once_it_is_declared_and_given_values_come_first() -> None:
    stage = (arguments := Arguments({"A": "given", "B": None})).stage()
    assert stage.beside([]) == []
    stage.declare("A", "default")
    stage.declare("B", "other")
    stage.declare("C", None)
    assert stage.beside([]) == ["A=given", "B=other"]
    assert stage.beside(["A=env"]) == ["B=other"]
    assert arguments.unused() == []
    assert arguments.stage().beside([]) == []


def test_an_argument_before_the_first_from_needs_its_name_again() -> None:
    arguments = Arguments({"NOPE": "1", "http_proxy": "p"})
    arguments.declare_before("T", "tag")
    assert arguments.before() == {"T": "tag", "http_proxy": "p"}
    stage = arguments.stage()
    assert stage.beside([]) == ["http_proxy=p"]
    stage.declare("T", None)
    assert stage.beside([]) == ["T=tag", "http_proxy=p"]
    assert stage.seen_by_cache(stage.beside([])) == ["T=tag"]
    stage.declare("http_proxy", None)
    assert stage.seen_by_cache(stage.beside([])) == ["T=tag", "http_proxy=p"]
    assert arguments.unused() == ["NOPE"]


@pytest.mark.parametrize(
    ("mine", "same"),
    [
        ({"Cmd": ["a"]}, True),
        ({"Cmd": ["a"], "Hostname": "h", "Image": "i", "WorkingDir": "/w", "Shell": ["x"]}, True),
        ({"Cmd": ["a"], "Labels": {}, "Volumes": {}, "Env": [], "ExposedPorts": None}, True),
        ({"Cmd": ["a", "b"]}, False),
        ({"Cmd": ["a"], "Env": ["A=1"]}, False),
        ({"Cmd": ["a"], "Labels": {"a": "1"}}, False),
        ({"Cmd": ["a"], "Volumes": {"/v": {}}}, False),
        ({"Cmd": ["a"], "ExposedPorts": {"1/tcp": {}}}, False),
        ({"Cmd": ["a"], "Entrypoint": ["e"]}, False),
        ({"Cmd": ["a"], "User": "u"}, False),
        ({"Cmd": ["a"], "Tty": True}, False),
        ({"Cmd": ["a"], "OpenStdin": True}, False),
    ],
)
def test_the_cache_compares_these_settings_and_no_others(mine: dict[str, object], same: bool) -> None:
    assert is_same(mine, {"Cmd": ["a"], "Env": None, "Labels": None, "Tty": False}) == same


def test_each_name_counts_once() -> None:
    assert [name.familiar for name in build_tags(["a", "", "a:latest", "b:1"])] == ["a:latest", "b:1"]
    with pytest.raises(Invalid, match="build tag cannot contain a digest"):
        build_tags(["a@sha256:" + "0" * 64])


def test_what_is_said_goes_out_together_and_in_order() -> None:
    batches: list[list[object]] = []
    output = Output(lambda batch: batches.append(list(batch)))
    output.say("a", "b")
    output.add(Text("c", is_error=True))
    assert batches == []
    output.flush()
    output.flush()
    assert batches == [[Text("a"), Text("b"), Text("c", is_error=True)]]
