from __future__ import annotations

import pytest

from ligan.containers.users import User, resolve_user
from ligan.errors import Invalid

LOGINS = """\
root:x:0:0:root:/root:/bin/sh
# a comment, as a line without fields

app:x:1000:2000:App:/home/app:/bin/sh
twice:x:1000:3000::/:
broken:x:many
"""
GROUP = """\
root:x:0:
wheel:x:10:root,app
audio:x:29:app
app:x:2000:
"""


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (0, 10))),
        ("root", User(0, 0, (0, 10))),
        ("app", User(1000, 2000, (2000, 10, 29))),
        ("1000", User(1000, 2000, (2000, 10, 29))),
        ("app:audio", User(1000, 29, (29,))),
        ("app:7", User(1000, 7, (7,))),
        ("5000", User(5000, 0, (0,))),
        ("5000:6000", User(5000, 6000, (6000,))),
        (":5", User(0, 5, (5,))),
        ("1:2:3", User(1, 2, (2,))),
        ("+5", User(5, 0, (0,))),
        ("broken", User(0, 0, (0,))),
    ],
)
def test_user_is_resolved(text: str, user: User) -> None:
    assert resolve_user(text, LOGINS, GROUP) == user


def test_groups_are_added_by_name_and_number() -> None:
    assert resolve_user("app:app", LOGINS, GROUP, ["99", "audio", "10"]).groups == (2000, 10, 29, 99)


@pytest.mark.parametrize(
    ("text", "add", "words"),
    [
        ("nope", [], "unable to find user nope: no matching entries in passwd file"),
        ("0:nope", [], "unable to find group nope: no matching entries in group file"),
        ("99999999999", [], "uids and gids must be in range 0-2147483647"),
        ("-1", [], "uids and gids must be in range 0-2147483647"),
        ("0:99999999999", [], "uids and gids must be in range 0-2147483647"),
        ("9" * 5000, [], f"unable to find user {'9' * 5000}: no matching entries in passwd file"),
        ("", ["nope"], "Unable to find group nope: no matching entries in group file"),
        ("", ["99999999999"], "uids and gids must be in range 0-2147483647"),
    ],
)
def test_user_is_refused_in_dockers_words(text: str, add: list[str], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        resolve_user(text, LOGINS, GROUP, add)
    assert raised.value.message == words


def test_without_files_numbers_still_count() -> None:
    assert resolve_user("7:8", "", "") == User(7, 8, (8,))
    assert resolve_user("", "", "") == User(0, 0, (0,))
