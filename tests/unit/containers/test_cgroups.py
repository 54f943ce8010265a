"""Cgroups as they lie below /sys/fs/cgroup: version 1, version 2 (the kernel's cgroup-v2.rst), both mixed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.containers import cgroups, host

if TYPE_CHECKING:
    from pathlib import Path

CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "_ROOT", str(tmp_path))
    monkeypatch.setattr(host, "_CGROUPS", str(tmp_path))
    return tmp_path


@pytest.fixture
def version_2(root: Path) -> Path:
    """A container's cgroup with one below it, as a container makes that has a cgroup namespace."""
    (root / "cgroup.controllers").write_text(CONTROLLERS)
    (root / "cpuset.cpus.effective").write_text("0-3\n")
    (root / "cpuset.mems.effective").write_text("0\n")
    folder = root / "ligan" / "it"
    (folder / "below").mkdir(parents=True)
    (folder / "cgroup.procs").write_text("12\n7\n")
    (folder / "below" / "cgroup.procs").write_text("9\n7\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 0\n")
    return folder


def test_version_2_has_one_hierarchy(version_2: Path) -> None:
    assert cgroups.folders("/ligan/it") == {"unified": str(version_2)}
    assert cgroups.folders("/ligan/other") == {}
    assert cgroups.processes("/ligan/it") == [7, 9, 12]
    assert cgroups.out_of_memory_kills("/ligan/it") == 2


def test_version_2_tells_what_can_be_limited(version_2: Path) -> None:
    found = host.Host.read()
    assert (found.cgroups, found.cpuset_cpus, found.cpuset_mems) == ("v2", "0-3", "0")
    if not found.in_user_namespace:
        assert all(
            map(found.has, ("memory.limit_in_bytes", "pids", "cpu.cfs_quota_us", "cpuset.cpus", "blkio"))
        )
    assert not found.has("memory.swappiness")  # of version 1 alone, as is oom_control
    assert not found.has("memory.oom_control")


def test_version_1_has_one_for_each_controller(root: Path) -> None:
    for name in ("cpu", "cpuacct", "devices", "memory"):
        (root / name / "ligan" / "it").mkdir(parents=True)
    (root / "cpu,cpuacct").symlink_to("cpu")
    (root / "memory" / "ligan" / "it" / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    (root / "devices" / "ligan" / "it" / "cgroup.procs").write_text("5\n")
    assert list(cgroups.folders("/ligan/it")) == ["cpu", "cpuacct", "devices", "memory"]
    assert cgroups.processes("/ligan/it") == [5]
    assert cgroups.out_of_memory_kills("/ligan/it") == 1


def test_removal_takes_what_is_below_first(root: Path) -> None:
    (root / "cgroup.controllers").write_text(CONTROLLERS)
    (root / "ligan" / "it" / "below" / "deeper").mkdir(parents=True)
    cgroups.remove_cgroups("/ligan/it")
    assert os.listdir(root / "ligan") == []
    cgroups.remove_cgroups("/ligan/it")


def test_frozen_processes_of_version_1_are_let_die(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of version 2 a frozen process dies by SIGKILL as it is: nothing is written there."""
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, signal: killed.append((pid, signal)))
    for folder, state in (("one", "freezer.state"), ("two", "cgroup.freeze")):
        (root / folder).mkdir()
        (root / folder / "cgroup.procs").write_text("5\n")
        (root / folder / state).write_text("FROZEN" if folder == "one" else "1")
        cgroups._kill(str(root / folder))
    assert killed == [(5, 9), (5, 9)]
    assert (root / "one" / "freezer.state").read_text() == "THAWED"
    assert (root / "two" / "cgroup.freeze").read_text() == "1"
