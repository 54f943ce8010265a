"""Making containers: rows, settings, volumes and words as engine 20.10 has them."""

from __future__ import annotations

import json
import lzma
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers.creating import CreateRequest, create
from ligan.errors import Conflict, Invalid, NotFound
from ligan.images.removal import NoSuchImage
from tests.support.containers import events, found, image, make
from tests.support.golden import DATA

if TYPE_CHECKING:
    from tests.support.stores import Stock


@pytest.fixture(autouse=True)
def app(stock: Stock) -> str:
    return image(stock, "app")


def _refused(stock: Stock, kind: type[Exception] = Invalid, **request: Any) -> str:
    with pytest.raises(kind) as error:
        create(stock.store, CreateRequest(**request))
    with stock.store.database.read() as tx:
        assert not tx.column("SELECT id FROM container")
    assert not os.path.exists(stock.store.layout.containers) or not os.listdir(stock.store.layout.containers)
    message: str = error.value.message  # type: ignore[attr-defined]  # every kind has one
    return message


def test_the_container_of_the_golden(stock: Stock, base_images: str) -> None:
    """Golden k_containers, step 1: what docker's client asks for, and what inspect then shows."""
    stock.load_archive(base_images)
    with lzma.open(os.path.join(DATA, "k_containers.json.xz")) as file:
        steps = json.load(file)["steps"]
    asked = json.loads(next(call for call in steps[1]["api"] if "create" in call["path"])["request_body"])
    shown = json.loads(
        next(call for call in steps[2]["api"] if call["path"].endswith("/json"))["response_body"]
    )
    host, networking = asked.pop("HostConfig"), asked.pop("NetworkingConfig")
    made = create(stock.store, CreateRequest("n1", asked, host, networking))
    document = stock.engine.inspect_container("n1")
    assert made.warnings == ()
    assert list(document) == list(shown)
    del shown["Config"]["NetworkDisabled"]  # that daemon had no bridge
    shown["Config"]["Hostname"] = made.id[:12]
    for part in ("HostConfig", "Config", "Mounts", "Path", "Args", "Image", "Platform", "Name"):
        assert json.dumps(document[part]) == json.dumps(shown[part])
    assert list(document["State"]) == list(shown["State"])
    assert list(document["NetworkSettings"]) == list(shown["NetworkSettings"])
    assert document["NetworkSettings"]["Networks"] == shown["NetworkSettings"]["Networks"]


def test_a_new_container_is_there_and_told(stock: Stock) -> None:
    container = make(stock, "web", Labels={"a": "b"})
    assert (container.state, container.name, container.image_name) == ("created", "web", "app")
    assert container.config["Cmd"] == ["sh"]
    assert os.path.isdir(stock.store.layout.container(container.id))
    assert events(stock) == [("create", {"a": "b", "image": "app", "name": "web"})]


def test_without_a_name_one_is_found(stock: Stock) -> None:
    assert "_" in make(stock).name


def test_of_nothing(stock: Stock) -> None:
    container = make(stock, of="", Cmd=["/x"])
    assert (container.image, container.layer, container.image_id) == (None, None, "")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "Config cannot be empty in order to create a container"),
        ({"config": {}}, "Config cannot be empty in order to create a container"),
        (
            {"config": {"Image": "app", "WorkingDir": "x"}},
            "the working directory 'x' is invalid, it needs to be an absolute path",
        ),
        ({"config": {"Image": "app", "Env": ["=x"]}}, "invalid environment variable: =x"),
        ({"config": {"Image": "app"}, "host_config": {"Memory": 1}}, "Minimum memory limit allowed is 6MB"),
        (
            {"config": {"Image": "app"}, "name": "bad name"},
            "Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
        ({"config": {"Image": "app", "Cmd": 5}}, "invalid container config: Config.Cmd cannot be 5"),
        (
            {"config": {"Image": "app"}, "host_config": {"Binds": ["aa:/b", "cc:/b"]}},
            "Duplicate mount point: /b",
        ),
        (
            {"config": {"Image": "app"}, "host_config": {"Binds": ["aa:/b"], "Tmpfs": {"/b": ""}}},
            "Duplicate mount point: /b",
        ),
        (
            {"config": {"Image": "app"}, "host_config": {"VolumesFrom": ["nosuch"]}},
            "No such container: nosuch",
        ),
        (
            {"config": {"Image": "app"}, "host_config": {"Links": ["nosuch:x"]}},
            "could not get container for nosuch: No such container: nosuch",
        ),
        (
            {"config": {"Image": "app"}, "host_config": {"Binds": ["a/b:/c"]}},
            'create a/b: "a/b" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
            "If you intended to pass a host directory, use absolute path",
        ),
    ],
)
def test_refused(stock: Stock, request_: dict[str, Any], words: str) -> None:
    assert _refused(stock, **request_) == words
    assert not stock.engine.list_volumes({})
    assert not os.path.exists(stock.store.layout.volumes)


def test_an_image_that_is_not_here(stock: Stock) -> None:
    assert _refused(stock, NoSuchImage, config={"Image": "nosuch"}) == "No such image: nosuch:latest"


def test_an_image_of_another_platform(stock: Stock) -> None:
    words = _refused(stock, NotFound, config={"Image": "app"}, platform="linux/arm64")
    assert words == (
        "image with reference app was found but does not match the specified platform: "
        "wanted linux/arm64, actual: linux/amd64"
    )


def test_nothing_to_run(stock: Stock) -> None:
    image(stock, "bare", {})
    assert _refused(stock, config={"Image": "bare"}) == "No command specified"
    assert _refused(stock, config={"Image": "bare", "Entrypoint": [""]}) == "No command specified"


def test_a_name_that_is_taken(stock: Stock) -> None:
    make(stock, "web")
    with pytest.raises(Conflict):
        make(stock, "web")
    with pytest.raises(Conflict):
        make(stock, "/web")


def test_volumes_are_made_and_held(stock: Stock) -> None:
    host = {"Binds": ["data:/d:ro", "/usr:/t"], "Mounts": [{"Type": "volume", "Target": "/m"}]}
    container = make(stock, host=host, Volumes={"/v/": {}, "/d": {}})
    kinds = {mount.destination: (mount.type, mount.name, mount.mode, mount.rw) for mount in container.mounts}
    anonymous, mounted = kinds["/v"][1], kinds["/m"][1]
    assert kinds == {
        "/d": ("volume", "data", "ro", False),
        "/m": ("volume", mounted, "z", True),
        "/t": ("bind", "", "", True),
        "/v": ("volume", anonymous, "", True),
    }
    assert {volume["Name"] for volume in stock.engine.list_volumes({"dangling": ["false"]})} == {
        "data",
        anonymous,
        mounted,
    }
    assert len(anonymous) == len(mounted) == 64
    for name in ("data", anonymous, mounted):
        assert os.path.isdir(stock.store.layout.volume_data(name))


def test_an_image_says_what_is_a_volume(stock: Stock) -> None:
    image(stock, "db", {"Cmd": ["db"], "Volumes": {"/var/db": {}}})
    assert [mount.destination for mount in make(stock, of="db").mounts] == ["/var/db"]
    assert make(stock, of="db", host={"Tmpfs": {"/var/db": ""}}).mounts == ()
    assert [mount.type for mount in make(stock, of="db", host={"Binds": ["/:/var/db"]}).mounts] == ["bind"]


def test_volumes_from_another_container(stock: Stock) -> None:
    make(stock, "one", host={"Binds": ["data:/d", "/usr:/t:ro"]}, Volumes={"/v": {}})
    two = make(stock, "two", host={"VolumesFrom": ["one:ro"], "Binds": ["other:/d"]}, Volumes={"/v": {}})
    assert {mount.destination: (mount.name or mount.source, mount.rw) for mount in two.mounts} == {
        "/d": ("other", True),
        "/t": ("/usr", False),
        "/v": (next(mount.name for mount in found(stock, "one").mounts if mount.destination == "/v"), False),
    }


def test_a_bind_that_holds_the_store_is_a_slave(stock: Stock) -> None:
    root = stock.store.layout.root
    assert make(stock, host={"Binds": ["/:/host"]}).mounts[0].propagation == "rslave"
    assert make(stock, host={"Binds": [f"{root}:/r:rshared"]}).mounts[0].propagation == "rshared"
    with pytest.raises(Invalid, match="must use either propagation mode"):
        make(stock, host={"Binds": [f"{root}:/r:private"]})


def test_a_new_volume_gets_what_the_image_has(stock: Stock) -> None:
    image(stock, "site", files={"srv/www/index.html": b"hello", "etc/passwd": b"root"})
    make(stock, of="site", host={"Binds": ["www:/srv/www"]})
    folder = stock.store.layout.volume_data("www")
    with open(f"{folder}/index.html", "rb") as file:
        assert file.read() == b"hello"
    os.unlink(f"{folder}/index.html")
    with open(f"{folder}/own", "wb"):
        pass
    make(stock, of="site", host={"Binds": ["www:/srv"]})
    assert os.listdir(folder) == ["own"], "a volume that holds something stays as it is"
    make(stock, of="site", host={"Binds": ["bare:/srv:nocopy", "none:/no/such"]})
    assert os.listdir(stock.store.layout.volume_data("bare")) == []
    assert os.listdir(stock.store.layout.volume_data("none")) == []


def test_a_volume_cannot_cover_a_file(stock: Stock) -> None:
    image(stock, "site", files={"etc/passwd": b"root"})
    words = _refused(stock, config={"Image": "site", "Volumes": {"/etc/passwd": {}}})
    assert words == "cannot mount volume over existing file, file exists /etc/passwd"
    assert stock.engine.list_volumes({}) == []


def test_containers_are_named_by_their_ids_where_they_share(stock: Stock) -> None:
    other = make(stock, "other")
    shared = dict.fromkeys(("PidMode", "IpcMode", "NetworkMode"), "container:other")
    host = make(stock, host=shared).host_config
    assert {field: host[field] for field in shared} == dict.fromkeys(shared, f"container:{other.id}")


@pytest.mark.parametrize(
    ("mode", "networks"),
    [("", ["bridge"]), ("default", ["bridge"]), ("none", ["none"]), ("host", ["host"]), ("mine", ["mine"])],
)
def test_networks_by_mode(stock: Stock, mode: str, networks: list[str]) -> None:
    container = make(stock, host={"NetworkMode": mode})
    assert list(container.networking["EndpointsConfig"]) == networks


def test_an_image_of_another_machine_is_told(stock: Stock) -> None:
    foreign = json.dumps(
        {
            "architecture": "s390x",
            "config": {"Cmd": ["x"]},
            "created": "2023-01-02T03:04:05Z",
            "os": "linux",
            "rootfs": {"type": "layers"},
        }
    ).encode()
    stock.add(foreign, [], [], ["foreign"])
    (warning,) = create(stock.store, CreateRequest(config={"Image": "foreign"})).warnings
    assert warning.startswith("The requested image's platform (linux/s390x) does not match the detected host")
