"""Containers made to measure for tests of what does not run anything."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from ligan.containers import rows
from ligan.containers.creating import CreateRequest, create
from tests.support import archives

if TYPE_CHECKING:
    from typing import Any

    from ligan.containers.rows import Container
    from ligan.oci.digest import ImageID
    from tests.support.stores import Stock


def image(
    stock: Stock, name: str, config: dict[str, Any] | None = None, files: dict[str, bytes] | None = None
) -> ImageID:
    """Store an image of one layer with these files, which runs what `config` says."""
    tar = archives.layer(files or {"file": b"content"})
    raw = {
        "architecture": "amd64",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]} if config is None else config,
        "created": "2023-01-02T03:04:05Z",
        "history": [{"created": "2023-01-02T03:04:05Z", "created_by": "test"}],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [archives.digest(tar)]},
    }
    size = sum(map(len, (files or {"file": b"content"}).values()))
    return stock.add(json.dumps(raw, sort_keys=True).encode(), [tar], [size], [name])


def make(
    stock: Stock, name: str = "", of: str = "app", host: dict[str, Any] | None = None, **config: Any
) -> Container:
    """Make a container; what is not a part of HostConfig is one of Config."""
    request = CreateRequest(name=name, config={"Image": of, **config}, host_config=host)
    return found(stock, create(stock.store, request).id)


def found(stock: Stock, name: str) -> Container:
    with stock.store.database.read() as tx:
        return rows.resolve(tx, name)


def set_state(stock: Stock, container: Container, state: str, **columns: object) -> None:
    """Make a row say what no process does."""
    with stock.store.database.write() as tx:
        for column, value in {"state": state, **columns}.items():
            tx.execute(f"UPDATE container SET {column} = ? WHERE key = ?", (value, container.key))


def events(stock: Stock, kind: str = "container") -> list[tuple[str, dict[str, str]]]:
    """Return action and attributes of every event of the kind, oldest first."""
    return [
        (event.action, dict(event.attributes))
        for event in stock.engine.events_after(0, 1000)
        if event.type == kind
    ]


def names_in(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.getnames()
