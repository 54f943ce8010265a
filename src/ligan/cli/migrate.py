"""`migrate`: all images of another Docker daemon, brought over."""

from __future__ import annotations

import os
import sys

from ligan.cli.commands import Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import flush, note, write
from ligan.cli.session import is_terminal
from ligan.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ligan.cli.flags import Options
    from ligan.cli.progress import Lines
    from ligan.cli.session import Session
    from ligan.hosts.migration import HostImage, Migration
    from ligan.images.staging import LoadProgress

_SOCKET = "unix:///var/run/docker.sock"


class _Progress:
    """Tells of each image as it arrives; on a terminal also how far the work is."""

    def __init__(self) -> None:
        self.came = 0
        self.failures = 0
        self._lines: Lines | None = None
        if is_terminal(sys.stdout):
            from ligan.cli.progress import Lines

            self._lines = Lines(os.get_terminal_size(sys.stdout.fileno()).columns)

    def inspected(self, count: int, total: int) -> None:
        if self._lines:
            self._lines.show("Images", f"Inspecting {count} of {total}", 0, 0)

    def receiving(self, batch: int, current: int, total: int) -> None:
        if self._lines:
            self._lines.show(f"Archive {batch}", "Receiving", current, total)

    def loading(self, progress: LoadProgress) -> None:
        if self._lines:
            self._lines.show(progress.layer, "Loading layer", progress.current, progress.total)

    def migrated(self, image: HostImage) -> None:
        self.came += 1
        self._print(f"Migrated: {_names(image)}")

    def failed(self, image: HostImage, reason: str) -> None:
        self.failures += 1
        self._print(f"Left behind: {_names(image)}: {reason}")

    def _print(self, line: str) -> None:
        if self._lines:
            self._lines.print(line)
        else:
            write(f"{line}\n")
            flush()


def _names(image: HostImage) -> str:
    return ", ".join(image.provenance.names) or image.id


def _migrate(session: Session, options: Options) -> int:
    from ligan.hosts import migration
    from ligan.hosts.docker import DockerHost

    with DockerHost(options.text("from"), _certificates(session.environ)) as host:
        progress = _Progress()
        plan = migration.plan(host, session.engine, progress)
        if options.on("dry-run"):
            write(_forecast(plan))
            return 0
        differences = migration.migrate(host, session.engine, plan, progress)
    left = f", {progress.failures} left behind" if progress.failures else ""
    write(f"Images: {progress.came} migrated, {len(plan.present)} here already{left}\n")
    note("\n".join(differences))
    return 1 if progress.failures else 0


def _forecast(plan: Migration) -> str:
    size = sum(plan.layers.values())
    return (
        f"Images here already: {len(plan.present)}\n"
        f"Images to migrate:   {plan.missing}\n"
        f"Layers to migrate:   {len(plan.layers)}, {size} bytes ({human_size(size)})\n"
    )


def _certificates(environ: Mapping[str, str]) -> str | None:
    """Return the folder of the certificates where docker's client would use TLS."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    return environ.get("DOCKER_CERT_PATH") or os.path.join(environ.get("HOME", ""), ".docker")


MIGRATE = Command(
    _migrate,
    "",
    "Bring over all images of a Docker daemon: names, digests and parents too. What is here already stays",
    (
        Flag("dry-run", "Say how many images and bytes would come, and do nothing"),
        Flag("from", "Address of the daemon, as in DOCKER_HOST", kind=TEXT, default=_SOCKET),
    ),
)
