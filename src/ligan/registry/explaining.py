"""Why: everything that holds a blob, and what would free it."""

from __future__ import annotations

from ligan.errors import NotFound
from ligan.oci.digest import is_hex
from ligan.oci.documents import INDEX_TYPES
from ligan.registry.reading import file_digest
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ligan.registry.index.database import ReadTransaction


class Holder(Value):
    """One thing that keeps a blob.

    `kind` is tag, manifest, index, lease, link or undo. A manifest that neither a tag nor an index holds is
    held by itself; a blob that another registry has linked, and no manifest names, by its link. `until` is
    in nanoseconds since 1970, 0 where it has no end.
    """

    kind: str
    name: str
    detail: str
    until: int = 0


class Why(Value):
    """What holds a blob. `kind` is manifest, index or blob.

    Removing `removals`, in this order and at once, and then the undo entries `entries`, frees its bytes. What
    another registry has left may be held by nothing.
    """

    kind: str
    digest: str
    size: int
    holders: tuple[Holder, ...]
    removals: tuple[str, ...]
    entries: tuple[int, ...]


class _Named(Value):
    """A manifest that is the blob, or stands on it."""

    key: int
    repository: str
    digest: str
    media_type: str
    is_itself: int


def why(tx: ReadTransaction, text: str) -> Why:
    """Explain a blob, given its digest or the first hexadecimal digits of that. Raises NotFound."""
    blob, digest, size = _find(tx, text)
    manifests = _above(tx, blob)
    itself = [each for each in manifests if each.is_itself]
    holders = [holder for each in itself for holder in _holders_of_manifest(tx, each)]
    holders += [_holder(tx, each) for each in manifests if not each.is_itself and _names(tx, each, blob)]
    leases = tx.all(
        """SELECT name, until FROM link JOIN repository ON repository.key = link.repository
           LEFT JOIN lease ON lease.repository = link.repository AND lease.blob = link.blob
           WHERE link.blob = ? ORDER BY name""",
        (blob,),
    )
    needed = {each.repository for each in manifests if not each.is_itself and _names(tx, each, blob)}
    for repository, until in leases:
        if until is not None:
            holders.append(Holder("lease", repository, "a push may be using it", until))
        elif repository not in needed:
            holders.append(Holder("link", repository, "no manifest names it"))
    entries = tx.all(
        """SELECT key, command, until FROM deletion
           WHERE key IN (SELECT deletion FROM deletion_blob WHERE blob = ?) ORDER BY key""",
        (blob,),
    )
    holders += [Holder("undo", str(key), command, until) for key, command, until in entries]
    removals = _removals(tx, manifests)
    removals += [
        f"{repository}@{digest}"
        for repository, until in leases
        if until is not None or repository not in needed
    ]
    return Why(
        _kind(tx, blob, itself),
        digest,
        size,
        tuple(holders),
        tuple(removals),
        tuple([key for key, _command, _until in entries]),
    )


def short(digest: str) -> str:
    """Return the first digits of a digest, as people read them."""
    return digest.partition(":")[2][:12]


def _find(tx: ReadTransaction, text: str) -> tuple[int, str, int]:
    algorithm, colon, rest = text.partition(":")
    start = rest if colon else algorithm
    unknown = NotFound(f"no such blob: {text:.160}", "Give its digest, or the first digits of that.")
    if colon and algorithm != "sha256":
        rows = tx.all("SELECT key, digest, size FROM blob WHERE digest = ?", (file_digest(tx, text),))
    elif not is_hex(start) or (colon and algorithm != "sha256"):
        raise unknown
    else:
        first = f"sha256:{start}"
        rows = tx.all(
            "SELECT key, digest, size FROM blob WHERE digest >= ? AND digest < ? LIMIT 2",
            (first, f"{first}g"),
        )
    if len(rows) > 1:
        raise NotFound(f"no such blob: {text:.160}", "Several have such a digest: give more digits.")
    if not rows:
        raise unknown
    key, digest, size = rows[0]
    return int(key), str(digest), int(size)


def _above(tx: ReadTransaction, blob: int) -> list[_Named]:
    """Return the manifests that are the blob, name it, or stand on those: the outermost first."""
    rows = tx.all(
        """WITH RECURSIVE above (key, depth) AS (
               SELECT key, 0 FROM manifest WHERE blob = ?1
               UNION SELECT manifest, 0 FROM manifest_blob WHERE blob = ?1
               UNION SELECT parent, depth + 1 FROM manifest_child JOIN above ON above.key = child)
           SELECT manifest.key, name, digest, media_type, manifest.blob = ?1
           FROM above JOIN manifest ON manifest.key = above.key
           JOIN repository ON repository.key = manifest.repository
           JOIN blob ON blob.key = manifest.blob
           GROUP BY manifest.key ORDER BY MAX(depth) DESC, name, manifest.key""",
        (blob,),
    )
    return [_Named(*row) for row in rows]


def _names(tx: ReadTransaction, manifest: _Named, blob: int) -> bool:
    sql = "SELECT 1 FROM manifest_blob WHERE manifest = ? AND blob = ?"
    return tx.value(sql, (manifest.key, blob)) is not None


def _tags(tx: ReadTransaction, manifest: _Named) -> list[str]:
    return tx.column("SELECT name FROM tag WHERE manifest = ? ORDER BY name", (manifest.key,))


def _parents(tx: ReadTransaction, manifest: _Named) -> list[str]:
    return tx.column(
        """SELECT digest FROM manifest_child JOIN manifest ON manifest.key = parent
           JOIN blob ON blob.key = manifest.blob WHERE child = ? ORDER BY digest""",
        (manifest.key,),
    )


def _holders_of_manifest(tx: ReadTransaction, manifest: _Named) -> list[Holder]:
    """Return what holds a manifest in its repository: tags and indexes, or that it was pushed."""
    holders = [Holder("tag", f"{manifest.repository}:{tag}", "") for tag in _tags(tx, manifest)]
    holders += [
        Holder("index", f"{manifest.repository}@{parent}", "names it") for parent in _parents(tx, manifest)
    ]
    return holders or [Holder("manifest", f"{manifest.repository}@{manifest.digest}", "untagged")]


def _holder(tx: ReadTransaction, manifest: _Named) -> Holder:
    """Return a manifest as a holder of a blob, with what holds it in turn."""
    tags, parents = _tags(tx, manifest), _parents(tx, manifest)
    details = [", ".join(tags)] if tags else []
    details += [f"part of {short(parent)}" for parent in parents]
    kind = "index" if manifest.media_type in INDEX_TYPES else "manifest"
    return Holder(kind, f"{manifest.repository}@{manifest.digest}", ", ".join(details) or "untagged")


def _kind(tx: ReadTransaction, blob: int, itself: Iterable[_Named]) -> str:
    types = {each.media_type for each in itself}
    types |= set(tx.column("SELECT media_type FROM deletion_manifest WHERE blob = ?", (blob,)))
    if not types:
        return "blob"
    return "index" if types & set(INDEX_TYPES) else "manifest"


def _removals(tx: ReadTransaction, manifests: Iterable[_Named]) -> list[str]:
    """Return the shortest list of what to remove so that none of the manifests, outermost first, is left.

    Those that an index names go with it, unless a tag holds them too.
    """
    by_repository: dict[str, list[str]] = {}
    going: dict[str, int] = {}
    for each in manifests:
        going[each.repository] = going.get(each.repository, 0) + 1
        tags, parents = _tags(tx, each), _parents(tx, each)
        if tags or not parents:
            name = f":{tags[0]}" if len(tags) == 1 and not parents else f"@{each.digest}"
            by_repository.setdefault(each.repository, []).append(f"{each.repository}{name}")
    removals = []
    for repository, names in by_repository.items():
        sql = """SELECT COUNT(*) FROM manifest JOIN repository ON repository.key = manifest.repository
                 WHERE repository.name = ?"""
        everything = tx.value(sql, (repository,)) == going[repository]
        removals += [repository] if everything and (len(names) > 1 or "@" in names[0]) else names
    return removals
