"""Importing a tar: the config as engine 20.10 makes it, and where the tar may come from."""

from __future__ import annotations

import gzip
import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Corrupt, Invalid, LiganError, NotFound, Unavailable
from ligan.images import importing
from ligan.images.importing import Download, ImportRequest, import_image, open_url
from ligan.oci.platform import Platform
from tests.support import archives, tars
from tests.support.stores import SECOND, START, Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ligan.oci.digest import ImageID

TAR = archives.layer({"file": b"content"})

# What `docker import` of engine 20.10.24 made, but for layer, time and version.
EMPTY_RUN = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,'
    '"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,'
    '"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)
CONFIG = (
    '{"architecture":"amd64","comment":"Imported from -","config":' + EMPTY_RUN + ","
    '"container_config":' + EMPTY_RUN + ',"created":"2023-11-14T22:13:20.000000007Z",'
    '"docker_version":"20.10.24",'
    '"history":[{"created":"2023-11-14T22:13:20.000000007Z","comment":"Imported from -"}],"os":"linux",'
    '"rootfs":{"type":"layers","diff_ids":["' + archives.digest(TAR) + '"]}}'
)


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "host_platform", lambda: Platform("linux", "amd64"))


def imported(stock: Stock, request: ImportRequest = ImportRequest(), data: bytes = TAR) -> ImageID:  # noqa: B008
    return import_image(stock.store, io.BytesIO(data), request)


def test_config_is_dockers_to_the_byte(stock: Stock) -> None:
    stock.now += 7
    image = imported(stock)
    assert stock.engine.inspect_raw_config(image).decode() == CONFIG
    assert image == archives.digest(CONFIG.encode())


def test_changes_message_and_source(stock: Stock) -> None:
    image = imported(stock, ImportRequest(message="why", changes=("ENV A=<1>", 'CMD ["x"]')))
    config = json.loads(stock.engine.inspect_raw_config(image))
    assert config["comment"] == "why"
    assert config["config"]["Env"] == ["A=<1>"]
    assert config["config"]["Cmd"] == ["x"]
    assert config["container_config"]["Env"] is None
    image = imported(stock, ImportRequest(source="http://x/y.tar"))
    assert json.loads(stock.engine.inspect_raw_config(image))["comment"] == "Imported from http://x/y.tar"


def test_name_is_given_and_taken(stock: Stock) -> None:
    first = imported(stock, ImportRequest("imp"))
    assert stock.names() == {"imp:latest": first}
    stock.now += SECOND
    second = imported(stock, ImportRequest("imp:latest"))
    assert stock.names() == {"imp:latest": second}
    assert stock.images() == {first, second}
    with stock.store.database.read() as tx:
        assert tx.column("SELECT last_tagged FROM image ORDER BY key") == [START, START + SECOND]


def test_without_a_name_it_was_never_tagged(stock: Stock) -> None:
    imported(stock)
    with stock.store.database.read() as tx:
        assert tx.column("SELECT last_tagged FROM image") == [None]


def test_events_in_dockers_order(stock: Stock) -> None:
    image = imported(stock, ImportRequest("imp:1", changes=("LABEL a=b",)))
    with stock.store.database.read() as tx:
        events = tx.all("SELECT action, actor, attributes FROM event ORDER BY key")
    assert [(action, actor, json.loads(attributes)) for action, actor, attributes in events] == [
        ("tag", image, {"name": "imp:1", "a": "b"}),
        ("import", image, {"name": image, "a": "b"}),
    ]


def test_compressed_tar_gives_the_same_layer(stock: Stock) -> None:
    assert imported(stock, data=gzip.compress(TAR)) == imported(stock)


def test_file_is_read_from_where_it_stands(stock: Stock, tmp_path: Path) -> None:
    path = tmp_path / "tar"
    path.write_bytes(b"skip" + TAR)
    with open(path, "rb") as file:
        file.seek(4)
        image = import_image(stock.store, file, ImportRequest())
    assert image == imported(stock)


def test_nothing_is_a_layer_without_bytes(stock: Stock) -> None:
    image = imported(stock, ImportRequest("e:1"), b"")
    config = json.loads(stock.engine.inspect_raw_config(image))
    assert config["rootfs"]["diff_ids"] == [archives.digest(b"")]
    (summary,) = stock.engine.list_images({})
    assert summary.size == 0


@pytest.mark.parametrize("platform", ["", "linux", "arm64", "linux/arm64", "linux/arm/v7"])
def test_platform_is_this_machines_whatever_is_asked(platform: str, stock: Stock) -> None:
    config = json.loads(stock.engine.inspect_raw_config(imported(stock, ImportRequest(platform=platform))))
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


BROKEN = "Error processing tar file(exit status 1): "


@pytest.mark.parametrize(
    ("request_", "data", "kind", "message"),
    [
        (ImportRequest("Bad:1"), TAR, Invalid, "invalid reference format: repository name must be lowercase"),
        (ImportRequest(f"x@{archives.digest(b'')}"), TAR, Invalid, "cannot import digest reference"),
        (
            ImportRequest("sha256:1"),
            TAR,
            Invalid,
            "refusing to create an ambiguous tag using digest algorithm as name",
        ),
        (ImportRequest(platform="windows/amd64"), TAR, Invalid, "operating system is not supported"),
        (ImportRequest(platform="windows"), TAR, Invalid, "operating system is not supported"),
        (
            ImportRequest(platform="foo"),
            TAR,
            Invalid,
            '"foo": unknown operating system or architecture: invalid argument',
        ),
        (ImportRequest(changes=("RUN x",)), TAR, Invalid, "run is not a valid change command"),
        (ImportRequest("j:1"), b"junk\n", Corrupt, BROKEN + "unexpected EOF"),
        (ImportRequest("j:1"), archives.layer({"f": bytes(999)})[:700], Corrupt, BROKEN + "unexpected EOF"),
        (ImportRequest("j:1"), b"\xa5" * 1024, Corrupt, BROKEN + "archive/tar: invalid tar header"),
        (ImportRequest("j:1"), gzip.compress(TAR, mtime=0)[:-4], Corrupt, BROKEN + "unexpected EOF"),
        (
            ImportRequest("j:1"),
            tars.link("a", "/etc/passwd") + tars.END,
            Corrupt,
            BROKEN + "link /etc/passwd /a: no such file or directory",
        ),
    ],
)
def test_refusals_leave_nothing(
    request_: ImportRequest, data: bytes, kind: type[LiganError], message: str, stock: Stock
) -> None:
    with pytest.raises(kind) as caught:
        imported(stock, request_, data)
    assert str(caught.value) == message
    assert stock.images() == set()
    assert stock.disk_bytes() == 0


class _Site(BaseHTTPRequestHandler):
    """Serves a tar, a redirect to it, one to a file, and an answer that breaks off."""

    def do_GET(self) -> None:
        if self.path == "/tar":
            self._answer(200, TAR)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TAR)
        elif self.path == "/short":
            self._answer(200, TAR[:700], claimed=len(TAR))
        elif self.path in ("/moved", "/file"):
            self.send_response(302)
            self.send_header("Location", "/tar" if self.path == "/moved" else "file:///etc/passwd")
            self.end_headers()
        else:
            self._answer(404 if self.path == "/gone" else 500, b" not here \n")

    def _answer(self, status: int, data: bytes, claimed: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(claimed or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def serving() -> Iterator[str]:
    """Yield the address of the site, without its scheme."""
    with HTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.mark.parametrize("path", ["tar", "moved"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_url_is_imported(path: str, scheme: str, site: str, stock: Stock) -> None:
    with open_url(f"{scheme}{site}/{path}") as source:
        image = import_image(stock.store, source, ImportRequest())
    assert image == imported(stock)


def test_answer_that_breaks_off_is_an_error(site: str, stock: Stock) -> None:
    told = []
    with open_url(f"{site}/short") as source:
        source.watch(lambda current, _size: told.append(current))
        with pytest.raises(Corrupt, match=r": unexpected EOF$"):
            import_image(stock.store, source, ImportRequest())
    assert told == [700]
    assert stock.disk_bytes() == 0


@pytest.mark.parametrize(("path", "size"), [("tar", len(TAR)), ("endless", -1)])
def test_how_far_a_download_is_is_told_at_its_end(path: str, size: int, site: str, stock: Stock) -> None:
    told: list[tuple[int, int]] = []
    with open_url(f"{site}/{path}") as source:
        source.watch(lambda *progress: told.append(progress))
        import_image(stock.store, source, ImportRequest())
    assert told[-1] == (len(TAR), size)
    assert len(told) == len(set(told)) <= 2


CHUNK = 64 << 10


class _Answer:
    """A response of so many chunks."""

    def __init__(self, chunks: int, length: int) -> None:
        self.length = length
        self._left = chunks

    def read1(self, size: int) -> bytes:
        self._left -= 1
        return bytes(size) if self._left >= 0 else b""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("chunks", "told"),
    [(16, [1, 3, 5, 7, 9, 11, 13, 15, 16]), (1024, [*range(9, 1024, 9), 1024])],
    ids=["ten times a second", "each 512 KiB"],
)
def test_how_far_a_download_is_is_told_as_often_as_by_docker(
    chunks: int, told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count(16)  # a chunk takes a sixteenth of a second
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks) / 16)
    heard = []
    response = _Answer(chunks, chunks * CHUNK)
    with Download(response, "http://x/") as download:  # type: ignore[arg-type]  # all that it asks of one
        download.watch(lambda current, _size: heard.append(current // CHUNK))
        while download.read(CHUNK):
            pass
    assert heard == told


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [("gone", NotFound, "404 Not Found"), ("x", Unavailable, "500 Internal Server Error")],
)
def test_refusal_of_the_server_is_passed_on(
    path: str, kind: type[LiganError], status: str, site: str
) -> None:
    with pytest.raises(kind) as caught:
        open_url(f"{site}/{path}")
    assert str(caught.value) == f"failed to GET http://{site}/{path} with status {status}: not here"


def test_redirect_to_a_file_is_not_followed(site: str) -> None:
    with pytest.raises(Unavailable, match="file:///etc/passwd"):
        open_url(f"{site}/file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data://text,x"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(Invalid, match="unsupported protocol scheme"):
        open_url(url)


def test_silence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "SILENCE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable, match=rf'^Get "{address}": timed out$'):
            open_url(address)


def test_nobody_listening_is_an_error() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # so that nobody else comes to listen there
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unavailable, match=rf'^Get "http://{address}/": connection refused$'):
            open_url(f"{address}/")
