"""The stats document from files of cgroup v1, as dockerd 20.10.24 made it from the like, and of v2."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers import cgroups
from ligan.containers.stats import empty, measure

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = 25276514304
V1 = {
    "cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 77\nnr_bursts 0\n",
    "cpuacct/cpuacct.usage": "89921737\n",
    "cpuacct/cpuacct.usage_percpu": "60802071 29119666 \n",
    "cpuacct/cpuacct.stat": "user 6\nsystem 2\n",
    "memory/memory.usage_in_bytes": "1273856\n",
    "memory/memory.max_usage_in_bytes": "4075520\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.failcnt": "0\n",
    "memory/memory.stat": "rss 5\ncache 3\nshmem 9\ntotal_cache 4\nhierarchical_memory_limit 1\n",
    "pids/pids.current": "1\n",
    "pids/pids.max": "max\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n",
    "blkio/blkio.sectors_recursive": "8:16 3\n",
}
V2 = {
    "cgroup.controllers": "cpu memory io pids\n",
    "cpu.stat": "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1\n",
    "memory.current": "100\n",
    "memory.max": "1000\n",
    "memory.stat": "file 4\nanon 3\n",
    "memory.events": "low 0\noom 2\noom_kill 1\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n253:0 \n",
    "pids.current": "5\n",
    "pids.max": "20\n",
}


def write(root: Path, files: dict[str, str], group: str) -> None:
    for name, text in files.items():
        folder, _, file = name.rpartition("/")
        path = root / folder / group
        path.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)


def measured(root: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    monkeypatch.setattr(cgroups, "_ROOT", str(root))
    return measure(
        "/ligan/x",
        os.getpid(),
        MACHINE,
        read="2026-11-21T10:56:36.58242034Z",
        name="/ex",
        container_id="ac45",
        **{"networked": False, **more},
    )


def test_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, V1, "ligan/x")
    document = measured(tmp_path, monkeypatch)
    assert document["cpu_stats"].pop("system_cpu_usage") > 0
    assert document["cpu_stats"].pop("online_cpus") == os.cpu_count()
    blkio = document["blkio_stats"]
    assert blkio.pop("io_service_bytes_recursive") == [
        {"major": 8, "minor": 0, "op": "Read", "value": 4096},
        {"major": 8, "minor": 0, "op": "Total", "value": 4096},
    ]
    assert blkio.pop("sectors_recursive") == [{"major": 8, "minor": 16, "op": "", "value": 3}]
    assert set(map(str, blkio.values())) == {"[]"}
    ticks = 10**9 // os.sysconf("SC_CLK_TCK")
    assert document == {
        "read": "2026-11-21T10:56:36.58242034Z",
        "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {"current": 1},
        "blkio_stats": blkio,
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": 89921737,
                "percpu_usage": [60802071, 29119666],
                "usage_in_kernelmode": 2 * ticks,
                "usage_in_usermode": 6 * ticks,
            },
            "throttling_data": {"periods": 4, "throttled_periods": 2, "throttled_time": 77},
        },
        "precpu_stats": {
            "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        },
        "memory_stats": {
            "usage": 1273856,
            "max_usage": 4075520,
            "stats": {"cache": 3, "hierarchical_memory_limit": 1, "rss": 5, "total_cache": 4},
            "limit": MACHINE,
        },
        "name": "/ex",
        "id": "ac45",
    }


def test_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory io pids\n")
    write(tmp_path, V2, "ligan/x")
    document = measured(tmp_path, monkeypatch)
    assert document["cpu_stats"]["cpu_usage"] == {
        "total_usage": 9000,
        "usage_in_kernelmode": 4000,
        "usage_in_usermode": 5000,
    }
    assert document["cpu_stats"]["throttling_data"] == {
        "periods": 3,
        "throttled_periods": 2,
        "throttled_time": 1000,
    }
    assert document["memory_stats"] == {
        "usage": 100,
        "stats": {"anon": 3, "file": 4},
        "failcnt": 2,
        "limit": 1000,
    }
    assert document["pids_stats"] == {"current": 5, "limit": 20}
    assert document["blkio_stats"]["io_service_bytes_recursive"][:2] == [
        {"major": 8, "minor": 0, "op": "read", "value": 1},
        {"major": 8, "minor": 0, "op": "write", "value": 2},
    ]
    assert document["blkio_stats"]["sectors_recursive"] is None


def test_the_measurement_before_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, V1, "ligan/x")
    first = measured(tmp_path, monkeypatch)
    second = measured(tmp_path, monkeypatch, previous=first)
    assert second["preread"] == first["read"]
    assert second["precpu_stats"] == first["cpu_stats"]


def test_what_has_just_ended_has_figures_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = measured(tmp_path, monkeypatch, networked=True)
    assert document["memory_stats"] == {}
    assert document["pids_stats"] == {}
    assert document["cpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert empty("/n", "id")["precpu_stats"] == document["precpu_stats"]


def test_interfaces_are_counted_but_for_the_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = measured(tmp_path, monkeypatch, networked=True)["networks"]
    assert set(names) == set(os.listdir("/sys/class/net")) - {"lo"} - set(_files("/sys/class/net"))
    for counters in names.values():
        assert list(counters) == [
            f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")
        ]


def _files(folder: str) -> list[str]:
    """Such as bonding_masters, which is no interface."""
    return [name for name in os.listdir(folder) if not os.path.isdir(f"{folder}/{name}")]
