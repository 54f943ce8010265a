"""Pushing: from images of the store to a registry.

A pulled image goes back by the manifest that it came by, where its layers can be
had in the forms that this names. Others get the manifest that Docker writes.
"""

from __future__ import annotations

import json

from ligan.errors import Invalid, NotFound
from ligan.images import catalog
from ligan.images.events import record
from ligan.images.inspect import read_config
from ligan.oci.digest import DiffID
from ligan.oci.documents import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    Manifest,
)
from ligan.oci.reference import parse
from ligan.remote.faults import RemoteError, push_error
from ligan.remote.origins import LAYER_TYPES, forms_of, remember_place, repositories_with
from ligan.remote.progress import Message, Pushed
from ligan.remote.repository import Registry
from ligan.remote.upload import Sending, send_layer
from ligan.store.team import Team
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ligan.oci.digest import Digest
    from ligan.oci.documents import ImageConfig
    from ligan.oci.reference import Reference
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.origins import Form
    from ligan.remote.progress import Report
    from ligan.remote.writing import WritableRepository
    from ligan.store.db import ReadTransaction
    from ligan.store.layout import Layout
    from ligan.store.store import Store

THREADS = 5
"""Layers sent at a time, as Docker does (max-concurrent-uploads)."""


class Prepared(Value):
    """An image to push: its layers bottom first, and the manifests that it was pulled by, best first."""

    reference: Reference
    image: catalog.ImageRow
    config: ImageConfig
    layers: tuple[Sending, ...]
    manifests: tuple[Manifest, ...]


def push(
    store: Store,
    name: str,
    report: Report,
    settings: RemoteSettings,
    credentials: Credentials | None = None,
) -> tuple[Digest, ...]:
    """Push an image, or all tags of a repository that is named without one. Returns the manifests' digests.

    `report` is told Docker's messages, in this thread. On return the registry has
    the images under these tags, and each has a name by digest here. Raises
    what registries raise, in Docker's words.
    """
    reference = pushable(name)
    report(Message(f"The push refers to repository [{reference.repository}]"))
    with store.database.read() as tx:
        references = _references(tx, reference)
    try:
        with Registry.open(reference.domain, settings, credentials) as registry:
            repository = registry.writable(reference.path)
            digests = [_push_one(store, repository, each, report) for each in references]
    except RemoteError as error:
        raise push_error(error) from None
    with store.database.write() as write:
        record(write, store.now(), "push", reference.familiar, name=reference.familiar_repository)
    return tuple(digests)


def _push_one(store: Store, repository: WritableRepository, reference: Reference, report: Report) -> Digest:
    prepared = store.read_files(lambda tx: prepare(tx, store.layout, reference.canonical, reference))
    return push_image(store, repository, prepared, report)


def pushable(name: str) -> Reference:
    """Return what a push names. Raises InvalidReference, or Invalid in Docker's words for a digest."""
    reference = parse(name)
    if reference.digest:
        raise Invalid("cannot push a digest reference")
    return reference


def _references(tx: ReadTransaction, reference: Reference) -> list[Reference]:
    """Return what is to be pushed, by name. Raises NotFound in Docker's words."""
    names = tx.column(
        "SELECT name FROM reference WHERE repository = ? AND NOT is_digest ORDER BY name",
        (reference.repository,),
    )
    if not names:
        raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_repository}")
    if reference.is_name_only:
        return [parse(name) for name in names]
    if reference.canonical not in names:
        raise NotFound(f"tag does not exist: {reference.familiar}")
    return [reference]


def prepare(tx: ReadTransaction, layout: Layout, name: str, reference: Reference) -> Prepared:
    """Return what is needed to push the image of this name as the reference. Raises as resolve does."""
    row = catalog.resolve(tx, name).image
    config = read_config(layout, row.id)
    manifests = [
        Manifest.parse(raw, media_type)
        for media_type, raw in tx.all(
            """SELECT media_type, raw FROM manifest WHERE image = ?1
               ORDER BY digest IN (SELECT substr(name, length(repository) + 2) FROM reference
                                   WHERE repository = ?2 AND is_digest) DESC, key DESC""",
            (row.id, reference.repository),
        )
    ]
    wanted = [layer.digest for manifest in manifests for layer in manifest.layers]
    layers = [
        _sending(tx, reference, DiffID(diff_id), size, wanted)
        for _key, _chain, diff_id, size, _blob in catalog.chain(tx, row.layer)
    ]
    return Prepared(reference, row, config, tuple(layers), tuple(manifests))


def _sending(
    tx: ReadTransaction, reference: Reference, diff_id: DiffID, size: int, wanted: Sequence[Digest]
) -> Sending:
    """Prefer the forms that a manifest names; of others only gzip is for every registry."""
    forms = [form for form in forms_of(tx, diff_id) if form.digest in wanted or form.compressor == "gzip"]
    forms.sort(key=lambda form: wanted.index(form.digest) if form.digest in wanted else len(wanted))
    mounts = [
        (form, repository.partition("/")[2])
        for form in forms
        for repository in repositories_with(tx, reference.domain, form.digest)
        if repository != reference.repository
    ]
    return Sending(diff_id, size, tuple(forms), tuple(mounts))


def push_image(store: Store, repository: WritableRepository, image: Prepared, report: Report) -> Digest:
    """On return the registry has the image, and the store knows by which digest."""
    jobs = list({layer.diff_id: layer for layer in reversed(image.layers)}.values())
    for job in jobs:
        report(Message("Preparing", job.diff_id.short, True))
    for job in jobs[THREADS:]:
        report(Message("Waiting", job.diff_id.short, True))
    forms: dict[str, Form] = {}
    if jobs:
        team = Team(store, report, THREADS, in_order=False, stop=repository.stop)
        sent = team.run(jobs, lambda job, tell: send_layer(repository, store.layout, job, tell))
        forms = {job.diff_id: form for job, form in zip(jobs, sent, strict=True)}
    _send_config(repository, image.config)
    raw, media_type = _manifest(image, forms)
    reference = image.reference
    digest = repository.put_manifest(reference.tag, raw, media_type)
    with store.database.write() as tx:
        row = catalog.find_by_id(tx, image.image.id)
        by_digest = reference.replace(tag="", digest=digest)
        if row is not None and catalog.find_by_reference(tx, by_digest.canonical) is None:
            catalog.set_reference(tx, by_digest, row, store.now())
        for diff_id, form in forms.items():
            remember_place(tx, DiffID(diff_id), reference.repository, form, form.compressor)
    report(Message(f"{reference.tag}: digest: {digest} size: {len(raw)}"))
    report(Pushed("", tag=reference.tag, digest=digest, size=len(raw)))
    return digest


def _send_config(repository: WritableRepository, config: ImageConfig) -> None:
    if repository.blob_exists(config.id) is None:
        repository.upload_blob(lambda: [config.raw], len(config.raw), config.id)


def _manifest(image: Prepared, forms: Mapping[str, Form]) -> tuple[bytes, str]:
    """Return the bytes and media type of the manifest that says what was sent."""
    sent = [forms[diff_id].digest for diff_id in image.config.diff_ids]
    for manifest in image.manifests:
        if [layer.digest for layer in manifest.layers] == sent:
            return manifest.raw, manifest.media_type
    return new_manifest(image.config, [forms[diff_id] for diff_id in image.config.diff_ids])


def new_manifest(config: ImageConfig, forms: Sequence[Form]) -> tuple[bytes, str]:
    """Return a manifest as Docker writes it, byte for byte; OCI's where a layer is not in gzip."""
    is_docker = all(form.compressor == "gzip" for form in forms)
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if is_docker else OCI_MANIFEST,
        "config": {
            "mediaType": DOCKER_CONFIG if is_docker else OCI_CONFIG,
            "size": len(config.raw),
            "digest": config.id,
        },
        "layers": [
            {
                "mediaType": DOCKER_LAYER if is_docker else LAYER_TYPES[form.compressor],
                "size": form.size,
                "digest": form.digest,
            }
            for form in forms
        ],
    }
    return json.dumps(document, indent=3).encode(), DOCKER_MANIFEST if is_docker else OCI_MANIFEST
