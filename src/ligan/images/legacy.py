"""Archives of engines before 1.10: a folder an image, each with `json` and `layer.tar`, and `repositories`.

An image of that time is one layer and the v1 ID of its parent. Its config is
made anew from `json` by Docker's rule (engine 20.10, image/v1), so that the
same archive gives the same image IDs.
"""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.images.archive import check_os
from ligan.images.source import MissingMember, read_document
from ligan.oci.documents import ImageConfig, parse_json, typed
from ligan.oci.gojson import go_json, go_object, go_time, raw_members
from ligan.oci.reference import is_tag, parse, parse_tag_target
from ligan.oci.runconfig import run_config, v1_image
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.images.source import Source
    from ligan.oci.digest import DiffID
    from ligan.oci.documents import HistoryRow
    from ligan.oci.reference import Reference

_HINT = (
    "It has neither manifest.json, as `docker save` writes it, nor index.json, as in an OCI layout.\n"
    "The tar of a file system is taken by `ligan import`."
)


class LegacyImage(Value):
    """An image as its folder tells it; `id` is the folder's name, `parent` another's, or empty."""

    id: str
    parent: str
    raw: bytes
    tags: tuple[Reference, ...]

    @property
    def layer(self) -> str:
        """The member that holds the layer."""
        return f"{self.id}/layer.tar"


def legacy_images(source: Source) -> list[LegacyImage]:
    """Return the images, parents first. Raises MissingMember for an archive that is none of images."""
    images: dict[str, LegacyImage] = {}
    try:
        for folder in source.folders():
            _read_with_parents(source, folder, images)
        repositories = parse_json(read_document(source, "repositories"), "repositories")
    except MissingMember as error:
        error.hint = _HINT
        raise
    tags = _tags(repositories, images)
    return [image.replace(tags=tuple(tags.get(image.id, ()))) for image in images.values()]


def _read_with_parents(source: Source, folder: str, images: dict[str, LegacyImage]) -> None:
    waiting: dict[str, LegacyImage] = {}
    while folder and folder not in images:
        if folder in waiting:
            raise Invalid(f"image {folder} is its own ancestor")
        raw = read_document(source, f"{folder}/json")
        document = parse_json(raw, f"{folder}/json")
        if not isinstance(document, dict):
            raise Invalid(f"invalid {folder}/json: not an object")
        check_os(typed(document, "os", str, f"{folder}/json"))
        parent = typed(document, "parent", str, f"{folder}/json")
        waiting[folder] = LegacyImage(folder, parent, raw, ())
        folder = parent
    for image in reversed(waiting.values()):
        images[image.id] = image


def _tags(repositories: Any, images: dict[str, LegacyImage]) -> dict[str, list[Reference]]:
    what = "repositories"
    found: dict[str, list[Reference]] = {}
    if not isinstance(repositories, dict):
        raise Invalid(f"invalid {what}: not an object")
    for name in repositories:
        for tag, image in typed(repositories, name, dict, what).items():
            if not isinstance(image, str) or image not in images:
                raise Invalid(f"invalid target ID: {image}")
            reference = parse(name)
            if not is_tag(tag):
                raise Invalid("invalid tag format")
            found.setdefault(image, []).append(parse_tag_target(f"{reference.repository}:{tag}"))
    return found


def legacy_config(image: LegacyImage, parent: ImageConfig | None, layer: DiffID) -> ImageConfig:
    """Return the config that Docker makes of a legacy image on its parent's."""
    document = parse_json(image.raw, f"{image.id}/json")
    # Before 1.8.3 the engine dropped keys that it did not know; their IDs have to come out the same.
    if _version(typed(document, "docker_version", str, "json")) < (1, 8, 3):
        members = raw_members(go_json(v1_image(document)))
    else:
        members = raw_members(image.raw)
    for name in ("id", "parent", "Size", "parent_id", "layer_id", "throwaway"):
        members.pop(name, None)
    diff_ids = [*(parent.diff_ids if parent else ()), layer]
    history = [_history(row) for row in (parent.history if parent else ())]
    members["rootfs"] = go_json({"type": "layers", "diff_ids": diff_ids}).decode()
    members["history"] = go_json([*history, _step(document)]).decode()
    return ImageConfig.parse(go_object(members))


def _version(text: str) -> tuple[int, ...]:
    """Return a version's numbers; what is no number counts as zero (engine 20.10, api/types/versions)."""
    parts = [*text.split("."), "", ""][:3]
    return tuple(int(part) if part.isdecimal() and len(part) < 19 else 0 for part in parts)


def _step(document: dict[str, Any]) -> dict[str, object]:
    v1 = v1_image(document)
    command = run_config(document.get("container_config"), "container_config")["Cmd"]
    return _history_row(
        str(v1["created"]),
        str(v1.get("author", "")),
        " ".join(command) if isinstance(command, list) else "",
        str(v1.get("comment", "")),
    )


def _history(row: HistoryRow) -> dict[str, object]:
    return _history_row(go_time(row.created), row.author, row.created_by, row.comment, row.empty_layer)


def _history_row(
    created: str, author: str, created_by: str, comment: str, empty_layer: bool = False
) -> dict[str, object]:
    """Return a row in the order of engine 20.10, empty fields left out."""
    row: dict[str, object] = {
        "created": created,
        "author": author,
        "created_by": created_by,
        "comment": comment,
        "empty_layer": empty_layer,
    }
    return {name: value for name, value in row.items() if value}
