"""The part of the Engine role that is about containers, and what they use.

Names of containers are a name, an ID, or the beginning of one that fits no other. Documents are Docker's
of API 1.41, their keys in Docker's order. Every method raises the kinds of `ligan.errors` and nothing else.
"""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from ligan.containers.attach import Attachment
    from ligan.containers.committing import CommitRequest
    from ligan.containers.creating import Created, CreateRequest
    from ligan.containers.execs import ExecRequest
    from ligan.containers.listing import ContainerSummary
    from ligan.containers.logs import LogLine, LogRequest
    from ligan.containers.outcome import ContainerPruneOutcome
    from ligan.containers.rows import Ended
    from ligan.engine.rehearsal import Rehearsal

    Filters = Mapping[str, Sequence[str]]
    Document = dict[str, Any]


class ContainerEngine(Protocol):
    """Everything about containers, volumes and networks."""

    # Making and running

    def create_container(self, request: CreateRequest) -> Created:
        """Make a container; nothing runs yet. Raises NotFound where the image is not here."""

    def start_container(self, name: str) -> bool:
        """Start what does not run; returns False where it runs already.

        On return the process runs. After an error the container is as before, the error in its State.
        """

    def attach_container(
        self, name: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Attachment:
        """Take part in a container's streams. Of one that is not started yet, nothing will be missed."""

    def container_end(self, name: str) -> Ended:
        """Return how often the container has ended, how it did the last time, and whether it runs."""

    def wait_container(self, name: str, condition: str = "not-running") -> Ended:
        """Return when the container does not run (not-running), has ended once more (next-exit), or is gone
        (removed).
        """

    def run_to_end(
        self, name: str, started: Callable[[], None], at_end: Callable[[], object] = lambda: None
    ) -> int:
        """Start a container, call `started`, and stay until its end, which this then writes down.

        `at_end` is called before that: who attached has to take all output then. Returns the exit status.
        Raises what start_container does.
        """

    def is_process_gone(self, name: str) -> bool:
        """Return whether a container has nothing that runs, though its end may not be written down yet."""

    def clean_up_container(self, name: str) -> None:
        """Do what is to be done at the end of a run that nobody watched: write it down, restart, remove."""

    def check_container(self, name: str) -> None:
        """Ask a container's healthcheck, again and again, for as long as this run of it goes on."""

    def stop_container(self, name: str, timeout: int | None = None) -> bool:
        """Send the stop signal and, `timeout` seconds later (-1: never), SIGKILL. False: it did not run."""

    def kill_container(self, name: str, signal: str = "KILL") -> None: ...

    def restart_container(self, name: str, timeout: int | None = None) -> None: ...

    def pause_container(self, name: str) -> None: ...

    def unpause_container(self, name: str) -> None: ...

    def resize_container(self, name: str, height: int, width: int) -> None: ...

    def rename_container(self, name: str, new_name: str) -> None: ...

    def update_container(self, name: str, changes: Document) -> list[str]:
        """Change limits and the restart policy. Returns warnings."""

    def remove_container(
        self, name: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Remove a container; with `volumes` its anonymous volumes too."""

    def prune_containers(self, filters: Filters) -> ContainerPruneOutcome: ...

    def rehearsal(self) -> Rehearsal:
        """`with engine.rehearsal() as rehearsal`: what is removed and pruned inside is back at the end.

        Answers are those of the deed, since it is the same code. Others cannot write meanwhile.
        """

    # Looking

    def list_containers(
        self, filters: Filters, *, show_all: bool = False, limit: int = 0, size: bool = False
    ) -> list[ContainerSummary]:
        """Newest first; only those that run, unless `show_all`, a limit or a filter of states asks more."""

    def inspect_container(self, name: str, *, size: bool = False) -> Document: ...

    def container_logs(
        self, name: str, request: LogRequest, is_wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[LogLine]:
        """Yield what was written, oldest first.

        With `follow` until the container ends, or `is_wanted`, asked several times a second, says no.
        """

    def container_top(self, name: str, arguments: str = "-ef") -> Document: ...

    def container_stats(self, name: str, *, previous: Document | None = None) -> Document:
        """Return one measurement, as Docker's stats document, with `previous` as its precpu_stats."""

    def container_changes(self, name: str) -> dict[str, str]:
        """Return what differs from the image: kinds, as `layers.diff` has them, by path and in its order."""

    # Files and images

    def export_container(self, name: str, target: BinaryIO) -> None: ...

    def stat_in_container(self, name: str, path: str) -> Document:
        """Return what X-Docker-Container-Path-Stat says of a path: name, size, mode, mtime, linkTarget."""

    def copy_from_container(self, name: str, path: str, target: BinaryIO) -> Document:
        """Write a tar of a path; returns what stat_in_container does."""

    def copy_to_container(
        self, name: str, path: str, source: BinaryIO, *, no_overwrite_dir_non_dir: bool = False
    ) -> None:
        """Unpack a tar into a folder of the container."""

    def commit_container(self, name: str, request: CommitRequest) -> str:
        """Make an image of what a container is now; returns its ID."""

    # Commands beside the container's own

    def create_exec(self, name: str, request: ExecRequest) -> str:
        """Return the ID of a new exec instance of a running container."""

    def start_exec(self, exec_id: str, *, detach: bool = False, tty: bool | None = None) -> Attachment | None:
        """Run it. Returns its streams, unless detached."""

    def wait_exec(self, exec_id: str) -> int:
        """Return the exit status of a started exec instance once it has ended."""

    def end_exec(self, exec_id: str) -> None:
        """Write down the end of an exec instance that nobody waits for."""

    def inspect_exec(self, exec_id: str) -> Document: ...

    def resize_exec(self, exec_id: str, height: int, width: int) -> None: ...

    # Volumes

    def create_volume(
        self, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> Document: ...

    def list_volumes(self, filters: Filters) -> list[Document]: ...

    def inspect_volume(self, name: str) -> Document: ...

    def remove_volume(self, name: str, *, force: bool = False) -> None: ...

    def volume_usage(self) -> list[Document]:
        """Return the volumes with UsageData: bytes held, and how many containers use each."""

    def prune_volumes(self, filters: Filters) -> tuple[list[str], int]:
        """Remove the unused ones (anonymous ones only, before API 1.42); returns names, and bytes freed."""

    # Networks

    def create_network(self, request: Document) -> tuple[str, str]:
        """Return the new network's ID and a warning, which may be empty."""

    def list_networks(self, filters: Filters) -> list[Document]: ...

    def inspect_network(self, name: str) -> Document: ...

    def remove_network(self, name: str) -> None: ...

    def connect_network(self, name: str, container: str, endpoint: Document) -> None: ...

    def disconnect_network(self, name: str, container: str, *, force: bool = False) -> None: ...

    def prune_networks(self, filters: Filters) -> list[str]: ...
