"""Docker's config.json, and the helpers that it names."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ligan.errors import Invalid, Unavailable
from ligan.remote.credentials import (
    ANONYMOUS,
    HUB_KEY,
    CredentialFile,
    Credentials,
    credentials_for,
    hostname,
)

if TYPE_CHECKING:
    from pathlib import Path

JOE = Credentials("joe", "pa:ss")
JOE_ENCODED = "am9lOnBhOnNz"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "docker" / "config.json")


def write(path: str, document: object) -> CredentialFile:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(document if isinstance(document, str) else json.dumps(document))
    return CredentialFile(path)


def test_what_is_stored_is_what_docker_stores(path: str) -> None:
    CredentialFile(path).store("127.0.0.1:5000", JOE)
    with open(path) as file:
        text = file.read()
    assert (
        text
        == f'{{\n\t"auths": {{\n\t\t"127.0.0.1:5000": {{\n\t\t\t"auth": "{JOE_ENCODED}"\n\t\t}}\n\t}}\n}}'
    )
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    assert credentials_for("127.0.0.1:5000", path) == JOE


def test_identity_token_takes_the_place_of_the_password(path: str) -> None:
    CredentialFile(path).store(HUB_KEY, Credentials("tok", "", "IDTOK"))
    with open(path) as file:
        entry = json.load(file)["auths"][HUB_KEY]
    assert entry == {"auth": "dG9rOg==", "identitytoken": "IDTOK"}
    assert credentials_for("docker.io", path) == Credentials("tok", "", "IDTOK")


def test_password_that_is_no_utf8_stays_as_it_is(path: str) -> None:
    credentials = Credentials("joe", "\udcff\udcfe")
    CredentialFile(path).store("a", credentials)
    assert CredentialFile(path).get("a") == credentials


def test_the_rest_of_the_file_stays(path: str) -> None:
    file = write(path, {"psFormat": "x", "auths": {"a": {"auth": JOE_ENCODED}}, "unknown": {"é": [1.5]}})
    os.chmod(path, 0o644)
    file.store("b", JOE)
    file.erase("a")
    with open(path) as stored:
        assert json.load(stored) == {
            "psFormat": "x",
            "auths": {"b": {"auth": JOE_ENCODED}},
            "unknown": {"é": [1.5]},
        }
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(os.path.dirname(path)) == ["config.json"]


def test_symbolic_link_stays_one(path: str, tmp_path: Path) -> None:
    real = str(tmp_path / "elsewhere.json")
    write(path, {})
    os.unlink(path)
    os.symlink(real, path)
    CredentialFile(path).store("a", JOE)
    assert os.path.islink(path)
    assert CredentialFile(real).get("a") == JOE


def test_erasing_what_is_not_there_writes_nothing(path: str) -> None:
    CredentialFile(path).erase("a")
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({"auth": JOE_ENCODED, "username": "other"}, JOE),
        ({"auth": "dTpwAAA="}, Credentials("u", "p")),
        ({"registrytoken": "t"}, Credentials("", "", "", "t")),
        ({"registrytoken": "\ud800"}, Credentials("", "", "", "\ufffd")),
        ({}, ANONYMOUS),
        (None, ANONYMOUS),
        ({"username": 3, "auth": None}, ANONYMOUS),
    ],
)
def test_entries_are_read_as_docker_reads_them(path: str, entry: object, found: Credentials) -> None:
    assert write(path, {"auths": {"r.example": entry}}).get("r.example") == found


@pytest.mark.parametrize("key", ["https://r.example/v1/", "http://r.example", "r.example/v2/"])
def test_entry_under_a_url_is_found(path: str, key: str) -> None:
    write(path, {"auths": {"other": {}, key: {"auth": JOE_ENCODED}}})
    assert credentials_for("r.example", path) == JOE
    assert credentials_for("r.example:5000", path) == ANONYMOUS


@pytest.mark.parametrize("key", [HUB_KEY, "docker.io", "index.docker.io"])
def test_hub_is_found_under_its_names(path: str, key: str) -> None:
    write(path, {"auths": {key: {"auth": JOE_ENCODED}}})
    assert credentials_for("docker.io", path) == JOE


def test_no_file_is_no_credentials(path: str) -> None:
    assert credentials_for("r.example", path) == ANONYMOUS


def test_file_of_nothing_is_no_credentials(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(" \n")
    assert credentials_for("r.example", path) == ANONYMOUS


@pytest.mark.parametrize("text", ["{bad", "[]", "\udcff", "[" * 100_000])
def test_file_that_is_no_object_is_named_and_kept(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path))
    with open(path, "w", errors="surrogateescape") as file:
        file.write(text)
    with pytest.raises(Invalid, match=path):
        CredentialFile(path)


@pytest.mark.parametrize("auth", ["%%%", "bm9jb2xvbg==", "/w=="])
def test_credentials_that_cannot_be_read_are_named_but_not_shown(path: str, auth: str) -> None:
    with pytest.raises(Invalid, match=r"the credentials for r\.example cannot be read") as caught:
        write(path, {"auths": {"r.example": {"auth": auth}}}).get("r.example")
    assert auth not in caught.value.message


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(Credentials("joe", "secret1", "secret2", "secret3"))
    assert "joe" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("address", "host"),
    [("r:5000", "r:5000"), ("https://r:5000/v1/", "r:5000"), ("r/x/y", "r"), ("http://r", "r"), ("", "")],
)
def test_hostname_of_an_address(address: str, host: str) -> None:
    assert hostname(address) == host


HELPER = """#!/bin/sh
cat >"$HELPER_FOLDER/$1"
case $1 in
  get) cat "$HELPER_FOLDER/answer" || { echo credentials not found in native keychain; exit 1; } ;;
  store) [ ! -e "$HELPER_FOLDER/full" ] || { echo keychain is full; exit 3; } ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `docker-credential-test`: it gives `answer`, and keeps what it was told."""
    folder = tmp_path / "helper"
    folder.mkdir()
    program = folder / "docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("HELPER_FOLDER", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_helper_gives_credentials(path: str, helper: Path) -> None:
    (helper / "answer").write_text('{"ServerURL": "r.example", "Username": "joe", "Secret": "pa:ss"}')
    write(path, {"credsStore": "test", "auths": {"r.example": {}}})
    assert credentials_for("r.example", path) == JOE
    assert (helper / "get").read_text() == "r.example"
    assert credentials_for("docker.io", path) == JOE
    assert (helper / "get").read_text() == HUB_KEY


def test_helper_gives_an_identity_token(path: str, helper: Path) -> None:
    (helper / "answer").write_text('{"Username": "<token>", "Secret": "IDTOK"}')
    write(path, {"credHelpers": {"r.example": "test"}})
    assert credentials_for("r.example", path) == Credentials("", "", "IDTOK")
    assert credentials_for("other.example", path) == ANONYMOUS


@pytest.mark.usefixtures("helper")
def test_helper_that_knows_nothing_is_no_fault(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    write(path, {"credsStore": "test"})
    assert credentials_for("r.example", path) == ANONYMOUS
    assert "answer" in capfd.readouterr().err


@pytest.mark.parametrize(
    "answer", ["", "nonsense", "[]", '{"Username": "x"}', '{"Username": 1, "Secret": 2}']
)
def test_helper_that_speaks_nonsense_is_named(path: str, helper: Path, answer: str) -> None:
    (helper / "answer").write_text(answer)
    with pytest.raises(Unavailable, match="docker-credential-test gave no credentials"):
        write(path, {"credsStore": "test"}).get("r.example")


def test_helper_stores_and_erases(path: str, helper: Path) -> None:
    file = write(path, {"credsStore": "test"})
    file.store("r.example", JOE)
    assert json.loads((helper / "store").read_text()) == {
        "ServerURL": "r.example",
        "Username": "joe",
        "Secret": "pa:ss",
    }
    with open(path) as stored:
        assert json.load(stored)["auths"] == {"r.example": {}}, "a secret in the file, too"
    file.store("r.example", Credentials("joe", "", "IDTOK"))
    assert json.loads((helper / "store").read_text())["Username"] == "<token>"
    file.erase("r.example")
    assert (helper / "erase").read_text() == "r.example"
    assert CredentialFile(path).get("r.example") == ANONYMOUS


def test_helper_that_fails_says_why(path: str, helper: Path) -> None:
    (helper / "full").touch()
    with pytest.raises(Unavailable) as caught:
        write(path, {"credsStore": "test"}).store("r.example", JOE)
    assert caught.value.message == ("error storing credentials - err: exit status 3, out: `keychain is full`")


def test_helper_that_is_not_installed_is_named(path: str) -> None:
    with pytest.raises(Unavailable) as caught:
        write(path, {"credsStore": "nosuch"}).get("r.example")
    assert caught.value.message == (
        'error getting credentials - err: exec: "docker-credential-nosuch": '
        "executable file not found in $PATH, out: ``"
    )


@pytest.mark.parametrize("name", ["../evil", "a\0b", 3, ["x"]])
def test_helper_whose_name_is_none_is_refused(path: str, name: object) -> None:
    with pytest.raises(Invalid, match="is no name of a credential helper"):
        write(path, {"credsStore": name}).get("r.example")
