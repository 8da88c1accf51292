"""Prints what came of the demo: the timeline, the report, the figures, the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .stage import Stage
from .story import Outcome
from .timeline import timeline

_FIGURES: Final = (
    "upshot_events_appended_total",
    "upshot_events_evaluated_total",
    "upshot_firings_total",
    "upshot_actions_total",
    "upshot_run_transitions_total",
    "upshot_event_to_action_seconds",
    "upshot_schedule_to_start_seconds",
    "upshot_duplicates_total",
    "upshot_rejected_total",
    "upshot_dead_letters",
    "upshot_store_memory_bytes",
)
_QUANTILE: Final = 0.5


def tell(console: Console, outcome: Outcome, seconds: float) -> None:
    """Print what happened and what came of it.

    Args:
        seconds: how long the demo took.
    """
    for table in (_timeline(outcome), _report(outcome), _figures(outcome)):
        console.print()
        console.print(table)
    console.print(f"\nMail:  {escape(outcome.mail)}")
    console.print(f"POST:  {escape(outcome.post['title'])}: {escape(outcome.post['message'])}")
    console.print(f"[green]Everything happened as it should[/], in {seconds:.0f} seconds.")


def tell_address(console: Console, stage: Stage, keep: bool) -> None:
    """Print where the service can be looked at."""
    url = stage.service.url
    if keep:
        console.print(f"It runs on at [bold]{url}/[/] (also /docs, /metrics); Ctrl-C stops it.")
        console.print(f"UPSHOT_URL={url} upshot run ls   # the command line, against it")
        console.print(f"The report: {stage.report}")
    else:
        console.print(f"It ran at {url}/; with [bold]--keep[/] it stays, to look at in a browser.")


def tell_failure(console: Console, message: str, log: str) -> None:
    """Print why the demo failed, and what the service logged last."""
    if log:
        console.print(Text(log, style="dim"))
    console.print(Text.assemble(("failed: ", "bold red"), message))


def _timeline(outcome: Outcome) -> Table:
    table = Table("Time", "What", "Why", title="What happened", title_justify="left")
    for line in timeline(outcome.events):
        time = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        table.add_row(time, Text(line.what, style=line.style), Text(line.why))
    return table


def _report(outcome: Outcome) -> Table:
    table = Table("Deliveries of", "Items", title="The report's rows", title_justify="left")
    for event, rows in sorted(outcome.rows.items()):
        table.add_row(event, str(rows))
    table.add_row("all", str(sum(outcome.rows.values())), style="bold")
    return table


def _figures(outcome: Outcome) -> Table:
    table = Table("Metric", "Value", title="Figures of /metrics", title_justify="left")
    for name, value in _values(outcome.metrics):
        table.add_row(name, value)
    return table


def _values(text: str) -> Iterator[tuple[str, str]]:
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name not in _FIGURES:
            continue
        if family.type == "histogram":
            yield f"{name}, median", _median(family.samples)
            continue
        for sample in family.samples:
            labels = ", ".join(f"{key}={value}" for key, value in sample.labels.items())
            yield (f"{name}{{{labels}}}" if labels else name), f"{sample.value:,.0f}"


def _median(samples: list[Sample]) -> str:
    """Return the bound of the bucket that the median of a histogram is in."""
    buckets = [each for each in samples if each.name.endswith("_bucket")]
    total = max((each.value for each in buckets), default=0)
    if not total:
        return "none yet"
    found = (each.labels["le"] for each in buckets if each.value >= total * _QUANTILE)
    return f"at most {next(found)} s"
