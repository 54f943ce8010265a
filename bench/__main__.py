"""Ligan beside its peers, in one run, as a table in Markdown.

Needs root, a dockerd (Debian package docker.io) and some 8 GB of disk; skopeo takes part
if it is installed. Every figure is a median of interleaved runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time

from bench.contenders import opened
from bench.report import markdown

NAMES = (
    "startup",
    "list",
    "database",
    "delete",
    "save",
    "load",
    "api",
    "registry",
    "registry_server",
    "adopt",
    "containers",
    "build",
)


def main() -> None:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--work", default=f"{cache}/ligan-bench", help="keeps the archives (default: %(default)s)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of the long work (default: %(default)s)")
    parser.add_argument("--output", metavar="FILE", help="append the table to this file too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    work = os.path.abspath(arguments.work)
    os.makedirs(work, exist_ok=True)

    start = time.monotonic()
    rows = []
    with opened(work, arguments.runs) as bench:
        for name in arguments.names or NAMES:
            print(f"bench {name} ...", file=sys.stderr, flush=True)
            rows += importlib.import_module(f"bench.bench_{name}").run(bench)
    minutes = (time.monotonic() - start) / 60
    head = (
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}; "
        f"medians of {arguments.runs} or more interleaved runs, {minutes:.0f} minutes"
    )
    report = f"{head}\n\n{markdown(rows)}\n"
    print(report)
    if arguments.output:
        with open(arguments.output, "a") as file:
            file.write(f"{report}\n")


if __name__ == "__main__":
    main()
