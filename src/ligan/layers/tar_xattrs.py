"""Extended attributes in tar headers: which of them Docker's unpacking sets on a file.

Docker passes each `SCHILY.xattr.` record to the kernel. What the kernel does
not support or permit, Docker leaves out; any other answer fails the layer.
"""

from __future__ import annotations

from ligan.errors import Corrupt
from ligan.layers.attributes import CAPABILITY
from ligan.layers.tar import DIRECTORY, HARD_LINK, REGULAR, XATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.layers.tar import Member

POSIX_ACLS = ("system.posix_acl_access", "system.posix_acl_default")

_NAMESPACES = ("user.", "trusted.", "security.")
# Written by overlayfs for itself. Docker sets what a layer says here, by which
# the layer could point into others; nobody can see that it is missing.
_OVERLAY = "trusted.overlay."
_TAKES_USER = (REGULAR, DIRECTORY, HARD_LINK)
# Linux: XATTR_NAME_MAX, XATTR_SIZE_MAX.
_NAME_MAX, _VALUE_MAX = 255, 65536
# The size of a file's capabilities, by the revision in their top byte.
_CAPABILITY_SIZES = {2: 20, 3: 24}


def xattrs_of(member: Member) -> dict[str, bytes]:
    """Return what Docker sets on the file of `member`, names sorted.

    ACLs come as they are, unchecked, and so does `user.` on a hard link, whose
    target may take none. Raises Corrupt in the kernel's words for what it
    refuses.
    """
    found: dict[str, bytes] = {}
    for keyword in sorted(member.pax):
        value = member.pax[keyword]
        # To Go an empty record takes the attribute back.
        if not value or not keyword.startswith(XATTR):
            continue
        name = keyword[len(XATTR) :]
        if not 0 < len(name.encode("utf-8", "surrogateescape")) <= _NAME_MAX:
            raise Corrupt("numerical result out of range")
        if len(value) > _VALUE_MAX:
            raise Corrupt("argument list too long")
        if not name.startswith(_NAMESPACES):
            if name in POSIX_ACLS:
                found[name] = value
        elif not name.startswith(_OVERLAY):
            if name.startswith("user.") and member.type not in _TAKES_USER:
                continue
            if name in _NAMESPACES or (name == CAPABILITY and not _is_capability(value)):
                raise Corrupt("invalid argument")
            found[name] = value
    return found


def _is_capability(value: bytes) -> bool:
    return len(value) > 3 and len(value) == _CAPABILITY_SIZES.get(value[3])
