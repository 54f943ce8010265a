"""`clean_old_versions`: deletes all but the last tags of repositories, by name or by age of their images."""

from __future__ import annotations

import argparse
import json
import re
import time

from ligan.cli.registry_scripts import Cleaner, data_folder, log, run
from ligan.errors import Invalid
from ligan.oci.documents import MAX_DOCUMENT_SIZE
from ligan.oci.times import parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_KEPT = 5
_DATE = "%Y-%m-%dT%H:%M:%S"
_DATE_HELP = "that was created %s this time in UTC, as YYYY-MM-DDTHH:MM:SS"


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 for a refusal, 2 for flags that cannot be read."""
    options = _parser().parse_args(words)

    def work() -> None:
        with Cleaner(data_folder(), dry=options.dry_run) as cleaner:
            for key, name in cleaner.tx.all("SELECT key, name FROM repository ORDER BY name"):
                doomed = _doomed(cleaner, key, options) if options.image.search(name) else []
                if doomed:
                    log.debug("%s: these are to go: %s", name, ", ".join(doomed))
                    cleaner.delete_tags(name, doomed)

    return run(work, verbose=options.verbose)


def _doomed(cleaner: Cleaner, repository: int, options: argparse.Namespace) -> list[str]:
    """Return the tags of a repository that are to be deleted, oldest first."""
    tags = dict(
        cleaner.tx.all("SELECT name, manifest FROM tag WHERE repository = ? ORDER BY name", (repository,))
    )
    matching = [
        tag
        for tag in tags
        if not (options.exclude and options.exclude.search(tag))
        and (not options.include or options.include.search(tag))
    ]
    if options.order == "name":
        matching.sort(key=_version)
    else:
        matching.sort(key=lambda tag: _created(cleaner, tags[tag]))
    doomed = matching[: max(0, len(matching) - options.last)]
    if options.before is None and options.after is None:
        return doomed
    return [tag for tag in doomed if _is_between(_created(cleaner, tags[tag]), options)]


def _is_between(created: float, options: argparse.Namespace) -> bool:
    return (options.before is None or created < options.before) and (
        options.after is None or created > options.after
    )


def _version(tag: str) -> list[int]:
    """Return the numbers of a tag, to be compared one after the other; what is no digit counts as a 9."""
    return [int(part) for part in re.sub("[^0-9.]", "9", tag).split(".") if part]


def _created(cleaner: Cleaner, manifest: int) -> float:
    """Return when an image was created, in seconds since 1970: of an index the newest of its images.

    What does not say so is as old as its push.
    """
    raw, pushed = cleaner.tx.one(
        """SELECT raw, pushed FROM manifest JOIN document ON document.blob = manifest.blob
           WHERE manifest.key = ?""",
        (manifest,),
    )
    children = cleaner.tx.column("SELECT child FROM manifest_child WHERE parent = ?", (manifest,))
    if children:
        return max(_created(cleaner, child) for child in children)
    try:
        seconds, nanoseconds = parse_time(_created_text(cleaner, json.loads(raw)))
    except (Invalid, ValueError, TypeError, LookupError, AttributeError):
        return float(pushed) / 10**9
    return seconds + nanoseconds / 10**9


def _created_text(cleaner: Cleaner, document: Any) -> str:
    """Return what an image's config says. Raises what reading something else raises."""
    if document["schemaVersion"] == 1:
        created = json.loads(document["history"][0]["v1Compatibility"])["created"]
    else:
        config = cleaner.read_blob(document["config"]["digest"], MAX_DOCUMENT_SIZE)
        created = json.loads(config or b"{}")["created"]
    if not created:
        raise ValueError
    return str(created)


def _date(text: str) -> float:
    import calendar

    try:
        return float(calendar.timegm(time.strptime(text, _DATE)))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2016-06-25T12:00:00") from None


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tags")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clean_old_versions",
        description="Delete old tags of the registry in the folder $REGISTRY_DATA_DIR, and free their bytes.",
    )
    add = parser.add_argument
    add("-i", "--image", type=_pattern, required=True, help="regular expression that repositories match")
    add("-E", "--include", type=_pattern, help="regular expression that tags match which may go")
    add("-e", "--exclude", type=_pattern, help="regular expression that tags match which stay")
    add("-l", "--last", type=_count, default=_KEPT, help="tags to keep of those (default: %(default)s)")
    add("-o", "--order", choices=["name", "date"], default="name", help="what makes tags the last")
    add("-b", "--before-date", dest="before", type=_date, help=f"delete only {_DATE_HELP % 'before'}")
    add("-a", "--after-date", dest="after", type=_date, help=f"delete only {_DATE_HELP % 'after'}")
    add("--dry-run", action="store_true", help="say what would be deleted")
    add("-v", "--verbose", action="store_true", help="say more")
    unused = "no effect: the folder's own index says what there is"
    add("-u", "--registry-url", help=unused)
    add("-s", "--script-path", help=unused)
    add("-U", "--user", help=unused)
    add("-P", "--password", help=unused)
    add("--no_check_certificate", action="store_true", help=unused)
    return parser
