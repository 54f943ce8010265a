"""The scenarios of this folder once more, by the real docker client and the Engine API.

What the client prints is compared as in the other modules. Besides, what the
client read from dockerd is asked of the daemon again and compared, and so are
the requests that a scenario sends without a client.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from tests.golden import test_golden_containers as containers
from tests.golden.test_golden_archives import test_golden_e_save_load, test_golden_l_import
from tests.golden.test_golden_containers import test_golden_d_rmi_in_use, test_golden_k_containers
from tests.golden.test_golden_images import (
    test_golden_a_dangling_rebuild,
    test_golden_b_build_intermediates,
    test_golden_c_two_tags,
    test_golden_f_prune,
    test_golden_h_filters,
    test_golden_i_history,
    test_golden_j_tag_errors,
)
from tests.golden.test_golden_inspect import test_golden_g_inspect_format
from tests.support.dockers import containing
from tests.support.golden import _AGE, _ID, DATA, Answer, Replay, _as_ligan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.serving import Daemon

__all__ = [
    "test_golden_a_dangling_rebuild",
    "test_golden_b_build_intermediates",
    "test_golden_c_two_tags",
    "test_golden_d_rmi_in_use",
    "test_golden_e_save_load",
    "test_golden_f_prune",
    "test_golden_g_inspect_format",
    "test_golden_h_filters",
    "test_golden_i_history",
    "test_golden_j_tag_errors",
    "test_golden_k_containers",
    "test_golden_l_import",
]

pytestmark = pytest.mark.docker_cli

DEVIATIONS: dict[tuple[str, int], str] = {
    ("b_build_messages", 11): "tells where a volume lies",
    **{("f_prune_df", step): "follows on containers" for step in (43, 66, 67)},
    ("h_filters", 72): "until is a filter here, as for engine 25",
    **{("g_inspect_format", step): "info tells what the daemon is" for step in (95, 126)},
    **{("l_import_export", step): "the tar that is imported has another size" for step in range(7, 30)},
    ("j_tag_errors", 80): "the highest API version is that of a later engine",
    ("j_tag_errors", 81): "as step 80, for the lowest",
    ("j_tag_errors", 82): "without a version the highest is meant, which has another shape",
    ("j_tag_errors", 86): "tells what the daemon is",
    ("j_tag_errors", 87): "as step 86",
    ("j_tag_errors", 88): "as step 86",
    ("k_containers", 115): "says what is wrong with JSON in words of Python",
    ("m_registry", 85): "lists what was built on a pulled image",
    ("m_registry", 88): "went with credentials, which the transcript lacks",
    ("m_registry", 89): "as step 88",
    ("m_registry", 91): "tells the size of a manifest, which depends on how gzip packs",
}
"""Scenario and step of requests that are answered otherwise, or not asked -> why (docs/compatibility.md)."""

RECORDED_CLIENT = "28"
"""The goldens are of this client; what another one says of an error are words of its own."""

LEFT_OUT = {
    "b_build_messages": "replayed by test_golden_builds.py, where the client builds",
    "m_registry": "replayed by test_golden_registry.py, which has a registry",
    "n_events": "its steps need containers and a registry; its events are asked in tests/api/test_events.py",
}
"""Scenario that is not replayed here -> why."""

NEWER: dict[tuple[str, int], str] = {
    ("a_dangling_rebuild", 21): "the word json for a format came with client 23",
    ("f_prune_df", 7): "the columns of system df -v are of another width",
    **{("f_prune_df", step): "a prune that is refused still tells the space" for step in (11, 12)},
    **{("g_inspect_format", step): "templates see more of a config" for step in (15, 52, 90)},
}
"""Scenario and step whose stdout an older client writes otherwise -> why."""

_LABELS = {"a_dangling_rebuild": {"stage": "demo"}}
"""What the builds of a scenario give their images, where its replay does not."""

_MOMENTS = re.compile(r'"(Created|LastTagTime)":("[^"]*"|\d+)')
_NAMED_ID = re.compile(rf"{_ID.pattern}|(?<=/)(?:sha256:)?[0-9a-f]{{4,64}}(?=/)")
_PLAIN = "text/plain"
_CONTAINER = '{"Id":"ID","Created":0,"Path"'
_ONCE = re.compile(r"/(get|export|archive|logs|stats|top)$|/exec/")
"""Requests that carry no document, or one of a moment."""

_ONE_COMMAND = re.compile(r"[;|&$`]")


class ApiReplay(Replay):
    """A scenario replayed by the docker client, which talks to a daemon of Ligan."""

    def __init__(self, daemon: Daemon, scenario: str, *arguments: Any) -> None:
        self._daemon = daemon
        self._scenario = scenario
        self._last = -1
        self._client = _client_version()
        super().__init__(scenario, *arguments)

    def run(self, command: str) -> Answer:
        words = ["bash", "-c", command]
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return Answer(ended.returncode, ended.stdout.decode(), _as_ligan(ended.stderr.decode()))

    def build(self, tag: str, steps: Any, **options: Any) -> None:
        super().build(tag, steps, **{"labels": _LABELS.get(self._scenario)} | options)

    def check(self, *indices: int, **reading: Any) -> None:
        for index in indices:
            self.check_requests(self._last + 1, index)
            if self._client == RECORDED_CLIENT or (self._scenario, index) not in NEWER:
                super().check(index, **reading)
            self._last = index
            step = self.steps[index]
            if not _ONE_COMMAND.search(step["cmd"]) and (self._scenario, index) not in DEVIATIONS:
                changes = any(request["method"] not in ("GET", "HEAD") for request in step["api"])
                for request in step["api"]:
                    path = request["path"].partition("?")[0]
                    is_past = changes and "/containers/" in path  # what it was before the step changed it
                    if request["method"] == "GET" and not is_past and not _ONCE.search(path):
                        self._ask(request, f"step {index}: {request['path']}")

    def _compare_errors(self, theirs: str, ours: str, where: str) -> None:
        if self._client == RECORDED_CLIENT:
            self._compare(_as_ligan(theirs), ours, where)  # Ligan's own notes are no matter of this client

    def check_requests(self, first: int, end: int) -> None:
        """Send the requests of the golden between two steps that no client sent."""
        for index in range(first, end):
            step = self.steps[index]
            if step["kind"] == "api" and (self._scenario, index) not in DEVIATIONS:
                self._ask(step, f"step {index}: {step['method']} {step['path']}")

    def finish(self) -> None:
        self.check_requests(self._last + 1, len(self.steps))

    def _ask(self, request: dict[str, Any], where: str) -> None:
        path = _NAMED_ID.sub(lambda found: self._translate(found[0]), unquote(request["path"]))
        connection = http.client.HTTPConnection("docker")
        connection.sock = self._daemon.connect()
        try:
            body, kind = request.get("request_body"), "application/json"
            body = "" if body == "0 bytes" else body  # as the recorder tells of an empty one
            if f"({_PLAIN})" in (request["response_body"] or ""):
                kind = _PLAIN
            headers = {} if body is None else {"Content-Type": kind}
            connection.request(request["method"], quote(path, safe="/?&=:@,+"), body, headers)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        # What a client did wrong is 400, as from engine 23 on, not 500 (docs/compatibility.md).
        expected = 400 if request["status"] == 500 else request["status"]
        assert answer.status == expected, where
        if expected != 400 or "filter" not in body:
            assert _comparable(body) == _comparable(request["response_body"] or ""), where
        expected_type = request["response_headers"].get("Content-Type")
        assert answer.getheader("Content-Type") == expected_type, where


def _client_version() -> str:
    """Return the first number of the version of docker's client that is on the PATH."""
    told = subprocess.run(["docker", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split()[2].partition(".")[0]


def _comparable(body: str) -> str:
    """Leave out IDs, moments, where layers lie, and the order of what is of one moment."""
    text = _AGE.sub("AGE", _MOMENTS.sub(r'"\1":0', _ID.sub("ID", containers.listing(body))))
    if text.startswith(_CONTAINER):
        return containers.inspection(text)
    if not text.startswith(("[", '{"Id"', '{"LayersSize"')):
        return text
    document = json.loads(text)
    if text.startswith('{"Id"'):
        # Of an image that a build made only the shape can be the same.
        document = {key: type(value).__name__ for key, value in document.items() if key != "Parent"}
    rows = document.get("Images") if isinstance(document, dict) else document
    if isinstance(rows, list):
        rows.sort(key=json.dumps)
    return json.dumps(document, indent=1)


@pytest.fixture
def replay(
    tmp_path: object, store_root: str, base_images: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Replay]]:
    """Start a scenario; at its end the rest of its requests are sent."""
    scenarios: list[ApiReplay] = []

    def start(scenario: str) -> Replay:
        scenarios.append(ApiReplay(daemon, scenario, str(tmp_path), base_images, monkeypatch))
        return scenarios[-1]

    monkeypatch.setenv("LIGAN_BRIDGE", "false")  # as the daemon of the goldens
    with containing(store_root) as daemon:
        monkeypatch.setenv("DOCKER_HOST", daemon.host)
        monkeypatch.setenv("DOCKER_API_VERSION", "1.41")
        yield start
        for scenario in scenarios:
            scenario.finish()


def test_every_scenario_is_replayed_or_left_out_for_a_reason() -> None:
    scenarios = {name.partition(".")[0] for name in os.listdir(DATA) if name.endswith(".json.xz")}
    replayed = {name.split("_")[2] for name in __all__}
    assert set(LEFT_OUT) < scenarios
    assert {scenario[0] for scenario in scenarios - set(LEFT_OUT)} == replayed
