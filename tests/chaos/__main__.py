"""Kills everything at random moments under load, and prints what held.

``python -m tests.chaos [--kills 50] [--target store|engine|…|all-of-them] [--seed N]``
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import absence
from .ordeal import TARGETS, Ordeal, undergo

EACH = "each"


def main() -> int:
    """Put each target through it; return 1 when anything did not hold."""
    options = _options()
    targets = TARGETS if options.target == EACH else (options.target,)
    table, problems = _table(), []
    for target in targets:
        folder = Path(tempfile.mkdtemp(prefix="upshot-chaos-"))
        began = time.monotonic()
        ordeal = undergo(folder, [target], options.kills, options.seed, lease=1.0, calm=2.5)
        took = time.monotonic() - began
        _add(table, target, ordeal)
        print(
            f"{target}: {options.kills} kills in {took:.0f} s", ", ".join(ordeal.verdict.problems)
        )
        if ordeal.verdict.problems:
            problems += [f"{target}: {each} ({folder})" for each in ordeal.verdict.problems]
        else:
            shutil.rmtree(folder, ignore_errors=True)
    Console(width=180).print(table)
    if options.target == EACH:
        problems += absence.main(options.seed)
    for problem in problems:
        print(f"PROBLEM {problem}")
    return 1 if problems else 0


_COLUMNS = (
    "acknowledged", "in the log", "log duplicates", "firings found/due", "calls unique/total",
    "runs", "stuck",
)  # fmt: skip


def _table() -> Table:
    table = Table(title="kill -9 under load")
    for column in ("killed", "times", *_COLUMNS, "recovery p50/max s"):
        table.add_column(column)
    return table


def _add(table: Table, target: str, ordeal: Ordeal) -> None:
    counts = [ordeal.verdict.counts[column] for column in _COLUMNS]
    table.add_row(target, str(len(ordeal.killing.at)), *counts, ordeal.recovery)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each target (50)")
    parser.add_argument("--target", choices=[*TARGETS, EACH], default=EACH, help="one, or each")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is random")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    return options


if __name__ == "__main__":
    sys.exit(main())
