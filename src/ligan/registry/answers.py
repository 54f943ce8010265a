"""Answers in the registry's dialect: headers, error documents, and which kind of error has which status."""

from __future__ import annotations

import json
from urllib.parse import quote

from aiohttp.web import Response

from ligan.errors import (
    Busy,
    Conflict,
    Corrupt,
    Forbidden,
    Invalid,
    LiganError,
    NoSpace,
    NotFound,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from ligan.oci.documents import OCI_INDEX
from ligan.oci.times import rfc3339nano
from ligan.registry.faults import ManifestTooLarge, WrongOffset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.web import BaseRequest

    from ligan.registry.keeping import Report
    from ligan.registry.reading import Referrer

_SECOND = 10**9

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
"""Docker's client takes nothing for a registry that does not say so."""

STATUSES: dict[type[LiganError], int] = {
    Invalid: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Unsupported: 405,
    Conflict: 409,
    Busy: 409,
    Corrupt: 500,
    Unavailable: 503,
    NoSpace: 507,
    ManifestTooLarge: 413,
    WrongOffset: 416,
}
"""The status of each kind of error, and of those that have their own. The others join as they occur."""

_JSON = API_VERSION | {"Content-Type": "application/json; charset=utf-8"}


def _status_of(kind: type[LiganError]) -> int:
    status = STATUSES.get(kind)
    if status is None:
        status = STATUSES[kind] = next(STATUSES[each] for each in kind.__mro__ if each in STATUSES)
    return status


def answer_to(error: LiganError) -> Response:
    """Return what the distribution specification has clients told of an error."""
    return fault(_status_of(type(error)), getattr(error, "code", "UNKNOWN"), error.message)


def fault(status: int, code: str, message: str) -> Response:
    """Return a refusal. Written out: clients that push ask for much that is not there."""
    content = f'{{"errors":[{{"code":"{code}","message":{json.dumps(message)},"detail":null}}]}}'
    return Response(status=status, body=content.encode(), headers=_JSON)


def not_possible(method: str, possible: Iterable[str]) -> Response:
    """Return a refusal of a method; RFC 9110, section 15.5.6, has it name those that are possible."""
    response = fault(405, "UNSUPPORTED", f"{method} is not possible here")
    response.headers["Allow"] = ", ".join(possible)
    return response


def document(content: object, status: int = 200, **headers: str) -> Response:
    """Return an answer whose body is JSON. Underscores in the names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        status=status,
        body=json.dumps(content, separators=(",", ":")).encode(),
        headers=_JSON | named,
    )


def is_had(request: BaseRequest, digest: str) -> bool:
    """Return whether the client has this, and wants only something else (RFC 9110, section 13.1.2)."""
    wanted = request.headers.get("If-None-Match")
    if wanted is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")]
    return digest in tags or "*" in tags


def empty(status: int, headers: dict[str, str]) -> Response:
    return Response(status=status, headers=API_VERSION | headers)


def listing(
    request: BaseRequest, content: dict[str, object], kind: str, names: list[str], count: int
) -> Response:
    """Answer with the first names. One more than was asked for tells that there are others."""
    response = document({**content, kind: names[:count]})
    if 0 < count < len(names):
        following = f"{request.path}?n={count}&last={quote(names[count - 1], safe='')}"
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def referrers(found: list[Referrer], filtered_by: str) -> Response:
    """Answer with an index of who refers to a subject, of one artifact type if `filtered_by` is not empty."""
    manifests = [_descriptor(each) for each in found]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    response = document(index, Content_Type=OCI_INDEX)
    if filtered_by:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    return response


def _descriptor(referrer: Referrer) -> dict[str, object]:
    fields: dict[str, object] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type:
        fields["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        fields["annotations"] = json.loads(referrer.annotations)
    return fields


def upload_location(repository: str, upload: str) -> str:
    return f"/v2/{repository}/blobs/uploads/{upload}"


def upload_range(size: int) -> str:
    """Say which bytes are there, as the specification does: nothing looks like one byte."""
    return f"0-{max(size - 1, 0)}"


def accepted(repository: str, upload: str, size: int) -> Response:
    location = upload_location(repository, upload)
    return empty(202, {"Location": location, "Range": upload_range(size), "Docker-Upload-UUID": upload})


def created(repository: str, digest: str) -> Response:
    return empty(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})


def what_became(report: Report, *, waits: bool) -> dict[str, str]:
    """Say in headers what has become of the bytes of a delete. `waits`: those to be freed are not yet."""
    deleted = report.deleted
    headers = {"Ligan-Freed": "0" if waits else str(deleted.freed)}
    if waits and deleted.freed:
        headers["Ligan-Waiting"] = str(deleted.freed)
    if deleted.leased:
        headers["Ligan-Leased"] = f"{deleted.leased}; until={rfc3339nano(deleted.until // _SECOND)}"
    if deleted.held or report.entry is not None:
        until = rfc3339nano((deleted.held_until or report.until) // _SECOND)
        undo = f"; undo={report.entry}" if report.entry is not None else ""
        headers["Ligan-Held"] = f"{deleted.held}; until={until}{undo}"
    return headers
