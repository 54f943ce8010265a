"""Which extended attributes a header sets; test_scan.py and test_erofs.py ask dockerd the same."""

from __future__ import annotations

import pytest

from ligan.errors import Corrupt
from ligan.layers.tar import members
from ligan.layers.tar_xattrs import xattrs_of
from tests.support.tars import END, attributes, entry, link, opened, symlink


def set_by(values: dict[str, str], member: bytes) -> dict[str, bytes]:
    with opened(attributes(values) + member + END) as fd:
        return xattrs_of(next(members(fd)))


def test_names_are_sorted_and_values_are_bytes() -> None:
    values = {"user.b": "2\0é", "trusted.c": "3", "user.a": "1", "security.é": "4"}
    found = {
        "security.é": b"4",
        "trusted.c": b"3",
        "user.a": b"1",
        "user.b": b"2\0\xc3\xa9",
    }
    assert list(set_by(values, entry("f")).items()) == list(found.items())


def test_acls_come_as_they_are() -> None:
    values = {"system.posix_acl_access": "x", "system.posix_acl_default": "y", "system.other": "z"}
    assert set_by(values, entry("f")) == {"system.posix_acl_access": b"x", "system.posix_acl_default": b"y"}


def test_attributes_of_users_are_for_files_and_folders_and_what_a_link_may_lead_to() -> None:
    kinds = {"0": True, "1": True, "2": False, "3": False, "4": False, "5": True, "6": False}
    for kind, taken in kinds.items():
        member = entry("f", kind.encode(), target="t")
        assert bool(set_by({"user.a": "1"}, member)) == taken


def test_attributes_of_overlay_are_left_out_of_every_kind() -> None:
    for member in (entry("f"), symlink("s", "t"), link("h", "f"), entry("d", b"5")):
        assert set_by({"trusted.overlay.opaque": "y", "trusted.overlay.": "x"}, member) == {}


@pytest.mark.parametrize("form", ["\2" + "\0" * 15, "\2" + "\0" * 17, "\3" + "\0" * 16, "\1" + "\0" * 8, ""])
def test_capabilities_of_no_known_form_are_refused(form: str) -> None:
    with pytest.raises(Corrupt, match="invalid argument"):
        set_by({"security.capability": "\0\0\0" + form}, entry("f"))
