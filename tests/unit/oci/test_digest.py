from __future__ import annotations

import hashlib

import pytest

from ligan.errors import Invalid
from ligan.oci.digest import Digest, ImageID, is_hex, sha256, whole_id

HEX = "ab" * 32


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha384:{'0' * 96}", f"sha512:{'f' * 128}"])
def test_a_digest_reads_back(text: str) -> None:
    digest = Digest.parse(text)
    assert digest == text
    assert f"{digest.algorithm}:{digest.hex}" == text
    assert digest.new_hash().name == digest.algorithm  # type: ignore[attr-defined]  # hashlib's own attribute


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid checksum digest format"),
        ("sha256", "invalid checksum digest format"),
        ("sha256:", "invalid checksum digest format"),
        (f":{HEX}", "invalid checksum digest format"),
        (f"sha256:{HEX.upper()}", "invalid checksum digest format"),
        (f"sha256:{'g' * 64}", "invalid checksum digest format"),
        (f"sha256:{'²' * 64}", "invalid checksum digest format"),
        (f"sha256:{HEX[:-1]}", "invalid checksum digest length"),
        (f"sha512:{HEX}", "invalid checksum digest length"),
        (f"md5:{HEX}", "unsupported digest algorithm"),
        (f"SHA256:{HEX}", "unsupported digest algorithm"),
    ],
)
def test_what_is_no_digest_is_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        Digest.parse(text)
    assert str(refused.value) == message


def test_an_id_is_shown_by_its_first_twelve_digits() -> None:
    assert ImageID(f"sha256:0123456789abcdef{'0' * 48}").short == "0123456789ab"


def test_the_digest_of_bytes_is_their_sha256() -> None:
    assert sha256(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(("text", "answer"), [("09af", True), ("", False), ("09AF", False), ("0x1", False)])
def test_hex_is_lower_case(text: str, answer: bool) -> None:
    assert is_hex(text) is answer


@pytest.mark.parametrize(
    ("text", "whole"),
    [(HEX, f"sha256:{HEX}"), (f"sha256:{HEX}", f"sha256:{HEX}"), (HEX[1:], ""), (HEX.upper(), ""), ("", "")],
)
def test_a_whole_id_has_64_digits(text: str, whole: str) -> None:
    assert whole_id(text) == whole
