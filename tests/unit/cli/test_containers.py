from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.build.cache import CachePruned, CacheRecord
from ligan.containers.outcome import ContainerPruneOutcome
from ligan.errors import Conflict, NotFound
from ligan.images.removal import Row
from tests.support.fake_engine import NOTHING, FakeEngine

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

DAEMON = "Error response from daemon: "


class Pruned:
    rows = (Row("Untagged", "a:1"),)
    diff_size = 7
    report = NOTHING


def _refusing(name: str, *_args: Any, **_options: Any) -> bool:
    if name == "bad":
        raise Conflict("no")
    return True


@pytest.mark.parametrize(
    ("verb", "method", "end"),
    [
        ("stop", "stop_container", ""),
        ("restart", "restart_container", ""),
        ("kill", "kill_container", ""),
        ("pause", "pause_container", ""),
        ("unpause", "unpause_container", ""),
        ("rm", "remove_container", ""),
        ("start", "start_container", "Error: failed to start containers: bad\n"),
    ],
)
def test_one_failure_ends_no_other(ligan: CommandLine, verb: str, method: str, end: str) -> None:
    engine = FakeEngine(**{method: _refusing})
    assert ligan(verb, "one", "bad", "two", engine=engine) == (1, "one\ntwo\n", f"{DAEMON}no\n{end}")


def test_forced_removal_of_what_is_not_there_is_no_failure(ligan: CommandLine) -> None:
    engine = FakeEngine(remove_container=NotFound("No such container: x"))
    assert ligan("rm", "-f", "x", engine=engine) == (0, "", f"{DAEMON}No such container: x\n")
    assert ligan("rm", "x", engine=engine) == (1, "", f"{DAEMON}No such container: x\n")


def test_top_has_columns_as_wide_as_dockers(ligan: CommandLine) -> None:
    answer = {"Titles": ["PID", "CMD"], "Processes": [["6240", "sleep 50"]]}
    lines = f"{'PID':20}CMD\n{'6240':20}sleep 50\n"
    assert ligan("top", "x", engine=FakeEngine(container_top=answer)) == (0, lines, "")


def test_timeout_is_passed_on(ligan: CommandLine) -> None:
    engine = FakeEngine(stop_container=True)
    for words in (["-t", "3"], ["--time", "3"], ["--timeout=3"], []):
        assert ligan("stop", *words, "x", engine=engine).status == 0
    assert [args[1] for _, args, _ in engine.calls] == [3, 3, 3, None]


def test_a_number_that_is_none_is_told_with_the_usage(ligan: CommandLine) -> None:
    status, out, err = ligan("stop", "-t", "x", "y", engine=FakeEngine())
    assert (status, out) == (125, "")
    assert err.splitlines()[0] == (
        'invalid argument "x" for "-t, --timeout" flag: strconv.ParseInt: parsing "x": invalid syntax'
    )
    assert err.splitlines()[2] == "Usage:  ligan stop [OPTIONS] CONTAINER [CONTAINER...]"


def test_update_needs_something_to_change(ligan: CommandLine) -> None:
    engine = FakeEngine(update_container=[])
    words = "you must provide one or more flags when using this command\n"
    assert ligan("update", "x", engine=engine) == (1, "", words)
    assert ligan("update", "--memory", "1m", "--restart", "on-failure:3", "x", engine=engine) == (
        0,
        "x\n",
        "",
    )
    changes = {"Memory": 1 << 20, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}
    assert engine.calls == [("update_container", ("x", changes), {})]


def test_rename_that_fails(ligan: CommandLine) -> None:
    engine = FakeEngine(rename_container=Conflict("taken"))
    words = f"{DAEMON}taken\nError: failed to rename container named a\n"
    assert ligan("rename", "a", "b", engine=engine) == (1, "", words)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], (0, "22/tcp -> 0.0.0.0:4022\n80/tcp -> 0.0.0.0:4080\n", "")),
        (["22"], (0, "0.0.0.0:4022\n", "")),
        (["80/tcp"], (0, "0.0.0.0:4080\n", "")),
        (["81"], (1, "", "Error: No public port '81' published for x\n")),
    ],
)
def test_ports(ligan: CommandLine, words: list[str], answer: tuple[int, str, str]) -> None:
    ports = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "4080"}],  # noqa: S104  # as Docker shows it
        "22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "4022"}],  # noqa: S104  # as Docker shows it
        "9/udp": None,
    }
    engine = FakeEngine(inspect_container={"NetworkSettings": {"Ports": ports}})
    assert ligan("port", "x", *words, engine=engine) == answer


def test_prune_asks_first(ligan: CommandLine) -> None:
    engine = FakeEngine(prune_containers=ContainerPruneOutcome(("a" * 64,), 12))
    question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    assert ligan("container", "prune", engine=engine, stdin=b"n\n") == (1, question, "")
    assert not engine.calls
    deleted = f"Deleted Containers:\n{'a' * 64}\n\nTotal reclaimed space: 12B\n"
    assert ligan("container", "prune", engine=engine, stdin=b"y\n") == (0, question + deleted, "")


def test_system_prune_tells_all_that_goes(ligan: CommandLine) -> None:
    engine = FakeEngine(
        prune_containers=ContainerPruneOutcome(("a" * 64,), 12),
        prune_networks=["net"],
        prune_volumes=(["vol"], 5),
        prune_images=Pruned,
        prune_build_cache=CachePruned((CacheRecord("row", "regular", "", "", 7, 0, 0, 0, False, False),), 7),
    )
    engine.answers["prune_images"] = lambda *_args, **_options: Pruned
    status, out, _ = ligan("system", "prune", "-f", "--volumes", engine=engine)
    assert (status, out) == (
        0,
        f"Deleted Containers:\n{'a' * 64}\n\nDeleted Networks:\nnet\n\nDeleted Volumes:\nvol\n\n"
        "Deleted Images:\nuntagged: a:1\n\nDeleted build cache objects:\nrow\n\n"
        "Total reclaimed space: 31B\n",
    )
    refused = 'ERROR: The "until" filter is not supported with "--volumes"\n'
    words = ("system", "prune", "--volumes", "--filter", "until=1h")
    assert ligan(*words, engine=engine) == (1, "", refused)


def test_system_prune_warns_of_what_it_would_remove(ligan: CommandLine) -> None:
    status, out, err = ligan(
        "system", "prune", "-a", "--filter", "label=b", "--filter", "label=a", engine=FakeEngine()
    )
    assert (status, err) == (0, "")
    assert out == (
        "WARNING! This will remove:\n"
        "  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "  - all images without at least one container associated to them\n"
        "  - unused build cache\n\n"
        "  Items to be pruned will be filtered with:\n  - label=a\n  - label=b\n\n"
        "Are you sure you want to continue? [y/N] "
    )


VOLUME = {
    "CreatedAt": "2026-01-01T00:00:00Z",
    "Driver": "local",
    "Labels": {"a": "b"},
    "Mountpoint": "/v/vol/_data",
    "Name": "vol",
    "Options": None,
    "Scope": "local",
}


def test_volumes(ligan: CommandLine) -> None:
    engine = FakeEngine(
        create_volume=VOLUME, list_volumes=[VOLUME], inspect_volume=VOLUME, prune_volumes=([], 0)
    )
    assert ligan("volume", "create", "--label", "a=b", "-o", "c=d", "vol", engine=engine).out == "vol\n"
    assert engine.calls == [("create_volume", ("vol", "local", {"c": "d"}, {"a": "b"}), {})]
    assert ligan("volume", "ls", engine=engine).out == "DRIVER    VOLUME NAME\nlocal     vol\n"
    assert ligan("volume", "ls", "-q", engine=engine).out == "vol\n"
    template = "{{.Name}} {{.Labels}} {{.Options}}"
    assert ligan("volume", "inspect", "-f", template, "vol", engine=engine).out == "vol map[a:b] map[]\n"
    assert ligan("volume", "prune", "-f", engine=engine).out == "Total reclaimed space: 0B\n"
    assert ligan("volume", "prune", "-af", engine=engine).status == 0
    assert [args for name, args, _ in engine.calls if name == "prune_volumes"] == [
        ({"all": ["false"]},),
        ({"all": ["true"]},),
    ]


NETWORK = {
    "Name": "net",
    "Id": "0123456789ab" + "c" * 52,
    "Created": "2026-01-01T00:00:00Z",
    "Scope": "local",
    "Driver": "bridge",
    "EnableIPv6": False,
    "Internal": False,
    "Labels": {},
}


def test_networks(ligan: CommandLine) -> None:
    engine = FakeEngine(
        create_network=("id", ""), list_networks=[NETWORK], connect_network=None, prune_networks=["net"]
    )
    flags = ("--subnet", "10.1.0.0/16", "--gateway", "10.1.0.1", "--ip-range", "10.1.2.0/24")
    assert ligan("network", "create", *flags, "net", engine=engine) == (0, "id\n", "")
    pool = {"Subnet": "10.1.0.0/16", "IPRange": "10.1.2.0/24", "Gateway": "10.1.0.1"}
    assert engine.calls[0][1][0]["IPAM"]["Config"] == [pool]
    table = "NETWORK ID     NAME      DRIVER    SCOPE\n0123456789ab   net       bridge    local\n"
    assert ligan("network", "ls", engine=engine).out == table
    assert ligan("network", "connect", "--alias", "web,db", "net", "box", engine=engine).status == 0
    assert engine.calls[-1][1][2]["Aliases"] == ["web", "db"]
    assert ligan("network", "prune", "-f", engine=engine).out == "Deleted Networks:\nnet\n\n"
    elsewhere = ligan(
        "network", "create", "--subnet", "10.1.0.0/16", "--gateway", "10.2.0.1", "n", engine=engine
    )
    assert elsewhere == (1, "", "no matching subnet for 10.2.0.1\n")


def test_networks_that_could_not_be_removed_are_told_twice(ligan: CommandLine) -> None:
    engine = FakeEngine(remove_network=NotFound("network x not found"))
    assert ligan("network", "rm", "x", engine=engine) == (
        1,
        "",
        f"{DAEMON}network x not found\nexit status 1\n",
    )
    assert ligan("network", "rm", "-f", "x", engine=engine) == (0, "", "")


def test_containers_come_first_in_inspect(ligan: CommandLine) -> None:
    document = {
        "Id": "a" * 64,
        "State": {"Status": "exited", "ExitCode": 3},
        "Config": {"Labels": None, "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, "Binds": None},
    }
    engine = FakeEngine(inspect_container=document)
    template = (
        "{{.State.ExitCode}} {{.State.Health}} {{.Config.Labels}} {{.Config.Env}} {{.Config.ExposedPorts}} "
        "{{.HostConfig.PortBindings}} {{.HostConfig.Binds}} {{json .HostConfig.Binds}}"
    )
    shown = "3 <nil> map[] [A=1] map[80/tcp:{}] map[80/tcp:[{ 8080}]] [] null\n"
    assert ligan("inspect", "-f", template, "x", engine=engine) == (0, shown, "")


@pytest.mark.parametrize(
    ("verb", "flag"),
    [("run", "--gpus"), ("create", "--isolation"), ("run", "--kernel-memory"), ("stop", "--signal")],
)
def test_flags_of_other_systems_and_versions_are_unknown(ligan: CommandLine, verb: str, flag: str) -> None:
    status, out, err = ligan(verb, flag, "x", "y", engine=FakeEngine())
    assert (status, out, err.splitlines()[0]) == (125, "", f"unknown flag: {flag}")
