"""What is known of layers and images beyond their bytes: where registries have them, and in which form.

Only what was verified is remembered: bytes that were fetched and hashed here, or sent from here.
"""

from __future__ import annotations

from ligan.images import catalog
from ligan.oci.digest import Digest
from ligan.oci.documents import OCI_LAYER
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.oci.digest import DiffID, ImageID
    from ligan.oci.documents import Descriptor, Manifest
    from ligan.oci.platform import Platform
    from ligan.oci.reference import Reference
    from ligan.store.db import ReadTransaction, WriteTransaction


NO_COMPRESSION = "none"
LAYER_TYPES = {
    "gzip": f"{OCI_LAYER}+gzip",
    "zstd": f"{OCI_LAYER}+zstd",
    NO_COMPRESSION: OCI_LAYER,
}
"""What OCI calls the forms of a layer; no others are kept (image-spec, layer.md)."""


class Form(Value):
    """A compressed form of a layer. `size` is in bytes; `is_kept` says that the store has it as a blob."""

    digest: Digest
    size: int
    compressor: str
    is_kept: bool = False


def known_image(
    tx: ReadTransaction, reference: Reference, digest: Digest, platform: Platform
) -> ImageID | None:
    """Return the image that the digest means here, if it is for this very platform.

    Then the registry has nothing to add: what an index means for a platform never changes.
    """
    row = catalog.find_by_reference(tx, reference.replace(tag="", digest=digest).canonical)
    if row is None:
        return None
    of = tx.one("SELECT os, architecture, variant FROM image WHERE key = ?", (row.key,))
    return row.id if of == (platform.os, platform.architecture, platform.variant) else None


def remember_place(
    tx: WriteTransaction, diff_id: DiffID, repository: str, layer: Descriptor | Form, compressor: str | None
) -> None:
    """Note that a repository has this form of a layer; without a compressor, if the form is known already."""
    if compressor is None:
        compressor = tx.value(
            "SELECT compressor FROM layer_remote WHERE diff_id = ? AND digest = ?", (diff_id, layer.digest)
        )
    if compressor is not None and tx.value("SELECT 1 FROM layer WHERE diff_id = ?", (diff_id,)):
        tx.execute(
            """INSERT OR IGNORE INTO layer_remote (diff_id, repository, digest, size, compressor)
               VALUES (?, ?, ?, ?, ?)""",
            (diff_id, repository, layer.digest, layer.size, compressor),
        )


def remember_manifest(
    tx: WriteTransaction,
    image: ImageID,
    digest: Digest,
    manifest: Manifest,
    layers: Sequence[tuple[DiffID, Descriptor]],
) -> None:
    """Keep the manifest for a push, if each of its layers is known to unpack to the image's."""
    if image != manifest.config.digest or digest.algorithm != "sha256":
        return
    for diff_id, layer in layers:
        if layer.urls or not tx.value(
            """SELECT EXISTS (SELECT 1 FROM layer_remote WHERE diff_id = ?1 AND digest = ?2)
                   OR EXISTS (SELECT 1 FROM layer_blob JOIN blob ON blob.key = layer_blob.blob
                              WHERE diff_id = ?1 AND digest = ?2)""",
            (diff_id, layer.digest),
        ):
            return
    tx.execute(
        "INSERT OR IGNORE INTO manifest (digest, image, media_type, raw) VALUES (?, ?, ?, ?)",
        (digest, image, manifest.media_type, manifest.raw),
    )


def forms_of(tx: ReadTransaction, diff_id: str) -> list[Form]:
    """Return the known compressed forms of a layer, those that the store keeps first."""
    kept = tx.all(
        """SELECT blob.digest, blob.size, compressor FROM layer_blob JOIN blob ON blob.key = layer_blob.blob
           WHERE diff_id = ? AND compressor <> 'erofs' ORDER BY blob.key DESC""",
        (diff_id,),
    )
    remote = tx.all(
        "SELECT DISTINCT digest, size, compressor FROM layer_remote WHERE diff_id = ?", (diff_id,)
    )
    known = {digest for digest, _size, _compressor in kept}
    return [Form(Digest(digest), size, compressor, True) for digest, size, compressor in kept] + [
        Form(Digest(digest), size, compressor) for digest, size, compressor in remote if digest not in known
    ]


def repositories_with(tx: ReadTransaction, domain: str, digest: Digest) -> list[str]:
    """Return the canonical repositories of a registry that are known to have this form of a layer."""
    return tx.column(
        """SELECT repository FROM layer_remote WHERE digest = ? AND repository >= ? AND repository < ?
           ORDER BY repository""",
        (digest, f"{domain}/", f"{domain}0"),
    )
