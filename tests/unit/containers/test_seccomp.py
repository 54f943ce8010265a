from __future__ import annotations

import json
from typing import Any

import pytest

from ligan.containers.seccomp import parse_profile, resolve
from ligan.containers.seccomp_profile import default_profile
from ligan.errors import Invalid

ALLOW = "SCMP_ACT_ALLOW"


def rule(name: str, **conditions: Any) -> dict[str, Any]:
    return {"names": [name], "action": ALLOW, **conditions}


def names(profile: dict[str, Any], machine: str = "amd64", *, kernel: tuple[int, int] = (5, 0)) -> list[str]:
    resolved = resolve(profile, machine, kernel, ["CAP_A", "CAP_B"])
    assert resolved is not None
    return [name for entry in resolved["syscalls"] for name in entry["names"]]


def test_conditions_choose_the_rules() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            rule("always"),
            rule("here", includes={"arches": ["amd64", "x32"]}),
            rule("elsewhere", includes={"arches": ["arm64"]}),
            rule("both", includes={"caps": ["CAP_A", "CAP_B"]}),
            rule("one_lacks", includes={"caps": ["CAP_A", "CAP_C"]}),
            rule("not_with_b", excludes={"caps": ["CAP_B"]}),
            rule("not_here", excludes={"arches": ["amd64"]}),
            rule("kernel", includes={"minKernel": "4.8"}),
            rule("newer_kernel", includes={"minKernel": "5.1"}),
            rule("older_kernel", excludes={"minKernel": "5.0"}),
        ],
    }
    assert names(profile) == ["always", "here", "both", "kernel"]


def test_old_form_has_one_name_a_rule() -> None:
    assert names({"syscalls": [{"name": "read", "action": ALLOW}]}) == ["read"]


def test_architectures_come_with_those_that_run_as_well() -> None:
    profile = default_profile()
    for machine, expected in (
        ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("arm64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
        ("riscv64", ["SCMP_ARCH_RISCV64"]),
    ):
        resolved = resolve(profile, machine, (6, 1), [])
        assert resolved is not None
        assert resolved["architectures"] == expected
    resolved = resolve(profile, "ppc64le", (6, 1), [])
    assert resolved is not None
    assert "architectures" not in resolved  # runtimes then take the machine's own


def test_the_flags_of_clone_are_elsewhere_on_s390() -> None:
    resolved = resolve(default_profile(), "s390x", (6, 1), [])
    assert resolved is not None
    clones = [entry for entry in resolved["syscalls"] if entry["names"] == ["clone"]]
    assert [entry["args"][0]["index"] for entry in clones] == [1]


def test_an_empty_profile_is_no_filter() -> None:
    assert resolve(parse_profile("{}"), "amd64", (6, 1), []) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"syscalls": 1}',
        '{"syscalls": [1]}',
        '{"syscalls": [{"includes": {"minKernel": "x"}}]}',
        '{"syscalls": [{"includes": {"caps": 1}}]}',
        '{"syscalls": [{"excludes": []}, {"excludes": 1}]}',
        '{"archMap": [1]}',
        '{"architectures": "a"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^Decoding seccomp profile failed: "):
        parse_profile(text)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"architectures": ["a"], "archMap": [{}]}, "use either 'architectures' or 'archMap'"),
        ({"syscalls": [{"name": "a", "names": ["a"]}]}, "use either 'name' or 'names'"),
    ],
)
def test_a_profile_says_a_thing_once(profile: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse_profile(json.dumps(profile))
