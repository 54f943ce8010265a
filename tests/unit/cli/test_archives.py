from __future__ import annotations

import http.server
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from ligan.cli.archives import write_archive
from ligan.errors import Corrupt, NotFound, Unavailable
from ligan.images.load import LoadOutcome
from ligan.images.staging import LoadProgress
from tests.support.fake_engine import ID, FakeEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.cli.conftest import CommandLine


def saving(content: bytes = b"archive") -> FakeEngine:
    return FakeEngine(
        check_save=None, save=lambda _names, target, *, layout: target.write(content + layout.encode())
    )


def test_save_streams_to_stdout(ligan: CommandLine) -> None:
    engine = saving()
    assert ligan("save", "app", "b", engine=engine) == (0, "archivedocker", "")
    assert [name for name, *_ in engine.calls] == ["check_save", "save"]
    assert engine.calls[1][1][0] == ["app", "b"]


def test_a_reader_that_has_enough_of_an_archive_is_no_error_of_the_store() -> None:
    def produce(_target: BinaryIO) -> None:
        try:
            raise BrokenPipeError
        except OSError as error:
            raise Unavailable("write archive: broken pipe") from error

    with pytest.raises(BrokenPipeError):
        write_archive("", "", check=lambda: None, produce=produce)


def test_save_makes_a_private_file(ligan: CommandLine, tmp_path: Any) -> None:
    target = tmp_path / "x.tar"
    target.write_bytes(b"old")
    assert ligan("image", "save", "-o", str(target), "--format", "oci", "app", engine=saving()) == (0, "", "")
    assert target.read_bytes() == b"archiveoci"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_save_that_fails_leaves_the_old_file_alone(ligan: CommandLine, tmp_path: Any) -> None:
    target = tmp_path / "x.tar"
    target.write_bytes(b"old")
    engine = FakeEngine(save=NotFound("reference does not exist"))
    assert ligan("save", "-o", str(target), "app", engine=engine) == (
        1,
        "",
        "Error response from daemon: reference does not exist\n",
    )
    assert target.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["x.tar"]


def test_save_refuses_what_is_no_file(ligan: CommandLine, tmp_path: Any) -> None:
    """Golden e_save_load, and docker's client asked about the other kinds."""
    os.symlink("/nowhere", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    for path, complaint in (
        ("nodir/x", f"invalid output path: stat {tmp_path}/nodir: no such file or directory"),
        ("file/x", f"invalid output path: stat {tmp_path}/file: not a directory"),
        (".", "cannot write to a directory"),
        ("link", "cannot write to a symbolic link directly"),
        ("pipe", "cannot write to a named pipe file"),
    ):
        assert ligan("save", "-o", f"{tmp_path}/{path}", "app", engine=FakeEngine()) == (
            1,
            "",
            f"failed to save image: {complaint}\n",
        )
    device = ligan("save", "-o", "/dev/null", "app", engine=FakeEngine())
    assert device.err == "failed to save image: cannot write to a character device file\n"


def test_save_spares_terminals(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ligan.cli.archives.is_terminal", lambda _stream: True)
    message = "cowardly refusing to save to a terminal. Use the -o flag or redirect\n"
    assert ligan("save", "app") == (1, "", message)


def test_save_knows_its_layouts(ligan: CommandLine) -> None:
    assert ligan("save", "--format", "zip", "app") == (
        1,
        "",
        'unknown format "zip": must be one of docker, docker-25, oci\n',
    )


def loading(*reports: LoadProgress | str, notes: tuple[str, ...] = ()) -> FakeEngine:
    def load(source: BinaryIO | str, report: Callable[[LoadProgress | str], None]) -> LoadOutcome:
        reports_of = (*reports, source if isinstance(source, str) else source.read().decode())
        for item in reports_of:
            report(item)
        return LoadOutcome((), notes)

    return FakeEngine(load=load)


PROGRESS = LoadProgress("e9889843be1e", 1_065_000, 2_130_000)


def test_load_reads_stdin_a_file_or_a_folder(ligan: CommandLine, tmp_path: Any) -> None:
    (tmp_path / "x.tar").write_bytes(b"from a file")
    assert ligan("load", stdin=b"from stdin", engine=loading()) == (0, "from stdin\n", "")
    assert ligan("load", "-i", f"{tmp_path}/x.tar", engine=loading()).out == "from a file\n"
    assert ligan("load", "-i", str(tmp_path), engine=loading()).out == f"{tmp_path}\n"


def test_load_shows_no_bars_off_a_terminal(ligan: CommandLine) -> None:
    engine = loading(PROGRESS, "Loaded image: app:1", notes=("Loaded image ID: x",))
    assert ligan("load", stdin=b"end", engine=engine) == (
        0,
        "Loaded image: app:1\nend\n",
        "ligan: Loaded image ID: x\n",
    )


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr("ligan.cli.archives.is_terminal", lambda stream: stream is sys.stdout)
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((columns, 40)))


def test_load_draws_bars_on_a_terminal(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch, 120)
    bar = f"[{'=' * 25}>{' ' * 25}]  1.065MB/2.13MB"
    assert ligan("load", stdin=b"end", engine=loading(PROGRESS)).out == (
        f"\n\x1b[1A\x1b[2K\re9889843be1e: Loading layer {bar}\r\x1b[1Bend\n"
    )
    assert ligan("load", "-q", stdin=b"end", engine=loading(PROGRESS)).out == "end\n"


def test_load_asks_for_input_on_a_terminal(ligan: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ligan.cli.archives.is_terminal", lambda _stream: True)
    assert ligan("load") == (1, "", "requested load from stdin, but stdin is empty\n")


def test_load_says_bare_what_is_wrong(ligan: CommandLine) -> None:
    """Docker's daemon streams these errors (golden e_save_load)."""
    engine = FakeEngine(load=Corrupt("Error processing tar file(exit status 1): unexpected EOF"))
    assert ligan("load", engine=engine) == (
        1,
        "",
        "Error processing tar file(exit status 1): unexpected EOF\n",
    )
    assert ligan("load", "-i", "nosuch.tar") == (1, "", "open nosuch.tar: no such file or directory\n")


def importing() -> FakeEngine:
    def import_image(source: BinaryIO, request: Any) -> str:
        content = b"".join(iter(lambda: source.read(1 << 16), b""))
        return f"{content.decode()} {request.message}"

    return FakeEngine(import_image=import_image)


def test_import_reads_stdin_or_a_file(ligan: CommandLine, tmp_path: Any) -> None:
    (tmp_path / "x.tar").write_bytes(b"from a file")
    assert (
        ligan("import", "-m", "text", "-", stdin=b"from stdin", engine=importing()).out == "from stdin text\n"
    )
    engine = importing()
    words = ["-c", "ENV A=1", "-c", "CMD b", "--platform", "linux/arm64", f"{tmp_path}/x.tar", "app:1"]
    assert ligan("import", *words, engine=engine).out.startswith("from a file")
    request = engine.calls[0][1][1]
    assert tuple(request.changes) == ("ENV A=1", "CMD b")


def test_import_refuses_in_the_clients_words(ligan: CommandLine, tmp_path: Any) -> None:
    """Golden l_import_export."""
    (tmp_path / "x.tar").write_bytes(b"")
    assert ligan("import", f"{tmp_path}/x.tar", "BadName", engine=FakeEngine()) == (
        1,
        "",
        "invalid reference format: repository name (library/BadName) must be lowercase\n",
    )
    assert ligan("import", "nosuch.tar", "x:1") == (1, "", "open nosuch.tar: no such file or directory\n")


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/y.tar" else 200)
        if self.path != "/unknown.tar":
            self.send_header("Content-Length", "1024" if self.path == "/cut.tar" else "13")
        self.end_headers()
        self.wfile.write(b"from a server")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_import_reads_a_url(ligan: CommandLine, web: str) -> None:
    fetched = ligan("import", f"{web}/x.tar", engine=importing())
    assert fetched.out == f"Downloading from {web}/x.tar\nfrom a server \n"
    missing = ligan("import", f"{web}/y.tar", engine=importing())
    refusal = f"failed to GET {web}/y.tar with status 404 Not Found: from a server"
    assert (missing.status, missing.err) == (1, f"Error response from daemon: {refusal}\n")
    cut = ligan("import", f"{web}/cut.tar", engine=importing())
    assert (cut.status, cut.err) == (1, "Error response from daemon: unexpected EOF\n")


def test_import_of_a_url_of_unknown_length_leaves_a_line_free_as_docker(ligan: CommandLine, web: str) -> None:
    fetched = ligan("import", f"{web}/unknown.tar", engine=importing())
    assert fetched.out == f"Downloading from {web}/unknown.tar\n\nfrom a server \n"


def test_import_of_a_url_draws_a_bar_on_a_terminal(
    ligan: CommandLine, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch, 120)
    full = f"[{'=' * 50}>]      13B/13B"
    fetched = ligan("import", f"{web}/x.tar", engine=importing())
    shown = fetched.out.removeprefix(f"Downloading from {web}/x.tar\n").split("\x1b[2K\r")
    assert shown == ["", *[f"Importing {full}\r"] * (len(shown) - 2), f"Importing {full}\rfrom a server \n"]
    assert len(shown) > 1


def test_import_prints_the_id(ligan: CommandLine) -> None:
    assert ligan("import", "-", engine=FakeEngine(import_image=ID)) == (0, f"{ID}\n", "")
