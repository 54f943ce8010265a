"""The specification against the config.json that dockerd 20.10.24 wrote for the same settings.

`data/dockerd_specs.json.xz` holds, for each case, Config, HostConfig and Mounts as inspect showed them, and
the specification; IDs and paths of that machine are replaced by words.
"""

from __future__ import annotations

import json
import lzma
import os
from typing import Any

import pytest

from ligan.containers.host import Device, Host
from ligan.containers.mounts import Mount, parse_mount
from ligan.containers.spec import Container, environment, exec_process, runtime_spec
from ligan.containers.users import resolve_user
from ligan.errors import Invalid, Unavailable

HERE = os.path.dirname(__file__)
with lzma.open(os.path.join(HERE, "data", "dockerd_specs.json.xz")) as packed:
    CASES: dict[str, dict[str, Any]] = json.load(packed)

HOST = Host(
    cgroups="v1",
    machine="amd64",
    kernel=(6, 18),
    # Debian's dockerd does not know the three newest.
    capabilities=tuple(CASES["privileged"]["spec"]["process"]["capabilities"]["bounding"]),
    cpus=2,
    cpuset_cpus="0-1",
    cpuset_mems="0",
    memory=1 << 34,
    controls=frozenset(),
    apparmor=frozenset(),
    uid=0,
)
LOGINS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
GROUP = "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"
ALPINE_GROUP = (
    "root:x:0:root\nbin:x:1:root,bin\ndaemon:x:2:root,bin\nsys:x:3:root\nadm:x:4:root,adm\ntty:x:5:\n"
)
FILES = {f"/etc/{name}": f"FOLDER/{name}" for name in ("resolv.conf", "hostname", "hosts")}


def devices_as_on(spec: dict[str, Any]) -> Any:
    """Return a lookup that knows the devices of the machine where the specification was written."""

    def devices(path: str) -> list[Device]:
        if path == "/dev":
            return [
                Device(
                    node["path"],
                    node["type"],
                    node["major"],
                    node["minor"],
                    node["fileMode"],
                    node["uid"],
                    node["gid"],
                )
                for node in spec["linux"]["devices"]
            ]
        return [Device("/dev/null", "c", 1, 3, 0o666, 0, 0)]

    return devices


def container_of(case: dict[str, Any]) -> Container:
    config, host_config = case["config"], case["host_config"]
    mounts = [
        Mount(
            mount["Type"],
            mount["Source"],
            mount["Destination"],
            rw=mount["RW"],
            propagation=mount["Propagation"],
        )
        for mount in case["mounts"]
        if mount["Type"] != "tmpfs"
    ]
    mounts += [parse_mount(mount) for mount in host_config.get("Mounts") or () if mount["Type"] == "tmpfs"]
    spec = case["spec"]
    paths = {entry["type"]: entry.get("path", "") for entry in spec["linux"]["namespaces"]}
    group = ALPINE_GROUP if config["Image"] == "alpine" else GROUP
    return Container(
        id="ID" * 32,
        config=config,
        host_config={"CgroupParent": "/docker", **{k: v for k, v in host_config.items() if v != ""}},
        rootfs="ROOTFS",
        user=resolve_user(config["User"], LOGINS, group, host_config["GroupAdd"] or ()),
        mounts=mounts,
        files=FILES,
        # Docker keeps the host's network namespace under a name of its own.
        network_namespace=paths.get("network", "") if host_config["NetworkMode"] != "host" else "",
        pid_namespace=paths.get("pid", ""),
        ipc_namespace=paths.get("ipc", ""),
        shm="/dev/shm" if host_config["IpcMode"] == "host" else "FOLDER/mounts/shm",  # noqa: S108
        init="/usr/bin/docker-init" if host_config.get("Init") else "",
    )


def comparable(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a specification without what differs on purpose, in an order that can be compared."""
    linux = spec["linux"]
    syscalls = linux.get("seccomp", {}).get("syscalls")
    if syscalls:
        syscalls.sort(key=lambda rule: json.dumps(rule, sort_keys=True))
    spec["mounts"].sort(key=lambda mount: mount["destination"])
    linux["namespaces"] = [
        entry for entry in linux["namespaces"] if not entry.get("path", "").startswith("DOCKER/exec/netns")
    ]
    linux.setdefault("devices", [])
    if not linux.get("sysctl"):
        linux.pop("sysctl", None)
    return spec


@pytest.mark.parametrize("name", CASES)
def test_specification_is_dockers(name: str) -> None:
    case = CASES[name]
    expected = case["spec"]
    made = runtime_spec(container_of(case), HOST, devices_as_on(expected))
    if "seccomp" not in expected["linux"]:  # recorded in a few cases only
        made["linux"].pop("seccomp", None)
    assert comparable(made) == comparable(expected)


def test_what_is_mounted_on_something_comes_after_it() -> None:
    case = CASES["read_only_with_mounts"]
    made = runtime_spec(
        container_of(case).replace(mounts=(Mount("bind", "/a", "/x/y/z"), Mount("bind", "/b", "/x"))),
        HOST,
        devices_as_on(case["spec"]),
    )
    order = [mount["destination"] for mount in made["mounts"]]
    assert order.index("/x") < order.index("/x/y/z")


def plain(config: dict[str, Any] | None = None, host_config: dict[str, Any] | None = None) -> Container:
    container = container_of(CASES["plain"])
    return container.replace(
        config={**container.config, **(config or {})},
        host_config={**container.host_config, **(host_config or {})},
    )


def spec_of(container: Container, host: Host = HOST) -> dict[str, Any]:
    return runtime_spec(container, host, devices_as_on(CASES["plain"]["spec"]))


def test_privileged_gets_what_the_machine_has() -> None:
    host = HOST.replace(capabilities=("CAP_CHOWN", "CAP_SYS_ADMIN"))
    made = spec_of(plain(host_config={"Privileged": True}), host)
    assert made["process"]["capabilities"]["bounding"] == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert "seccomp" not in made["linux"]


def test_a_ulimit_of_minus_one_is_the_runtimes_unlimited() -> None:
    limits = [{"Name": "memlock", "Soft": -1, "Hard": -1}, {"Name": "nofile", "Soft": 5, "Hard": 6}]
    assert spec_of(plain(host_config={"Ulimits": limits}))["process"]["rlimits"] == [
        {"type": "RLIMIT_MEMLOCK", "hard": 2**64 - 1, "soft": 2**64 - 1},
        {"type": "RLIMIT_NOFILE", "hard": 6, "soft": 5},
    ]


def test_init_without_a_program_says_what_to_install() -> None:
    with pytest.raises(Unavailable) as raised:
        spec_of(plain(host_config={"Init": True}))
    assert "apt-get install tini" in raised.value.hint


def test_init_is_not_used_in_the_hosts_pid_namespace() -> None:
    made = spec_of(plain(host_config={"Init": True, "PidMode": "host"}))
    assert made["process"]["args"] == ["sleep", "100"]


def test_a_shared_mount_makes_the_root_shared() -> None:
    mounts = (
        Mount("bind", "/a", "/a", propagation="rslave"),
        Mount("bind", "/b", "/b", propagation="shared"),
    )
    assert spec_of(plain().replace(mounts=mounts))["linux"]["rootfsPropagation"] == "shared"
    assert spec_of(plain().replace(mounts=mounts[:1]))["linux"]["rootfsPropagation"] == "rslave"


@pytest.mark.parametrize(
    ("host_config", "words"),
    [
        ({"DeviceCgroupRules": ["x"]}, "invalid device cgroup rule format: 'x'"),
        ({"Tmpfs": {"/b": "zz"}}, 'invalid tmpfs option ["zz"]'),
        ({"CpuShares": -1}, "shares: invalid argument"),
    ],
)
def test_start_refuses_in_dockers_words(host_config: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        spec_of(plain(host_config=host_config))
    assert raised.value.message == words


def test_a_missing_device_is_refused_in_dockers_words() -> None:
    def nothing(path: str) -> list[Device]:
        raise FileNotFoundError(2, "No such file or directory", path)

    container = plain(host_config={"Devices": [{"PathOnHost": "/dev/nope", "PathInContainer": "/dev/x"}]})
    with pytest.raises(Invalid) as raised:
        runtime_spec(container, HOST, nothing)
    assert raised.value.message == (
        'error gathering device information while adding custom device "/dev/nope": no such file or directory'
    )


def test_a_folder_of_devices_keeps_its_shape() -> None:
    def two(_path: str) -> list[Device]:
        return [Device(f"/dev/input/{name}", "c", 13, 1, 0o600, 0, 0) for name in ("a", "sub/b")]

    device = {"PathOnHost": "/dev/input", "PathInContainer": "/dev/in", "CgroupPermissions": "r"}
    made = runtime_spec(plain(host_config={"Devices": [device]}), HOST, two)
    assert [node["path"] for node in made["linux"]["devices"]] == ["/dev/in/a", "/dev/in/sub/b"]


def test_apparmor_profile_is_used_where_it_is_loaded() -> None:
    host = HOST.replace(apparmor=frozenset({"docker-default"}))
    assert spec_of(plain(), host)["process"]["apparmorProfile"] == "docker-default"
    privileged = plain(host_config={"Privileged": True})
    assert spec_of(privileged, host)["process"]["apparmorProfile"] == "unconfined"
    asked = plain(host_config={"SecurityOpt": ["apparmor=mine"]})
    assert spec_of(asked, host)["process"]["apparmorProfile"] == "mine"
    assert "apparmorProfile" not in spec_of(asked)["process"]


def test_environment_without_value_unsets_what_docker_sets() -> None:
    config = {"Hostname": "h", "Env": ["PATH", "A=1", "A=2", "NOTHING", "HOSTNAME=x"]}
    assert environment(config, tty=True) == ["HOSTNAME=x", "TERM=xterm", "A=1", "A=2"]


def test_exec_takes_the_containers_process_and_changes_what_is_asked() -> None:
    process = CASES["tty"]["spec"]["process"]
    config = {"Hostname": "h", "Env": ["A=1"]}
    made = exec_process(process, config, {"Cmd": ["id"], "Env": ["A=2", "B=3"]}, None, HOST)
    assert made["args"] == ["id"]
    assert made["env"][1:] == ["HOSTNAME=h", "A=2", "B=3"]
    assert "terminal" not in made
    assert made["capabilities"] == process["capabilities"]


def test_exec_as_another_user_with_all_capabilities() -> None:
    process = CASES["plain"]["spec"]["process"]
    user = resolve_user("nobody", LOGINS, GROUP)
    request = {"Cmd": ["id"], "Tty": True, "Privileged": True, "WorkingDir": "/tmp"}  # noqa: S108
    made = exec_process(process, {"Hostname": "h"}, request, user, HOST)
    assert made["user"] == {"uid": 65534, "gid": 65534, "additionalGids": [65534]}
    assert made["terminal"] is True
    assert made["cwd"] == "/tmp"  # noqa: S108
    assert made["capabilities"]["effective"] == list(HOST.capabilities)
