"""Build contexts from wherever they are, over loopback where they are remote."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from ligan.build import git
from ligan.build.contexts import open_context, open_remote, open_tree
from ligan.build.copying import Options, copy_layer, find_sources
from ligan.build.sums import path_sum
from ligan.build.urls import check_named, fetch_file, remote_sources
from ligan.errors import Corrupt, Invalid, LiganError, NotFound, Unavailable, Unsupported
from tests.support.copies import file, tar_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ligan.build.trees import Tree
    from ligan.store.blobs import Lease
    from tests.support.stores import Stock

TEXT = "FROM scratch\nCOPY . /\n"
CONTEXT = tar_of([("Dockerfile", file(TEXT)), ("other", file("FROM other\n")), ("d/f", file("x"))])
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files below a folder; a path that ends in a slash answers with a name and a time in headers."""

    def do_GET(self) -> None:
        if not self.path.endswith("/"):
            super().do_GET()
            return
        self.send_response(200)
        if "named" in self.path:
            self.send_header("Content-Disposition", 'attachment; filename="dir/named.txt"')
        if "dated" in self.path:
            self.send_header("Last-Modified", MODIFIED)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL of what serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def lease(stock: Stock) -> Iterator[Lease]:
    with stock.store.lease() as lease:
        yield lease


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "context"
    (path / "d").mkdir(parents=True)
    (path / "Dockerfile").write_text(TEXT)
    (path / "d" / "f").write_text("x")
    return path


def paths(tree: Tree) -> list[str]:
    return [entry.path for entry in tree.walk() if entry.path]


def test_folder_has_its_dockerfile(folder: Path, lease: Lease) -> None:
    with open_context(str(folder), lease) as context:
        assert (context.text, context.name) == (TEXT, "Dockerfile")
        assert paths(context.tree) == ["Dockerfile", "d", "d/f"]


def test_dockerfile_in_lower_case_will_do(folder: Path, lease: Lease) -> None:
    (folder / "Dockerfile").rename(folder / "dockerfile")
    with open_context(str(folder), lease) as context:
        assert (context.text, context.name) == (TEXT, "dockerfile")


def test_dockerfile_may_be_outside_of_the_context(folder: Path, tmp_path: Path, lease: Lease) -> None:
    (tmp_path / "build.docker").write_text("FROM outside\n")
    with open_context(str(folder), lease, dockerfile=str(tmp_path / "build.docker")) as context:
        assert (context.text, context.name) == ("FROM outside\n", "build.docker")


def test_dockerfile_may_come_through_stdin(folder: Path, lease: Lease) -> None:
    with open_context(str(folder), lease, dockerfile="-", stdin=io.BytesIO(b"FROM stdin\n")) as context:
        assert context.text == "FROM stdin\n"
        assert paths(context.tree) == ["Dockerfile", "d", "d/f"]


@pytest.mark.parametrize(
    ("own", "beside", "left"),
    [
        ("d\n", None, ["Dockerfile"]),
        (None, None, ["Dockerfile", "d", "d/f"]),
        ("d\n", "Dockerfile*\n", ["d", "d/f"]),
    ],
)
def test_ignore_file_beside_the_dockerfile_comes_before_the_contexts_own(
    folder: Path, lease: Lease, own: str | None, beside: str | None, left: list[str]
) -> None:
    if own is not None:
        (folder / ".dockerignore").write_text(own)
    if beside is not None:
        (folder / "Dockerfile.dockerignore").write_text(beside)
    with open_context(str(folder), lease) as context:
        assert [path for path in paths(context.tree) if not path.endswith("ignore")] == left
        assert context.text == TEXT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "failed to read dockerfile: open Dockerfile: no such file or directory"),
        ("none", "failed to read dockerfile: open none: no such file or directory"),
    ],
)
def test_missing_dockerfile_is_told(folder: Path, lease: Lease, name: str, words: str) -> None:
    (folder / "Dockerfile").unlink()
    for where, stdin in ((str(folder), None), ("-", io.BytesIO(tar_of([("a", file("x"))])))):
        with pytest.raises(NotFound) as missing:
            open_context(where, lease, dockerfile=name, stdin=stdin)
        assert str(missing.value) == words


def test_folder_that_is_the_dockerfile_is_told(folder: Path, lease: Lease) -> None:
    with pytest.raises(Unavailable, match="failed to read dockerfile: read d: is a directory"):
        open_context(str(folder), lease, dockerfile=str(folder / "d"))


def test_endless_dockerfile_is_refused(lease: Lease) -> None:
    with open("/dev/zero", "rb", buffering=0) as endless, pytest.raises(Invalid, match="larger than"):
        open_context("-", lease, stdin=endless)


def test_stdin_is_a_tar_or_a_dockerfile(lease: Lease) -> None:
    for packed in (CONTEXT, gzip.compress(CONTEXT)):
        with open_context("-", lease, stdin=io.BytesIO(packed)) as context:
            assert context.text == TEXT
            assert paths(context.tree) == ["Dockerfile", "d", "d/f", "other"]
    with open_context("-", lease, stdin=io.BytesIO(CONTEXT), dockerfile="other") as context:
        assert context.text == "FROM other\n"
    with open_context("-", lease, stdin=io.BytesIO(b"FROM stdin\n")) as context:
        assert context.text == "FROM stdin\n"
        assert paths(context.tree) == []


def test_stdin_cannot_be_both(lease: Lease) -> None:
    with pytest.raises(Invalid, match="can't use stdin for both build context and dockerfile"):
        open_context("-", lease, dockerfile="-", stdin=io.BytesIO())


def test_what_is_not_there_is_told(lease: Lease) -> None:
    for opener in (open_context, open_tree):
        with pytest.raises(NotFound, match='unable to prepare context: path "nowhere" not found'):
            opener("nowhere", lease)


def test_layout_is_refused_with_what_to_do_instead(lease: Lease) -> None:
    with pytest.raises(Unsupported, match="layouts are not read in place") as caught:
        open_tree("oci-layout:///a/b", lease)
    assert "ligan load -i /a/b" in caught.value.hint


def test_url_is_a_tar_or_a_dockerfile(site: tuple[Path, str], lease: Lease) -> None:
    folder, url = site
    (folder / "context.tar.gz").write_bytes(gzip.compress(CONTEXT))
    (folder / "Dockerfile.txt").write_text(TEXT)
    (folder / "unknown").write_text(TEXT)
    with open_context(f"{url}/context.tar.gz", lease) as context:
        assert (context.text, len(paths(context.tree))) == (TEXT, 4)
    with open_context(f"{url}/Dockerfile.txt", lease) as context:
        assert (context.text, paths(context.tree)) == (TEXT, [])
    with open_tree(f"{url}/context.tar.gz", lease) as tree:
        assert len(paths(tree)) == 4
    tree_of_url, text = open_remote(f"{url}/context.tar.gz", lease)
    assert tree_of_url is not None
    tree_of_url.close()
    assert text == ""
    for name in ("Dockerfile.txt", "unknown"):
        assert open_remote(f"{url}/{name}", lease) == (None, TEXT)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("page.html", 'error detecting content type for remote {}: unsupported Content-Type "text/html"'),
        ("empty", "error detecting content type for remote {}: empty response"),
        ("none", "error downloading remote context {}: failed to GET {} with status 404 File not found: "),
    ],
)
def test_other_urls_are_no_context(site: tuple[Path, str], lease: Lease, name: str, words: str) -> None:
    folder, url = site
    (folder / "page.html").write_text("<html>")
    (folder / "empty").touch()
    with pytest.raises(LiganError) as refused:
        open_remote(f"{url}/{name}", lease)
    assert str(refused.value).startswith(words.format(*[f"{url}/{name}"] * 2))


def test_name_of_another_kind_is_no_context(lease: Lease) -> None:
    with pytest.raises(Invalid, match=r"remoteURL \(ftp://x/y\) could not be recognized as URL"):
        open_remote("ftp://x/y", lease)


def test_damaged_tar_of_a_url_is_refused(site: tuple[Path, str], lease: Lease) -> None:
    folder, url = site
    (folder / "cut.tgz").write_bytes(gzip.compress(CONTEXT)[:-20])
    with pytest.raises(Corrupt, match="Error processing tar file"):
        open_remote(f"{url}/cut.tgz", lease)


@pytest.mark.parametrize(
    ("path", "name", "mtime"),
    [
        ("a.txt", "a.txt", None),
        ("a.txt?x=1", "a.txt", None),
        ("%61%2Fb.txt", "b.txt", None),
        ("named/", "named.txt", 0),
        ("named/dated/", "named.txt", 1445412480),
    ],
)
def test_added_url_is_a_private_file_with_the_servers_time(
    site: tuple[Path, str], lease: Lease, path: str, name: str, mtime: int | None
) -> None:
    folder, url = site
    (folder / "a").mkdir()
    for known in ("a.txt", "a/b.txt"):
        (folder / known).write_text("hello")
        os.utime(folder / known, (99, 99))
    source = fetch_file(f"{url}/{path}", lease)
    with source.tree:
        assert (source.name, source.entry.mode, source.entry.uid, source.remote) == (name, 0o600, 0, True)
        assert source.entry.mtime == (99 if mtime is None else mtime) * 10**9
        assert source.tree.text(source.entry) == "hello"
        # The header and the content as dockerd sums them; nothing stands before it.
        header = f"name{name}mode33152uid0gid0size5typeflag0linknameunamerootgnamerootdevmajor0devminor0"
        assert source.sum() == hashlib.sha256(f"{header}hello".encode()).hexdigest()
        check_named(source, url, "/folder/")


def test_added_url_without_a_name_cannot_go_into_a_folder(site: tuple[Path, str], lease: Lease) -> None:
    url = f"{site[1]}/nothing/"
    source = fetch_file(url, lease)
    with source.tree:
        check_named(source, url, "/file")
        with pytest.raises(Invalid, match=f"cannot determine filename for source {url}"):
            check_named(source, url, "/folder/")


def test_sum_of_an_added_url_is_dockerds(site: tuple[Path, str], lease: Lease) -> None:
    # Recorded of dockerd 20.10.24 for a file "a.txt" with the content "hello".
    wanted = "fae20d87e18819048ba7940405552860f307148df8255aa9bae5a38f4a9303c9"
    (site[0] / "a.txt").write_text("hello")
    source = fetch_file(f"{site[1]}/a.txt", lease)
    with source.tree:
        assert source.sum() == wanted


@pytest.mark.parametrize("unpack", [False, True])
def test_an_archive_behind_a_url_is_unpacked_where_that_is_asked_for(
    unpack: bool, site: tuple[Path, str], lease: Lease
) -> None:
    with tarfile.open(site[0] / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("inner"))
    (source,) = remote_sources(f"{site[1]}/a.tar", lease, unpack=unpack)
    with source.tree:
        layer = b"".join(copy_layer(None, [source], "/d/", Options(classic=False, unpack=True), lease))
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames() == ["d", "d/inner" if unpack else "d/a.tar"]


def test_checksum_of_an_added_url_has_to_fit(site: tuple[Path, str], lease: Lease) -> None:
    (site[0] / "a.txt").write_text("hello")
    right = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    (source,) = remote_sources(f"{site[1]}/a.txt", lease, checksum=right)
    source.tree.close()
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(Invalid, match=f"digest mismatch {right}: {wrong}"):
        remote_sources(f"{site[1]}/a.txt", lease, checksum=wrong)
    with pytest.raises(Invalid):
        remote_sources(f"{site[1]}/a.txt", lease, checksum="md5:1")


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("git://host/r", git.Repository("git://host/r", "", "")),
        ("github.com/a/b", git.Repository("https://github.com/a/b", "", "")),
        ("https://host/r.git#v1:sub/d", git.Repository("https://host/r.git", "v1", "sub/d")),
        ("git@host:a/b.git#:sub", git.Repository("git@host:a/b.git", "", "sub")),
    ],
)
def test_git_url_has_ref_and_folder(url: str, repository: git.Repository) -> None:
    assert git.is_git(url)
    assert git.parse_repository(url) == repository


@pytest.mark.parametrize("url", ["http://host/r", "https://host/r.github", "file:///r.git", "ext::r"])
def test_other_urls_are_no_repositories(url: str) -> None:
    assert not git.is_git(url)


@pytest.mark.parametrize("url", ["git://host/r#--upload-pack=x", "git://host/r#a b", "git://ho\nst/r"])
def test_what_could_mislead_git_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        git.parse_repository(url)


def _run(folder: Path, *words: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    environment = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ALLOW_PROTOCOL": "file:http"}
    command = ["git", *settings, "-C", str(folder), *words]
    subprocess.run(command, check=True, capture_output=True, env=environment)


@pytest.fixture
def repository(site: tuple[Path, str], tmp_path: Path) -> str:
    """The URL of a repository with a branch, a tag, a folder and a submodule, served as plain files."""
    folder, url = site
    for name in ("part", "work"):
        work = tmp_path / name
        (work / "sub").mkdir(parents=True)
        (work / "Dockerfile").write_text(f"FROM {name}\n")
        (work / "sub" / "x").write_text("x")
        (work / "sub" / "Dockerfile").write_text("FROM sub\n")
        (work / "out").symlink_to("/etc")
        _run(work, "init")
        _run(work, "add", ".")
        if name == "work":
            _run(work, "submodule", "add", f"{url}/part.git", "module")
        _run(work, "commit", "-m", "first")
        _run(work, "tag", "v1")
        _run(work, "checkout", "-b", "dev")
        (work / "new").write_text("new")
        _run(work, "add", ".")
        _run(work, "commit", "-m", "second")
        _run(work, "checkout", "main")
        _run(tmp_path, "clone", "--bare", str(work), str(folder / f"{name}.git"))
        _run(folder / f"{name}.git", "update-server-info")
    return f"{url}/work.git"


def test_repository_is_a_context(repository: str, lease: Lease) -> None:
    with open_context(repository, lease) as context:
        assert context.text == "FROM work\n"
        assert ".git" not in paths(context.tree)
        assert "module/sub/x" in paths(context.tree)
    with open_context(f"{repository}#dev", lease) as context:
        assert "new" in paths(context.tree)
    with open_context(f"{repository}#v1:sub", lease) as context:
        assert (context.text, paths(context.tree)) == ("FROM sub\n", ["Dockerfile", "x"])
    tree, _ = open_remote(repository, lease)
    assert tree is not None
    with tree:
        assert ".git/HEAD" in paths(tree)
        # The sum is that of a member of the tar that Docker makes of the folder.
        header = "namesub/xmode33188uid0gid0size1typeflag0linknameunamegnamedevmajor0devminor0"
        if os.geteuid() == 0:
            assert path_sum(tree, "sub/x") == f"file:{hashlib.sha256(f'{header}x'.encode()).hexdigest()}"


def test_repository_can_be_added_with_its_books(repository: str, lease: Lease) -> None:
    for keep_git in (False, True):
        (source,) = remote_sources(repository, lease, keep_git=keep_git)
        with source.tree as tree:
            assert (".git/HEAD" in paths(tree)) == keep_git
            assert source.entry.is_folder


def test_checksum_of_an_added_repository_is_its_commit(repository: str, lease: Lease) -> None:
    with pytest.raises(Invalid, match=r"^expected checksum to match abc, got [0-9a-f]{40}$") as caught:
        remote_sources(repository, lease, checksum="abc")
    (source,) = remote_sources(repository, lease, checksum=caught.value.message[-40:][:12])
    source.tree.close()


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#none", "error fetching: fatal: couldn't find remote ref none: exit status 128"),
        ("#:none", "error setting git context, not a directory: none"),
        ("#:Dockerfile", "error setting git context, not a directory: Dockerfile"),
        ("#:out", "error setting git context, not a directory: out"),
        ("#:../..", 'error setting git context, "../.." not within git root'),
    ],
)
def test_what_a_repository_has_not_is_told(repository: str, lease: Lease, fragment: str, words: str) -> None:
    with pytest.raises(LiganError) as refused:
        open_context(repository + fragment, lease)
    assert str(refused.value) == words


def test_git_that_is_not_installed_is_told(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="git is not installed") as missing:
        git.clone("git://host/r", lease)
    assert missing.value.hint == "Install it: apt-get install git"


def test_what_is_fetched_goes_with_the_lease(site: tuple[Path, str], stock: Stock) -> None:
    (site[0] / "a.tgz").write_bytes(gzip.compress(CONTEXT))
    with stock.store.lease() as lease:
        with open_context(f"{site[1]}/a.tgz", lease) as context:
            assert find_sources(context.tree, ["d/f"])[0].entry.size == 1
        assert os.listdir(lease.path)
    assert not os.path.exists(lease.path)
