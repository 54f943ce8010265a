"""conmon: how it is started, and what it says of the process that it makes.

conmon is a container's parent: it holds its streams, writes its log and exit status, and outlives whoever
started it.
"""

from __future__ import annotations

import os

from ligan.containers.spawning import inherited_environment, spawn, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ligan.containers.failures import Runtime

_REPORTS, _LEAVE, _ATTACHABLE = 3, 4, 5
"""conmon's descriptors: where it reports, waits for leave to go on, and says that one can attach."""


def common_words(runtime: Runtime, folder: str, container_id: str, own_id: str, own_folder: str) -> list[str]:
    """Return the words of conmon that containers and execs have in common."""
    runtime_words = ["--root", f"{folder}/{runtime.name}", "--log-format", "json"]
    return [
        # conmon writes into the folder that it stands in, and keeps what is mounted there busy.
        *("/bin/sh", "-c", 'cd "$0" && exec "$@"', own_folder),
        *(runtime.conmon, "--api-version", "1", "-r", runtime.path, "-c", container_id, "-u", own_id),
        *[word for argument in runtime_words for word in ("--runtime-arg", argument)],
        *("-b", own_folder, "-n", own_id, "-p", f"{own_folder}/pid", "-P", f"{own_folder}/conmon.pid"),
        # Sockets in the folder, not in one of conmon's; Docker does not sync logs either.
        *("--exit-dir", f"{own_folder}/exit", "--full-attach", "--no-sync-log"),
    ]


def stream_words(*, tty: bool, stdin: bool, stdin_once: bool) -> list[str]:
    """Return conmon's flags. A terminal's input stays open when who typed there goes, as Docker keeps it."""
    words = ["-t"] if tty else []
    if stdin:
        words.append("-i")
        if tty or not stdin_once:
            words.append("--leave-stdin-open")
    return words


def exit_words(words: Sequence[str]) -> list[str]:
    if not words:
        return []
    arguments = [part for word in words[1:] for part in ("--exit-command-arg", word)]
    return ["--exit-command", words[0], *arguments]


class Conmon:
    """A conmon that is being started, and the pipes by which it talks to whoever starts it."""

    def __init__(self, words: Sequence[str], *, attach: bool = False) -> None:
        self._words = words
        self._attach = attach
        self._errors = os.memfd_create("conmon")
        self._own: list[int] = [self._errors]

    def __enter__(self) -> Conmon:
        self._reports, reports = self._pipe()
        files = {2: self._errors, _REPORTS: reports}
        environment = {**inherited_environment(), "_OCI_SYNCPIPE": str(_REPORTS)}
        given = [reports]
        if self._attach:
            leave, self._leave = self._pipe()
            self._attachable, attachable = self._pipe()
            files |= {_LEAVE: leave, _ATTACHABLE: attachable}
            environment |= {"_OCI_STARTPIPE": str(_LEAVE), "_OCI_ATTACHPIPE": str(_ATTACHABLE)}
            given += [leave, attachable]
        try:
            self._pid = spawn(self._words, files, environment)
        except BaseException:
            self.__exit__()
            raise
        for file in given:  # conmon's alone now: their end is the end of conmon
            os.close(file)
            self._own.remove(file)
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in self._own:
            os.close(file)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe2(os.O_CLOEXEC)
        self._own += ends
        return ends

    def go_on(self) -> None:
        """Give conmon leave to go on: at first, and again once one has attached."""
        try:
            os.write(self._leave, b"\0")
        except BrokenPipeError:
            pass  # it has failed, and its report says why

    def await_socket(self) -> bool:
        """Return whether there is a socket now to attach to."""
        return _line(self._attachable) != b""

    def report(self) -> tuple[int, str]:
        """Return the pid of the process that conmon made, or a number below 1 and the reason."""
        from ligan.oci.compact_json import loads

        status = wait_for(self._pid)
        line = _line(self._reports)
        if not line:
            errors = os.pread(self._errors, 1 << 16, 0).decode("utf-8", "replace").strip()
            return -1, errors.rpartition("\n")[2] or f"conmon ended with status {status}"
        report = loads(line.partition(b"\n")[0].decode("utf-8", "replace"))  # the status may be there as well
        return report["data"], report.get("message", "")


def _line(pipe: int) -> bytes:
    """Return the next line of a pipe, or nothing at its end. conmon writes a report in one piece."""
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(pipe, 1 << 16)
        if not part:
            return data
        data += part
    return data
