"""`registry`: serving one, and looking after what it has, while it runs or not."""

from __future__ import annotations

import os

from ligan.cli import tables
from ligan.cli.commands import Command
from ligan.cli.flags import FORMAT, TEXT, Flag
from ligan.cli.output import Failure, note, write
from ligan.cli.units import SECOND, human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.registry.deleting import Deleted
    from ligan.registry.index.database import Index, WriteTransaction
    from ligan.registry.storage.filesystem import FilesystemStorage

_ROOT = Flag("root", "Folder of the registry", kind=TEXT)

_HEADERS = {
    "Name": "REPOSITORY",
    "Tags": "TAGS",
    "Manifests": "MANIFESTS",
    "Size": "SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
_TAG_HEADERS = {"Tag": "TAG", "Digest": "DIGEST", "MediaType": "MEDIA TYPE", "PushedSince": "PUSHED"}


def _root(options: Options) -> str:
    if not options.text("root"):
        raise Failure("name the folder of the registry with --root")
    return os.path.abspath(options.text("root"))


def _open(options: Options) -> tuple[Index, FilesystemStorage]:
    """Open the index of a folder that has been served once."""
    from ligan.registry.index.database import open_index
    from ligan.registry.storage.filesystem import FilesystemStorage

    storage = FilesystemStorage(_root(options))
    if not os.path.exists(storage.index):
        raise Failure(f"no registry has been served from {storage.root}: see ligan registry serve")
    return open_index(storage.index), storage


def _serve(_session: Session, options: Options) -> int:
    import gc
    import logging
    import sys

    gc.enable()  # the script of a short command turns it off
    from ligan.cli.serve import seconds
    from ligan.registry.serving import serve

    root = _root(options)
    host, colon, port = options.text("listen").rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise Failure(f"--listen: {options.text('listen')!r} is not an address such as 127.0.0.1:5000")
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    serve(root, host.strip("[]"), int(port), seconds(options.text("stop-timeout")))
    return 0


SERVE = Command(
    _serve,
    "",
    "Serve the OCI distribution specification from a folder",
    (
        Flag("listen", "Where to listen", kind=TEXT, default="127.0.0.1:5000"),
        _ROOT,
        Flag("stop-timeout", "How long a stop waits for requests under way", kind=TEXT, default="10s"),
    ),
)


def _ls(_session: Session, options: Options) -> int:
    from ligan.registry.usage import repositories

    index, _storage = _open(options)
    rows = [each for each in repositories(index.read()) if each.manifests]
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
    index.close()
    return 0


LS = Command(_ls, "", "List repositories", (FORMAT, _ROOT))


def _tags(session: Session, options: Options) -> int:
    from ligan.registry.reading import find_repository
    from ligan.registry.usage import tags

    index, _storage = _open(options)
    tx, now = index.read(), session.now()
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
    index.close()
    return 0


TAGS = Command(_tags, "REPOSITORY", "List the tags of a repository", (FORMAT, _ROOT), least=1, most=1)


def _df(_session: Session, options: Options) -> int:
    from ligan.registry.usage import blob_bytes, repositories

    index, _storage = _open(options)
    tx = index.read()
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
                for each in repositories(tx)
            ],
            context="registry.usageContext",
        )
    )
    note(f"{human_size(blob_bytes(tx))} in all")
    index.close()
    return 0


DF = Command(
    _df, "", "Show what repositories take on the disk, and what of it no other needs", (FORMAT, _ROOT)
)


def _remove(session: Session, options: Options) -> int:
    from ligan.errors import Busy
    from ligan.registry.deleting import carry_out
    from ligan.registry.recovery import recover
    from ligan.registry.serving import lock_registry

    index, storage = _open(options)
    lock = -1
    try:
        try:
            lock = lock_registry(storage)
        except Busy:
            pass  # the server has made sure at its start that the index says what is there
        else:
            recover(index, storage)
        dry = options.on("dry-run")
        for argument in options.arguments:
            with index.rehearse() if dry else index.write() as tx:
                repository, deleted = _remove_one(tx, storage, argument, session.now())
            if not dry:
                carry_out(index, storage)
            _tell(repository, deleted, dry=dry, now=session.now())
    finally:
        if lock >= 0:
            os.close(lock)
        index.close()
    return 0


def _remove_one(
    tx: WriteTransaction, storage: FilesystemStorage, argument: str, now: int
) -> tuple[str, Deleted]:
    from ligan.oci.digest import Digest
    from ligan.registry.deleting import Removal

    repository, at, digest = argument.partition("@")
    name, colon, tag = repository.partition(":")
    removal = Removal(tx, storage, name, now)
    if at:
        if colon:
            raise Failure(f"{argument}: name a tag or a digest, not both")
        removal.remove_digest(Digest.parse(digest))
    elif colon:
        removal.remove_tag(tag)
    else:
        removal.remove_everything()
    return name, removal.finish()


def _tell(repository: str, deleted: Deleted, *, dry: bool, now: int) -> None:
    lines = [f"Untagged: {repository}:{tag}" for tag in deleted.tags]
    lines += [f"Deleted: {repository}@{digest}" for digest in deleted.manifests]
    write("".join([f"{line}\n" for line in lines]))
    note(f"{'would free' if dry else 'freed'} {human_size(deleted.freed)}")
    if deleted.leased:
        wait = human_duration(max(0, deleted.until - now) // SECOND)
        note(f"{human_size(deleted.leased)} more within {wait}: a push may be using them")


REMOVE = Command(
    _remove,
    "REPOSITORY[:TAG|@DIGEST] [REPOSITORY[:TAG|@DIGEST]...]",
    "Delete images and free their bytes at once, while the registry runs or not",
    (Flag("dry-run", "Show what would be deleted and how many bytes; change nothing"), _ROOT),
    least=1,
    most=None,
)
