"""Runs benchmarks: ``python -m tests.benchmarks [--only NAME…] [--quick]``."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from . import (
    append,
    archive,
    asking,
    engine,
    footprint,
    going_on,
    http_ingest,
    post_to_call,
    post_to_evaluated,
    runs,
    tasks,
    windows,
)
from .figures import Benchmark, Figure
from .report import PAGE, machine, show, write

BENCHMARKS: Final[tuple[Benchmark, ...]] = tuple(
    each.BENCHMARK
    for each in (
        append,
        http_ingest,
        post_to_evaluated,
        engine,
        windows,
        post_to_call,
        runs,
        tasks,
        going_on,
        archive,
        asking,
        footprint,
    )
)


def main() -> int:
    """Measure, show, and write the page where all of it was measured in full."""
    options, where = _options(), machine()
    found: list[tuple[Benchmark, list[Figure]]] = []
    for benchmark in BENCHMARKS:
        if options.only and benchmark.name not in options.only:
            continue
        figures = benchmark.run(options.quick)
        show(benchmark, figures)
        found.append((benchmark, figures))
    if options.only or options.quick:
        print("the page is written by a run of everything, in full: make bench")
    else:
        write(found, "make bench", where)
        print(f"written: {PAGE}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
