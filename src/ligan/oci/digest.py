"""Digests: the names of exact bytes.

A digest is `algorithm:hex`. Ligan's store hashes with SHA-256; documents from
outside may name SHA-384 or SHA-512 too (OCI image-spec, descriptor.md).
"""

from __future__ import annotations

import sys

from ligan.errors import Corrupt, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, Self

    class Hash(Protocol):
        """What every constructor of hashlib returns."""

        def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
        def hexdigest(self) -> str: ...


_HEX = "0123456789abcdef"
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
SHORT_LENGTH = 12


def is_hex(text: str) -> bool:
    """Return whether text consists of lower-case hexadecimal digits, at least one."""
    return bool(text) and not text.strip(_HEX)


def whole_id(text: str) -> str:
    """Return the image ID that the text spells out, with or without its algorithm, or an empty string."""
    hexadecimal = text.removeprefix("sha256:")
    return f"sha256:{hexadecimal}" if len(hexadecimal) == 64 and is_hex(hexadecimal) else ""


class Digest(str):
    """A valid digest, `algorithm:hex`.

    The constructor trusts its argument; `parse` is for text from outside.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the digest, or raise Invalid with the words of Docker's digest parser."""
        algorithm, colon, hexadecimal = text.partition(":")
        if not colon or not algorithm or not hexadecimal:
            raise Invalid("invalid checksum digest format")
        length = _HEX_LENGTHS.get(algorithm)
        if length is None:
            raise Invalid("unsupported digest algorithm")
        if len(hexadecimal) != length:
            raise Invalid("invalid checksum digest length")
        if not is_hex(hexadecimal):
            raise Invalid("invalid checksum digest format")
        return cls(text)

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits, as Docker shows an ID."""
        return self.hex[:SHORT_LENGTH]

    def new_hash(self) -> Hash:
        """Return an empty hash of this digest's algorithm."""
        import hashlib

        return hashlib.new(self.algorithm, usedforsecurity=True)


class ImageID(Digest):
    """The digest of an image's config: its identity (OCI image-spec, config.md)."""

    __slots__ = ()


class DiffID(Digest):
    """The digest of a layer's uncompressed tar."""

    __slots__ = ()


class ChainID(Digest):
    """The identity of a stack of diff IDs."""

    __slots__ = ()


class DigestMismatch(Corrupt):
    """Bytes do not hash to the digest that names them."""

    def __init__(self, what: str, expected: str, actual: str) -> None:
        super().__init__(f'{what}: expected "{expected}", got "{actual}"')
        self.expected = expected
        self.actual = actual


def sha256(data: bytes) -> Digest:
    """Return the SHA-256 digest of the bytes."""
    return Digest("sha256:" + _sha256()(data).hexdigest())


def new_sha256(size: int) -> Hash:
    """Return an empty SHA-256 for about so many bytes: OpenSSL is faster at it, and takes 3 ms to load."""
    if size < _WORTH_OPENSSL:
        hasher: Hash = _sha256()()
        return hasher
    import hashlib

    return hashlib.sha256()


_WORTH_OPENSSL = 1 << 20


def _sha256() -> Callable[..., Hash]:
    """Return Python's own hash where nobody has loaded OpenSSL yet, which takes 3 ms: documents are small."""
    if "hashlib" not in sys.modules:
        try:
            return __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256  # type: ignore[no-any-return]
        except ImportError:
            pass  # a Python that was built without its own
    import hashlib

    return hashlib.sha256
