"""Copies that a real dockerd made, recorded by tests/data/make_copies.py, and what they were made of."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

TIME = 1_600_000_000
"""That of all members. What has another in an answer got it when dockerd made it."""

RECORDED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "copies.json")

Member = tuple[str, dict[str, Any]]


def recorded() -> tuple[list[Member], list[list[Member]], list[dict[str, Any]]]:
    """Return the base, the contexts, and the cases, which name a context by its number."""
    with open(RECORDED, encoding="utf-8") as file:
        base, contexts, cases = json.load(file)
    return base, contexts, cases


def file(data: str, **fields: Any) -> dict[str, Any]:
    return {"data": data} | fields


def folder(mode: int = 0o755) -> dict[str, Any]:
    return {"type": "5", "mode": mode}


def link(target: str) -> dict[str, Any]:
    return {"type": "2", "linkname": target, "mode": 0o777}


def hard(target: str, **fields: Any) -> dict[str, Any]:
    return {"type": "1", "linkname": target} | fields


def null_device() -> dict[str, Any]:
    return {"type": "3", "mode": 0o666, "devmajor": 1, "devminor": 3}


def tar_of(members: Iterable[Member | list[Any]]) -> bytes:
    """Return the tar of members: their names, and fields of tarfile's, `data` or `bytes` for content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.uid, info.gid = TIME, 0o644, 1000, 1001
            data = fields.get("data", "").encode("utf-8", "surrogateescape")
            for key, value in fields.items():
                if key == "type":
                    info.type = value.encode()
                elif key == "tar":
                    data = tar_of(value)
                elif key == "hex":
                    data = bytes.fromhex(value)
                elif key != "data":
                    setattr(info, key, value)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def listed(layer: bytes) -> list[list[Any]]:
    """Return what a layer says, member by member; of times only whether they are those of the source."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return [
            [
                member.name,
                member.type.decode(),
                oct(member.mode),
                member.uid,
                member.gid,
                member.size,
                member.linkname,
                int(member.mtime) == TIME,
            ]
            for member in archive
        ]
