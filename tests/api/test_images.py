"""Images through the Engine API: each version's shapes, what no client sends, and clients that leave."""

from __future__ import annotations

import functools
import http.client
import http.server
import io
import os
import tarfile
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ligan.engine.embedded import open_engine
from ligan.images.host import host_platform
from ligan.oci.gosize import bar
from tests.support import archives
from tests.support.archives import Item
from tests.support.asking import Answer, ask
from tests.support.serving import serving
from tests.support.stores import check_store
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Daemon

MANY_MEGABYTES = 40

BASE = archives.image(
    "ADD base", "2023-01-02T03:04:05Z", add=archives.layer({"base": b"base"}), labels={"b": "1", "a": "<&>"}
)
CHILD = archives.image(
    "ADD child", "2023-01-02T03:04:06Z", parent=BASE, add=archives.layer({"child": b"child"})
)
ARCHIVE = archives.docker_archive(
    [Item(BASE), Item(CHILD, tags=("reg.example.com:5000/team/app:1", "app:1"), parent=BASE)]
)


def load(daemon: Daemon, archive: bytes, query: str = "") -> Answer:
    return ask(daemon, "POST", f"/images/load{query}", archive, {"Content-Type": "application/x-tar"})


@pytest.fixture
def stocked(daemon: Daemon) -> Daemon:
    """A daemon with an image of two names, and the parent of it without any."""
    assert load(daemon, ARCHIVE).status == 200
    return daemon


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The same, for tests that change nothing that others look at."""
    root = str(tmp_path_factory.mktemp("shared") / "root")
    with serving(root) as daemon:
        load(daemon, ARCHIVE)
        yield daemon
    check_store(root)


def big_archive() -> bytes:
    """Return an archive that no buffer between client and engine can hold."""
    files = {"big": os.urandom(1 << 20) * MANY_MEGABYTES}
    image = archives.image("ADD big", "2023-01-02T03:04:05Z", add=archives.layer(files))
    return archives.docker_archive([Item(image, tags=("big:1",))])


def names(daemon: Daemon) -> list[str]:
    return [name for row in ask(daemon, "GET", "/images/json").document for name in row["RepoTags"]]


def test_a_row_has_the_shape_of_its_version(shared: Daemon) -> None:
    rows = {api: ask(shared, "GET", f"/v1.{api}/images/json?all=1").document for api in (41, 43, 44)}
    tagged, hidden = rows[41]
    assert {"app:1", "reg.example.com:5000/team/app:1"} <= set(tagged["RepoTags"])
    assert (tagged["RepoDigests"], hidden["RepoDigests"]) == (None, ["<none>@<none>"])
    assert tagged["ParentId"] == hidden["Id"] == BASE.id
    assert hidden["Labels"] == {"b": "1", "a": "<&>"}
    assert [row["RepoDigests"] for row in rows[43]] == [[], []]
    assert [("VirtualSize" in row) for api in (43, 44) for row in rows[api]] == [True, True, False, False]


def test_a_list_can_tell_what_is_shared(daemon: Daemon) -> None:
    other = archives.image("ADD other", "2023-01-02T03:04:07Z", parent=BASE, add=archives.layer({"o": b"o"}))
    load(daemon, archives.docker_archive([Item(CHILD, tags=("a:1",)), Item(other, tags=("b:1",))]))
    path = "/images/json?shared-size=1"
    assert [row["SharedSize"] for row in ask(daemon, "GET", path).document] == [4, 4]
    assert [row["SharedSize"] for row in ask(daemon, "GET", f"/v1.41{path}").document] == [-1, -1]


def test_clients_before_1_41_filter_by_a_name_alone(shared: Daemon) -> None:
    assert len(ask(shared, "GET", "/v1.40/images/json?filter=app").document) == 1
    assert ask(shared, "GET", "/v1.40/images/json?filter=none").document == []
    assert len(ask(shared, "GET", "/v1.41/images/json?filter=none").document) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("filters=x", "invalid filter"),
        ("filters=%5B%5D", "invalid filter"),
        ("filters=%FF", "invalid filter"),
        ('filters={"nope":["1"]}', "Invalid filter 'nope'"),
        ('filters={"dangling":["1"]}', "Invalid filter 'dangling=[1]'"),
    ],
)
def test_a_bad_filter_is_refused(query: str, message: str, shared: Daemon) -> None:
    answer = ask(shared, "GET", f"/images/json?{query}")
    assert (answer.status, answer.message) == (400, message)


def test_an_inspection_has_the_shape_of_its_version(shared: Daemon) -> None:
    documents = {api: ask(shared, "GET", f"/v1.{api}/images/app:1/json").document for api in (41, 44, 45, 50)}
    assert "VirtualSize" in documents[41]
    assert "VirtualSize" not in documents[44]
    assert "ContainerConfig" in documents[44]
    assert "ContainerConfig" not in documents[45]
    assert documents[41]["Config"]["Hostname"] == ""
    assert documents[50]["Config"] == {"Env": ["PATH=/bin"], "Cmd": ["sh"]}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/images/nosuch/json", 404, "no such image: nosuch: No such image: nosuch:latest"),
        ("GET", "/images/a/b/c/json", 404, "no such image: a/b/c: No such image: a/b/c:latest"),
        (
            "GET",
            "/images/BAD/json",
            400,
            "no such image: BAD: invalid reference format: repository name must be lowercase",
        ),
        ("GET", "/images/nosuch/history", 404, "No such image: nosuch:latest"),
        ("GET", "/images/nosuch/get", 404, "No such image: nosuch"),
        ("GET", "/images/get?names=app:1&names=nosuch:1", 404, "reference does not exist"),
        ("DELETE", "/images/nosuch:1", 404, "No such image: nosuch:1"),
        ("POST", "/images/nosuch/tag?repo=x", 404, "No such image: nosuch:latest"),
        ("POST", "/images/app:1/tag", 400, "invalid reference format"),
        ("POST", "/images/app:1/tag?repo=x&tag=-x", 400, "invalid tag format"),
        ("POST", "/images/nosuch/tag?repo=x&tag=-x", 404, "No such image: nosuch:latest"),
        (
            "POST",
            "/images/app:1/tag?repo=X&tag=1",
            400,
            "invalid reference format: repository name must be lowercase",
        ),
        (
            "POST",
            f"/images/app:1/tag?repo=x@sha256:{'0' * 64}",
            400,
            "refusing to create a tag with a digest reference",
        ),
        ("POST", "/images/prune?filters={", 400, "invalid filter"),
        (
            "POST",
            f"/build/prune?keep-storage={'9' * 5000}",
            400,
            f"keep-storage is in bytes and expects an integer, got {'9' * 5000}",
        ),
        ("POST", "/images/create?fromSrc=-&changes=RUN+x", 400, "run is not a valid change command"),
        (
            "POST",
            "/images/create?fromSrc=-&repo=BAD",
            400,
            "invalid reference format: repository name must be lowercase",
        ),
    ],
)
def test_a_refusal_has_dockers_words(
    method: str, path: str, status: int, message: str, shared: Daemon
) -> None:
    answer = ask(shared, method, path)
    assert (answer.status, answer.message) == (status, message)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("repo=x", "x:latest"),
        ("repo=x&tag=2", "x:2"),
        ("repo=x:1", "x:1"),
        ("repo=x:1&tag=2", "x:2"),
        ("repo=docker.io/library/x&tag=2", "x:2"),
        ("repo=localhost:5000/x&tag=2", "localhost:5000/x:2"),
        (f"repo=x@sha256:{'0' * 64}&tag=2", "x:2"),
    ],
)
def test_a_name_comes_in_one_piece_or_two(query: str, name: str, shared: Daemon) -> None:
    answer = ask(shared, "POST", f"/images/app:1/tag?{query}")
    assert (answer.status, answer.body) == (201, b"")
    assert name in names(shared)


def test_parameters_come_in_a_form_too(stocked: Daemon) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(stocked, "POST", "/images/app:1/tag?tag=9", b"repo=of%2Fform&tag=1", form).status == 201
    assert "of/form:1" in names(stocked)
    refused = ask(stocked, "POST", "/images/app:1/tag", b"repo=" + b"x" * (10 << 20), form)
    assert (refused.status, refused.message) == (400, "http: POST too large")


def test_a_delete_is_undone_by_the_name_of_its_request(stocked: Daemon, store_root: str) -> None:
    assert ask(stocked, "DELETE", "/v1.41/images/app:1").document == [{"Untagged": "app:1"}]
    kept = ask(stocked, "DELETE", f"/v1.41/images/{CHILD.id}?noprune=1").document
    assert kept[:2] == [{"Untagged": "reg.example.com:5000/team/app:1"}, {"Deleted": CHILD.id}]
    assert {"Deleted": BASE.id} not in kept
    pruned = ask(stocked, "POST", "/v1.41/images/prune").document
    assert pruned == {
        "ImagesDeleted": [{"Deleted": BASE.id}, {"Deleted": archives.digest(BASE.layers[0])}],
        "SpaceReclaimed": 4,
    }
    assert ask(stocked, "POST", "/images/prune").document == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    engine = open_engine(store_root)
    try:
        commands = [entry.command for entry in engine.undo_entries()]
    finally:
        engine.close()
    assert commands == ["POST /images/prune", f"DELETE /images/{CHILD.id}", "DELETE /images/app:1"]


@pytest.mark.parametrize("path", ["/images/get?names=app:1", "/images/app:1/get", "/v1.24/images/app:1/get"])
def test_a_save_is_an_archive(path: str, shared: Daemon) -> None:
    answer = ask(shared, "GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-tar")
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        assert f"{CHILD.id[7:]}.json" in tar.getnames()


def test_a_save_that_fails_half_way_is_broken_off(daemon: Daemon, store_root: str) -> None:
    load(daemon, big_archive())
    folder = os.path.join(store_root, "blobs", "sha256")
    layer = max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getsize)
    with open_save(daemon) as response, open(layer, "r+b") as file:
        response.read(1 << 20)
        kept = os.path.getsize(layer) - (8 << 20)
        file.seek(kept)
        end = file.read()
        file.truncate(kept)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
        file.seek(kept)
        file.write(end)


def test_messages_of_a_load(daemon: Daemon) -> None:
    quiet = load(daemon, ARCHIVE)
    assert quiet.lines == [
        {"stream": "Loaded image: reg.example.com:5000/team/app:1\n"},
        {"stream": "Loaded image: app:1\n"},
    ]
    assert quiet.headers["content-type"] == "application/json"
    assert load(daemon, ARCHIVE, "?quiet=0").lines == quiet.lines  # no layer is new


def test_a_load_shows_how_far_each_layer_is(daemon: Daemon) -> None:
    progress, last = load(daemon, big_archive(), "?quiet=0").lines[:-1], MANY_MEGABYTES << 20
    assert {line["status"] for line in progress} == {"Loading layer"}
    counts = [line["progressDetail"]["current"] for line in progress]
    assert counts == sorted(counts)
    assert [line["progress"] for line in progress] == [bar(**line["progressDetail"]) for line in progress]
    assert counts[-1] == progress[-1]["progressDetail"]["total"] > last


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"junk\n", "Error processing tar file(exit status 1): unexpected EOF"),
        (ARCHIVE[:5000], "Error processing tar file(exit status 1): unexpected EOF"),
        (b"", "open repositories: no such file or directory"),
    ],
)
def test_a_load_that_fails_says_so_in_the_stream(body: bytes, message: str, shared: Daemon) -> None:
    before = names(shared)
    answer = load(shared, body)
    assert answer.status == 200
    assert answer.lines == [{"errorDetail": {"message": message}, "error": message}]
    assert names(shared) == before


def test_a_load_of_no_images_says_nothing_much(shared: Daemon) -> None:
    assert load(shared, archives.docker_archive([])).body == b"{}\r\n"


def test_a_failed_load_leaves_the_connection_in_order(shared: Daemon) -> None:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = shared.connect()
    for _ in range(3):
        connection.request("POST", "/images/load", body=b"junk\n" + bytes(8 << 20))
        assert b"errorDetail" in connection.getresponse().read()
    connection.close()


def leases(root: str) -> list[str]:
    return os.listdir(os.path.join(root, "ingest"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_load_ends_with_its_client(share: float, daemon: Daemon, store_root: str) -> None:
    archive = big_archive()
    head = b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(archive)
    with daemon.connect() as connection:
        connection.sendall(head + archive[: int(len(archive) * share)])
        until(lambda: leases(store_root))
    until(lambda: not leases(store_root), "it goes on without its client")
    assert names(daemon) == []
    assert load(daemon, archive).lines[-1] == {"stream": "Loaded image: big:1\n"}


@contextmanager
def open_save(daemon: Daemon) -> Iterator[http.client.HTTPResponse]:
    """Begin to read a save of big:1."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = daemon.connect()
    try:
        connection.request("GET", "/images/big:1/get")
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


def test_saves_whose_clients_leave_hold_no_thread(daemon: Daemon) -> None:
    load(daemon, big_archive())
    for _ in range(40):  # more than there are threads
        with open_save(daemon) as response:
            response.read(1000)
    whole = ask(daemon, "GET", "/images/big:1/get")
    assert len(whole.body) > MANY_MEGABYTES << 20


def test_an_import_is_an_image(daemon: Daemon) -> None:
    tar = archives.layer({"data": b"x"})
    path = "/images/create?fromSrc=-&repo=imp&tag=1&message=by+hand&changes=ENV+A%3D1&changes=CMD+x"
    answer = ask(daemon, "POST", path, tar, {"Content-Type": "text/plain"})
    image = ask(daemon, "GET", "/v1.41/images/imp:1/json").document
    assert answer.lines == [{"status": image["Id"]}]
    assert image["Comment"] == "by hand"
    assert image["Config"]["Env"] == ["A=1"]
    assert image["RootFS"]["Layers"] == [archives.digest(tar)]


class _Web(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: object) -> Iterator[str]:
    """The address of a server on which there is one tar, `fs.tar`."""
    folder = os.path.join(str(tmp_path), "web")
    os.mkdir(folder)
    with open(os.path.join(folder, "fs.tar"), "wb") as file:
        file.write(archives.layer({"data": b"x"}))
    handler = functools.partial(_Web, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_url_is_imported(web: str, daemon: Daemon) -> None:
    told, *_, full, made = ask(daemon, "POST", f"/images/create?fromSrc={web}/fs.tar&repo=imp:1").lines
    assert told == {"status": f"Downloading from {web}/fs.tar"}
    assert full == {
        "status": "Importing",
        "progressDetail": {"current": 10240, "total": 10240},
        "progress": f"[{'=' * 50}>]  10.24kB/10.24kB",
    }
    image = ask(daemon, "GET", "/images/imp:1/json").document
    assert (image["Id"], image["Comment"]) == (made["status"], f"Imported from {web}/fs.tar")


def test_a_url_that_leads_nowhere_is_refused(web: str, shared: Daemon) -> None:
    answer = ask(shared, "POST", f"/images/create?fromSrc={web}/nothing")
    assert answer.status == 404
    assert answer.message.startswith(f"failed to GET {web}/nothing with status 404 File not found")


def test_a_url_is_reached_by_the_proxy_of_the_daemon(shared: Daemon) -> None:
    """Of which nobody knows here where it is: only the proxy's own address can refuse."""
    answer = ask(shared, "POST", "/images/create?fromSrc=http://r.example/fs.tar")
    assert (answer.status, answer.message) == (503, 'Get "http://r.example/fs.tar": connection refused')


ARM = quote('{"architecture":"arm64","os":"linux"}')
AMD = quote('{"architecture":"amd64","os":"linux"}')


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.49/images/app:1/json?platform="),
        ("GET", "/v1.48/images/app:1/history?platform="),
        ("GET", "/v1.48/images/app:1/get?platform="),
        ("GET", "/v1.48/images/get?names=app&platform="),
        ("POST", "/v1.46/images/app:1/push?platform="),
        ("DELETE", "/v1.50/images/app:1?platforms="),
    ],
)
def test_an_image_for_another_platform_is_not_the_one_that_is_meant(
    method: str, path: str, stocked: Daemon
) -> None:
    answer = ask(stocked, method, path + ARM, headers={"X-Registry-Auth": "e30="})
    assert answer.status == 404
    assert answer.message.endswith(
        "was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64"
    )
    assert "app:1" in names(stocked)


def test_an_image_is_found_by_its_own_platform(stocked: Daemon) -> None:
    for path in ("json?", "history?", "get?"):
        assert ask(stocked, "GET", f"/v1.50/images/app:1/{path}platform={AMD}").status == 200
        assert ask(stocked, "GET", f"/v1.47/images/app:1/{path}platform={ARM}").status == 200  # not known yet
    assert ask(stocked, "DELETE", f"/v1.50/images/app:1?platforms={AMD}").status == 200


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (f"platform={AMD}&platform={ARM}", "multiple platforms are not supported"),
        ("platform=linux/amd64", "invalid platform: "),
        ("platform=[]", "invalid platform: not an object"),
        ('platform={"os":"linux"}', "both OS and Architecture must be provided"),
        ('platform={"os":1,"architecture":"x"}', "invalid platform: os is not a string"),
    ],
)
def test_what_is_no_platform_is_refused(query: str, message: str, shared: Daemon) -> None:
    answer = ask(shared, "GET", f"/v1.50/images/app:1/json?{query}")
    assert answer.status == 400
    assert message in answer.message


def test_images_for_other_machines_are_not_chosen_by_a_load(daemon: Daemon) -> None:
    other = quote('{"architecture":"s390x","os":"linux"}')
    refused = load(daemon, ARCHIVE, f"?platform={other}")
    assert (refused.status, names(daemon)) == (501, [])
    here = host_platform()
    mine = quote(f'{{"architecture":"{here.architecture}","os":"linux"}}')
    assert load(daemon, ARCHIVE, f"?platform={mine}").status == 200


def test_docker_hub_is_not_searched(shared: Daemon) -> None:
    answer = ask(shared, "GET", "/images/search?term=x")
    assert answer.status == 501
    assert "Docker Hub" in answer.message


def test_a_hundred_clients_twenty_of_them_loading(daemon: Daemon) -> None:
    archive = big_archive()
    loaded: list[Answer] = []
    listed: list[int] = []
    done = threading.Event()

    def load_it() -> None:
        loaded.append(load(daemon, archive, "?quiet=0"))

    def list_them() -> None:
        while not done.is_set():
            listed.append(ask(daemon, "GET", "/images/json").status)

    loading = [threading.Thread(target=load_it) for _ in range(20)]
    listing = [threading.Thread(target=list_them) for _ in range(80)]
    for thread in loading + listing:
        thread.start()
    for thread in loading:
        thread.join()
    done.set()
    for thread in listing:
        thread.join()
    assert [answer.lines[-1] for answer in loaded] == [{"stream": "Loaded image: big:1\n"}] * 20
    assert set(listed) == {200}
    assert daemon.memory() < 200 << 20
