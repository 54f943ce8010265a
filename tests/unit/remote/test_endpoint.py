"""Where registries are, and how they are reached."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from ligan.errors import Invalid
from ligan.remote.endpoint import Endpoint, RemoteSettings, endpoints_of, is_insecure, proxy_for
from ligan.remote.faults import Interrupted, Unreachable
from tests.support.lying_registry import reply
from tests.unit.remote.conftest import FAST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.lying_registry import LyingRegistry
    from tests.unit.remote.conftest import Registries


def test_registry_is_reached_by_https_alone() -> None:
    assert endpoints_of("ghcr.io", FAST) == [Endpoint("https", "ghcr.io")]


@pytest.mark.parametrize(
    "domain", ["127.0.0.1:5000", "127.9.9.9", "localhost:5000", "localhost", "[::1]:5000"]
)
def test_loopback_may_be_reached_in_the_clear(domain: str) -> None:
    assert [item.base for item in endpoints_of(domain, FAST)] == [f"http://{domain}", f"https://{domain}"]
    assert not any(item.verified for item in endpoints_of(domain, FAST))


def test_hub_is_reached_by_its_own_name_and_its_mirrors_first() -> None:
    settings = FAST.replace(mirrors=("https://mirror.example/hub/", "127.0.0.1:5001", "http://m:80"))
    assert endpoints_of("docker.io", settings) == [
        Endpoint("https", "mirror.example", "/hub", mirror=True),
        Endpoint("https", "127.0.0.1:5001", verified=False, mirror=True),
        Endpoint("http", "m:80", mirror=True),
        Endpoint("https", "registry-1.docker.io"),
    ]
    assert endpoints_of("ghcr.io", settings) == [Endpoint("https", "ghcr.io")]


@pytest.mark.parametrize("url", ["ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x#y"])
def test_mirror_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="invalid mirror") as caught:
        endpoints_of("docker.io", FAST.replace(mirrors=(url,)))
    assert "u:p" not in caught.value.message


@pytest.mark.parametrize(
    ("host", "listed", "insecure"),
    [
        ("r.example:5000", ("r.example:5000",), True),
        ("r.example:5000", ("r.example",), True),
        ("r.example:5001", ("r.example:5000",), False),
        ("10.1.2.3:5000", ("10.0.0.0/8",), True),
        ("11.1.2.3:5000", ("10.0.0.0/8",), False),
        ("10.1.2.3", ("10.1.2.3/32",), True),
        ("10.1.2.3", ("0.0.0.0/0",), True),
        ("10.1.2.3", ("::/0",), False),
        ("10.1.2.3", ("10.0.0.0/33",), False),
        ("10.1.2.3", ("10.0.0.0/",), False),
        ("[2001:db8::5]:5000", ("2001:db8::/33",), True),
        ("[2001:db8:8000::5]:5000", ("2001:db8::/33",), False),
        ("11.1.2.3", ("nonsense/8",), False),
        ("128.0.0.1", (), False),
        ("127.0.0.1.example", (), False),
        ("localhost.example", (), False),
    ],
)
def test_listed_registries_are_insecure(host: str, listed: tuple[str, ...], insecure: bool) -> None:
    assert is_insecure(host, listed) is insecure


@pytest.mark.parametrize("domain", ["r.example:99999", "r.example:1:2", "[::1"])
def test_port_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(Invalid, match="invalid registry"):
        endpoints_of(domain, FAST)


def test_name_is_looked_up_where_networks_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.7", 0))])
    assert is_insecure("r.internal:5000", ("10.0.0.0/8",))
    assert not is_insecure("r.internal:5000", ("10.1.0.0/16",))
    assert not is_insecure("r.internal:5000", ())


PROXY = RemoteSettings(http_proxy="http://plain:1", https_proxy="tls:2")


@pytest.mark.parametrize(
    ("host", "exempt", "proxied"),
    [
        ("r.example", "", True),
        ("r.example", "*", False),
        ("r.example", "example", False),
        ("r.example", ".example", False),
        ("r.example", "*.example", False),
        ("example", ".example", True),
        ("example", "example", False),
        ("notexample", "example", True),
        ("r.example:5000", "r.example:5000", False),
        ("r.example:5000", "r.example:5001", True),
        ("r.example", " other , R.EXAMPLE ", False),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.4", True),
        ("127.0.0.1:5000", "", False),
        ("localhost:5000", "", False),
        ("[::1]:5000", "", False),
        ("[2001:db8::1]:443", "2001:db8::1", False),
        ("[2001:db8::1]:443", "[2001:db8::1]:443", False),
    ],
)
def test_proxy_is_passed_by_for_what_is_exempt(host: str, exempt: str, proxied: bool) -> None:
    settings = PROXY.replace(no_proxy=exempt)
    assert proxy_for("https", host, settings) == ("http://tls:2" if proxied else "")
    assert proxy_for("http", host, settings) == ("http://plain:1" if proxied else "")


AUTHORITY = trustme.CA()


@pytest.fixture
def tls_registry(registries: Registries) -> LyingRegistry:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return registries.serve(lambda _: reply(200, b"{}"), tls=context)


def test_loopback_registry_needs_no_known_certificate(
    registries: Registries, tls_registry: LyingRegistry
) -> None:
    assert registries.open(tls_registry).url == f"{tls_registry.url}/v2/"


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is no exception any more, so that certificates matter."""
    monkeypatch.setattr("ligan.remote.endpoint._LOOPBACK", ())
    monkeypatch.setattr("ligan.remote.endpoint._addresses", lambda *_: iter(()))


@pytest.mark.usefixtures("strict")
def test_unknown_authority_is_refused_and_http_is_not_tried(
    registries: Registries, tls_registry: LyingRegistry
) -> None:
    with pytest.raises(Unreachable) as caught:
        registries.open(tls_registry)
    assert (
        caught.value.message == f'Get "{tls_registry.url}/v2/": x509: certificate signed by unknown authority'
    )


@pytest.mark.usefixtures("strict")
def test_what_answers_badly_by_tls_is_not_asked_in_the_clear(registries: Registries) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    registry = registries.serve(lambda _: [b""], tls=context)
    with pytest.raises(Interrupted, match=f'Get "{registry.url}/v2/": EOF'):
        registries.open(registry, FAST.replace(insecure=(registry.host,)))
    assert registry.connections == 1


@pytest.mark.usefixtures("strict")
def test_plain_http_registry_is_named_as_what_it_is(registries: Registries) -> None:
    registry = registries.serve(lambda _: None)
    with pytest.raises(Unreachable, match=f'Get "https://{registry.host}/v2/": '):
        registries.open(registry)


@pytest.mark.usefixtures("strict")
def test_authority_of_the_registrys_folder_is_trusted(
    registries: Registries, tls_registry: LyingRegistry, tmp_path: Path
) -> None:
    folder = tmp_path / tls_registry.host
    folder.mkdir()
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.crt"))
    settings = FAST.replace(certificate_folders=(str(tmp_path / "absent"), str(tmp_path)))
    assert registries.open(tls_registry, settings).url.startswith("https://")


@pytest.mark.usefixtures("strict")
def test_client_certificate_of_the_registrys_folder_is_shown(registries: Registries, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    registry = registries.serve(lambda _: reply(200, b"{}"), tls=context)
    folder = tmp_path / registry.host
    folder.mkdir()
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.crt"))
    settings = FAST.replace(certificate_folders=(str(tmp_path),))
    with pytest.raises(Exception, match=f'Get "{registry.url}/v2/": '):
        registries.open(registry, settings)
    mine = AUTHORITY.issue_cert("client@example.org")
    mine.cert_chain_pems[0].write_to_path(str(folder / "client.cert"))
    mine.private_key_pem.write_to_path(str(folder / "client.key"))
    assert registries.open(registry, settings).url == f"{registry.url}/v2/"


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.key", "missing client certificate a.cert for key a.key"),
        ("a.cert", "missing key a.key for client certificate a.cert. Note that CA certificates"),
        ("a.crt", "cannot use the certificate"),
    ],
)
def test_folder_that_cannot_be_used_is_named(
    registries: Registries, tls_registry: LyingRegistry, tmp_path: Path, name: str, words: str
) -> None:
    os.mkdir(tmp_path / tls_registry.host)
    (tmp_path / tls_registry.host / name).write_text("nonsense")
    with pytest.raises(Invalid, match=words):
        registries.open(tls_registry, FAST.replace(certificate_folders=(str(tmp_path),)))
