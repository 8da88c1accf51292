"""Shows what was found: a table on the terminal, and the same in ``docs/benchmarks.md``."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from upshot.events.server import server_binary

from .figures import Benchmark, Figure

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_STYLES: Final = {"met": "green", "missed": "red", "": "dim"}
_COLUMNS: Final = ("Figure", "Measured", "Goal", "", "Bare, in the same run", "Ratio")

Found = Sequence[tuple[Benchmark, Sequence[Figure]]]

_PREFACE: Final = """\
# Benchmarks

`make bench` measures, on the machine where it runs, and writes this page. Everything is on as it
is in service: events are validated and deduplicated, every decision and action is recorded with
its events, and the embedded store syncs each write to disk before it answers (`appendfsync
always`). Services are real processes, started as `upshot up` starts them; load generator and
receiver run on the same cores. Next to each figure stands what the same machine did in the same
run without Upshot.
"""


def cells(figure: Figure) -> tuple[str, ...]:
    """Return a figure's row."""
    return (
        figure.what, figure.shown(), figure.goal_shown(), figure.verdict,
        figure.bare_shown(), figure.ratio_shown(),
    )  # fmt: skip


def show(benchmark: Benchmark, figures: Sequence[Figure]) -> None:
    """Print what one benchmark found."""
    table = Table(title=f"{benchmark.name}: {benchmark.measures}", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in ("Measured", "Ratio") else "left")
    for figure in figures:
        table.add_row(*cells(figure), style=_STYLES[figure.verdict] if figure.goal else None)
    console = Console()
    console.print(table)
    for figure in figures:
        if figure.detail:
            console.print(f"  {figure.what}: {figure.detail}", style="dim", highlight=False)


def write(found: Found, command: str, where: str) -> None:
    """Write the page."""
    PAGE.write_text(page(found, command, where, datetime.now(UTC)), encoding="utf-8")


def page(found: Found, command: str, where: str, when: datetime) -> str:
    """Return the page with everything that was found."""
    parts = [_PREFACE, f"{where}. Measured on {when:%Y-%m-%d} with `{command}`.\n"]
    parts += ["\n".join(_section(benchmark, figures)) for benchmark, figures in found]
    return "\n".join(parts)


def _section(benchmark: Benchmark, figures: Sequence[Figure]) -> Iterable[str]:
    yield f"## {benchmark.name}: {benchmark.measures}\n"
    yield f"Goal: {benchmark.goal}.\n"
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "| --- | ---: | --- | --- | --- | ---: |"
    for figure in figures:
        yield f"| {' | '.join(cells(figure))} |"
    details = [f"- {figure.what}: {figure.detail}" for figure in figures if figure.detail]
    yield from ["", *details] if details else []
    yield ""


def machine() -> str:
    """Say where this runs: cores, system, Python, the store's version, and what else goes on."""
    version = subprocess.run(
        [server_binary(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    store = next((word[2:] for word in version.split() if word.startswith("v=")), "?")
    load, priority = os.getloadavg()[0], ""
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        priority = ", with real-time priority over them"
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, "
        f"Python {platform.python_version()}, Valkey {store}; "
        f"other programs' load average at the start was {load:.1f}{priority}"
    )
