from __future__ import annotations

from typing import Any

import pytest

from ligan.containers.log_details import check_readable, details
from ligan.errors import Unsupported


def document(driver: str = "json-file", **options: str) -> dict[str, Any]:
    return {
        "Id": "0123456789ab" + "c" * 52,
        "Name": "/web",
        "Image": "sha256:" + "d" * 64,
        "Config": {"Image": "app:1", "Env": ["E=2", "PATH=/bin"], "Labels": {"l.x": " a,b", "m": "1"}},
        "HostConfig": {
            "LogConfig": {"Type": driver, "Config": {k.replace("_", "-"): v for k, v in options.items()}}
        },
    }


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, b" "),
        ({"labels": "m,none", "env": "E,Z"}, b"E=2,m=1 "),
        ({"labels_regex": "^l", "env_regex": "."}, b"E=2,PATH=%2Fbin,l.x=+a%2Cb "),
        ({"tag": "{{.Name}}/{{.ID}}"}, b"tag=web%2F0123456789ab "),
    ],
)
def test_details(options: dict[str, str], shown: bytes) -> None:
    assert details(document(**options)) == shown


def test_what_keeps_no_log_cannot_be_read() -> None:
    check_readable(document("local"))
    with pytest.raises(Unsupported, match="configured logging driver does not support reading"):
        check_readable(document("none"))
