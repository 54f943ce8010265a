"""Logins, pushes and pulls of `ligan` at docker-registries that want a password, or a token for one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support import registry as real_registry
from tests.support.registry import PASSWORD, USER
from tests.support.token_server import TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker_registry


class Site:
    """A registry, the token server that it trusts, if any, and a user of `ligan` with a store."""

    def __init__(self, folder: str, root: str, host: str, tokens: TokenServer | None) -> None:
        self.host = host
        self.tokens = tokens
        self.config = f"{folder}/docker/config.json"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "LIGAN_ROOT": root,
            "DOCKER_CONFIG": os.path.dirname(self.config),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    def ligan(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ligan", *words]
        environment = self._environment
        return subprocess.run(
            command, input=typed, env=environment, capture_output=True, text=True, check=False
        )

    def done(self, *words: str, typed: str = "") -> str:
        """Run what must succeed."""
        ended = self.ligan(*words, typed=typed)
        assert ended.returncode == 0, ended.stderr
        assert PASSWORD not in ended.stdout + ended.stderr
        return ended.stdout

    def log_in(self) -> None:
        assert (
            self.done("login", "-u", USER, "--password-stdin", self.host, typed=PASSWORD)
            == "Login Succeeded\n"
        )


@pytest.fixture(params=["htpasswd", "token"])
def site(
    request: pytest.FixtureRequest, tmp_path: os.PathLike[str], store_root: str, base_images: str
) -> Iterator[Site]:
    folder = str(tmp_path)
    with ExitStack() as stack:
        tokens = None
        if request.param == "token":
            tokens = stack.enter_context(TokenServer(folder, USER, PASSWORD))
            settings = tokens.settings
        else:
            settings = real_registry.with_password(folder)
        host = stack.enter_context(real_registry.running(f"{folder}/registry", settings))
        site = Site(folder, store_root, host, tokens)
        site.done("load", "--quiet", "--input", base_images)
        site.done("tag", "alpine", f"{host}/team/app:1")
        yield site


by_token = pytest.mark.parametrize("site", ["token"], indirect=True)


def test_ligan_logs_in_pushes_and_pulls(site: Site) -> None:
    name = f"{site.host}/team/app:1"
    image = site.done("inspect", "--format", "{{.Id}}", name)
    site.log_in()
    with open(site.config, encoding="utf-8") as file:
        (entry,) = json.load(file)["auths"].values()
    assert b64decode(entry["auth"]).decode() == f"{USER}:{PASSWORD}"
    pushed = site.done("push", name).splitlines()[-1]
    assert pushed.startswith("1: digest: sha256:")
    assert site.done("tags", f"{site.host}/team/app") == "1\n"
    site.done("rmi", "--force", name)
    assert site.done("pull", name).splitlines()[-2:] == [
        f"Status: Downloaded newer image for {name}",
        name,
    ]
    assert site.done("inspect", "--format", "{{.Id}}", name) == image
    assert site.done("logout", site.host) == f"Removing login credentials for {site.host}\n"
    assert site.ligan("pull", name).returncode == 1


def test_ligan_is_told_of_a_wrong_password(site: Site) -> None:
    refused = site.ligan("login", "-u", USER, "--password-stdin", site.host, typed="wr0ng")
    assert refused.returncode == 1
    assert "unauthorized: " in refused.stderr or "401 Unauthorized" in refused.stderr
    assert "wr0ng" not in refused.stderr
    assert not os.path.exists(site.config)


def test_ligan_is_refused_without_a_login(site: Site) -> None:
    for verb in ("push", "pull"):
        refused = site.ligan(verb, f"{site.host}/team/app:1")
        assert refused.returncode == 1
        words = "no basic auth credentials" if site.tokens is None else "incorrect username or password"
        assert words in refused.stderr


@by_token
def test_ligan_renews_a_token_that_has_expired(site: Site) -> None:
    assert site.tokens is not None
    site.log_in()
    site.tokens.faults = ["expired"]
    site.done("push", f"{site.host}/team/app:1")
    site.tokens.faults = ["expired"]
    site.done("pull", f"{site.host}/team/app:1")
    assert site.tokens.faults == []


@by_token
def test_ligan_renews_a_token_that_is_good_for_half_of_a_push(site: Site) -> None:
    """The registry answers what is there, and refuses the first upload."""
    assert site.tokens is not None
    site.log_in()
    site.tokens.faults = ["reads only"]
    site.done("push", f"{site.host}/team/app:1")
    assert site.tokens.granted[-2:] == [["repository:team/app:pull,push"]] * 2


@by_token
def test_ligan_shows_an_identity_token_in_place_of_a_password(site: Site) -> None:
    assert site.tokens is not None
    site.tokens.refresh_tokens.add("identity")
    os.makedirs(os.path.dirname(site.config))
    entry = {"auth": "am9lOg==", "identitytoken": "identity"}
    with open(site.config, "w", encoding="utf-8") as file:
        json.dump({"auths": {site.host: entry}}, file)
    site.done("push", f"{site.host}/team/app:1")
    assert {request.method for request in site.tokens.requests} == {"POST"}
