"""The rules of distribution-spec 1.1, over the wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.ligan_registry import (
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest_of,
    image_manifest,
    serving_registry,
)

if TYPE_CHECKING:
    from tests.support.ligan_registry import Registry

UNKNOWN = f"sha256:{'0' * 64}"


def test_base_says_that_this_is_a_registry(shared: Registry) -> None:
    answer = shared.ask("GET", "/v2/")
    assert answer.status == 200
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_upload_in_one_request(shared: Registry) -> None:
    data = b"layer" * 1000
    answer = shared.ask("POST", f"app/blobs/uploads/?digest={digest_of(data)}", data)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest_of(data))
    assert shared.ask("GET", answer.headers["Location"]).body == data


def test_upload_by_post_and_put(shared: Registry) -> None:
    data = b"layer" * 1000
    location = shared.begin("app")
    answer = shared.ask("PUT", f"{location}?digest={digest_of(data)}", data)
    assert answer.status == 201
    head = shared.ask("HEAD", answer.headers["Location"])
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(data)), b"")
    assert shared.ask("GET", location).code == "BLOB_UPLOAD_UNKNOWN"


def test_upload_in_chunks_goes_on_after_a_restart(registry_root: str) -> None:
    data = bytes(range(256)) * 1000
    with serving_registry(registry_root) as registry:
        location = registry.begin("deep/er/app")
        answer = registry.ask("PATCH", location, data[:100_000], Content_Range="0-99999")
        assert (answer.status, answer.headers["Range"]) == (202, "0-99999")
    with serving_registry(registry_root) as registry:
        answer = registry.ask("GET", location)
        assert (answer.status, answer.headers["Range"]) == (204, "0-99999")
        assert answer.headers["Location"] == location
        answer = registry.ask("PATCH", location, data[100_000:200_000], Content_Range="100000-199999")
        assert answer.headers["Range"] == "0-199999"
        tail = f"200000-{len(data) - 1}"
        answer = registry.ask(
            "PUT", f"{location}?digest={digest_of(data)}", data[200_000:], Content_Range=tail
        )
        assert answer.status == 201
        assert registry.ask("GET", f"deep/er/app/blobs/{digest_of(data)}").body == data


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_chunk_at_the_wrong_place_is_416(shared: Registry, method: str) -> None:
    location = shared.begin("app")
    shared.ask("PATCH", location, b"12345", Content_Range="0-4")
    query = f"?digest={digest_of(b'1234567')}" if method == "PUT" else ""
    answer = shared.ask(method, location + query, b"67", Content_Range="7-8")
    assert (answer.status, answer.headers["Range"], answer.headers["Location"]) == (416, "0-4", location)
    assert shared.ask("PUT", f"{location}?digest={digest_of(b'1234567')}", b"67").status == 201


@pytest.mark.parametrize("chunk", ["0-9", "4-0", "x", "-", "0-99999999999999999999999"])
def test_chunk_that_lies_is_refused(shared: Registry, chunk: str) -> None:
    assert shared.ask("PATCH", shared.begin("app"), b"12345", Content_Range=chunk).status == 400


def test_other_bytes_than_the_digest_says_are_refused_and_dropped(shared: Registry) -> None:
    location = shared.begin("app")
    answer = shared.ask("PUT", f"{location}?digest={digest_of(b'good')}", b"evil")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert shared.ask("GET", location).status == 404
    assert shared.ask("HEAD", f"app/blobs/{digest_of(b'evil')}").status == 404


def test_cancelled_upload_leaves_nothing(shared: Registry) -> None:
    location = shared.begin("app")
    shared.ask("PATCH", location, b"12345")
    assert shared.ask("DELETE", location).status == 204
    assert shared.ask("PATCH", location, b"12345").code == "BLOB_UPLOAD_UNKNOWN"
    assert shared.ask("DELETE", location).status == 404


def test_sha512_is_kept_by_its_own_name(shared: Registry) -> None:
    data = b"layer of sha512"
    digest = digest_of(data, "sha512")
    answer = shared.ask("POST", f"app/blobs/uploads/?digest={digest}", data)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest)
    answer = shared.ask("GET", f"app/blobs/{digest}")
    assert (answer.body, answer.headers["Docker-Content-Digest"]) == (data, digest)
    config = b"{}"
    shared.push_blob("app", config)
    raw = image_manifest(config, data).replace(digest_of(data).encode(), digest.encode())
    name = digest_of(raw, "sha512")
    answer = shared.put("app", name, raw)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, name)
    answer = shared.ask("GET", f"app/manifests/{name}")
    assert (answer.body, answer.headers["Docker-Content-Digest"]) == (raw, name)
    assert shared.delete("app", name).status == 202
    assert shared.ask("GET", f"app/blobs/{digest}").status == 404


def test_mount_makes_a_blob_another_repositorys_too(shared: Registry) -> None:
    digest = shared.push_blob("one", b"layer")
    answer = shared.ask("POST", f"two/blobs/uploads/?mount={digest}&from=one")
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/two/blobs/{digest}")
    assert shared.ask("GET", f"two/blobs/{digest}").body == b"layer"
    assert shared.ask("POST", f"three/blobs/uploads/?mount={digest}").status == 201
    assert shared.ask("POST", f"four/blobs/uploads/?mount={UNKNOWN}&from=one").status == 202
    assert shared.ask("POST", f"four/blobs/uploads/?mount={digest}&from=nobody").status == 202
    assert shared.ask("GET", f"four/blobs/{digest}").status == 404


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("0-4", 0, 4), ("5-", 5, 99), ("-10", 90, 99), ("90-1000", 90, 99), ("-1000", 0, 99)],
)
def test_range_of_a_blob(shared: Registry, wanted: str, first: int, last: int) -> None:
    data = bytes(range(100))
    digest = shared.push_blob("app", data)
    answer = shared.ask("GET", f"app/blobs/{digest}", Range=f"bytes={wanted}")
    assert answer.body == data[first : last + 1]
    if len(answer.body) < len(data):
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes {first}-{last}/100")


def test_range_beyond_the_end_is_416(shared: Registry) -> None:
    digest = shared.push_blob("app", b"12345")
    answer = shared.ask("GET", f"app/blobs/{digest}", Range="bytes=5-9")
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */5")
    assert shared.ask("GET", f"app/blobs/{digest}", Range="bytes=2-1").status == 200


def test_range_is_for_get_and_for_the_same_bytes(shared: Registry) -> None:
    path = f"app/blobs/{shared.push_blob('app', b'12345')}"
    tag = shared.ask("GET", path).headers["ETag"]
    assert shared.ask("HEAD", path, Range="bytes=0-1").headers["Content-Length"] == "5"
    assert shared.ask("GET", path, Range="bytes=0-1", If_Range=tag).body == b"12"
    assert shared.ask("GET", path, Range="bytes=0-1", If_Range='"another"').body == b"12345"
    assert shared.ask("GET", path, Range="Bytes=0-1").body == b"12"


@pytest.mark.parametrize("kind", ["blobs", "manifests"])
def test_what_the_client_has_is_not_sent_again(shared: Registry, kind: str) -> None:
    image = shared.push_image("app", "had", b"layer")
    path = f"app/{kind}/{image if kind == 'manifests' else digest_of(b'layer')}"
    tag = shared.ask("GET", path).headers["ETag"]
    for method in ("GET", "HEAD"):
        answer = shared.ask(method, path, If_None_Match=f'"other", W/{tag}')
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
    assert shared.ask("GET", path, If_None_Match='"other"').status == 200


def test_large_blob_and_its_ranges(shared: Registry) -> None:
    data = bytes(range(256)) * 20_000
    digest = shared.push_blob("app", data)
    assert shared.ask("GET", f"app/blobs/{digest}").body == data
    answer = shared.ask("GET", f"app/blobs/{digest}", Range="bytes=1000000-4000000")
    assert answer.body == data[1_000_000:4_000_001]


def test_manifest_keeps_its_bytes_and_its_type(shared: Registry) -> None:
    config, layer = b"{}", b"layer"
    shared.push_blob("app", config)
    shared.push_blob("app", layer)
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    raw = image_manifest(config, layer, mediaType=docker).replace(b", ", b" ,\n ")
    answer = shared.put("app", "v1", raw, docker)
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/app/manifests/{digest_of(raw)}")
    for reference in ("v1", digest_of(raw)):
        answer = shared.ask("GET", f"app/manifests/{reference}")
        assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, raw, docker)
        head = shared.ask("HEAD", f"app/manifests/{reference}")
        assert (head.headers["Content-Length"], head.headers["Docker-Content-Digest"]) == (
            str(len(raw)),
            digest_of(raw),
        )


def test_manifest_of_four_megabytes(shared: Registry) -> None:
    shared.push_blob("app", b"{}")
    raw = image_manifest(b"{}", annotations={"long": ""})
    raw = raw.replace(b'"long": ""', b'"long": "%s"' % (b"x" * ((4 << 20) - len(raw))))
    assert shared.put("app", "long", raw).status == 201
    assert shared.manifest("app", "long") == raw
    answer = shared.put("app", "longer", raw.replace(b"xx", b"xxx", 1))
    assert (answer.status, answer.code) == (413, "MANIFEST_INVALID")


def test_manifest_of_what_is_not_there_is_refused(shared: Registry) -> None:
    shared.push_blob("app", b"{}")
    answer = shared.put("app", "broken", image_manifest(b"{}", b"never pushed"))
    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    shared.push_blob("other", b"never pushed")
    assert shared.put("app", "broken", image_manifest(b"{}", b"never pushed")).status == 404
    assert shared.ask("GET", "app/manifests/broken").status == 404
    foreign = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"far away")
    raw = json.dumps(
        json.loads(image_manifest(b"{}")) | {"layers": [foreign | {"urls": ["https://x"]}]}
    ).encode()
    assert shared.put("app", "v1", raw).status == 201


def test_altered_manifest_is_refused(shared: Registry) -> None:
    shared.push_blob("app", b"{}")
    raw = image_manifest(b"{}")
    assert shared.put("app", digest_of(raw), raw + b"\n").code == "DIGEST_INVALID"


def test_referrers(shared: Registry) -> None:
    subject = digest_of(b"nobody pushed this yet")
    assert shared.ask("GET", f"app/referrers/{subject}").json["manifests"] == []
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 22}}
    shared.push_blob("app", b"{}")
    one = image_manifest(b"{}", artifactType="text/sbom", annotations={"of": "me"}, **about)
    answer = shared.put("app", digest_of(one), one)
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject)
    two = image_manifest(b"{}", **about)
    shared.put("app", "signed", two)
    answer = shared.ask("GET", f"app/referrers/{subject}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    first = {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(one),
        "size": len(one),
        "artifactType": "text/sbom",
        "annotations": {"of": "me"},
    }
    assert answer.json["manifests"][0] == first
    assert answer.json["manifests"][1]["artifactType"] == "application/vnd.oci.image.config.v1+json"
    answer = shared.ask("GET", f"app/referrers/{subject}?artifactType=text/sbom")
    assert (answer.json["manifests"], answer.headers["OCI-Filters-Applied"]) == ([first], "artifactType")
    shared.delete("app", digest_of(one))
    assert len(shared.ask("GET", f"app/referrers/{subject}").json["manifests"]) == 1


def test_pages_of_tags_and_of_the_catalog(registry: Registry) -> None:
    for tag in ("b", "a", "c", "B"):
        registry.push_image("app", tag, b"layer")
    registry.push_image("zoo/app", "1", b"layer")
    assert registry.ask("GET", "app/tags/list").json == {"name": "app", "tags": ["B", "a", "b", "c"]}
    answer = registry.ask("GET", "app/tags/list?n=2")
    assert (answer.json["tags"], answer.headers["Link"]) == (
        ["B", "a"],
        '</v2/app/tags/list?n=2&last=a>; rel="next"',
    )
    last = registry.ask("GET", "app/tags/list?n=2&last=a")
    assert (last.json["tags"], last.headers["Link"]) == (["b", "c"], None)
    assert registry.ask("GET", "app/tags/list?last=a").json["tags"] == ["b", "c"]
    none = registry.ask("GET", "app/tags/list?n=0")
    assert (none.json["tags"], none.headers["Link"]) == ([], None)
    assert registry.ask("GET", "app/tags/list?n=-1").status == 400
    assert registry.ask("GET", "none/tags/list").code == "NAME_UNKNOWN"
    first = registry.ask("GET", "_catalog?n=1")
    assert (first.json["repositories"], "n=1&last=app" in first.headers["Link"]) == (["app"], True)
    assert registry.ask("GET", "_catalog?n=1&last=app").json["repositories"] == ["zoo/app"]


def follow(registry: Registry, path: str, kind: str) -> list[str]:
    """Return all that the links of pages lead to."""
    names: list[str] = []
    while path:
        answer = registry.ask("GET", path)
        names += answer.json[kind]
        path = (answer.headers["Link"] or "").partition(">")[0].removeprefix("<")
    return names


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_lead_through_all(shared: Registry, size: int) -> None:
    shared.push_blob("paged", b"{}")
    for tag in ("a", "b-c", "d.e", "_f"):
        shared.put("paged", tag, image_manifest(b"{}"))
    assert follow(shared, f"paged/tags/list?n={size}", "tags") == ["_f", "a", "b-c", "d.e"]
    assert follow(shared, f"_catalog?n={size}", "repositories") == shared.catalog()


@pytest.mark.parametrize(
    "path", ["/v2/", "_catalog", "app/tags/list", f"app/referrers/{UNKNOWN}", "app/manifests/headed"]
)
def test_head_is_get_without_its_body(shared: Registry, path: str) -> None:
    shared.push_image("app", "headed", b"layer")
    head, get = shared.ask("HEAD", path), shared.ask("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


def test_tag_of_referrers_is_a_tag_as_any(registry: Registry) -> None:
    """What a client without the referrers API keeps by itself (spec.md, "Referrers Tag Schema")."""
    subject = registry.push_image("app", "v1", b"layer")
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 22}}
    signature = registry.push_image("app", "", b"signature", artifactType="text/signature", **about)
    tag = subject.replace(":", "-")
    registry.push_index("app", tag, signature)
    assert registry.ask("GET", "app/tags/list").json["tags"] == [tag, "v1"]
    registry.pull("app", tag)
    registry.delete("app", "v1")
    registry.pull("app", tag)
    found = registry.ask("GET", f"app/referrers/{subject}").json["manifests"]
    assert [each["digest"] for each in found] == [signature]
    registry.delete("app", tag)
    assert registry.catalog() == []


def test_index_with_a_subject_refers_without_a_type(shared: Registry) -> None:
    subject = digest_of(b"what an index is about")
    fields = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    about = {"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 22}}
    answer = shared.put("app", "about", json.dumps(fields | about).encode(), OCI_INDEX)
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject)
    (found,) = shared.ask("GET", f"app/referrers/{subject}").json["manifests"]
    assert "artifactType" not in found


def test_schema_2_and_oci_live_side_by_side(shared: Registry) -> None:
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    docker_list = "application/vnd.docker.distribution.manifest.list.v2+json"
    shared.push_blob("mixed", b"{}")
    raws = {OCI_MANIFEST: image_manifest(b"{}"), docker: image_manifest(b"{}", mediaType=docker)}
    for media_type, raw in raws.items():
        assert shared.put("mixed", digest_of(raw), raw, f"{media_type}; charset=utf-8").status == 201
    entries = [{**descriptor(media_type, raw), "platform": {}} for media_type, raw in raws.items()]
    for media_type in (OCI_INDEX, docker_list):
        raw = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
        assert shared.put("mixed", "both", raw, media_type).status == 201
        answer = shared.ask("GET", "mixed/manifests/both")
        assert (answer.headers["Content-Type"], answer.body) == (media_type, raw)
    for media_type, raw in raws.items():
        assert shared.ask("GET", f"mixed/manifests/{digest_of(raw)}").headers["Content-Type"] == media_type


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
def test_type_is_that_of_the_request_where_the_manifest_has_none(shared: Registry, media_type: str) -> None:
    shared.push_blob("typed", b"{}")
    document = json.loads(image_manifest(b"{}")) if media_type == OCI_MANIFEST else {"manifests": []}
    raw = json.dumps({**document, "schemaVersion": 2, "mediaType": None}).encode()
    for given in (media_type, ""):
        assert shared.put("typed", "v1", raw, given).status == 201
        assert shared.ask("GET", "typed/manifests/v1").headers["Content-Type"] == media_type


def test_names_may_have_the_words_of_paths(shared: Registry) -> None:
    for name in ("blobs/uploads", "manifests/tags", "v2/blobs", "a/referrers"):
        shared.push_image(name, "list", b"layer")
        shared.pull(name, "list")
    assert shared.ask("GET", "manifests/tags/tags/list").json["tags"] == ["list"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"none/blobs/{UNKNOWN}", 404),
        (f"none/manifests/{UNKNOWN}", 404),
        ("none/manifests/.INVALID", 404),
        ("app/blobs/sha256:short", 400),
        ("app/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400),
        ("app/manifests/sha256:UPPER", 400),
        ("App/manifests/v1", 400),
        ("a..b/manifests/v1", 400),
        ("../../etc/manifests/v1", 400),
        ("app%2F..%2F..%2Fx/manifests/v1", 400),
        ("app/blobs/uploads/../../x", 404),
        ("app/blobs/uploads/%00", 404),
        ("app/referrers/nothing", 400),
        ("app/tags/other", 404),
        ("app/tags/list?n=999999999999999999999", 400),
        ("app/tags/list?n=%00&last=%ff", 400),
        (f"{'a' * 300}/tags/list", 400),
        ("", 200),
    ],
)
def test_malformed_requests_get_a_code(shared: Registry, path: str, status: int) -> None:
    answer = shared.ask("GET", f"/v2/{path}")
    assert answer.status == status, answer
    if status != 200 and answer.body:
        assert answer.json["errors"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"schemaVersion": 1}',
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 2, "config": []}',
        b'{"schemaVersion": 2, "config": {"digest": "x", "size": 1}}',
        b'{"schemaVersion": 2, "config": {"digest": 7, "size": "1"}}',
        b'{"schemaVersion": 2, "mediaType": "text/plain", "config": {}}',
        b'{"schemaVersion": 2, "manifests": [1]}',
        b'{"schemaVersion": 2, "manifests": [], "layers": []}',
        b'{"schemaVersion": 2, "manifests": [], "subject": "x"}',
        b'{"schemaVersion": 2, "manifests": [], "annotations": {"a": 1}}',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
)
def test_malformed_manifests_are_refused(shared: Registry, raw: bytes) -> None:
    answer = shared.put("malformed", "v1", raw, "")
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert "malformed" not in shared.catalog()


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(shared: Registry, method: str) -> None:
    assert shared.ask(method, "/v2/_catalog").status in (400, 405)
    assert shared.ask(method, "app/tags/list").status in (400, 405)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v2/", "GET, HEAD"),
        ("DELETE", "_catalog", "GET, HEAD"),
        ("POST", "app/tags/list", "GET, HEAD"),
        ("POST", "app/blobs/uploads/x", "GET, HEAD, PATCH, PUT, DELETE"),
        ("GET", "app/blobs/uploads/", "POST"),
        ("PUT", "app/blobs/uploads/", "POST"),
    ],
)
def test_refusal_of_a_method_names_those_that_are_possible(
    shared: Registry, method: str, path: str, allowed: str
) -> None:
    answer = shared.ask(method, path)
    assert (answer.status, answer.headers["Allow"], answer.code) == (405, allowed, "UNSUPPORTED")
