"""docker-py pulls from and pushes to Debian's docker-registry through `ligan serve`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import docker
import pytest
from docker.errors import APIError, NotFound

from tests.support import registry as real_registry
from tests.support.registry import PASSWORD, USER
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

pytestmark = pytest.mark.docker_registry

LOGIN = {"username": USER, "password": PASSWORD}
LAYERS_DONE = {"Pull complete", "Already exists"}


class Site:
    """A client of a daemon with the base images, and a registry that wants a password."""

    def __init__(self, client: DockerClient, host: str) -> None:
        self.client = client
        self.host = host
        self.repository = f"{host}/team/app"
        self.image = client.images.get("alpine")
        self.image.tag(self.repository, "1")

    def push(self, tag: str | None = "1", **login: Any) -> list[dict[str, Any]]:
        return list(self.client.images.push(self.repository, tag, stream=True, decode=True, **login))


@pytest.fixture
def site(tmp_path: os.PathLike[str], store_root: str, base_images: str) -> Iterator[Site]:
    with ExitStack() as stack:
        settings = real_registry.with_password(str(tmp_path))
        host = stack.enter_context(real_registry.running(f"{tmp_path}/registry", settings))
        daemon = stack.enter_context(serving(store_root))
        client = docker.DockerClient(base_url=daemon.host)
        stack.callback(client.close)
        with open(base_images, "rb") as archive:
            client.images.load(archive)
        yield Site(client, host)


def test_docker_py_pushes_and_pulls(site: Site) -> None:
    told = site.push(auth_config=LOGIN)
    assert told[0]["status"] == f"The push refers to repository [{site.repository}]"
    (pushed,) = [message["aux"] for message in told if "aux" in message]
    assert told[-2]["status"] == f"1: digest: {pushed['Digest']} size: {pushed['Size']}"
    site.client.images.remove(f"{site.repository}:1")
    image = site.client.images.pull(site.repository, "1", auth_config=LOGIN)
    assert image.id == site.image.id
    assert f"{site.repository}@{pushed['Digest']}" in image.attrs["RepoDigests"]
    found = site.client.images.get_registry_data(f"{site.repository}:1", auth_config=LOGIN)
    assert found.id == pushed["Digest"]


def test_docker_py_pulls_a_repository_with_all_its_tags(site: Site) -> None:
    site.image.tag(site.repository, "2")
    site.push(None, auth_config=LOGIN)
    site.client.images.remove(site.image.id, force=True)
    images = site.client.images.pull(site.repository, all_tags=True, auth_config=LOGIN)
    assert {tag for image in images for tag in image.tags} == {f"{site.repository}:1", f"{site.repository}:2"}


def test_docker_py_sees_each_layer_arrive(site: Site) -> None:
    site.push(auth_config=LOGIN)
    site.client.images.remove(site.image.id, force=True)
    told = list(site.client.api.pull(site.repository, "1", stream=True, decode=True, auth_config=LOGIN))
    last = {message["id"]: message["status"] for message in told if len(message.get("id", "")) == 12}
    assert set(last.values()) <= LAYERS_DONE
    assert len(last) == len(site.image.attrs["RootFS"]["Layers"])
    assert told[-1]["status"] == f"Status: Downloaded newer image for {site.repository}:1"


def test_docker_py_logs_in_and_is_remembered(site: Site) -> None:
    assert site.client.login(USER, PASSWORD, registry=site.host)["Status"] == "Login Succeeded"
    assert [message for message in site.push() if "error" in message] == []
    with pytest.raises(APIError, match=r"401 Unauthorized|unauthorized"):
        site.client.login(USER, "wrong", registry=site.host, reauth=True)


def test_docker_py_is_told_what_is_refused(site: Site) -> None:
    (refused,) = [message["error"] for message in site.push() if "error" in message]
    assert refused == "no basic auth credentials"
    with pytest.raises(APIError, match="no basic auth credentials"):
        site.client.images.pull(site.repository, "1")
    with pytest.raises(NotFound, match="manifest unknown"):
        site.client.images.pull(site.repository, "absent", auth_config=LOGIN)
