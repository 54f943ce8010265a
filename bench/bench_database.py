"""The database's part of one rmi, its commit synced, in stores of 1,000 and of 100,000 images."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from bench.contenders import empty
from bench.measure import Cost, median
from bench.report import Row, verdict
from ligan.images import catalog, facts
from ligan.images.removal import RemovalRequest, decide
from ligan.store.db import Database, open_database
from ligan.store.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contenders import Bench

REMOVALS = 200
SECONDS = 0.001
FLAT = 1.5
"""How many times the time at 1,000 images the time at 100,000 may be."""
LAYERS = 10
"""Layers of each image: nine that it shares with others, one of its own."""


def run(bench: Bench) -> list[Row]:
    few, many = (
        _removals(os.path.join(bench.folder, f"database-{count}"), count) for count in (1_000, 100_000)
    )
    rows = [
        Row("rmi, its transaction, at 1,000", "ligan", few, "", verdict(few.wall < SECONDS, "< 1 ms")),
        Row("rmi, its transaction, at 100,000", "ligan", many, "", verdict(many.wall < SECONDS, "< 1 ms")),
    ]
    ratio = many.wall / few.wall
    rows[1] = rows[1]._replace(ratio=f"{ratio:.2f}x of 1,000: {verdict(ratio <= FLAT, 'flat')}")
    return rows


def _removals(root: str, count: int) -> Cost:
    layout = Layout(root)
    for folder in layout.folders:
        os.makedirs(folder)
    database = open_database(layout)
    _fill(database, count)
    step = count // REMOVALS
    costs = [_remove(database, layout, number * step) for number in range(REMOVALS)]
    database.close()
    empty(root)
    return median(costs)


def _remove(database: Database, layout: Layout, number: int) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    with database.write() as tx:
        target = catalog.find_by_reference(tx, _name(number))
        assert target
        request = RemovalRequest(_name(number), target.id, reference=_name(number))
        plan = decide(facts.removal_facts(tx, [target.key]), request)
        facts.apply(tx, layout, plan, time.time_ns(), None)
    return Cost(time.perf_counter() - start, time.process_time() - cpu, 0)


def _name(number: int) -> str:
    return f"docker.io/bench/app-{number:06}:1"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _fill(database: Database, count: int) -> None:
    """Write the rows of `count` named images. There are no files: only the database is measured."""
    with database.write() as tx:
        tx.execute_many("INSERT INTO blob (key, digest, size) VALUES (?, ?, 1)", _blobs(count))
        tx.execute_many(
            """INSERT INTO layer (key, chain_id, parent, diff_id, size, chain_size, depth, blob, live)
               VALUES (?, ?, ?, ?, 1, ?, ?, ?, 1)""",
            _layers(count),
        )
        tx.execute_many(
            """INSERT INTO image (key, id, config, layer, created_s, created_ns, os, architecture, variant,
                                  built_locally) VALUES (?, ?, ?, ?, ?, 0, 'linux', 'amd64', '', 0)""",
            ((n + 1, _digest(f"config {n}"), n + 1, LAYERS + n, n) for n in range(count)),
        )
        tx.execute_many(
            "INSERT INTO reference (name, repository, is_digest, image, since) VALUES (?, ?, 0, ?, 0)",
            ((_name(n), _name(n).rpartition(":")[0], n + 1) for n in range(count)),
        )


def _blobs(count: int) -> Iterator[tuple[int, str]]:
    for n in range(count):
        yield n + 1, _digest(f"config {n}")
    for key in range(1, LAYERS + count):
        yield count + key, _digest(f"layer {key}")


def _layers(count: int) -> Iterator[tuple[int, str, int | None, str, int, int, int]]:
    for key in range(1, LAYERS + count):
        depth = min(key, LAYERS)
        parent = depth - 1 or None
        yield key, _digest(f"chain {key}"), parent, _digest(f"layer {key}"), depth, depth, count + key
