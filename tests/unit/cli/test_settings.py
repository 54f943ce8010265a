from __future__ import annotations

import os

import pytest

from ligan.cli import settings
from ligan.cli.output import Failure
from ligan.store.store import Policy

HOUR = 3600 * 10**9


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> str:
    path = f"{tmp_path}/ligan/config.toml"
    os.mkdir(os.path.dirname(path))
    monkeypatch.setattr(settings, "SYSTEM_FILE", path)
    return path


def _environ(path: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": os.path.dirname(os.path.dirname(path))}


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def test_nothing_set_is_the_default(config: str) -> None:
    assert settings.read_policy(_environ(config)) == Policy()


def test_certificates_are_those_of_docker_and_those_beside_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"XDG_CONFIG_HOME": "/home/joe/.config", "DOCKER_CONFIG": "/home/joe/.docker"}
    system = ("/etc/docker/certs.d", "/etc/ligan/certs.d")
    monkeypatch.setattr(settings, "_is_root", lambda _environ: True)
    assert settings.read_remote(environ).certificate_folders == system
    monkeypatch.setattr(settings, "_is_root", lambda _environ: False)
    assert settings.read_remote(environ).certificate_folders == (
        *system,
        "/home/joe/.config/docker/certs.d",
        "/home/joe/.config/ligan/certs.d",
    )


def test_the_file_is_read_and_the_environment_wins(config: str) -> None:
    _write(
        config, 'undo_window = "2h"\nundo_disk_limit = 0.5\nundo_budget = "20GB"\nmax_layer_size = "1GiB"\n'
    )
    assert settings.read_policy(_environ(config)) == Policy(2 * HOUR, 0.5, 20 * 10**9, 2**30)
    over = {
        "LIGAN_UNDO_WINDOW": "0",
        "LIGAN_UNDO_DISK_LIMIT": "90%",
        "LIGAN_UNDO_BUDGET": "",
        "LIGAN_MAX_LAYER_SIZE": "5",
    }
    assert settings.read_policy(_environ(config) | over) == Policy(0, 0.9, 20 * 10**9, 5)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("24h", 24 * HOUR),
        ("1h30m", HOUR * 3 // 2),
        ("7d", 168 * HOUR),
        ("1.5h", HOUR * 3 // 2),
        ("2w", 336 * HOUR),
        ("90s", 90 * 10**9),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_windows(config: str, text: str, nanoseconds: int) -> None:
    assert settings.read_policy(_environ(config) | {"LIGAN_UNDO_WINDOW": text}).window == nanoseconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1", 1),
        ("1B", 1),
        ("1kB", 1000),
        ("1k", 1000),
        ("1.5MB", 1_500_000),
        ("2 GB", 2 * 10**9),
        ("1TiB", 2**40),
        ("0", 0),
    ],
)
def test_sizes(config: str, text: str, count: int) -> None:
    assert settings.read_policy(_environ(config) | {"LIGAN_UNDO_BUDGET": text}).budget == count


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("UNDO_WINDOW", "soon", "'soon' is not a duration such as 24h or 30m or 7d"),
        ("UNDO_WINDOW", "24", "'24' lacks a unit: s, m, h, d or w"),
        ("UNDO_WINDOW", "-1h", "'-1h' is not a duration such as 24h or 30m or 7d"),
        ("UNDO_WINDOW", " ", "a duration such as 24h is missing"),
        ("UNDO_DISK_LIMIT", "80", "'80' is not a share of a disk such as 80% or 0.8"),
        ("UNDO_DISK_LIMIT", "lots", "'lots' is not a number"),
        ("UNDO_BUDGET", "1XB", "'1XB' is not a size such as 20GB"),
        ("UNDO_BUDGET", "1iB", "'1iB' is not a size such as 20GB"),
        ("MAX_LAYER_SIZE", "GB", "'' is not a number"),
        ("UNDO_WINDOW", "99999999999d", "'99999999999d' is longer than 200 years"),
        ("UNDO_BUDGET", "9" * 20, f"'{'9' * 20}' is larger than any disk"),
        ("UNDO_BUDGET", "9" * 400, f"'{'9' * 400}' is larger than any disk"),
    ],
)
def test_a_bad_variable_is_named(config: str, variable: str, value: str, complaint: str) -> None:
    with pytest.raises(Failure) as caught:
        settings.read_policy(_environ(config) | {f"LIGAN_{variable}": value})
    assert str(caught.value) == f"LIGAN_{variable}: {complaint}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('undo_window = "soon"', ": undo_window: 'soon' is not a duration such as 24h or 30m or 7d"),
        ("undo_disk_limit = true", ": undo_disk_limit: 'True' is not a number"),
        ("undo_budget = []", ": undo_budget: '[]' is not a number"),
        (
            "colour = 1",
            ": unknown setting colour; known are undo_window, undo_disk_limit, undo_budget, max_layer_size",
        ),
        ("=", ": Invalid"),
    ],
)
def test_a_bad_file_is_named(config: str, text: str, complaint: str) -> None:
    _write(config, text)
    with pytest.raises(Failure) as caught:
        settings.read_policy(_environ(config))
    assert str(caught.value).startswith(config + complaint)


def test_a_file_that_cannot_be_read_is_named(config: str) -> None:
    os.mkdir(config)
    with pytest.raises(Failure, match="Is a directory"):
        settings.read_policy(_environ(config))


def test_the_root_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/someone")
    assert settings.root_folder("", {}) == "/home/someone/.local/share/ligan"
    assert settings.root_folder("", {"XDG_DATA_HOME": "relative"}) == "/home/someone/.local/share/ligan"
    assert settings.root_folder("", {"XDG_DATA_HOME": "/data"}) == "/data/ligan"
    assert settings.settings_file({}) == "/home/someone/.config/ligan/config.toml"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert settings.root_folder("", {"XDG_DATA_HOME": "/data"}) == "/var/lib/ligan"
    assert settings.settings_file({"XDG_CONFIG_HOME": "/c"}) == "/etc/ligan/config.toml"


def test_the_root_named_is_absolute_and_the_option_wins() -> None:
    assert settings.root_folder("", {"LIGAN_ROOT": "here"}) == os.path.abspath("here")
    assert settings.root_folder("/option", {"LIGAN_ROOT": "/variable"}) == "/option"


def test_a_storage_driver_is_one_of_three(config: str) -> None:
    assert settings.read_policy({"LIGAN_STORAGE_DRIVER": "vfs"}).storage_driver == "vfs"
    with pytest.raises(Failure, match="'aufs' is not a storage driver; there are erofs, overlay, vfs"):
        settings.read_policy({"LIGAN_STORAGE_DRIVER": "aufs"})
