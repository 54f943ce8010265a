from __future__ import annotations

import json

from ligan.build.image import HistoryRow, config_document
from ligan.oci.platform import Platform

AMD64 = Platform("linux", "amd64", "")
SECOND = 10**9


def document(*history: HistoryRow, epoch: int | None = None, **settings: object) -> dict[str, object]:
    raw = config_document(settings, history, ["sha256:1"], AMD64, now=9 * SECOND, epoch=epoch)
    found: dict[str, object] = json.loads(raw)
    return found


def times(*history: HistoryRow) -> list[str]:
    rows = document(*history)["history"]
    assert isinstance(rows, list)
    return [row["created"][17:19] for row in rows]


def test_the_bytes_are_buildkits() -> None:
    kept = {"created": "2020-01-01T00:00:00Z", "created_by": "ADD x", "empty_layer": False}
    rows = [HistoryRow("ADD x", False, kept=kept), HistoryRow("RUN y # buildkit", False, SECOND)]
    settings = {"Cmd": ["sh"], "Env": ["A=b"], "Labels": {}, "ArgsEscaped": True}
    assert config_document(settings, rows, ["sha256:1", "sha256:2"], AMD64, now=0) == (
        b'{"architecture":"amd64","config":{"Env":["A=b"],"Cmd":["sh"],"ArgsEscaped":true,"OnBuild":null},'
        b'"created":"1970-01-01T00:00:01Z","history":['
        b'{"created":"2020-01-01T00:00:00Z","created_by":"ADD x"},'
        b'{"created":"1970-01-01T00:00:01Z","created_by":"RUN y # buildkit",'
        b'"comment":"buildkit.dockerfile.v0"}],'
        b'"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1","sha256:2"]}}'
    )


def test_settings_have_the_time_of_the_next_new_layer_or_of_the_last() -> None:
    empty = HistoryRow("ENV A=b", True)
    base = HistoryRow("", False, kept={"created": "1970-01-01T00:00:01Z"})
    assert times(base, empty, HistoryRow("RUN", False, 5 * SECOND), empty) == ["01", "05", "05", "05"]
    assert times(base, empty, empty) == ["01", "01", "01"]
    assert times(empty) == ["09"]


def test_an_epoch_is_the_time_of_the_image() -> None:
    row = HistoryRow("ENV A=b", True, 3 * SECOND)
    assert document(row, epoch=3 * SECOND)["created"] == "1970-01-01T00:00:03Z"
