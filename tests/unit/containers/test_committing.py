"""Images made of containers, as engine 20.10 makes them; goldens k_containers and n_events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ligan.containers.committing import CommitRequest
from ligan.errors import Conflict, Invalid
from ligan.images.removal import NoSuchImage
from ligan.oci.identity import EMPTY_LAYER
from tests.support.containers import events, image, make, set_state

if TYPE_CHECKING:
    from ligan.containers.rows import Container
    from tests.support.stores import Stock


@pytest.fixture(autouse=True)
def app(stock: Stock) -> str:
    return image(stock, "app", {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Labels": {"of": "image"}})


def _write(stock: Stock, container: Container, name: str, content: bytes) -> None:
    layout = stock.store.layout
    folder = layout.merged(container.id) if container.driver == "vfs" else layout.upper(container.id)
    with open(f"{folder}/{name}", "wb") as file:
        file.write(content)


def test_an_image_is_a_child_with_one_more_step(stock: Stock, app: str) -> None:
    container = make(stock, "web", Cmd=["echo", "a b"], Env=["A=1"], WorkingDir="/")
    _write(stock, container, "new", b"12345")
    made = stock.engine.commit_container("web", CommitRequest("com", "1", author="me", comment="why"))
    document = stock.engine.inspect_image("com:1")
    assert (document["Id"], document["Parent"], document["Container"]) == (made, app, container.id)
    assert (document["Author"], document["DockerVersion"]) == ("me", "20.10.24")
    assert document["Size"] == len(b"content") + 5
    assert len(document["RootFS"]["Layers"]) == 2
    assert document["Config"] == document["ContainerConfig"] == container.config
    newest, *below = stock.engine.history("com:1")
    assert (newest.created_by, newest.comment, newest.size) == ("echo a b", "why", 5)
    assert [step.created_by for step in below] == ["test"]
    assert document["Metadata"]["LastTagTime"] == "2023-11-14T22:13:20Z"
    attributes = {"image": "app", "name": "web", "of": "image"}
    said = {"comment": "why", "imageID": made, "imageRef": "com:1"}
    assert events(stock)[-1] == ("commit", attributes | said)
    assert events(stock, "image")[-1] == ("tag", {"name": "com:1", "of": "image"})


def test_the_bytes_of_the_config_are_dockers(stock: Stock) -> None:
    """Keys sorted at the top, in the order of Docker's structs below; nothing that is empty."""
    container = make(stock, "web")
    _write(stock, container, "new", b"")
    raw = stock.engine.inspect_raw_config(stock.engine.commit_container("web", CommitRequest()))
    config = (
        f'{{"Hostname":"{container.short}","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,'
        '"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/bin"],"Cmd":["sh"],'
        '"Image":"app","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,'
        '"Labels":{"of":"image"}}'
    )
    layers = stock.engine.inspect_image(stock.engine.list_images({})[0].id)["RootFS"]["Layers"]
    assert raw.decode() == (
        f'{{"architecture":"amd64","config":{config},"container":"{container.id}","container_config":{config},'
        '"created":"2023-11-14T22:13:20Z","docker_version":"20.10.24","history":['
        '{"created":"2023-01-02T03:04:05Z","created_by":"test"},'
        '{"created":"2023-11-14T22:13:20Z","created_by":"sh"}],"os":"linux",'
        f'"rootfs":{{"type":"layers","diff_ids":["{layers[0]}","{layers[1]}"]}}}}'
    )


def test_no_change_adds_no_layer(stock: Stock, app: str) -> None:
    make(stock, "web")
    made = stock.engine.commit_container("web", CommitRequest())
    document = stock.engine.inspect_image(made)
    assert document["RootFS"] == stock.engine.inspect_image(app)["RootFS"]
    assert EMPTY_LAYER not in document["RootFS"]["Layers"]
    assert b'"empty_layer":true' in stock.engine.inspect_raw_config(made)
    assert document["RepoTags"] == []


def test_settings_go_over_those_of_the_container(stock: Stock) -> None:
    make(stock, "web", Env=["A=1"], Labels={"x": "1"})
    request = CommitRequest(
        changes=('CMD ["echo", "changed"]', "ENV X=1", "LABEL a=b"), config={"User": "me", "Env": ["A=2"]}
    )
    config = stock.engine.inspect_image(stock.engine.commit_container("web", request))["Config"]
    assert (config["Cmd"], config["User"]) == (["echo", "changed"], "me")
    assert config["Env"] == ["A=2", "X=1", "PATH=/bin"]
    assert config["Labels"] == {"a": "b", "of": "image", "x": "1"}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CommitRequest(changes=("RUN x",)), "run is not a valid change command"),
        (CommitRequest(changes=("FOO x",)), "foo is not a valid change command"),
        (
            CommitRequest("BadName"),
            "invalid reference format: repository name must be lowercase",
        ),
        (
            CommitRequest("sha256"),
            "refusing to create an ambiguous tag using digest algorithm as name",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    stock: Stock, request_: CommitRequest, words: str
) -> None:
    make(stock, "web")
    before = stock.dump()
    with pytest.raises(Invalid) as error:
        stock.engine.commit_container("web", request_)
    assert error.value.message == words
    assert stock.dump() == before
    assert os.listdir(stock.store.layout.ingest) == []


def test_one_that_is_going_cannot_be_an_image(stock: Stock) -> None:
    container = make(stock, "web")
    for state, words in (("dead", "Dead"), ("removing", "being removed")):
        set_state(stock, container, state)
        with pytest.raises(Conflict) as error:
            stock.engine.commit_container("web", CommitRequest())
        assert error.value.message == f"You cannot commit container {container.id} which is {words}"


def test_without_its_image_there_are_no_settings(stock: Stock, app: str) -> None:
    make(stock, "web")
    stock.engine.remove_images(["app"], force=True)
    with pytest.raises(NoSuchImage) as error:
        stock.engine.commit_container("web", CommitRequest())
    assert error.value.message == f"No such image: {app}"
    assert error.value.hint == "It was removed, and can be brought back: ligan undo 1"


def test_of_nothing_comes_an_image_on_nothing(stock: Stock) -> None:
    container = make(stock, "web", of="", Cmd=["/x"])
    _write(stock, container, "new", b"1")
    document = stock.engine.inspect_image(stock.engine.commit_container("web", CommitRequest()))
    assert (document["Parent"], len(document["RootFS"]["Layers"]), document["Size"]) == ("", 1, 1)


def test_a_container_whose_files_are_a_copy(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    from ligan.layers.snapshots import Snapshots
    from ligan.layers.snapshots.drivers import VFS, Choice

    monkeypatch.setattr(Snapshots, "choice", Choice(VFS, "a test says so"))
    container = make(stock, "web", WorkingDir="/work")
    _write(stock, container, "new", b"12345")
    document = stock.engine.inspect_image(stock.engine.commit_container("web", CommitRequest()))
    assert container.driver == VFS
    assert document["Size"] == len(b"content") + 5
    assert set(stock.engine.container_changes("web")) == {"/new", "/work"}


def test_a_container_of_the_image_has_the_files(stock: Stock) -> None:
    _write(stock, make(stock, "web"), "new", b"12345")
    stock.engine.commit_container("web", CommitRequest("com"))
    make(stock, "again", of="com")
    assert stock.engine.stat_in_container("again", "/new")["size"] == 5
