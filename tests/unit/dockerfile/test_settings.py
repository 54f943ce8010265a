"""What instructions make of settings, and what history says of them: 20.10's own and BuildKit's."""

from __future__ import annotations

from typing import Any

import pytest

from ligan.dockerfile.parse import parse
from ligan.dockerfile.settings import State, apply, expanded
from ligan.errors import Invalid

BASE: dict[str, Any] = {"Env": ["A=1", "P=80 81"], "Cmd": ["sh"], "WorkingDir": "/w"}


def after(text: str, *, classic: bool = True) -> tuple[dict[str, Any], list[str], State]:
    """Return what the instructions changed, what history says of each, and the state."""
    state = State(BASE, classic=classic)
    [stage] = parse(f"FROM x\n{text}", classic=classic).stages
    told = [apply(state, expanded(step, state.environment, "\\", classic=classic)) for step in stage.steps]
    changed = {name: value for name, value in state.config.items() if BASE.get(name, "absent") != value}
    return changed, told, state


@pytest.mark.parametrize(
    ("line", "changed", "told"),
    [
        ("ENV B=$A C='$A' A=2", {"Env": ["A=2", "P=80 81", "B=1", "C=$A"]}, "ENV B=1 C=$A A=2"),
        ('LABEL b="x y" a=$A', {"Labels": {"a": "1", "b": "x y"}}, "LABEL b=x y a=1"),
        ("CMD echo $A", {"Cmd": ["/bin/sh", "-c", "echo $A"]}, 'CMD ["/bin/sh" "-c" "echo $A"]'),
        ('CMD ["a", "\\"b\\n\\u00e9"]', {"Cmd": ["a", '"b\né']}, 'CMD ["a" "\\"b\\né"]'),
        ("CMD []", {"Cmd": []}, "CMD []"),
        ('ENTRYPOINT ["a"]', {"Entrypoint": ["a"], "Cmd": None}, 'ENTRYPOINT ["a"]'),
        ("ENTRYPOINT []", {"Entrypoint": None, "Cmd": None}, "ENTRYPOINT []"),
        (
            "EXPOSE 90/UDP $P",
            {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}, "90/udp": {}}},
            "EXPOSE 80 81 90/UDP",
        ),
        ("USER u$A", {"User": "u1"}, "USER u1"),
        ('VOLUME ["/b", "/$A"]', {"Volumes": {"/1": {}, "/b": {}}}, "VOLUME [/b /1]"),
        ("WORKDIR x/../$A", {"WorkingDir": "/w/1"}, "WORKDIR /w/1"),
        ("WORKDIR /x/../y/", {"WorkingDir": "/x/../y/"}, "WORKDIR /x/../y/"),
        ("STOPSIGNAL ${A}0", {"StopSignal": "10"}, "STOPSIGNAL 10"),
        ('SHELL ["a", "-b"]', {"Shell": ["a", "-b"]}, "SHELL [a -b]"),
        ("ONBUILD RUN $A", {"OnBuild": ["RUN $A"]}, "ONBUILD RUN $A"),
        ("MAINTAINER $A b", {}, "MAINTAINER $A b"),
        (
            "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=39 CMD a b",
            {
                "Healthcheck": {
                    "Test": ["CMD-SHELL", "a b"],
                    "Interval": 90 * 10**9,
                    "Timeout": 15 * 10**8,
                    "Retries": 39,
                }
            },
            'HEALTHCHECK &{["CMD-SHELL" "a b"] "1m30s" "1.5s" "0s" \'\\\'\'}',
        ),
        (
            "HEALTHCHECK NONE",
            {"Healthcheck": {"Test": ["NONE"]}},
            'HEALTHCHECK &{["NONE"] "0s" "0s" "0s" \'\\x00\'}',
        ),
    ],
)
def test_classic(line: str, changed: dict[str, Any], told: str) -> None:
    assert after(line)[:2] == (changed, [told])


@pytest.mark.parametrize(
    ("line", "changed", "told"),
    [
        ("CMD a", {"Cmd": ["/bin/sh", "-c", "a"], "ArgsEscaped": True}, 'CMD ["/bin/sh" "-c" "a"]'),
        ("ENTRYPOINT []", {"Entrypoint": None, "Cmd": None}, "ENTRYPOINT []"),
        (
            "EXPOSE 90/UDP $P",
            {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}, "90/udp": {}}},
            "EXPOSE [80/tcp 81/tcp 90/udp]",
        ),
        ("WORKDIR /x/../y/", {"WorkingDir": "/y"}, "WORKDIR /y"),
        ("WORKDIR //y", {"WorkingDir": "/y"}, "WORKDIR /y"),
        ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}, ""),
        (
            'HEALTHCHECK --start-interval=2s CMD ["a", "b"]',
            {"Healthcheck": {"Test": ["CMD", "a", "b"], "StartInterval": 2 * 10**9}},
            "HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:0s StartPeriod:0s StartInterval:2s Retries:0}",
        ),
        ("USER ${A/1/u}", {"User": "u"}, "USER u"),
    ],
)
def test_modern(line: str, changed: dict[str, Any], told: str) -> None:
    assert after(line, classic=False)[:2] == (changed, [told])


def test_an_entrypoint_leaves_a_command_of_its_stage() -> None:
    assert after('CMD ["a"]\nENTRYPOINT ["b"]')[0] == {"Cmd": ["a"], "Entrypoint": ["b"]}
    assert after('CMD\nENTRYPOINT ["b"]')[0] == {"Cmd": None, "Entrypoint": ["b"]}


def test_the_shell_is_for_those_that_follow() -> None:
    changed, told, _state = after('SHELL ["x"]\nCMD a\nENTRYPOINT b')
    assert (changed["Cmd"], changed["Entrypoint"]) == (["x", "a"], ["x", "b"])
    assert told[1:] == ['CMD ["x" "a"]', 'ENTRYPOINT ["x" "b"]']


def test_the_author_is_kept_apart() -> None:
    assert after("MAINTAINER a <b>")[2].author == "a <b>"


def test_of_variables_with_one_name_20_10_takes_the_first() -> None:
    config = {"Env": ["A=1", "A=2"]}
    assert State(config, classic=True).environment == {"A": "1"}
    assert State(config, classic=False).environment == {"A": "2"}


@pytest.mark.parametrize(
    ("line", "classic", "modern"),
    [
        ("EXPOSE a", "Invalid containerPort: a", "invalid containerPort: a"),
        ("EXPOSE 80/x", "Invalid proto: x", 'invalid port: "80/x": invalid proto: x'),
        ("EXPOSE 65536", "Invalid containerPort: 65536", "invalid containerPort: 65536"),
        ("EXPOSE 81-80", "Invalid containerPort: 81-80", "invalid containerPort: 81-80"),
        (f"EXPOSE {'9' * 5000}", f"Invalid containerPort: {'9' * 5000}", ""),
        ("EXPOSE /tcp", "No port specified: /tcp<empty>", 'invalid port: "/tcp": no port specified'),
        ("WORKDIR $B", "cannot normalize nothing", ""),
        (
            "VOLUME $B",
            "VOLUME specified can not be an empty string",
            "VOLUME specified can not be an empty string",
        ),
        ("STOPSIGNAL foo", "Invalid signal: foo", "Invalid signal: foo"),
        ("USER ${A#1}", "failed to process \"${A#1}\": missing ':' in substitution", ""),
    ],
)
def test_refusals(line: str, classic: str, modern: str) -> None:
    for expected, is_classic in ((classic, True), (modern, False)):
        if expected:
            with pytest.raises(Invalid) as caught:
                after(line, classic=is_classic)
            assert caught.value.message == expected
