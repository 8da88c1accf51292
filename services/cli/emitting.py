"""Makes events of what was typed, and sends files of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import typer

from .giving import json_object, pair

if TYPE_CHECKING:
    from upshot.events.event import Event
    from upshot.services.client import Client
    from upshot.services.exceptions import RequestRefused

_BATCH: Final = 500


def build(
    name: str | None,
    resource: str | None,
    labels: list[str],
    related: list[str],
    payload: str | None,
    event_id: str | None,
    occurred: datetime | None,
) -> Event:
    """Make the event that the options describe.

    Raises:
        BadParameter: an option has a wrong form. InvalidEvent: the event breaks a rule.
    """
    from upshot.events.event import Event

    if name is None or resource is None:
        raise typer.BadParameter("give the event's NAME and --resource ID (or --file)")
    given: dict[str, Any] = {"id": event_id, "occurred": occurred and occurred.astimezone()}
    return Event.of(
        event=name,
        resource={"id": resource, **dict(pair(text, "--label") for text in labels)},
        related=[
            {"id": identity, "role": role}
            for role, identity in (pair(text, "--related") for text in related)
        ],
        payload=json_object(payload, "--payload"),
        **{key: value for key, value in given.items() if value is not None},
    )


def send_file(client: Client, path: Path) -> dict[str, int]:
    """Send a file of JSON lines in batches; tell how many were accepted.

    Raises:
        RequestRefused: a line is wrong; the message names it, and tells what is in already.
    """
    total = {"accepted": 0, "duplicates": 0}
    with _opened(path) as source, _progress(path, source) as advance:
        for batch in _batches(source):
            answer = _send(client, batch, sum(total.values()))
            for key in total:
                total[key] += answer[key]
            advance(sum(len(line) for line in batch.values()))
    return total


def _send(client: Client, batch: dict[int, bytes], before: int) -> dict[str, int]:
    from upshot.services.exceptions import RequestRefused

    numbers = list(batch)
    try:
        return client.send_lines(batch.values())
    except RequestRefused as error:
        said = "\n  ".join(_wrong_lines(error, numbers)) or str(error)
        rest = f"no line from {numbers[0]:,} on was taken; {before:,} events before it were"
        raise RequestRefused(f"{said}\n  {rest}") from error


def _wrong_lines(error: RequestRefused, numbers: list[int]) -> Iterator[str]:
    """Yield what is wrong with each line, as far as the API told its place in the batch."""
    for found in error.errors:
        index = found.get("index")
        if isinstance(index, int):
            field = found.get("field") or "event"
            yield f"line {numbers[index]:,}: {field}: {found['message']}"


def _batches(source: Iterable[bytes]) -> Iterator[dict[int, bytes]]:
    """Yield batches of lines by their numbers; blank ones are left out."""
    lines = ((number, line) for number, line in enumerate(source, 1) if line.strip())
    while batch := dict(islice(lines, _BATCH)):
        yield batch


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
    else:
        with path.open("rb") as source:
            yield source


@contextmanager
def _progress(path: Path, source: IO[bytes]) -> Iterator[Any]:
    """Show a bar on a terminal; yield what moves it on by a number of bytes."""
    if not sys.stderr.isatty() or source is sys.stdin.buffer:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("sending", total=path.stat().st_size)
        yield lambda size: bar.advance(task, size)
