"""Who a container's process is: `--user` and `--group-add` read by the container's own files. Pure.

Source: engine 20.10, daemon/oci_linux.go (getUser) and runc's libcontainer/user.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MAX_ID = (1 << 31) - 1


class User(Value):
    """Numeric IDs. `groups` are all groups, the main one first, others as often as they were named."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def document(self) -> dict[str, object]:
        """Return the user as an OCI process has it."""
        return {"uid": self.uid, "gid": self.gid, "additionalGids": list(self.groups)}


def resolve_user(text: str, passwd: str, group: str, group_add: Sequence[str] = ()) -> User:
    """Return the user of `name|uid[:group|gid]`; of nothing, it is root.

    `passwd` and `group` are the text of the container's files, empty where it has none. Numbers need no
    entry in them. Without a group the user has those that list it. Raises Invalid in Docker's words.
    """
    name, _, rest = text.partition(":")
    group_name = rest.partition(":")[0]
    uid, gid, login = _user(name, passwd)
    members: list[int] = []
    if group_name:
        gid = _group(group_name, group)
    elif login:
        members = [entry_gid for _, entry_gid, names in _groups(group) if login in names]
    added = _added(group_add, group)
    return User(uid, gid, (gid, *members, *added))


def _user(name: str, passwd: str) -> tuple[int, int, str]:
    """Return uid, gid and login name; the last is empty for a number without an entry."""
    number = 0 if name == "" else _number(name)
    for login, uid, gid in _logins(passwd):
        if (uid == number) if number is not None else (login == name):
            return uid, gid, login
    if number is None:
        raise Invalid(f"unable to find user {name}: no matching entries in passwd file")
    return _in_range(number), 0, ""


def _group(name: str, group: str) -> int:
    number = _number(name)
    for entry, gid, _ in _groups(group):
        if (gid == number) if number is not None else (entry == name):
            return gid
    if number is None:
        raise Invalid(f"unable to find group {name}: no matching entries in group file")
    return _in_range(number)


def _added(names: Iterable[str], group: str) -> list[int]:
    entries = list(_groups(group)) if names else []
    found: set[int] = set()
    for name in names:
        by_name = [gid for entry, gid, _ in entries if name in (entry, str(gid))]
        number = _number(name)
        if by_name:
            found.update(by_name[:1])
        elif number is None:
            raise Invalid(f"Unable to find group {name}: no matching entries in group file")
        else:
            found.add(_in_range(number))
    return sorted(found)


def _in_range(number: int) -> int:
    if not 0 <= number <= _MAX_ID:
        raise Invalid(f"uids and gids must be in range 0-{_MAX_ID}")
    return number


def _number(text: str) -> int | None:
    """Return the integer of 64 bits that Go reads in the text, or None."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    number = int(text)
    return number if -1 << 63 <= number < 1 << 63 else None


def _logins(passwd: str) -> Iterator[tuple[str, int, int]]:
    for fields in _lines(passwd):
        yield fields[0], _field_number(fields, 2), _field_number(fields, 3)


def _groups(group: str) -> Iterator[tuple[str, int, list[str]]]:
    for fields in _lines(group):
        names = fields[3].split(",") if len(fields) > 3 else []
        yield fields[0], _field_number(fields, 2), names


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.split("\n"):
        if stripped := line.strip():
            yield stripped.split(":")


def _field_number(fields: list[str], at: int) -> int:
    """Return a field as a number, 0 where it is none: the files are the image's, and not checked."""
    return (_number(fields[at]) or 0) if at < len(fields) else 0
