"""Pushes: nothing is sent twice, what was pulled goes back as it came, and manifests are Docker's."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ligan.errors import Corrupt, Forbidden, Invalid, NotFound
from ligan.oci.documents import ImageConfig
from ligan.remote.origins import Form
from ligan.remote.progress import Pushed
from ligan.remote.push import new_manifest
from tests.support import archives
from tests.support.honest_registry import HonestRegistry, config_of
from tests.support.lying_registry import reply
from tests.unit.remote.conftest import Told

if TYPE_CHECKING:
    from ligan.oci.digest import Digest
    from tests.support.lying_registry import Reply, Request
    from tests.support.stores import Stock

BASE = archives.layer({"base": os.urandom(100_000)})
TOP = archives.layer({"top": b"top"})


class Pusher(Told):
    """Pushes out of a stock."""

    def push(self, name: str) -> tuple[Digest, ...]:
        self.told = []
        return self.stock.engine.push(f"{self.registry.host}/{name}", self.told.append)

    def name(self, image: Any, name: str) -> None:
        self.stock.name(image, f"{self.registry.host}/{name}")

    def lines_of(self, tar: bytes) -> list[str]:
        prefix = f"{archives.digest(tar)[7:19]}: "
        return [line.removeprefix(prefix) for line in self.lines if line.startswith(prefix)]


@pytest.fixture
def pusher(stock: Stock, registry: HonestRegistry) -> Pusher:
    return Pusher(stock, registry)


def test_manifest_is_dockers_to_the_byte() -> None:
    config = ImageConfig.parse(config_of([BASE]))
    form = Form(archives.digest(b"packed"), 6, "gzip")  # type: ignore[arg-type]  # text will do
    raw, media_type = new_manifest(config, [form])
    assert media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert raw.decode() == (
        "{\n"
        '   "schemaVersion": 2,\n'
        '   "mediaType": "application/vnd.docker.distribution.manifest.v2+json",\n'
        '   "config": {\n'
        '      "mediaType": "application/vnd.docker.container.image.v1+json",\n'
        f'      "size": {len(config.raw)},\n'
        f'      "digest": "{config.id}"\n'
        "   },\n"
        '   "layers": [\n'
        "      {\n"
        '         "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",\n'
        '         "size": 6,\n'
        f'         "digest": "{form.digest}"\n'
        "      }\n"
        "   ]\n"
        "}"
    )


def test_pushed_image_can_be_pulled_and_has_a_name_by_digest(pusher: Pusher) -> None:
    image = pusher.stock.image(BASE, TOP)
    pusher.name(image, "app:1")
    (digest,) = pusher.push("app:1")
    host = pusher.registry.host
    assert pusher.stock.names()[f"{host}/app@{digest}"] == image
    size = len(pusher.registry.manifests["app", "1"][1])
    assert pusher.lines[0] == f"The push refers to repository [{host}/app]"
    assert pusher.lines[1:3] == [f"{archives.digest(tar)[7:19]}: Preparing" for tar in (TOP, BASE)]
    assert pusher.lines[-1] == f"1: digest: {digest} size: {size}"
    assert pusher.told[-1] == Pushed("", tag="1", digest=digest, size=size)
    pusher.stock.engine.remove_images([image], force=True)
    assert pusher.stock.engine.pull(f"{host}/app:1", lambda _message: None).images == (image,)


def test_second_push_sends_nothing(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE, TOP), "app:1")
    first = pusher.push("app:1")
    pusher.registry.requests.clear()
    assert pusher.push("app:1") == first
    assert pusher.registry.sent() == 0
    assert pusher.lines_of(BASE) == ["Preparing", "Layer already exists"]


def test_layer_of_another_repository_is_mounted(pusher: Pusher) -> None:
    image = pusher.stock.image(BASE)
    pusher.name(image, "team/app:1")
    pusher.name(image, "other:x")
    first = pusher.push("team/app:1")
    pusher.registry.requests.clear()
    assert pusher.push("other:x") == first
    assert pusher.lines_of(BASE) == ["Preparing", "Mounted from team/app"]
    assert pusher.registry.sent() == 1  # the config


def test_pulled_image_goes_back_with_the_same_manifest(pusher: Pusher, tmp_path: object) -> None:
    packed = [gzip.compress(tar, compresslevel=9, mtime=7) for tar in (BASE, TOP)]
    digest = pusher.registry.add_image("app", "1", (BASE, TOP), forms=packed)
    (image,) = pusher.stock.engine.pull(f"{pusher.registry.host}/app:1", lambda _message: None).images
    with HonestRegistry() as other:
        pusher.stock.name(image, f"{other.host}/back:1")
        assert pusher.stock.engine.push(f"{other.host}/back:1", lambda _message: None) == (digest,)
        assert other.manifests["back", "1"] == pusher.registry.manifests["app", "1"]


def test_refusal_has_the_words_of_the_registry_though_head_has_none(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE, TOP), "app:1")
    pusher.push("app:1")
    pusher.stock.engine.tag_image(f"{pusher.registry.host}/app:1", f"{pusher.registry.host}/other:1")
    answer = pusher.registry._answer

    def refuse(request: Request) -> Reply | None:
        if "/other/" not in request.path:
            return answer(request)
        words = {"code": "DENIED", "message": "requested access to the resource is denied", "detail": []}
        body = b"" if request.method == "HEAD" else json.dumps({"errors": [words]}).encode()
        return reply(403, body)

    pusher.registry._answer = refuse
    with pytest.raises(Forbidden, match=r"^denied: requested access to the resource is denied$"):
        pusher.push("other:1")


def test_all_tags_are_pushed_where_none_is_named(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE), "app:1")
    pusher.name(pusher.stock.image(TOP), "app:2")
    assert len(pusher.push("app")) == 2
    assert {name for _, name in pusher.registry.manifests if ":" not in name} == {"1", "2"}


def test_layers_beyond_five_wait(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(*[archives.layer({"f": bytes([n])}) for n in range(7)]), "app:1")
    pusher.push("app:1")
    assert len([line for line in pusher.lines if line.endswith(": Waiting")]) == 2


def test_repository_without_a_tag_here_is_refused_in_dockers_words(pusher: Pusher) -> None:
    host = pusher.registry.host
    with pytest.raises(NotFound, match=f"^An image does not exist locally with the tag: {host}/app$"):
        pusher.push("app:1")
    assert pusher.lines == [f"The push refers to repository [{host}/app]"]


def test_tag_that_is_not_here_is_refused_in_dockers_words(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE), "app:1")
    with pytest.raises(NotFound, match=f"^tag does not exist: {pusher.registry.host}/app:2$"):
        pusher.push("app:2")


def test_digest_is_refused_in_dockers_words(pusher: Pusher) -> None:
    with pytest.raises(Invalid, match=r"^cannot push a digest reference$"):
        pusher.push(f"app@{archives.digest(BASE)}")


def test_layer_that_the_disk_has_damaged_is_not_pushed(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE), "app:1")
    path = f"{pusher.stock.store.layout.blobs}/{archives.digest(BASE)[7:]}"
    with open(path, "rb+") as file:
        file.write(b"damage")
    try:
        with pytest.raises(Corrupt, match=r"^the store is damaged: layer"):
            pusher.push("app:1")
    finally:
        with open(path, "rb+") as file:
            file.write(BASE[:6])
    assert not pusher.registry.manifests
    assert not pusher.registry.blobs


def test_event_tells_of_the_push(pusher: Pusher) -> None:
    pusher.name(pusher.stock.image(BASE), "app:1")
    pusher.push("app:1")
    (event,) = [item for item in pusher.stock.engine.events_after(0, 10) if item.action == "push"]
    name = f"{pusher.registry.host}/app"
    assert (event.actor, event.attributes) == (f"{name}:1", {"name": name})
