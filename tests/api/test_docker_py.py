"""docker-py as a client of `ligan serve`: what testcontainers and scripts use."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import docker
import pytest
from docker.errors import APIError, ImageLoadError, ImageNotFound, NotFound, NullResource

from tests.support import archives
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from tests.support.serving import Daemon

BASES = 6
"""How many images the archive of base images has, under seven names."""


@pytest.fixture
def client(daemon: Daemon) -> Iterator[DockerClient]:
    """An empty daemon's client."""
    client = docker.DockerClient(base_url=daemon.host)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def stocked(client: DockerClient, base_images: str) -> DockerClient:
    """A client of a daemon with the base images."""
    with open(base_images, "rb") as archive:
        client.images.load(archive)
    return client


def test_it_agrees_on_a_version(client: DockerClient) -> None:
    assert client.ping() is True
    version = client.version()
    assert client.api.api_version == version["ApiVersion"] == "1.51"
    assert version["MinAPIVersion"] == "1.24"
    assert version["Components"][0]["Name"] == "Engine"


@pytest.mark.parametrize("version", ["1.24", "1.41", "1.44", "1.51"])
def test_every_version_is_spoken(version: str, stocked: DockerClient, daemon: Daemon) -> None:
    client = docker.DockerClient(base_url=daemon.host, version=version)
    try:
        assert len(client.images.list()) == BASES
        assert client.images.get("alpine").tags == ["alpine:latest"]
    finally:
        client.close()


def test_a_newer_version_is_refused(daemon: Daemon) -> None:
    client = docker.DockerClient(base_url=daemon.host, version="1.52")
    try:
        with pytest.raises(APIError, match=r"client version 1\.52 is too new"):
            client.images.list()
    finally:
        client.close()


def test_load_tells_the_images_it_made(client: DockerClient, base_images: str) -> None:
    with open(base_images, "rb") as archive:
        images = client.images.load(archive)
    assert sorted(tag for image in images for tag in image.tags) == sorted(
        ["alpine:3.10", "alpine:latest", "busybox:glibc", "busybox:latest", "debian:bullseye-slim"]
        + ["hello-world:frozen", "hello-world:latest"] * 2
    )


def test_load_of_what_is_no_archive_fails(client: DockerClient) -> None:
    with pytest.raises(ImageLoadError, match="unexpected EOF"):
        client.images.load(b"no archive at all")
    assert client.images.list(all=True) == []


def test_images_are_listed_and_filtered(stocked: DockerClient) -> None:
    assert len(stocked.images.list()) == BASES
    assert [image.tags for image in stocked.images.list("alpine:3.10")] == [["alpine:3.10"]]
    assert stocked.images.list(filters={"dangling": True}) == []
    before = stocked.images.list(filters={"before": "alpine:latest", "reference": ["alpine", "busybox:g*"]})
    assert sorted(tag for image in before for tag in image.tags) == ["alpine:3.10", "busybox:glibc"]
    with pytest.raises(APIError, match="nvalid filter 'no'"):
        stocked.images.list(filters={"no": "such"})


def test_an_image_is_found_by_name_and_id(stocked: DockerClient) -> None:
    image = stocked.images.get("hello-world:frozen")
    assert image.tags == ["hello-world:frozen", "hello-world:latest"]
    for name in (image.id, image.short_id, image.id[7:20], "docker.io/library/hello-world:frozen"):
        assert stocked.images.get(name) == image
    assert image.attrs["Architecture"] == "amd64"
    assert image.labels == {}
    steps = image.history()
    assert steps[0]["Id"] == image.id
    assert {step["Id"] for step in steps[1:]} == {"<missing>"}
    assert sum(step["Size"] for step in steps) == image.attrs["Size"]


def test_what_is_not_there_raises_image_not_found(client: DockerClient) -> None:
    with pytest.raises(ImageNotFound, match="No such image: nosuch:latest"):
        client.images.get("nosuch")
    with pytest.raises(ImageNotFound):
        client.api.history("nosuch")
    with pytest.raises(ImageNotFound):
        client.images.remove("nosuch")
    with pytest.raises(ImageNotFound):
        client.api.tag("nosuch", "other")
    with pytest.raises(NotFound):
        next(client.api.get_image("nosuch"))
    with pytest.raises(NullResource):
        client.images.get("")


def test_a_name_is_given_and_taken(stocked: DockerClient) -> None:
    image = stocked.images.get("alpine:3.10")
    assert image.tag("example.com:5000/team/app", "v1") is True
    image.reload()
    assert image.tags == ["alpine:3.10", "example.com:5000/team/app:v1"]
    stocked.images.remove("example.com:5000/team/app:v1")
    image.reload()
    assert image.tags == ["alpine:3.10"]
    with pytest.raises(APIError, match="invalid reference format") as refused:
        image.tag("UPPER/case")
    assert refused.value.status_code == 400


def test_removal_says_what_went_and_refuses_as_docker_does(stocked: DockerClient) -> None:
    image = stocked.images.get("hello-world")
    with pytest.raises(APIError, match="must be forced") as refused:
        stocked.images.remove(image.id)
    assert refused.value.status_code == 409
    rows = stocked.api.remove_image(image.id, force=True)
    assert rows[:2] == [{"Untagged": "hello-world:frozen"}, {"Untagged": "hello-world:latest"}]
    assert rows[2] == {"Deleted": image.id}
    assert all(list(row) == ["Deleted"] for row in rows[2:])
    assert len(stocked.images.list(all=True)) == BASES - 1


def test_prune_takes_what_has_no_name(stocked: DockerClient) -> None:
    stocked.images.get("alpine:latest").tag("alpine", "3.10")
    gone = stocked.images.prune()
    assert gone["SpaceReclaimed"] > 0
    assert sum("Deleted" in row for row in gone["ImagesDeleted"]) == 2
    assert stocked.images.prune() == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    stocked.images.prune(filters={"dangling": False})
    assert stocked.images.list(all=True) == []


def test_what_is_saved_can_be_loaded(stocked: DockerClient) -> None:
    image = stocked.images.get("alpine:3.10")
    archive = b"".join(image.save(named=True))
    assert archive == b"".join(stocked.images.get("alpine:3.10").save(named=True))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["alpine:3.10"]
    stocked.images.remove("alpine:3.10")
    (loaded,) = stocked.images.load(archive)
    assert (loaded.id, loaded.tags) == (image.id, ["alpine:3.10"])


def test_a_tar_is_imported(client: DockerClient, tmp_path: Any) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(archives.layer({"file": b"content"}))
    answer = client.api.import_image_from_file(
        str(path), repository="imported", tag="1", changes=['CMD ["/file"]', "ENV A=b"]
    )
    image = client.images.get("imported:1")
    assert json.loads(answer) == {"status": image.id}
    assert image.attrs["Config"]["Cmd"] == ["/file"]
    assert "A=b" in image.attrs["Config"]["Env"]
    assert image.attrs["Size"] == len(b"content")


def test_disk_usage_and_info_agree_with_the_list(stocked: DockerClient) -> None:
    usage = stocked.df()
    sizes = {row["Id"]: row["Size"] for row in usage["Images"]}
    assert sizes == {image.id: image.attrs["Size"] for image in stocked.images.list()}
    assert usage["LayersSize"] == sum(sizes.values())
    assert usage["Containers"] == usage["Volumes"] == usage["BuildCache"] == []
    info = stocked.info()
    assert info["Images"] == BASES
    assert info["OSType"] == "linux"
    assert info["Containers"] == 0


def test_what_there_is_beside_images_at_first(stocked: DockerClient) -> None:
    assert stocked.containers.list(all=True) == []
    assert {network.name for network in stocked.networks.list()} == {"bridge", "host", "none"}
    assert stocked.volumes.list() == []
    with pytest.raises(NotFound):
        stocked.containers.get("nosuch")
    with pytest.raises(APIError, match="Docker Hub"):
        stocked.images.search("alpine")


def test_events_tell_what_was_done_and_are_found_again(stocked: DockerClient) -> None:
    image = stocked.images.get("alpine:3.10")
    seen: list[tuple[str, str, str]] = []
    stream = stocked.events(decode=True, filters={"event": ["tag", "untag"]}, since=0)
    enough = threading.Event()

    def follow() -> None:
        for event in stream:
            seen.append((event["Action"], event["Actor"]["ID"], event["Actor"]["Attributes"]["name"]))
            if len(seen) == 2:
                enough.set()
                break

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        image.tag("followed", "1")
        stocked.images.remove("followed:1")
        assert enough.wait(SECONDS), f"only these events came: {seen}"
    finally:
        stream.close()
        follower.join(SECONDS)
    assert seen == [("tag", image.id, "followed:1"), ("untag", image.id, image.id)]
    now = stocked.info()["SystemTime"]
    past = list(stocked.events(decode=True, since=0, until=now, filters={"type": "image"}))
    assert [event["status"] for event in past] == ["load"] * BASES + ["tag", "untag"]
