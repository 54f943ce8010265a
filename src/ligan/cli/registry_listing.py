"""`registry ls`, `tags`, `show` and `df`: what a registry has."""

from __future__ import annotations

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import FORMAT, TEXT, Flag
from ligan.cli.output import Failure, note, write
from ligan.cli.registry_folder import ROOT, Folder
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_HEADERS = {
    "Name": "REPOSITORY",
    "Tags": "TAGS",
    "Manifests": "MANIFESTS",
    "Size": "SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
_TAG_HEADERS = {"Tag": "TAG", "Digest": "DIGEST", "MediaType": "MEDIA TYPE", "PushedSince": "PUSHED"}


def _ls(_session: Session, options: Options) -> int:
    from ligan.registry.usage import repositories

    with Folder(options) as folder:
        rows = [each for each in repositories(folder.index.read()) if each.manifests]
    write(
        tables.render(
            options.text("format"),
            columns=("Name", "Tags", "Manifests"),
            headers=_HEADERS,
            rows=[
                {"Name": each.name, "Tags": str(each.tags), "Manifests": str(each.manifests)} for each in rows
            ],
            context="registry.repositoryContext",
        )
    )
    return 0


LS = Command(_ls, "", "List repositories", (FORMAT, ROOT))


def _tags(session: Session, options: Options) -> int:
    from ligan.registry.reading import find_repository
    from ligan.registry.usage import tags

    now = session.now()
    with Folder(options) as folder:
        tx = folder.index.read()
        rows = tags(tx, find_repository(tx, options.arguments[0]))
    write(
        tables.render(
            options.text("format"),
            columns=("Tag", "Digest", "PushedSince"),
            headers=_TAG_HEADERS,
            rows=[
                {
                    "Tag": each.name,
                    "Digest": each.digest,
                    "MediaType": each.media_type,
                    "PushedSince": f"{human_duration((now - each.moved) // SECOND)} ago",
                }
                for each in rows
            ],
            context="registry.tagContext",
        )
    )
    return 0


TAGS = Command(_tags, "REPOSITORY", "List the tags of a repository", (FORMAT, ROOT), least=1, most=1)


_TOTAL_HEADERS = {"Type": "TYPE", "Total": "TOTAL", "Size": "SIZE"}


def _df(_session: Session, options: Options) -> int:
    by = options.text("by")
    if by not in ("", "repo"):
        raise Failure(f'--by: there is no "{by}": the only one is repo')
    return _df_by_repository(options) if by else _df_in_all(options)


def _df_in_all(options: Options) -> int:
    from ligan.registry.usage import totals

    with Folder(options) as folder:
        found = totals(folder.index.read(), folder.storage)
    write(
        tables.render(
            options.text("format"),
            columns=("Type", "Total", "Size"),
            headers=_TOTAL_HEADERS,
            rows=[
                {"Type": each.name, "Total": str(each.number), "Size": human_size(each.bytes)}
                for each in found
            ],
            context="registry.totalContext",
        )
    )
    return 0


def _df_by_repository(options: Options) -> int:
    from ligan.registry.usage import blob_bytes, repositories

    with Folder(options) as folder:
        tx = folder.index.read()
        rows, in_all = repositories(tx), blob_bytes(tx)
    write(
        tables.render(
            options.text("format"),
            columns=("Name", "Size", "UniqueSize"),
            headers=_HEADERS,
            rows=[
                {
                    "Name": each.name,
                    "Tags": str(each.tags),
                    "Manifests": str(each.manifests),
                    "Size": human_size(each.bytes),
                    "UniqueSize": human_size(each.alone),
                }
                for each in rows
            ],
            context="registry.usageContext",
        )
    )
    note(f"{human_size(in_all)} in all")
    return 0


DF = Command(
    _df,
    "",
    "Show what the registry takes on the disk, in all or by repository",
    (
        Flag("by", "Show it for each: 'repo', with what of it no other needs", kind=TEXT),
        FORMAT,
        ROOT,
    ),
)
