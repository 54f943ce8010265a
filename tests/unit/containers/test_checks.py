"""What Docker refuses, in the words of dockerd 20.10.24 (asked with the same settings)."""

from __future__ import annotations

from typing import Any

import pytest

from ligan.containers.checks import (
    check_config,
    check_host_config,
    check_text,
    fill_in,
    parse_security,
)
from ligan.containers.host import Host
from ligan.errors import Invalid

M = 1 << 20
EVERYTHING = frozenset(
    {
        "memory",
        "memory.memsw.limit_in_bytes",
        "memory.soft_limit_in_bytes",
        "memory.swappiness",
        "memory.oom_control",
        "cpu.shares",
        "cpu.cfs_quota_us",
        "cpuset",
        "pids",
        "blkio.weight",
    }
)
HOST = Host(
    cgroups="v1",
    machine="amd64",
    kernel=(6, 18),
    capabilities=(),
    cpus=2,
    cpuset_cpus="0-1",
    cpuset_mems="0",
    memory=1 << 34,
    controls=EVERYTHING,
    apparmor=frozenset(),
    uid=0,
)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"WorkingDir": "rel"}, "the working directory 'rel' is invalid, it needs to be an absolute path"),
        ({"StopSignal": "foo"}, "Invalid signal: foo"),
        ({"StopSignal": "0"}, "Invalid signal: 0"),
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"Env": [""]}, "invalid environment variable: "),
        (
            {"Healthcheck": {"Test": ["CMD"], "Interval": 5}},
            "Interval in Healthcheck cannot be less than 1ms",
        ),
        ({"Healthcheck": {"Interval": -5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Timeout": 5}}, "Timeout in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"StartPeriod": 1}}, "StartPeriod in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Retries": -1}}, "Retries in Healthcheck cannot be negative"),
    ],
)
def test_config_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_config(config)
    assert raised.value.message == words


@pytest.mark.parametrize("stop_signal", ["SIGTERM", "99", "rtmin+3", ""])
def test_config_is_taken(stop_signal: str) -> None:
    check_config({"WorkingDir": "/x", "StopSignal": stop_signal, "Env": ["A", "B=", "C==="]})
    check_config({"Healthcheck": {"Interval": 1_000_000}})


@pytest.mark.parametrize(
    ("host_config", "words"),
    [
        ({"CapAdd": ["FOO"]}, 'invalid CapAdd: unknown capability: "CAP_FOO"'),
        ({"CapDrop": ["FOO"]}, 'invalid CapDrop: unknown capability: "CAP_FOO"'),
        ({"OomScoreAdj": 2000}, "Invalid value 2000, range for oom score adj is [-1000, 1000]"),
        ({"ShmSize": -1}, "SHM size can not be less than 0"),
        ({"Tmpfs": {"b": ""}}, "invalid mount path: 'b' mount path must be absolute"),
        ({"Tmpfs": {"/": ""}}, "invalid specification: destination can't be '/'"),
        ({"CgroupnsMode": "foo"}, "invalid cgroup namespace mode: foo"),
        ({"IpcMode": "foo"}, "Invalid IPC mode: foo"),
        ({"Isolation": "foo"}, "Invalid isolation: \"foo\" - linux only supports 'default'"),
        ({"StorageOpt": {"foo": "1"}}, "Unknown option foo"),
        (
            {"StorageOpt": {"size": "1G"}},
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        ({"SecurityOpt": ["foo"]}, 'invalid --security-opt 1: "foo"'),
        ({"SecurityOpt": ["foo=bar"]}, 'invalid --security-opt 2: "foo=bar"'),
        ({"SecurityOpt": ["no-new-privileges=x"]}, 'invalid --security-opt 2: "no-new-privileges=x"'),
    ],
)
def test_host_config_is_refused(host_config: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_host_config(host_config)
    assert raised.value.message == words


def test_host_config_is_taken() -> None:
    check_host_config(
        {"CapAdd": ["cap_net_admin", "ALL"], "IpcMode": "container:x", "SecurityOpt": ["label=disable"]}
    )
    check_host_config({})


@pytest.mark.parametrize(
    ("options", "parsed"),
    [
        (["no-new-privileges"], {"no-new-privileges": "true"}),
        (["no-new-privileges:true"], {"no-new-privileges": "true"}),
        (["no-new-privileges=false"], {}),
        (["seccomp:unconfined"], {"seccomp": "unconfined"}),
        (["seccomp={}", "apparmor=a=b"], {"seccomp": "{}", "apparmor": "a=b"}),
        (["disable"], {}),
    ],
)
def test_security_options_are_read(options: list[str], parsed: dict[str, str]) -> None:
    assert parse_security({"SecurityOpt": options}) == parsed


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"Memory": M}, "Minimum memory limit allowed is 6MB"),
        ({"Memory": 6 * M - 1}, "Minimum memory limit allowed is 6MB"),
        (
            {"Memory": 64 * M, "MemorySwap": 32 * M},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {"MemorySwap": 64 * M},
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            {"Memory": 64 * M, "MemoryReservation": 128 * M},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"MemoryReservation": M}, "Minimum memory reservation allowed is 6MB"),
        ({"MemorySwappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        ({"MemorySwappiness": -5}, "Invalid value: -5, valid memory swappiness range is 0-100"),
        ({"KernelMemory": M}, "Minimum kernel memory limit allowed is 6MB"),
        ({"NanoCpus": -1}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"NanoCpus": 10**12}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        (
            {"NanoCpus": 10**9, "CpuQuota": 1000},
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            {"NanoCpus": 10**9, "CpuPeriod": 1000},
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            {"CpuPeriod": 10},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ({"CpuQuota": 10}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"CpusetCpus": "9"}, "Requested CPUs are not available - requested 9, available: 0-1"),
        ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x"),
        ({"CpusetMems": "9"}, "Requested memory nodes are not available - requested 9, available: 0"),
        ({"CpusetMems": "y"}, "Invalid value y for cpuset mems: invalid format: y"),
        ({"BlkioWeight": 5}, "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_limits_are_refused(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        fill_in(limits, HOST)
    assert raised.value.message == words


def test_defaults_are_filled_in() -> None:
    filled, warnings = fill_in({"Memory": 64 * M, "PidsLimit": -1, "MemorySwappiness": -1}, HOST)
    assert not warnings
    assert filled == {
        "Memory": 64 * M,
        "MemorySwap": 128 * M,
        "PidsLimit": None,
        "MemorySwappiness": None,
        "ShmSize": 64 * M,
        "IpcMode": "private",
        "CgroupnsMode": "host",
        "SecurityOpt": None,
        "OomKillDisable": False,
    }


@pytest.mark.parametrize(("privileged", "mode"), [(False, "private"), (True, "host")])
def test_cgroup_namespace_is_private_on_v2_unless_privileged(privileged: bool, mode: str) -> None:
    filled, _ = fill_in({"Privileged": privileged}, HOST.replace(cgroups="v2"))
    assert filled["CgroupnsMode"] == mode


def test_limits_that_the_machine_lacks_are_left_out_with_a_warning() -> None:
    limits = {"BlkioWeight": 5, "BlkioWeightDevice": [{"Path": "/dev/null", "Weight": 3}], "PidsLimit": 5}
    filled, warnings = fill_in(limits, HOST.replace(controls=frozenset()))
    assert (filled["BlkioWeight"], filled["BlkioWeightDevice"], filled["PidsLimit"]) == (0, [], None)
    assert warnings == [
        "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
        "PIDs limit discarded.",
        "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
        "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
        "Weight-device discarded.",
    ]


@pytest.mark.parametrize(
    ("host_config", "options"),
    [
        ({}, None),
        ({"Privileged": True}, ["label=disable"]),
        ({"PidMode": "host", "SecurityOpt": ["seccomp=unconfined"]}, ["seccomp=unconfined", "label=disable"]),
        ({"IpcMode": "host", "SecurityOpt": ["label=level:s0"]}, ["label=level:s0"]),
    ],
)
def test_labels_are_off_where_the_host_is_open(host_config: dict[str, Any], options: object) -> None:
    filled, _ = fill_in(host_config, HOST)
    assert filled["SecurityOpt"] == options


def test_kernel_memory_is_warned_of() -> None:
    assert "kernel memory limit is deprecated" in fill_in({"KernelMemory": 10 << 20}, HOST)[1][0]


def test_no_oom_killer_without_a_limit_is_warned_of() -> None:
    _, warnings = fill_in({"OomKillDisable": True}, HOST)
    assert warnings == [
        "OOM killer is disabled for the container, but no memory limit is set, "
        "this can result in the system running out of resources."
    ]


@pytest.mark.parametrize("document", ["\0", {"a": ["b", {"c\0": 1}]}, [None, {"d": "e\0"}]])
def test_zero_bytes_are_refused_wherever_they_are(document: object) -> None:
    with pytest.raises(Invalid, match="has a zero byte"):
        check_text(document)


def test_text_without_zero_bytes_is_taken() -> None:
    check_text({"a": ["b", None, 1, True, {}], "c": ""})


@pytest.mark.parametrize("parent", ["../a", "/a/../../b", "a/" + "é" * 128, "a/" * 600])
def test_cgroup_that_no_hierarchy_can_have_is_refused(parent: str) -> None:
    with pytest.raises(Invalid, match="invalid cgroup parent"):
        check_host_config({"CgroupParent": parent})


@pytest.mark.parametrize("parent", ["", "/a/b/", "a..b", "x" * 255])
def test_other_cgroups_are_taken(parent: str) -> None:
    check_host_config({"CgroupParent": parent})
