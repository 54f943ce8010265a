"""`images`, `history` and `tag`."""

from __future__ import annotations

import sys

from ligan.cli import tables
from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, FORMAT, Flag
from ligan.cli.output import Failure, note, write, write_error
from ligan.cli.units import SECOND, format_created_at, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.images.inspect import HistoryEntry
    from ligan.images.listing import ImageSummary

NONE = "<none>"
_SHORT = slice(7, 19)
_ZERO_TIME = -62135596800
"""Go's zero time, the year 1, in seconds since 1970: of images that do not say when they were made."""

_IMAGE_HEADERS = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}


def _images(session: Session, options: Options) -> int:
    filters = options.filters()
    name = options.arguments[0] if options.arguments else ""
    if name:
        filters.setdefault("reference", []).append(name)
    images = session.engine.list_images(filters, show_all=options.on("all"))
    chosen = options.text("format")
    digests = options.on("digests")
    now, whole = session.now() // SECOND, options.on("no-trunc")
    if chosen in ("", "table") and not options.on("quiet"):
        write(_image_table(images, now, digests=digests, whole=whole))
    else:
        write(
            tables.render(
                "{{.ID}}" if chosen in ("", "table") else chosen,
                columns=_image_columns(digests=digests),
                headers=_IMAGE_HEADERS,
                rows=_image_rows(images, now, digests=digests or "{{.Digest}}" in chosen, whole=whole),
                context="formatter.imageContext",
                raw=_raw_template(digests=digests, quiet=options.on("quiet")),
            )
        )
    if not images:
        _explain_nothing(session, name, filtered=bool(filters))
    return 0


def _image_columns(*, digests: bool) -> tuple[str, ...]:
    name = ("Repository", "Tag", "Digest") if digests else ("Repository", "Tag")
    return (*name, "ID", "CreatedSince", "Size")


def _raw_template(*, digests: bool, quiet: bool) -> str:
    """Return what docker prints for `--format raw`."""
    if quiet:
        return "image_id: {{.ID}}"
    digest = "digest: {{.Digest}}\n" if digests else ""
    return (
        f"repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{digest}image_id: {{{{.ID}}}}\n"
        "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
    )


def _image_table(images: Iterable[ImageSummary], now: int, *, digests: bool, whole: bool) -> str:
    """Return the table that is asked for most: its cells are put together without the fields it lacks."""
    ages: dict[int, str] = {}
    sizes: dict[int, str] = {}
    rows: list[tuple[str, ...]] = []
    for image in images:
        minutes = (now - image.created_s) // 60
        if minutes not in ages or minutes < 1:  # from a minute on, seconds do not show
            ages[minutes] = _since(image.created_s, now, unknown=_ZERO_TIME, word="N/A")
        if image.size not in sizes:
            sizes[image.size] = human_size(image.size, 3)
        end = (image.id if whole else image.id[_SHORT], ages[minutes], sizes[image.size])
        if digests:
            rows += [(*name, *end) for name in image_names(image, digests=True)]
        elif image.digests or not image.tags:
            rows += [(repository, tag, *end) for repository, tag, _ in image_names(image, digests=False)]
        else:
            for name in image.tags:  # the most by far: a third of the time that image_names takes
                repository, _, tag = name.rpartition(":")
                rows.append((repository, tag, *end))
    headers = [_IMAGE_HEADERS[column] for column in _image_columns(digests=digests)]
    return tables.render_table(headers, rows)


def _image_rows(
    images: Iterable[ImageSummary], now: int, *, digests: bool, whole: bool
) -> Iterator[Mapping[str, str | Callable[[], str]]]:
    for image in images:
        fields = image_row(image, now, whole=whole)
        for repository, tag, digest in image_names(image, digests=digests):
            yield {**fields, "Repository": repository, "Tag": tag, "Digest": digest}


def image_row(image: ImageSummary, now: int, *, whole: bool) -> dict[str, str | Callable[[], str]]:
    """Return what all rows of an image have in common. `now` is in seconds since 1970."""
    return {
        "ID": str(image.id) if whole else image.id[_SHORT],
        "CreatedSince": _since(image.created_s, now, unknown=_ZERO_TIME),
        "Size": human_size(image.size, 3),
        "CreatedAt": _deferred(format_created_at, image.created_s),
        "VirtualSize": _deferred(human_size, image.size),
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }


def _deferred(function: Callable[[int], str], value: int) -> Callable[[], str]:
    """Put off what only a template may ask for."""
    return lambda: function(value)


def image_names(image: ImageSummary, *, digests: bool) -> list[tuple[str, str, str]]:
    """Return repository, tag and digest of each row of an image.

    A tag has a row for each digest of its repository if these are shown. A
    repository without tags has a row for each digest, or one (golden m_registry).
    """
    if not image.digests:
        return [(*name.rpartition(":")[::2], NONE) for name in image.tags] or [(NONE, NONE, NONE)]
    of_repository: dict[str, list[str]] = {}
    for name in image.digests:
        repository, _, digest = name.partition("@")
        of_repository.setdefault(repository, []).append(digest)
    rows = []
    tagged = set()
    for name in image.tags:
        repository, _, tag = name.rpartition(":")
        tagged.add(repository)
        shown = of_repository.get(repository) if digests else None
        rows += [(repository, tag, digest) for digest in shown or (NONE,)]
    for repository, known in of_repository.items():
        if repository not in tagged:
            rows += [(repository, NONE, digest) for digest in (known if digests else ("",))]
    return rows


def _since(seconds: int, now: int, *, unknown: int, word: str = "") -> str:
    """Return how long ago that was, or the word for a time that says nothing."""
    return word if seconds <= unknown else human_duration(now - seconds) + " ago"


_COMMAND_WORDS = (
    "build",
    "history",
    "import",
    "inspect",
    "list",
    "load",
    "ls",
    "prune",
    "pull",
    "push",
    "rm",
    "save",
    "tag",
)


def _explain_nothing(session: Session, name: str, *, filtered: bool) -> None:
    """Say why a listing is empty, where the listing does not."""
    from ligan.cli.session import is_terminal
    from ligan.cli.settings import SYSTEM_ROOT

    if name in _COMMAND_WORDS:
        write_error(f'No images found matching "{name}": did you mean "ligan image {name}"?\n')
    if filtered or not is_terminal(sys.stdout):
        return
    from os.path import isdir

    note(f"no images in the store {session.root}")
    if session.root != SYSTEM_ROOT and isdir(SYSTEM_ROOT):
        note(f"the store of the system is another one: ligan --root {SYSTEM_ROOT} images")


IMAGES = Command(
    _images,
    "[REPOSITORY[:TAG]]",
    "List images",
    (
        Flag("all", "Show all images (default hides intermediate images)", "a"),
        Flag("digests", "Show digests"),
        Flag("filter", "Filter output based on conditions provided", "f", FILTER),
        FORMAT,
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", "q"),
    ),
    most=1,
    error_prefix=DAEMON,
)

_HISTORY_HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_YEAR_2000 = 946684800
_STEP_WIDTH = 45


def _history(session: Session, options: Options) -> int:
    human = options.on("human")
    chosen = options.text("format")
    write(
        tables.render(
            "{{.ID}}" if options.on("quiet") and chosen in ("", "table") else chosen,
            columns=("ID", "CreatedSince" if human else "CreatedAt", "CreatedBy", "Size", "Comment"),
            headers=_HISTORY_HEADERS,
            rows=[
                _history_row(entry, session.now() // SECOND, human=human, whole=options.on("no-trunc"))
                for entry in session.engine.history(options.arguments[0])
            ],
            context="formatter.historyContext",
        )
    )
    return 0


def _history_row(entry: HistoryEntry, now: int, *, human: bool, whole: bool) -> dict[str, str]:
    step = entry.created_by.replace("\t", " ")
    return {
        "ID": str(entry.id) if whole or not entry.id.startswith("sha256:") else entry.id[_SHORT],
        "CreatedSince": _since(entry.created_s, now, unknown=_YEAR_2000, word="N/A"),
        "CreatedAt": _local_rfc3339(entry.created_s),
        "CreatedBy": step if whole else shorten(step, _STEP_WIDTH),
        "Size": human_size(entry.size, 3) if human else str(entry.size),
        "Comment": entry.comment,
    }


def _local_rfc3339(seconds: int) -> str:
    import time

    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"{local.tm_year:04d}-{time.strftime('%m-%dT%H:%M:%S', local)}{zone}"


def shorten(text: str, width: int) -> str:
    """Return text of at most so many columns, `…` for the rest; wide characters take two."""
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + "…"
    from unicodedata import east_asian_width

    total, cut = 0, 0
    for at, char in enumerate(text):
        total += 2 if east_asian_width(char) in "WF" else 1
        if total <= width - 1:
            cut = at + 1
    return text if total <= width else text[:cut] + "…"


HISTORY = Command(
    _history,
    "IMAGE",
    "Show the history of an image",
    (
        FORMAT,
        Flag("human", "Print sizes and dates in human readable format", "H", default="true"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", "q"),
    ),
    least=1,
    most=1,
    error_prefix=DAEMON,
)


def _tag(session: Session, options: Options) -> int:
    source, target = options.arguments
    for name in (source, target):
        _check_reference(name, digest_allowed=name is source)
    if "@" in target:
        raise Failure("refusing to create a tag with a digest reference")
    session.engine.tag_image(source, target)
    return 0


def _check_reference(name: str, *, digest_allowed: bool) -> None:
    """Refuse what docker's client refuses before it asks its daemon (golden j_tag_errors)."""
    from ligan.cli.references import client_error

    error = "" if digest_allowed and _is_id(name) else client_error(name)
    if error:
        raise Failure(f'Error parsing reference: "{name}" is not a valid repository/tag: {error}')


def _is_id(name: str) -> bool:
    hexadecimal = name.removeprefix("sha256:")
    return len(hexadecimal) == 64 and not hexadecimal.strip("0123456789abcdef")


TAG = Command(
    _tag,
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    least=2,
    most=2,
    error_prefix=DAEMON,
    interspersed=False,  # so that `tag a -- -b` has three arguments (golden j_tag_errors)
)
