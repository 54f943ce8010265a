"""What a registry refuses, with the codes of the distribution specification (spec.md, "Error Codes")."""

from __future__ import annotations

from ligan.errors import Invalid, NotFound, Unsupported


class NameInvalid(Invalid):
    code = "NAME_INVALID"


class TagInvalid(Invalid):
    code = "MANIFEST_INVALID"


class DigestInvalid(Invalid):
    code = "DIGEST_INVALID"


class SizeInvalid(Invalid):
    code = "SIZE_INVALID"


class ManifestInvalid(Invalid):
    code = "MANIFEST_INVALID"


class ManifestTooLarge(ManifestInvalid):
    """HTTP 413."""


class UploadInvalid(Invalid):
    code = "BLOB_UPLOAD_INVALID"


class PageInvalid(Invalid):
    """The specification has no code of its own for this."""

    code = "UNSUPPORTED"


class NameUnknown(NotFound):
    code = "NAME_UNKNOWN"


class ManifestUnknown(NotFound):
    code = "MANIFEST_UNKNOWN"


class BlobUnknown(NotFound):
    code = "BLOB_UNKNOWN"


class UploadUnknown(NotFound):
    code = "BLOB_UPLOAD_UNKNOWN"


class BlobOfManifestUnknown(NotFound):
    """A manifest names what its repository has not."""

    code = "MANIFEST_BLOB_UNKNOWN"


class Held(Unsupported):
    """Something else needs what was to be deleted. The specification has 405 for deletes that are refused."""

    code = "UNSUPPORTED"


class WrongOffset(Invalid):
    """A chunk that does not follow on the last one: HTTP 416. `size` is what the upload has."""

    code = "BLOB_UPLOAD_INVALID"

    def __init__(self, size: int) -> None:
        super().__init__(f"the upload has {size} bytes: the next chunk starts there")
        self.size = size
