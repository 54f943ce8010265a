from __future__ import annotations

import json
import platform
import time
from typing import TYPE_CHECKING, Any

import pytest

from ligan.api.system_documents import info_document
from ligan.containers.listing import ContainerSummary
from ligan.images.usage import DiskUsage, ImageUsage
from ligan.store.fsck import Fault
from tests.support.fake_engine import ID, OTHER_ID, FakeEngine, summary

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

USAGE = DiskUsage(
    images=10,
    active_images=1,
    layers_size=10_820_000,
    reclaimable=2_000_000,
    blob_bytes=12_000_000,
    undo_bytes=0,
    compressed_bytes=0,
)
NOW = int(time.time())


def _engine(**answers: Any) -> FakeEngine:
    empty: dict[str, Any] = {"list_containers": [], "volume_usage": [], "build_cache": []}
    return FakeEngine(**{"disk_usage": USAGE} | empty | answers)


def test_df_is_dockers_table(ligan: CommandLine) -> None:
    assert ligan("system", "df", engine=_engine()) == (
        0,
        "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
        "Images          10        1         10.82MB   2MB (18%)\n"
        "Containers      0         0         0B        0B\n"
        "Local Volumes   0         0         0B        0B\n"
        "Build Cache     0         0         0B        0B\n",
        "",
    )


def test_df_of_nothing_has_no_percentage(ligan: CommandLine) -> None:
    empty = DiskUsage(0, 0, 0, 0, 0, 0, 0)
    row = ligan("system", "df", engine=_engine(disk_usage=empty)).out.splitlines()[1]
    assert row.split() == ["Images", "0", "0", "0B", "0B"]


def test_df_tells_what_undo_holds_apart(ligan: CommandLine) -> None:
    engine = _engine(disk_usage=USAGE.replace(undo_bytes=3000))
    assert ligan("system", "df", engine=engine).err == (
        "ligan: 12MB on disk, 3kB of it kept for undo: ligan undo --list\n"
    )


def test_df_tells_what_layers_take_that_are_kept_as_they_came(ligan: CommandLine) -> None:
    engine = _engine(disk_usage=USAGE.replace(compressed_bytes=4_000_000))
    assert ligan("system", "df", engine=engine).err == (
        "ligan: 12MB on disk, 4MB of it pulled layers as they came: keep_compressed in the settings\n"
    )


def test_df_formats_rows(ligan: CommandLine) -> None:
    out = ligan("system", "df", "--format", "{{json .}}", engine=_engine()).out
    assert out.splitlines()[0] == (
        '{"Active":"1","Reclaimable":"2MB (18%)","Size":"10.82MB","TotalCount":"10","Type":"Images"}'
    )


IMAGES = [
    ImageUsage(summary(tags=("k:1", "k:2"), created_s=NOW - 30), 1_986_040, 2),
    ImageUsage(summary(OTHER_ID, created_s=NOW - 30), 0, 0),
]


def test_df_verbose_has_one_row_an_image(ligan: CommandLine) -> None:
    """Golden f_prune_df."""
    engine = _engine(image_usage=IMAGES)
    lines = ligan("system", "df", "-v", engine=engine).out.splitlines()
    assert lines[0] == "Images space usage:"
    assert lines[2].endswith("SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS")
    assert lines[3].split()[:3] == ["k", "1", "0123456789ab"]
    assert lines[3].split()[-4:] == ["1.99MB", "1.986MB", "2B", "2"]
    assert lines[4].split()[:3] == ["<none>", "<none>", "ba9876543210"]
    assert lines[6] == "Containers space usage:"


CONTAINERS = [
    ContainerSummary(
        id=f"{digit}" * 64,
        names=(f"/{name}",),
        image="p:1",
        image_id=ID,
        command=command,
        created=NOW - 10 * 24 * 3600,
        ports=(),
        labels={},
        state=state,
        status=status,
        network_mode="default",
        networks={},
        mounts=mounts,
        size_rw=size,
        size_root=1_985_998,
    )
    for digit, name, command, state, status, mounts, size in (
        (1, "e1", "sh -c 'echo hi > /big; exit 0'", "exited", "Exited (0) 29 seconds ago", (), 3),
        (2, "r1", "sleep 1000", "running", "Up 29 seconds", ({"Driver": "local", "Name": "v1"},), 0),
    )
]
VOLUMES = [
    {
        "Name": name,
        "Driver": "local",
        "Scope": "local",
        "Mountpoint": "/v",
        "Labels": None,
        "UsageData": {"RefCount": links, "Size": size},
    }
    for name, links, size in (("v1", 1, 1000), ("v2", 0, 3000))
]


def test_df_tells_of_containers_and_volumes(ligan: CommandLine) -> None:
    """Golden f_prune_df, steps 41 and 42."""
    engine = _engine(list_containers=CONTAINERS, volume_usage=VOLUMES, image_usage=IMAGES)
    assert ligan("system", "df", engine=engine).out.splitlines()[2:4] == [
        "Containers      2         1         3B        3B (100%)",
        "Local Volumes   2         1         4kB       3kB (75%)",
    ]
    lines = ligan("system", "df", "-v", engine=engine).out.splitlines()
    start = lines.index("Containers space usage:")
    assert lines[start + 2 : start + 5] == [
        "CONTAINER ID   IMAGE     COMMAND                  LOCAL VOLUMES   SIZE      CREATED       "
        "STATUS                      NAMES",
        '111111111111   p:1       "sh -c \'echo hi > /b…"   0               3B        10 days ago   '
        "Exited (0) 29 seconds ago   e1",
        '222222222222   p:1       "sleep 1000"             1               0B        10 days ago   '
        "Up 29 seconds               r1",
    ]
    start = lines.index("Local Volumes space usage:")
    assert lines[start + 2 : start + 5] == [
        "VOLUME NAME   LINKS     SIZE",
        "v1            1         1kB",
        "v2            0         3kB",
    ]


def test_df_verbose_takes_a_template(ligan: CommandLine) -> None:
    engine = _engine(image_usage=IMAGES)
    first, second = json.loads(ligan("system", "df", "-v", "--format", "{{json .Images}}", engine=engine).out)
    assert (first["ID"], first["Digest"], first["UniqueSize"]) == (ID, "", "2B")
    assert second["Repository"] == "<none>"


def test_version(ligan: CommandLine) -> None:
    status, out, err = ligan("version")
    assert (status, err) == (0, "")
    assert out.startswith(
        "Ligan:\n Version:           0.1.0\n API version:       1.51 (minimum version 1.24)\n"
    )
    assert json.loads(ligan("version", "--format", "json").out)["Client"]["ApiVersion"] == "1.51"
    assert ligan("version", "-f", "{{.Os").status == 64


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{.Server.Version}} {{.Client.Version}}", "0.1.0 0.1.0"),
        ("{{.Server.APIVersion}} {{.Server.MinAPIVersion}}", "1.51 1.24"),
        ("{{.Client.APIVersion}} {{.Client.Context}}", "1.51 default"),
        ("{{.Server.Os}} {{.Server.KernelVersion}}", f"linux {platform.release()}"),
    ],
)
def test_version_has_the_fields_of_dockers(ligan: CommandLine, template: str, shown: str) -> None:
    assert ligan("version", "--format", template).out == f"{shown}\n"


INFO = {
    "Containers": 0,
    "ContainersRunning": 0,
    "ContainersPaused": 0,
    "ContainersStopped": 0,
    "Images": 7,
    "Driver": "overlay",
    "CgroupVersion": "2",
    "Runtimes": {"crun": "/bin/crun"},
    "DefaultRuntime": "crun",
    "KernelVersion": "6.1",
    "OSType": "linux",
    "Architecture": "x86_64",
    "NCPU": 2,
    "DockerRootDir": "/srv",
    "Name": "host",
    "InsecureRegistries": ["old.example:5000", "10.0.0.0/8"],
    "Mirrors": ["https://mirror.example"],
    "Ligan": {
        "Blobs": 3,
        "BlobBytes": 1500,
        "CompressedBytes": 500,
        "KeepCompressed": True,
        "FreeBytes": 10**9,
        "UndoEntries": 1,
        "UndoBytes": 1000,
        "UndoWindow": 24 * 3600 * 10**9,
        "UndoDiskLimit": 0.8,
        "UndoBudget": None,
        "DriverReason": "this kernel has no erofs",
        "RuntimeReason": "",
        "Controls": ["cpu.cfs_quota_us"],
        "SQLite": "3.40",
    },
}


def test_info(ligan: CommandLine) -> None:
    out = ligan("info", engine=FakeEngine(info=INFO)).out
    for line in (
        "Images: 7",
        "Runtime: crun",
        "Cgroup Version: 2",
        " Size: 1.5kB",
        " Compressed Layers: 500B",
        " Window: 24 hours",
        " Disk Limit: 80%",
        " Budget: none",
    ):
        assert line in out.splitlines()


INDEXES = "docker.io [https://mirror.example] true;old.example:5000 [] false;"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{.Images}} {{.Ligan.Blobs}}", "7 3"),
        ("{{.ServerVersion}} {{.Swarm.LocalNodeState}}", "0.1.0 inactive"),
        (
            "{{.CPUCfsQuota}} {{.MemoryLimit}} {{.SecurityOptions}}",
            "true false [name=seccomp,profile=default]",
        ),
        ("{{range $name, $_ := .Runtimes}}{{$name}}{{end}}", "crun"),
        ("{{.RegistryConfig.InsecureRegistryCIDRs}}", "[10.0.0.0/8 127.0.0.0/8]"),
        ("{{range .RegistryConfig.IndexConfigs}}{{.Name}} {{.Mirrors}} {{.Secure}};{{end}}", INDEXES),
    ],
)
def test_info_has_the_fields_of_dockers(ligan: CommandLine, template: str, shown: str) -> None:
    assert ligan("system", "info", "-f", template, engine=FakeEngine(info=INFO)).out == f"{shown}\n"


def test_info_for_scripts_is_that_of_the_api(ligan: CommandLine) -> None:
    document = json.loads(ligan("info", "-f", "json", engine=FakeEngine(info=INFO)).out)
    expected = info_document(INFO, 0)
    assert document | {"SystemTime": ""} == expected | {"SystemTime": ""}


def test_fsck_of_a_sound_store(ligan: CommandLine) -> None:
    engine = FakeEngine(fsck=[])
    assert ligan("fsck", "--quick", "--repair", engine=engine) == (0, "", "ligan: the store is sound\n")
    assert engine.calls == [("fsck", (), {"repair": True, "read_data": False})]


def test_fsck_lists_faults_and_fails(ligan: CommandLine) -> None:
    engine = FakeEngine(fsck=[Fault("blob x", "is missing", False), Fault("file y", "has no row", True)])
    again = (
        "ligan: `ligan why` tells what stands on a damaged blob: delete that, then load or pull it again\n"
    )
    assert ligan("fsck", engine=engine) == (
        1,
        "blob x: is missing\nfile y: has no row\n",
        f"ligan: some of this can be repaired: ligan fsck --repair\n{again}",
    )
    assert ligan("fsck", "--repair", engine=engine).err == again
