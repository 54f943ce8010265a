"""Importing: an image of one layer made from the tar of a file system."""

from __future__ import annotations

import time

from ligan.errors import Corrupt, Invalid, NotFound, Unavailable
from ligan.images import catalog
from ligan.images.changes import apply_changes
from ligan.images.events import record
from ligan.images.host import host_platform
from ligan.images.staging import Staging
from ligan.layers.snapshots.indexing import add_indexes
from ligan.oci.digest import ChainID
from ligan.oci.documents import ImageConfig
from ligan.oci.gojson import go_json
from ligan.oci.platform import parse as parse_platform
from ligan.oci.reference import parse, parse_tag_target
from ligan.oci.runconfig import ENGINE_VERSION, run_config
from ligan.oci.times import rfc3339nano
from ligan.store import failpoints
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from http.client import HTTPResponse
    from typing import BinaryIO
    from urllib.error import HTTPError

    from ligan.layers.compression import Source as Readable
    from ligan.oci.digest import DiffID, ImageID
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.store.store import Store


class ImportRequest(Value):
    """What to make of a tar: an image with this name or none, this comment, these instructions.

    `platform` is `os[/architecture[/variant]]`. `source` is the URL that the
    comment names where `message` is empty, or nothing for a stream.
    """

    reference: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    platform: str = ""
    source: str = ""


def import_image(store: Store, source: BinaryIO | Readable, request: ImportRequest) -> ImageID:
    """Store the tar as the only layer of a new image; returns its ID.

    The tar may be compressed. Raises Invalid for the request and Corrupt for
    the tar, in Docker's words; nothing is stored then.
    """
    reference = _reference(request.reference)
    platform = _platform(request.platform)
    run = run_config(apply_changes(run_config({}), request.changes))
    with Staging(store, lambda _progress: None) as staging:
        layer = staging.stage_stream(source)
        now = store.now()
        message = request.message or f"Imported from {request.source or '-'}"
        config = ImageConfig.parse(_config(run, platform, message, layer.diff_id, now))
        staged = [layer.staged, staging.lease.write(config.raw), *([layer.index] if layer.index else [])]
        with store.database.write() as tx:
            blobs = staging.lease.commit(tx, staged)
            key = catalog.ensure_layer(
                tx, ChainID(layer.diff_id), None, layer.diff_id, layer.size, blobs[layer.diff_id]
            )
            add_indexes(tx, blobs, [(layer.diff_id, layer.index)])
            image = catalog.create_image(tx, config, blobs[config.id], key)
            if reference is not None:
                catalog.set_reference(tx, reference, image, now)
                tx.execute("UPDATE image SET last_tagged = ? WHERE key = ?", (now, image.key))
                record(tx, now, "tag", image.id, config.labels, name=reference.familiar)
            record(tx, now, "import", image.id, config.labels)
            failpoints.hit("commit.rows")
        failpoints.hit("commit.done")
    return image.id


def _reference(text: str) -> Reference | None:
    if not text:
        return None
    if parse(text).digest:
        raise Invalid("cannot import digest reference")
    return parse_tag_target(text)


def _platform(text: str) -> Platform:
    """Return this machine's: engine 20.10 looks at the system that is asked for, and no further."""
    if text and parse_platform(text).os != "linux":
        raise Invalid("operating system is not supported")
    return host_platform()


def _config(run: dict[str, object], platform: Platform, message: str, layer: DiffID, now: int) -> bytes:
    """Return the config as Docker marshals it: keys sorted at the top, in its structs' order below."""
    created = rfc3339nano(*divmod(now, 10**9))
    return go_json(
        {
            "architecture": platform.architecture,
            "comment": message,
            "config": run,
            "container_config": run_config({}),
            "created": created,
            "docker_version": ENGINE_VERSION,
            "history": [{"created": created, "comment": message}],
            "os": platform.os,
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        }
    )


def open_url(url: str, proxies: Mapping[str, str] | None = None) -> Download:
    """Open a tar by HTTP or HTTPS, `http://` being understood. To be closed.

    `proxies` are those of urllib: scheme -> address. Raises NotFound or
    Unavailable with what the server said, or that it said nothing for SILENCE_SECONDS.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import (
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        HTTPHandler,
        HTTPRedirectHandler,
        HTTPSHandler,
        OpenerDirector,
        ProxyHandler,
    )

    address = url if "://" in url else f"http://{url}"
    opener = OpenerDirector()  # not build_opener: that one opens file: and ftp: as well
    for handler in (
        ProxyHandler(dict(proxies or {})),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        HTTPRedirectHandler(),
    ):
        opener.add_handler(handler)
    try:
        response = opener.open(address, timeout=SILENCE_SECONDS)
    except HTTPError as error:
        message = f"failed to GET {address} with status {error.code} {error.reason}: {_explanation(error)}"
        raise NotFound(message) if error.code == 404 else Unavailable(message) from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise Unavailable(f'Get "{address}": {_words(reason)}') from None
    if response is None:
        raise Invalid(f'Get "{address}": unsupported protocol scheme')
    return Download(response, address)


def _explanation(error: HTTPError) -> str:
    """Return what the server says beside a status, as far as it comes."""
    from http.client import HTTPException

    try:
        with error:
            return error.read(_MAX_EXPLANATION).decode("utf-8", "replace").strip()
    except (HTTPException, OSError):
        return ""


def _words(reason: BaseException | str) -> str:
    return reason.strerror.lower() if isinstance(reason, OSError) and reason.strerror else str(reason)


SILENCE_SECONDS = 300.0
"""How long a server may be silent: whoever asked may have gone, which nobody sees meanwhile."""

_MAX_EXPLANATION = 4096
"""Bytes of a server's error page that are shown."""


class Download:
    """The body of an HTTP answer, of `size` bytes, or -1 where the server does not say.

    A connection that breaks off is an error, not an end.
    """

    def __init__(self, response: HTTPResponse, address: str) -> None:
        self._response = response
        self._pending = b""
        self._current = 0
        self._told = 0
        self._told_at = 0.0
        self._report: Callable[[int, int], object] = lambda _current, _size: None
        self.address = address
        self.size = -1 if response.length is None else response.length

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._response.close()

    def header(self, name: str) -> str:
        """Return what the server says in a header, "" for nothing."""
        return self._response.headers.get(name, "")

    def watch(self, report: Callable[[int, int], object]) -> None:
        """Have `report` called with the bytes read so far, and the size, as often as Docker tells them.

        That is after each percent or 512 KiB, ten times a second at the most, and at the end.
        """
        self._report = report

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none only at the end."""
        if not self._pending:
            self._pending = self._fetch()
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _fetch(self) -> bytes:
        from http.client import HTTPException

        wanted = _CHUNK if self.size < 0 else min(_CHUNK, self.size - self._current)
        try:
            data = self._response.read1(wanted) if wanted else b""
        except (HTTPException, OSError) as error:
            raise Unavailable(f'Get "{self.address}": {_words(error)}') from None
        if not data and self._current < self.size:
            raise Corrupt("unexpected EOF")
        self._current += len(data)
        self._tell(at_end=self._current == self.size if data else self.size < 0)
        return data

    def _tell(self, *, at_end: bool) -> None:
        step = _STEP if self.size < 0 else min(_STEP, self.size // 100)
        if not at_end:
            now = time.monotonic()
            if self._current - self._told <= step or now < self._told_at + _PAUSE:
                return
            self._told_at = now
        self._told = self._current
        self._report(self._current, self.size)


_CHUNK = 64 << 10
_STEP = 512 << 10
_PAUSE = 0.1
"""Seconds."""
