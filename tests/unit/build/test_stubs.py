from __future__ import annotations

import os

from ligan.build.stubs import ALWAYS, Stubs


def make(root: str, *paths: str) -> None:
    for path in paths:
        os.makedirs(f"{root}/{os.path.dirname(path)}", exist_ok=True)
        with open(f"{root}/{path}", "w"):
            pass


def test_what_a_runtime_makes_is_taken_out_of_the_upper_folder(tmp_path: os.PathLike[str]) -> None:
    root, upper = f"{tmp_path}/root", f"{tmp_path}/upper"
    os.makedirs(f"{root}/etc", 0o700)
    os.makedirs(f"{upper}/proc")
    os.makedirs(f"{upper}/run/secrets")
    stubs = Stubs(root, [*ALWAYS, "/run/secrets/x", "/kept"])
    make(upper, "etc/hosts", "etc/resolv.conf", "run/secrets/x", "kept")
    os.chmod(f"{upper}/etc", 0o700)
    with open(f"{upper}/kept", "w") as file:
        file.write("of the step")
    stubs.remove(upper, is_upper=True)
    assert os.listdir(upper) == ["kept"]


def test_what_was_there_and_what_the_step_made_stay(tmp_path: os.PathLike[str]) -> None:
    root, upper = f"{tmp_path}/root", f"{tmp_path}/upper"
    make(root, "etc/hosts")
    stubs = Stubs(root, ALWAYS)
    make(upper, "etc/hosts", "etc/mine", "dev/null")
    stubs.remove(upper, is_upper=True)
    assert sorted(os.listdir(f"{upper}/etc")) == ["hosts", "mine"]
    assert os.listdir(f"{upper}/dev") == ["null"]


def test_links_are_followed_inside(tmp_path: os.PathLike[str]) -> None:
    root, upper = f"{tmp_path}/root", f"{tmp_path}/upper"
    os.makedirs(f"{root}/run/net")
    os.makedirs(f"{root}/etc")
    os.symlink("../run/net/resolv.conf", f"{root}/etc/resolv.conf")
    stubs = Stubs(root, ["/etc/resolv.conf"])
    make(upper, "run/net/resolv.conf")
    os.chmod(f"{upper}/run/net", os.stat(f"{root}/run/net").st_mode & 0o7777)
    stubs.remove(upper, is_upper=True)
    assert not os.path.exists(f"{upper}/run/net")
