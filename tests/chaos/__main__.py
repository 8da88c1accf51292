"""Kills everything at random moments under load, and prints what held; it takes half an hour.

``python -m tests.chaos [--kills 50]
[--target store|engine|dispatcher|api|worker|flow|all|limits|each]``
kills with ``kill -9``; for each target it prints a row of counts. Without a target it goes on with
processes that are stopped for longer than their lease, with who has slots of limits, and with
downtimes that are no silence.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import absence, queueing, stops
from .ordeal import TARGETS, Ordeal, undergo
from .verdict import Verdict

EACH = "each"
LIMITS = "limits"
STOPS = 10
DOWNTIMES = 20
_COLUMNS = (
    "acknowledged", "in the log", "log duplicates", "firings found/due", "calls unique/total",
    "runs", "stuck",
)  # fmt: skip


def main() -> int:
    """Put each target through it; return 1 when anything did not hold."""
    options = _options()
    targets = TARGETS if options.target == EACH else {options.target} & set(TARGETS)
    table, problems = _table(), []
    for target in targets:
        problems += _kill(table, target, options.kills, options.seed)
    if options.target == EACH:
        problems += _stop(table, options.seed)
    if options.target in (EACH, LIMITS):
        problems += _queue(options.kills, options.seed)
    if targets:
        Console(width=200).print(table)
    if options.target == EACH:
        problems += _be_absent(options.seed)
    for problem in problems:
        print(f"PROBLEM {problem}")
    return 1 if problems else 0


def _kill(table: Table, target: str, kills: int, seed: int) -> list[str]:
    with _folder(target) as (folder, keep):
        ordeal = undergo(folder, {target: kills}, seed, calm=2.5)
        _add(table, f"{target} killed", len(ordeal.killing.at), ordeal.verdict, ordeal)
        return keep(ordeal.verdict.problems)


def _stop(table: Table, seed: int) -> list[str]:
    with _folder("owners and flows stopped") as (folder, keep):
        verdict = stops.undergo(folder, STOPS, seed)
        _add(table, "engine and flow stopped", STOPS, verdict)
        return keep(verdict.problems)


def _queue(kills: int, seed: int) -> list[str]:
    with _folder("who has slots killed and stopped") as (folder, keep):
        outcome = queueing.undergo(folder, kills, seed)
        print(outcome)
        return keep(outcome.problems)


def _be_absent(seed: int) -> list[str]:
    with _folder("absence") as (folder, keep):
        silences = absence.undergo(folder, list(islice(cycle(absence.DOWNTIMES), DOWNTIMES)), seed)
        print(silences)
        return keep(silences.problems)


@contextmanager
def _folder(what: str) -> Iterator[tuple[Path, Callable[[list[str]], list[str]]]]:
    """Lend a folder, which stays only where something did not hold."""
    folder = Path(tempfile.mkdtemp(prefix="upshot-chaos-"))
    began = time.monotonic()
    kept: list[str] = []

    def keep(problems: list[str]) -> list[str]:
        kept.extend(f"{what}: {problem} ({folder})" for problem in problems)
        return kept

    yield folder, keep
    print(f"{what}: {time.monotonic() - began:.0f} s, {len(kept)} problems", flush=True)
    for problem in kept:
        print(f"  {problem}", flush=True)
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


def _table() -> Table:
    table = Table(title="under load")
    for column in ("what", "times", *_COLUMNS, "recovery p50/max s"):
        table.add_column(column)
    return table


def _add(
    table: Table, what: str, times: int, verdict: Verdict, ordeal: Ordeal | None = None
) -> None:
    counts = [verdict.counts[column] for column in _COLUMNS]
    table.add_row(what, str(times), *counts, ordeal.recovery if ordeal else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=50, help="of each target (50)")
    parser.add_argument(
        "--target", choices=[*TARGETS, LIMITS, EACH], default=EACH, help="one, or each"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is random")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
