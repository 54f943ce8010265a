"""Requests to a daemon by hand: what a client would not send, and what it would not show."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.serving import Daemon


class Answer(NamedTuple):
    """What came back. `headers` are by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The words of a refusal, which must be all that its body holds."""
        assert self.headers["content-type"] == "application/json", self
        assert list(self.document) == ["message"], self
        return str(self.document["message"])

    @property
    def lines(self) -> list[Any]:
        """The messages of an answer that goes on."""
        return [json.loads(line) for line in self.body.split(b"\r\n") if line]


def ask(
    daemon: Daemon,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = daemon.connect()
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(
            response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
        )
    finally:
        connection.close()
