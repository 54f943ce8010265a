"""What requests ask for: the parts of their paths, digests, pages, documents."""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.digest import Digest
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.registry.faults import DigestInvalid, ManifestTooLarge, PageInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

_ALL = 1 << 60
_KINDS = ("manifests", "blobs", "tags", "referrers")


def split_path(path: str) -> tuple[str, str, str]:
    """Return what a path is about, the repository and the rest. A name may have any of the words in it."""
    name, _, last = path.removeprefix("/v2/").rpartition("/")
    if not path.startswith("/v2/"):
        return "", "", ""
    if name.endswith("/blobs/uploads"):
        return "upload" if last else "uploads", name.removesuffix("/blobs/uploads"), last
    name, _, kind = name.rpartition("/")
    if kind == "blobs" and last == "uploads":
        return "uploads", name, ""
    if kind not in _KINDS or (kind == "tags" and last != "list"):
        return "", "", ""
    return kind, name, last


def read_digest(text: str) -> Digest:
    """Raises DigestInvalid."""
    try:
        return Digest.parse(text)
    except Invalid as error:
        raise DigestInvalid(f"{error.message}: {text:.160}") from None


async def read_document(request: BaseRequest) -> bytes:
    """Return a manifest's bytes. Raises ManifestTooLarge."""
    raw = bytearray()
    while piece := await request.content.readany():
        raw += piece
        if len(raw) > MAX_DOCUMENT_SIZE:
            raise ManifestTooLarge(f"a manifest has at most {MAX_DOCUMENT_SIZE} bytes")
    return bytes(raw)


def read_page(request: BaseRequest) -> tuple[int, str]:
    """Return how many items are asked for, _ALL by default, and after which. Raises PageInvalid."""
    text, last = request.query.get("n", ""), request.query.get("last", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise PageInvalid(f"invalid number of results: {text:.32}")
    return int(text or _ALL), last
