"""docs/openapi.yaml: it covers what the router serves, and the server keeps to it whatever is asked."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ligan.api import (
    build,
    container_files,
    container_streams,
    containers,
    empty,
    images,
    registry,
    system,
    volumes,
)
from ligan.engine.embedded import open_engine
from tests.support.serving import serving
from tests.support.stores import check_store
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "openapi.yaml")
schemathesis.serializer.alias("application/x-tar", "application/octet-stream")
API = schemathesis.openapi.from_path(DOCUMENT)
MODULES = (system, images, registry, containers, container_streams, container_files, volumes, build, empty)
STREAMS = ("/events", "/images/load", "/images/create", "/build")
"""Their answers are many documents, of which schemas know nothing."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, base_images: str) -> Iterator[str]:
    """The URL of a daemon with the base images."""
    root = str(tmp_path_factory.mktemp("openapi") / "root")
    _load(root, base_images)
    with serving(root, "--host", "tcp://127.0.0.1:0") as daemon:
        address = daemon.await_log(r"listening on .*tcp://(127\.0\.0\.1:\d+)")[1]
        yield f"http://{address}/v1.51"
    check_store(root)


def _load(root: str, path: str) -> None:
    with contextlib.closing(open_engine(root)) as engine, open(path, "rb") as archive:
        engine.load(archive, lambda _message: None)


def test_it_names_what_the_router_serves_and_nothing_else() -> None:
    served = {(method.lower(), path) for module in MODULES for method, path, _ in module.ROUTES}
    written = {
        (method, path)
        for path, item in API.raw_schema["paths"].items()
        for method in item
        if method != "$ref"
    }
    assert written == served | {("get", "/events"), ("post", "/containers/{name}/wait")}


@API.parametrize()
@settings(
    max_examples=6,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_server_keeps_to_it(case: Any, target: str) -> None:
    if case.path == "/events":
        case.query = {**(case.query or {}), "until": "1"}  # else it has no end
    if case.path == "/images/create":
        case.query = {**(case.query or {}), "fromSrc": "-"}  # else it may ask another server
    response = case.call(base_url=target, timeout=SECONDS)
    assert b"internal error" not in response.content
    checks = [status_code_conformance, content_type_conformance]
    if case.path in STREAMS and response.status_code == 200:
        for line in response.content.splitlines():
            assert json.loads(line)
    else:
        checks.append(response_schema_conformance)
    case.validate_response(response, checks=checks)
