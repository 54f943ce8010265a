"""Checking the health of containers that run: by a process beside each that has a healthcheck.

A process of its own goes on whoever started the container, and needs no daemon. It ends with the run; where
it was killed, `reconcile` starts another.
"""

from __future__ import annotations

import time

from ligan.containers import execs, rows
from ligan.containers.calling import ligan_words, spawn
from ligan.containers.ending import process_of
from ligan.containers.execs import ExecRequest
from ligan.containers.failures import RuntimeFailed, StartFailed
from ligan.containers.health import OUTPUT_BYTES, Answer, Check, after, check_of
from ligan.containers.locking import Checks
from ligan.containers.processes import await_end
from ligan.errors import LiganError
from ligan.oci.durations import go_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.containers.attach import Attachment
    from ligan.containers.rows import Container
    from ligan.store.layout import Layout
    from ligan.store.store import Store

_SIGKILL = 9


def start_checking(layout: Layout, container_id: str) -> None:
    """Start the process that checks a container's health; does not wait for it."""
    spawn(ligan_words(layout, "container", "health", container_id))


def check(store: Store, container_id: str) -> None:
    """Check the health of a container for as long as this run of it goes on. Returns when another does."""
    with store.database.read() as tx:
        container = rows.resolve(tx, container_id)
    checks = check_of(container.config)
    lock = Checks(store.layout, container.id)
    if checks is None or not lock.is_held:
        return
    process, status = process_of(container), "starting"
    while not await_end(process, checks.wait(status, store.now() - container.started) / 10**9):
        with store.database.read() as tx:
            current = rows.by_id(tx, container.id)
        if current is None or current.exits != container.exits:
            return
        if current.state == "running":
            status = _write(store, current, checks, _ask(store, current, checks))


def _write(store: Store, container: Container, checks: Check, answer: Answer) -> str:
    """Write an answer down, and the event where it changes what the container is called. Returns that."""
    with store.database.write() as tx:
        current = rows.by_id(tx, container.id)
        if current is None or current.health is None or current.exits != container.exits:
            return ""  # the run was over before the answer came
        health = after(current.health, checks, answer, current.started)
        rows.set_health(tx, current.key, health)
        if health["Status"] != current.health["Status"]:
            rows.record(tx, store.now(), f"health_status: {health['Status']}", current)
        return str(health["Status"])


def _ask(store: Store, container: Container, checks: Check) -> Answer:
    """Run the check once. Returns its answer, whatever goes wrong."""
    start = store.now()
    request = ExecRequest(checks.command, stdout=True, stderr=True)
    try:
        exec_id = execs.create(store, container.id, request)
        streams = execs.start(store, exec_id)
        assert streams is not None
        output, is_done = _output(streams, checks.timeout / 10**9)
        if not is_done:
            execs.kill(store, exec_id, _SIGKILL)
        status = execs.wait(store, exec_id)
        if not is_done:
            status, output = -1, f"Health check exceeded timeout ({go_duration(checks.timeout)})"
    except (StartFailed, RuntimeFailed) as error:
        status, output = execs.NOT_STARTED, error.message
    except LiganError as error:
        status, output = -1, error.message
    return Answer(start, store.now(), status, output)


def _output(streams: Attachment, seconds: float) -> tuple[str, bool]:
    """Return what a check prints, as much of it as is kept, and whether it ended in time."""
    import select

    kept = b""
    poll = select.poll()
    poll.register(streams.fileno(), select.POLLIN)
    deadline = time.monotonic() + seconds
    packets = iter(streams)
    try:
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            packet = next(packets, None)
            if packet is None:
                return _text(kept), True
            if len(kept) <= OUTPUT_BYTES:
                kept += packet[1]
        return _text(kept), False
    finally:
        streams.close()


def _text(output: bytes) -> str:
    if len(output) > OUTPUT_BYTES:
        output = output[:OUTPUT_BYTES] + b"..."
    return output.decode("utf-8", "replace")
