from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import make_mocked_request

from ligan.api.errors import PageNotFound
from ligan.api.router import Call, MovedPermanently, Router, VersionTooOld
from ligan.errors import Invalid

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse

    from ligan.api.router import Handler


def call(path: str, method: str = "GET") -> Call:
    return Call(make_mocked_request(method, path), None)  # type: ignore[arg-type]  # no handler is called


def handler() -> Handler:
    async def handle(call: Call) -> StreamResponse:
        raise AssertionError

    return handle


LIST, INSPECT, HISTORY, DELETE = handler(), handler(), handler(), handler()
ROUTER = Router(
    [
        ("GET", "/images/json", LIST),
        ("GET", "/images/{name}/json", INSPECT),
        ("GET", "/images/{name}/history", HISTORY),
        ("DELETE", "/images/{name}", DELETE),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "handler", "name"),
    [
        ("GET", "/images/json", LIST, ""),
        ("GET", "/v1.41/images/json", LIST, ""),
        ("GET", "/v1.24/images/busybox/json", INSPECT, "busybox"),
        ("GET", "/images/docker.io/library/busybox:1/json", INSPECT, "docker.io/library/busybox:1"),
        ("GET", "/images/reg.example.com:5000%2Fx%2Fy/history", HISTORY, "reg.example.com:5000/x/y"),
        ("GET", "/images/json/json", INSPECT, "json"),
        ("DELETE", "/v1.51/images/a/b@sha256:00", DELETE, "a/b@sha256:00"),
        ("DELETE", "/images/a/json", DELETE, "a/json"),
    ],
)
def test_a_request_finds_its_handler_and_its_name(
    method: str, path: str, handler: Handler, name: str
) -> None:
    request = call(path, method)
    assert ROUTER.find(request) is handler
    assert request.name == name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/"),
        ("POST", "/images/json"),
        ("GET", "/images/json/"),
        ("GET", "/images/busybox/nothing"),
        ("DELETE", "/images/"),
        ("GET", "/v1.abc/images/json"),
        ("GET", "/v/images/json"),
        ("GET", f"/v{'9' * 5000}/images/json"),
    ],
)
def test_what_is_not_there_is_not_found(method: str, path: str) -> None:
    with pytest.raises(PageNotFound, match=r"^page not found$"):
        ROUTER.find(call(path, method))


@pytest.mark.parametrize(
    ("path", "api", "rest"),
    [
        ("/v1.24/info", 24, "/info"),
        ("/v1.51/info", 51, "/info"),
        ("/info", 51, "/info"),
        ("/version", 51, "/version"),
        ("/v1.41", 51, "/v1.41"),
    ],
)
def test_the_version_is_told_from_the_path(path: str, api: int, rest: str) -> None:
    request = call(path)
    assert (request.api, request.path) == (api, rest)


@pytest.mark.parametrize("version", ["1.52", "1.99", "2.0", "1.51.1", "10"])
def test_a_version_that_is_too_new_is_refused(version: str) -> None:
    with pytest.raises(Invalid) as refused:
        call(f"/v{version}/info")
    assert refused.value.message == (
        f"client version {version} is too new. Maximum supported API version is 1.51"
    )


@pytest.mark.parametrize("version", ["1.23", "1.0", "1", "0.9", "."])
def test_a_version_that_is_too_old_is_refused(version: str) -> None:
    with pytest.raises(VersionTooOld) as refused:
        call(f"/v{version}/info")
    assert refused.value.message == (
        f"client version {version} is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version"
    )


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v1.41//images/json", "/v1.41/images/json"),
        ("/v1.41/images//json", "/v1.41/images/json"),
        ("/images/../info", "/info"),
        ("/images/./json/", "/images/json/"),
        ("/%2e%2e/info", "/info"),
    ],
)
def test_a_path_with_detours_is_sent_to_the_short_one(path: str, location: str) -> None:
    with pytest.raises(MovedPermanently) as moved:
        call(path)
    assert moved.value.location == location


@pytest.mark.parametrize("text", ["1", "true", "True", "yes", "x", "2", "-1"])
def test_anything_is_true(text: str) -> None:
    assert call(f"/images/json?all={text}").on("all") is True


@pytest.mark.parametrize("text", ["", "0", "no", "false", "none", "False", "NO", "+0+"])
def test_but_a_few_words_are_false(text: str) -> None:
    request = call(f"/images/json?all={text}")
    assert request.on("all") is False
    assert request.on("all", default=True) is False


def test_what_is_not_given_has_its_default() -> None:
    request = call("/images/load?a=1&b=2&b=3")
    assert request.on("quiet") is False
    assert request.on("quiet", default=True) is True
    assert request.text("none") == ""
    assert request.texts("none") == []
    assert request.text("b") == "2"
    assert request.texts("b") == ["2", "3"]


def test_a_request_is_named_by_method_and_path() -> None:
    assert call("/v1.41/images/app%3A1?force=1", "DELETE").command == "DELETE /images/app:1"
