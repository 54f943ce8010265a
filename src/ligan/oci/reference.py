"""Image references: repository, tag and digest, in canonical and familiar form.

The grammar is that of the distribution project's reference package, of which
Docker's daemon and CLI each carry a copy:

    reference  := name [ ":" tag ] [ "@" digest ]
    name       := [ domain "/" ] component *( "/" component )
    component  := alnum *( separator alnum )
    separator  := "." | "_" | "__" | 1*"-"
    tag        := 1*128 characters: a word character, then word characters, "." or "-"

The canonical form spells the domain out (`docker.io/library/alpine:3.10`); the
familiar one is what people type and Docker prints (`alpine:3.10`).
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.oci.digest import Digest, is_hex
from ligan.values import Value

DEFAULT_DOMAIN = "docker.io"
LEGACY_DOMAIN = "index.docker.io"
OFFICIAL_PREFIX = "library/"
DEFAULT_TAG = "latest"
MAX_NAME_LENGTH = 255
MAX_TAG_LENGTH = 128

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_BLANKS = str.maketrans(_LOWER, " " * len(_LOWER))
_LETTERS = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = _LETTERS + "_"
_HEX_DIGITS = "0123456789abcdefABCDEF"
_FORMAT = "invalid reference format"


class InvalidReference(Invalid):
    """The text is no reference. `uppercase` is the path that had to be lower-case, or empty."""

    def __init__(self, message: str = _FORMAT, uppercase: str = "") -> None:
        super().__init__(message)
        self.uppercase = uppercase


class Reference(Value):
    """A parsed reference. `tag` and `digest` are empty where the text names none."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The canonical name without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        return familiar(self.repository)

    @property
    def canonical(self) -> str:
        """The key under which a store keeps this reference.

        `repo:tag@digest` is kept and looked up as `repo@digest`, as Docker does.
        """
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def familiar(self) -> str:
        return familiar(self.canonical)

    @property
    def familiar_text(self) -> str:
        """The reference as it was given, familiar: with its tag, though a digest makes that void."""
        if self.tag and self.digest:
            return f"{self.familiar_repository}:{self.tag}@{self.digest}"
        return self.familiar

    @property
    def is_name_only(self) -> bool:
        return not self.tag and not self.digest

    def with_default_tag(self) -> Reference:
        """Return the reference itself, or its `:latest` where it names a repository only."""
        return self.replace(tag=DEFAULT_TAG) if self.is_name_only else self


def familiar(canonical: str) -> str:
    """Return the form that Docker prints: without `docker.io/` and `library/`."""
    rest = canonical.removeprefix("docker.io/library/")
    # docker.io/library/a/b would read back as docker.io/a/b: keep what tells them apart.
    return canonical.removeprefix("docker.io/") if "/" in rest else rest


def repository_of(canonical: str) -> str:
    """Return the canonical repository of a canonical reference."""
    name, at, _digest = canonical.partition("@")
    return name if at else canonical.rpartition(":")[0]


def is_digest_reference(canonical: str) -> bool:
    return "@" in canonical


def tag_of(canonical: str) -> str:
    """Return the tag of a canonical tag reference."""
    return canonical.rpartition(":")[2]


def parse(text: str) -> Reference:
    """Parse what a person typed. Raises InvalidReference with the daemon's words."""
    if len(text) == 64 and is_hex(text):
        raise InvalidReference(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    domain, remainder = _split_domain(text)
    path = remainder.partition(":")[0] if ":" in remainder else remainder.partition("@")[0]
    if path != path.lower():
        raise InvalidReference(f"{_FORMAT}: repository name must be lowercase", uppercase=path)
    path, tag, digest = _split_path(remainder)
    # What looks like a domain and is none can be the first part of a path without any (golden j_tag_errors).
    if not (_is_domain(domain) or _is_component(domain)):
        raise InvalidReference
    if not all(_is_component(part) for part in path.split("/")):
        raise InvalidReference
    if len(domain) + 1 + len(path) > MAX_NAME_LENGTH:
        raise InvalidReference(f"repository name must not be more than {MAX_NAME_LENGTH} characters")
    return Reference(domain, path, tag, digest)


def parse_tag_target(text: str) -> Reference:
    """Parse the new name of an image: a repository with a tag, `latest` by default.

    Raises InvalidReference, or Invalid for a digest or a repository named `sha256`.
    """
    reference = parse(text)
    if reference.digest:
        raise Invalid("refusing to create a tag with a digest reference")
    if reference.familiar_repository == "sha256":
        raise Invalid("refusing to create an ambiguous tag using digest algorithm as name")
    return reference.with_default_tag()


def is_tag(text: str) -> bool:
    return (
        0 < len(text) <= MAX_TAG_LENGTH
        and text[0] in _WORD
        and not text.strip(_WORD + ".-")
        and text.isascii()
    )


def is_path(text: str) -> bool:
    """Return whether the text is a repository's name as registries know it: without a domain."""
    return len(text) <= MAX_NAME_LENGTH and all(_is_component(part) for part in text.split("/"))


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        domain, remainder = first, rest
    else:
        domain, remainder = DEFAULT_DOMAIN, text
    if domain == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = OFFICIAL_PREFIX + remainder
    return domain, remainder


def _split_path(remainder: str) -> tuple[str, str, str]:
    name, at, digest = remainder.partition("@")
    path, colon, tag = name.partition(":")
    if (at and not _is_digest(digest)) or (colon and not is_tag(tag)):
        raise InvalidReference
    return path, tag, digest


def _is_digest(text: str) -> bool:
    algorithm, _colon, hexadecimal = text.partition(":")
    if not _is_algorithm(algorithm) or len(hexadecimal) < 32 or hexadecimal.strip(_HEX_DIGITS):
        return False
    try:
        Digest.parse(text)
    except Invalid as error:
        # Well-formed to the grammar, refused by the algorithm: the daemon says why.
        raise InvalidReference(str(error)) from None
    return True


def _is_algorithm(text: str) -> bool:
    """Return whether the text is words of letters and digits, each from a letter, joined by `-_+.`."""
    if not text.isascii():
        return False
    words = "".join(" " if char in "-_+." else char for char in text).split(" ")
    return all(word.isalnum() and word[0].isalpha() for word in words)


def _is_domain(text: str) -> bool:
    host, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdigit()):
        return False
    return all(
        part and not part.strip(_LETTERS + "-") and part[0] != "-" and part[-1] != "-"
        for part in host.split(".")
    )


def _is_component(text: str) -> bool:
    if not text.strip(_LOWER):
        return bool(text)
    if text[0] not in _LOWER or text[-1] not in _LOWER or text.strip(_LOWER + "._-"):
        return False
    separators = text.translate(_BLANKS).split()
    return all(run in (".", "_", "__") or not run.strip("-") for run in separators)
