"""URLs: which site they lead to, and what they name there."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligan.remote.faults import BadAnswer
from ligan.remote.site import Site, split_host, target_of
from ligan.remote.transport import shown


@pytest.mark.parametrize(
    ("url", "site", "target"),
    [
        ("https://r.example/v2/", ("https", "r.example", 443), "/v2/"),
        ("HTTP://R.Example:5000", ("http", "r.example", 5000), "/"),
        ("http://[::1]:5000/a?b=/c#d?e", ("http", "::1", 5000), "/a?b=/c"),
        ("http://[2001:db8::1]", ("http", "2001:db8::1", 80), "/"),
        ("https://joe:pw@r.example:80?x", ("https", "r.example", 80), "/?x"),
        ("http://r.example:/x", ("http", "r.example", 80), "/x"),
        ("http://a#http://b/", ("http", "a", 80), "/"),
        ("http://a?@b/", ("http", "a", 80), "/?@b/"),
    ],
)
def test_urls_lead_to_sites(url: str, site: tuple[str, str, int], target: str) -> None:
    assert Site.of(url) == Site(*site)
    assert target_of(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "r.example", "//r.example/", "file:///etc/passwd", "ftp://x/", "https://", "https:///x", "http://:80/",
        "http://[bad/", "http://[::1]x/", "http://[bad]/", "http://[::1%a]b]/", "http://a]b/", "http://u[p@a/",
        "http://a b/", "http://a\x1bc/", "http://a\0/", "http://a\u2100/", "http://u\u2100@a/", "http://\ud800/",
        "http://x:99999/", "http://x:-1/", "http://x:+1/", "http://x:1:2/", "http://x:٣/",
    ],
)  # fmt: skip
def test_what_is_no_url_of_http_is_refused(url: str) -> None:
    with pytest.raises(BadAnswer, match="named an address that is none"):
        Site.of(url)


def test_sites_are_named_as_urls_name_them() -> None:
    assert Site("https", "r.example", 443).netloc == "r.example"
    assert Site("http", "r.example", 443).netloc == "r.example:443"
    assert Site("http", "::1", 80).netloc == "[::1]"
    assert Site("https", "::1", 443).address == "[::1]:443"


@given(st.from_regex(r"[a-z0-9.-]{1,20}(:[0-9]{1,5})?", fullmatch=True), st.text("ab/?&=%.", max_size=20))
def test_sites_are_those_of_the_standard_library(netloc: str, rest: str) -> None:
    parts = urlsplit(f"https://{netloc}/{rest}")
    try:
        port = parts.port
    except ValueError:
        with pytest.raises(ValueError, match=netloc):
            split_host(netloc)
        return
    assert Site.of(parts.geturl()) == Site("https", parts.hostname or "", port or 443)
    assert target_of(f"https://{netloc}/{rest}") == parts.path + ("?" if "?" in rest else "") + parts.query


@given(st.text("ab.:@[]%1\u2100\u2044é\x1b #?/", max_size=12))
def test_what_leads_to_a_site_can_be_shown(rest: str) -> None:
    try:
        Site.of(f"http://{rest}")
    except BadAnswer:
        return
    shown(f"http://{rest}")
