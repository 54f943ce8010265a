"""`login`, `logout`, `tags` and `manifest inspect`, with docker's words (command line 28)."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from ligan.cli.main import main
from ligan.oci.digest import sha256
from ligan.oci.documents import DOCKER_LIST, DOCKER_MANIFEST, OCI_MANIFEST
from tests.support.lying_registry import LyingRegistry, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.lying_registry import Reply, Request
    from tests.unit.cli.conftest import CommandLine

GOOD = "Basic " + b64encode(b"joe:good").decode()
UNENCRYPTED = (
    "\nWARNING! Your credentials are stored unencrypted in '{}'.\n"
    "Configure a credential helper to remove this warning. See\n"
    "https://docs.docker.com/go/credential-store/\n\n"
)
EXISTING = (
    "Authenticating with existing credentials... [Username: joe]\n\n"
    " Info -> To login with a different account, run 'ligan logout' followed by 'ligan login'\n\n\n"
)
NO_TERMINAL = "Error: Cannot perform an interactive login from a non TTY device\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of docker's config.json."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def host(config: Path) -> Iterator[str]:
    """A registry that knows joe."""

    def answer(request: Request) -> Reply | None:
        if request.authorization == GOOD:
            return None
        return reply(401, {}, WWW_Authenticate='Basic realm="here"')

    with LyingRegistry(answer) as registry:
        yield registry.host


def entries(config: Path) -> object:
    return json.loads(config.read_text())["auths"]


def test_password_that_is_no_utf8_is_sent_as_it_is(ligan: CommandLine, config: Path) -> None:
    wanted = "Basic " + b64encode(b"joe:\xff\xfe").decode()

    def answer(request: Request) -> Reply | None:
        return None if request.authorization == wanted else reply(401, {}, WWW_Authenticate="Basic realm=x")

    with LyingRegistry(answer) as registry:
        for _ in range(2):  # the second time with what the first has stored
            result = ligan("login", "-u", "joe", "--password-stdin", registry.host, stdin=b"\xff\xfe\n")
            assert (result.status, result.out) == (0, "Login Succeeded\n")
        assert json.loads(config.read_text())["auths"][registry.host]["auth"] == wanted.removeprefix("Basic ")


def test_login_by_password_stdin(ligan: CommandLine, host: str, config: Path) -> None:
    result = ligan("login", "-u", "joe", "--password-stdin", host, stdin=b" good \r\n\n")
    assert result == (0, "Login Succeeded\n", UNENCRYPTED.format(config))
    assert entries(config) == {host: {"auth": "am9lOmdvb2Q="}}


def test_login_by_password_warns(ligan: CommandLine, host: str, config: Path) -> None:
    result = ligan("login", "-u", "joe", "-p", "good", f"http://{host}/v1/")
    assert result.err.startswith(
        "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n\n"
    )
    assert result.status == 0
    assert list(json.loads(config.read_text())["auths"]) == [host]


def test_login_that_is_refused_stores_nothing(ligan: CommandLine, host: str, config: Path) -> None:
    result = ligan("login", "-u", "joe", "--password-stdin", host, stdin=b"bad")
    words = f"login attempt to http://{host}/v2/ failed with status: 401 Unauthorized"
    assert result == (1, "", f"Error response from daemon: {words}\n")
    assert not config.exists()


def test_login_where_nothing_listens(ligan: CommandLine, config: Path) -> None:
    result = ligan("login", "-u", "joe", "--password-stdin", "127.0.0.1:1", stdin=b"bad")
    words = 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
    assert result == (1, "", f"Error response from daemon: {words}\n")
    assert not config.exists()


def test_login_again_uses_what_is_stored(ligan: CommandLine, host: str) -> None:
    ligan("login", "-u", "joe", "--password-stdin", host, stdin=b"good")
    assert ligan("login", host) == (0, "Login Succeeded\n", EXISTING)


def test_stored_login_that_is_no_longer_good(ligan: CommandLine, host: str, config: Path) -> None:
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {host: {"auth": b64encode(b"joe:old").decode()}}}))
    result = ligan("login", host)
    assert result == (1, "", f"{EXISTING}Stored credentials invalid or expired\n{NO_TERMINAL}")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("-u", ""), "username is empty\n"),
        (("--password-stdin",), "the --password-stdin option requires --username to be set\n"),
        (
            ("-u", "x", "-p", "y", "--password-stdin"),
            "conflicting options: cannot specify both --password and --password-stdin\n",
        ),
        ((), NO_TERMINAL),
        (("-u", "joe"), NO_TERMINAL),
        (("-u", "joe", "--password-stdin"), NO_TERMINAL),
    ],
)
def test_login_without_what_it_needs(
    ligan: CommandLine, host: str, words: tuple[str, ...], error: str
) -> None:
    assert ligan("login", *words, host) == (1, "", error)


def test_helper_that_fails_keeps_a_login_from_being_stored(
    ligan: CommandLine, host: str, config: Path
) -> None:
    config.parent.mkdir()
    config.write_text(json.dumps({"credHelpers": {host: "nosuch"}}))
    result = ligan("login", "-u", "joe", "--password-stdin", host, stdin=b"good")
    assert result.status == 1
    assert "docker-credential-nosuch" in result.err
    assert "Login Succeeded" not in result.out


def typed(*answers: bytes, words: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command on a terminal where these are typed. Return its status, and what the terminal showed."""
    controller, terminal = pty.openpty()
    shown = b""

    def type_and_read() -> None:
        nonlocal shown
        left = list(answers)
        while piece := os.read(controller, 1 << 16):
            shown += piece
            if shown.endswith(b"end\r\n"):
                return
            if left and shown.endswith(b": "):
                os.write(controller, left.pop(0))

    reader = threading.Thread(target=type_and_read)
    reader.start()
    with (
        open(terminal, closefd=False) as stdin,
        open(terminal, "wb", buffering=0, closefd=False) as out,
    ):
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
        status = main(words)
        out.write(b"end\n")
    reader.join(20)
    os.close(terminal)
    os.close(controller)
    return status, shown.decode().removesuffix("end\r\n")


def test_password_is_asked_for_where_there_is_no_termios(
    host: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "termios", None)
    monkeypatch.setattr("getpass.getpass", {"Password: ": "good"}.__getitem__)
    status, shown = typed(b"joe\n", words=["login", host], monkeypatch=monkeypatch)
    assert (status, "Login Succeeded" in shown) == (0, True)


def test_login_on_a_terminal_asks(host: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, shown = typed(b"joe\n", b"good\n", words=["login", host], monkeypatch=monkeypatch)
    assert (status, shown) == (0, "Username: joe\r\nPassword: \r\nLogin Succeeded\r\n")
    assert entries(config) == {host: {"auth": "am9lOmdvb2Q="}}


def test_logout_forgets_every_form_of_the_address(ligan: CommandLine, config: Path) -> None:
    config.parent.mkdir()
    auths = {key: {"auth": "am9lOmdvb2Q="} for key in ("r:5000", "http://r:5000", "https://r:5000", "other")}
    config.write_text(json.dumps({"auths": auths}))
    result = ligan("logout", "https://r:5000/v2/")
    assert result == (0, "Removing login credentials for r:5000\n", "")
    assert list(json.loads(config.read_text())["auths"]) == ["other"]


@pytest.mark.usefixtures("config")
def test_logout_of_docker_hub(ligan: CommandLine) -> None:
    assert ligan("logout") == (
        0,
        "Removing login credentials for https://index.docker.io/v1/\n",
        "",
    )


def test_logout_that_the_helper_refuses(ligan: CommandLine, config: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"credsStore": "nosuch"}')
    result = ligan("logout", "r:5000")
    assert result.status == 0
    assert result.err.startswith("WARNING: could not erase credentials:\nr:5000: error erasing credentials")


CONFIG = b'{"architecture":"arm64","os":"linux","variant":"v8","rootfs":{"type":"layers","diff_ids":[]}}'
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"mediaType": "x", "digest": sha256(CONFIG), "size": len(CONFIG)},
        "layers": [],
        "annotations": {"k": "<v>"},
    }
).encode()
LIST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [
            {
                "mediaType": DOCKER_MANIFEST,
                "digest": sha256(MANIFEST),
                "size": len(MANIFEST),
                "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
            }
        ],
    }
).encode()


@pytest.fixture
def library(config: Path) -> Iterator[str]:
    """A registry with an image, a list that holds it, and two tags."""
    types = {
        "docker": DOCKER_MANIFEST,
        "oci": OCI_MANIFEST,
        "list": DOCKER_LIST,
        str(sha256(MANIFEST)): DOCKER_MANIFEST,
    }

    def answer(request: Request) -> Reply | None:
        name = request.path.rpartition("/")[2]
        if "/manifests/" in request.path and name in types:
            return reply(200, LIST if name == "list" else MANIFEST, Content_Type=types[name])
        if "/blobs/" in request.path:
            return reply(200, CONFIG)
        if "/tags/" in request.path:
            return reply(200, {"tags": ["v2", "v10"]})
        return None

    with LyingRegistry(answer) as registry:
        yield registry.host


def test_tags_are_listed(ligan: CommandLine, library: str) -> None:
    assert ligan("tags", f"{library}/app") == (0, "v2\nv10\n", "")
    assert ligan("tags", f"{library}/app:v1").err == "a repository is wanted, without a tag or digest\n"


def test_manifest_is_shown_as_it_is(ligan: CommandLine, library: str) -> None:
    result = ligan("manifest", "inspect", f"{library}/app:docker")
    assert result == (0, json.dumps(json.loads(MANIFEST), indent="\t") + "\n", "")


def test_list_is_shown_in_the_order_of_dockers_fields(ligan: CommandLine, library: str) -> None:
    result = ligan("manifest", "inspect", f"{library}/app:list")
    assert result.out == (
        f'{{\n   "schemaVersion": 2,\n   "mediaType": "{DOCKER_LIST}",\n   "manifests": [\n      {{\n'
        f'         "mediaType": "{DOCKER_MANIFEST}",\n         "size": {len(MANIFEST)},\n'
        f'         "digest": "{sha256(MANIFEST)}",\n         "platform": {{\n'
        '            "architecture": "arm64",\n            "os": "linux",\n            "variant": "v8"\n'
        "         }\n      }\n   ]\n}\n"
    )


@pytest.mark.parametrize(("tag", "member"), [("docker", "SchemaV2Manifest"), ("oci", "OCIManifest")])
def test_verbose_manifest_tells_the_platform(ligan: CommandLine, library: str, tag: str, member: str) -> None:
    result = ligan("manifest", "inspect", "-v", f"{library}/app:{tag}")
    document = json.loads(result.out)
    assert list(document) == ["Ref", "Descriptor", "Raw", member]
    assert document["Ref"] == f"{library}/app:{tag}"
    assert document["Descriptor"]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    assert document["Descriptor"]["size"] == len(MANIFEST)
    assert '"\\u003cv\\u003e"' in result.out


def test_verbose_list_describes_each_image(ligan: CommandLine, library: str) -> None:
    (document,) = json.loads(ligan("manifest", "inspect", "-v", f"{library}/app:list").out)
    assert document["Ref"] == f"{library}/app:list@{sha256(MANIFEST)}"
    assert document["SchemaV2Manifest"] == json.loads(MANIFEST)


def test_manifest_that_is_not_there(ligan: CommandLine, library: str) -> None:
    result = ligan("manifest", "inspect", f"{library}/app")
    assert result == (1, "", f"no such manifest: {library}/app:latest\n")


@pytest.mark.usefixtures("config")
def test_registry_that_is_not_there(ligan: CommandLine) -> None:
    result = ligan("manifest", "inspect", "--insecure", "127.0.0.1:1/app")
    assert result.err.startswith("failed to configure transport: error pinging v2 registry: Get ")
    assert result.err.endswith("dial tcp 127.0.0.1:1: connect: connection refused\n")
