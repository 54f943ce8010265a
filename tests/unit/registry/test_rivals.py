"""Which processes are taken for a registry of a folder, by a /proc of the test's own."""

from __future__ import annotations

import os

import pytest

from ligan.errors import Busy
from ligan.registry.rivals import refuse_rivals


@pytest.fixture
def root(tmp_path: str) -> str:
    os.makedirs(f"{tmp_path}/data/docker/registry/v2")
    return f"{tmp_path}/data"


def process(folder: str, *words: str, sees: str = "/", **environment: str) -> str:
    """Write what /proc tells of a process whose root is `sees`. Returns that /proc."""
    entry = f"{folder}/proc/123"
    os.makedirs(entry)
    os.symlink(sees, f"{entry}/root")
    os.symlink(sees, f"{entry}/cwd")
    with open(f"{entry}/cmdline", "wb") as file:
        file.write(b"".join([word.encode() + b"\0" for word in words]))
    with open(f"{entry}/environ", "wb") as file:
        file.write(b"".join([f"{name}={value}\0".encode() for name, value in environment.items()]))
    os.makedirs(f"{folder}/proc/self")
    return f"{folder}/proc"


def configuration(folder: str, text: str) -> str:
    path = f"{folder}/config.yml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize(
    "line",
    [
        "    rootdirectory: {}",
        "  filesystem: {{rootdirectory: {}}}",
        "  filesystem: {{rootdirectory: '{}', maxthreads: 100}}",
        '    # rootdirectory: /else\n    rootdirectory: "{}"  # ours',
    ],
)
@pytest.mark.parametrize("verb", ["serve", "garbage-collect"])
def test_configuration_says_where(verb: str, line: str, root: str, tmp_path: str) -> None:
    path = configuration(f"{tmp_path}", f"storage:\n{line.format(root)}\n")
    processes = process(f"{tmp_path}", "/usr/bin/docker-registry", verb, path)
    with pytest.raises(Busy, match="process 123"):
        refuse_rivals(root, processes)


def test_environment_wins(root: str, tmp_path: str) -> None:
    path = configuration(f"{tmp_path}", "    rootdirectory: /else\n")
    setting = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": root}
    with pytest.raises(Busy):
        refuse_rivals(root, process(f"{tmp_path}", "registry", "serve", path, **setting))


def test_registry_in_a_container_has_another_root(root: str, tmp_path: str) -> None:
    """What is its /var/lib/registry is a folder of ours: by the same device and inode."""
    inside = f"{tmp_path}/container"
    os.makedirs(f"{inside}/var/lib")
    os.makedirs(f"{inside}/etc")
    os.symlink(root, f"{inside}/var/lib/registry")
    with open(f"{inside}/etc/config.yml", "w", encoding="utf-8") as file:
        file.write("version: 0.1\n")
    with pytest.raises(Busy):
        refuse_rivals(root, process(f"{tmp_path}", "/bin/registry", "serve", "/etc/config.yml", sees=inside))


def test_others_are_none(root: str, tmp_path: str) -> None:
    path = configuration(f"{tmp_path}", f"    rootdirectory: {tmp_path}/else\n")
    own = configuration(f"{tmp_path}", f"    rootdirectory: {root}\n")
    for number, words in enumerate(
        [
            ("/usr/bin/registry", "serve", path + "-none"),
            ("/usr/bin/python3", "serve", own),
            ("/usr/bin/registry", "--version"),
            ("registry",),
            (),
        ]
    ):
        folder = f"{tmp_path}/{number}"
        refuse_rivals(root, process(folder, *words))
    refuse_rivals(root, f"{tmp_path}/no-proc")
    refuse_rivals(f"{tmp_path}/nothing-yet", f"{tmp_path}/0/proc")
