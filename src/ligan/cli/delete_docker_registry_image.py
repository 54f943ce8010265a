"""`delete_docker_registry_image`: deletes a repository, a tag or what is untagged, and frees the disk."""

from __future__ import annotations

import argparse

from ligan.cli.registry_scripts import Cleaner, data_folder, log, run
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 for a refusal, 2 for flags that cannot be read."""
    options = _parser().parse_args(words)

    def work() -> None:
        if options.force:
            log.info("--force is not needed: images are deleted without it too")
        name, colon, tag = options.image.partition(":")
        if not name or (colon and not tag):
            raise Invalid(f"-i {options.image!r} names no image: give REPOSITORY or REPOSITORY:TAG")
        if tag and options.untagged:
            raise Invalid(f"--untagged is about a repository, and -i {options.image!r} names a tag")
        with Cleaner(data_folder(), dry=options.dry_run) as cleaner:
            if options.untagged:
                cleaner.delete_untagged(name)
            elif tag:
                cleaner.delete_tag(name, tag)
            else:
                cleaner.delete_repository(name)
            if options.prune:
                cleaner.prune()

    return run(work, verbose=options.verbose)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="delete_docker_registry_image",
        description="Delete images from the folder of a registry, $REGISTRY_DATA_DIR, and free their bytes.",
    )
    parser.add_argument("-i", "--image", required=True, help="REPOSITORY or REPOSITORY:TAG")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be deleted")
    parser.add_argument("-f", "--force", action="store_true", help="no effect")
    parser.add_argument("-p", "--prune", action="store_true", help="remove empty folders too")
    parser.add_argument(
        "-u", "--untagged", action="store_true", help="delete what no tag of the repository leads to"
    )
    return parser
