"""What `delete_docker_registry_image` and `clean_old_versions` share: the folder they work on, and their log.

Both are known from burnettk/delete-docker-registry-image. These have its flags and its log, and work by the
registry's index: beside a registry that `ligan` serves, or on the folder of a `registry:2` that is stopped.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress

from ligan.cli.registry_folder import staying_text
from ligan.errors import Invalid, LiganError, NotFound
from ligan.registry.deleting import Removal, carry_out
from ligan.registry.index.database import open_index
from ligan.registry.reading import find_repository
from ligan.registry.recovery import open_registry, settle
from ligan.registry.untagged import remove_unnamed, remove_untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ligan.registry.index.database import ReadTransaction, WriteTransaction

USUAL_FOLDER = "/opt/registry_data/docker/registry/v2"
_LAYOUT = "/docker/registry/v2"

log = logging.getLogger("ligan.registry.script")


def run(work: Callable[[], None], *, verbose: bool) -> int:
    """Run a script's work with its log on standard error. Returns the exit status."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)-8s [%(asctime)s]  %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    try:
        work()
    except LiganError as error:
        log.critical("%s", error.message)
        if error.hint:
            log.info("%s", error.hint)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        log.removeHandler(handler)
    return 0


def data_folder() -> str:
    """Return $REGISTRY_DATA_DIR, or where it usually is: the folder with `blobs` and `repositories`."""
    return os.environ.get("REGISTRY_DATA_DIR") or USUAL_FOLDER


class Cleaner:
    """`with Cleaner(folder, dry=...)`: deletes from a registry's folder, whether it is served or not.

    A dry run changes nothing that a registry has stored; the index is made where there is none yet.
    """

    def __init__(self, folder: str, *, dry: bool) -> None:
        """`folder` ends with `docker/registry/v2`. Raises NotFound, Invalid, or Busy for another registry."""
        self._folder = os.path.abspath(folder)
        self._dry = dry
        if not os.path.isdir(f"{self._folder}/repositories"):
            raise NotFound(f"No repositories directory found inside REGISTRY_DATA_DIR '{folder}'.")
        if not self._folder.endswith(_LAYOUT):
            raise Invalid(f"REGISTRY_DATA_DIR '{folder}' does not end with {_LAYOUT[1:]}")
        self._storage = open_registry(self._folder.removesuffix(_LAYOUT) or "/")
        self._index = open_index(self._storage.index)
        self._lock = -1

    def __enter__(self) -> Cleaner:
        try:
            self._lock = settle(self._index, self._storage, time.time_ns(), _log_progress)
        except BaseException:
            self._index.close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._index.close()
        if self._lock >= 0:
            os.close(self._lock)

    @property
    def tx(self) -> ReadTransaction:
        return self._index.read()

    def read_blob(self, digest: str, most: int) -> bytes | None:
        """Return a blob's bytes, or None for one that is not there or has more than `most`."""
        return self._storage.read_blob(digest, most)

    def delete_repository(self, name: str) -> None:
        """Delete a repository, and none that is nested in it. Raises NotFound."""
        self._delete(name, lambda removal, _tx, _key: removal.remove_everything())

    def delete_tag(self, name: str, tag: str) -> None:
        """Delete a tag, and its image unless another tag or an index has that. Raises NotFound."""
        if self.tx.value(
            """SELECT 1 FROM tag JOIN repository ON repository.key = tag.repository
               WHERE repository.name = ? AND tag.name = ?""",
            (name, tag),
        ):
            self._delete(name, lambda removal, _tx, _key: removal.remove_tag(tag))
        else:
            raise NotFound(
                f"No repository '{name}' tag '{tag}' found in repositories directory "
                f"{self._folder}/repositories"
            )

    def delete_tags(self, name: str, tags: Sequence[str]) -> None:
        """Delete tags as `delete_tag`, all at once. Those that a client has deleted meanwhile are gone."""

        def work(removal: Removal, _tx: WriteTransaction, _key: int) -> None:
            for tag in tags:
                with suppress(NotFound):
                    removal.remove_tag(tag)

        with suppress(NotFound):
            self._delete(name, work)

    def delete_untagged(self, name: str) -> None:
        """Delete the images that no tag leads to, and what no image names. Raises NotFound."""
        staying = 0

        def work(removal: Removal, tx: WriteTransaction, key: int) -> None:
            nonlocal staying
            now = time.time_ns()
            staying = remove_untagged(tx, removal, key, now, served=self._lock < 0)
            remove_unnamed(tx, removal, key, now)

        self._delete(name, work)
        if staying:
            log.info("%s", staying_text(staying))

    def _delete(self, name: str, work: Callable[[Removal, WriteTransaction, int], None]) -> None:
        with self._index.rehearse() if self._dry else self._index.write() as tx:
            try:
                key = find_repository(tx, name)
            except NotFound:
                raise NotFound(
                    f"No repository '{name}' found in repositories directory {self._folder}/repositories"
                ) from None
            before = tx.value("SELECT COALESCE(MAX(key), 0) FROM outbox")
            removal = Removal(tx, self._storage, name, time.time_ns())
            work(removal, tx, key)
            deleted = removal.finish()
            paths = tx.column("SELECT path FROM outbox WHERE key > ? ORDER BY key", (before,))
        for path in paths:
            if self._dry:
                log.info("DRY_RUN: would have deleted %s/%s", self._folder, path)
            else:
                log.info("Deleting %s/%s", self._folder, path)
        if not self._dry:
            carry_out(self._index, self._storage)
        log.debug("%s %d bytes", "would free" if self._dry else "freed", deleted.freed)
        if deleted.leased:
            log.info("%d bytes more when the pushes end that may be using them", deleted.leased)

    def prune(self) -> None:
        """Remove empty folders below the registry's."""
        with self._index.write():  # nobody builds on a folder meanwhile
            for path in self._storage.empty_folders():
                if self._dry:
                    log.info("DRY_RUN: would have deleted %s", path)
                else:
                    log.debug("Deleting empty directory '%s'", path)
                    self._storage.remove_empty_folder(path)


def _log_progress(done: int, repositories: int, manifests: int) -> None:
    log.debug("took in %d of %d repositories, %d manifests", done, repositories, manifests)
