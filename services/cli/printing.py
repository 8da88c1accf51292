"""Prints what commands found: tables on a terminal, plain columns elsewhere, JSON on demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .session import Format

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES: Final = {
    "Completed": "green",
    "Failed": "red",
    "Crashed": "bold red",
    "Cancelled": "magenta",
    "Cancelling": "magenta",
    "Running": "cyan",
    "Pending": "blue",
    "Scheduled": "yellow",
    "Paused": "yellow",
}
_LAST_PARTS: Final = {
    "failed": "red",
    "crashed": "bold red",
    "dead-lettered": "bold red",
    "completed": "green",
    "succeeded": "green",
    "fired": "yellow",
}


_UNBROKEN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        value: takes an item and returns the text of its cell.
        style: takes an item and returns the cell's colour.
        wide: may be cut on a narrow terminal.
    """

    title: str
    value: Callable[[Mapping[str, Any]], object]
    style: Callable[[Mapping[str, Any]], str] = lambda _: ""
    wide: bool = False


def field(title: str, name: str | None = None, *, wide: bool = False) -> Column:
    """Return a column that shows a field of the item."""
    key = name or title.lower()
    return Column(title, lambda item: item.get(key), wide=wide)


def state_style(kind: str) -> str:
    """Return the colour of a state's type."""
    return _STYLES.get(kind, "")


def event_style(name: str) -> str:
    """Return the colour of an event by its name's last part."""
    return _LAST_PARTS.get(name.rpartition(".")[2], "")


def show(
    items: Sequence[Mapping[str, Any]], columns: Sequence[Column], output: Format, empty: str
) -> None:
    """Print a list.

    Args:
        empty: what to tell people when there is nothing.
    """
    if output is Format.JSON:
        say_json(items)
    elif not items:
        note(empty)
    elif sys.stdout.isatty():
        _show_table(items, columns)
    else:
        _show_plain(items, columns)


def show_one(item: Mapping[str, Any], output: Format, rows: Mapping[str, object]) -> None:
    """Print one thing: its JSON, or the rows with a heading each."""
    if output is Format.JSON:
        say_json(item)
        return
    width = max(map(len, rows))
    for title, value in rows.items():
        say(f"{title:<{width}}  {cell(value)}")


def show_fields(item: Mapping[str, Any], output: Format) -> None:
    """Print one thing with all the fields that it has."""
    show_one(item, output, {name.replace("_", " "): value for name, value in item.items()})


def cell(value: object) -> str:
    """Return a value as one line of a table; control characters can't reach the terminal."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return harmless(str(value))


def literal(value: object) -> str:
    """Return a value as definitions and expressions write it, for one line of a table."""
    return json.dumps(value) if isinstance(value, bool) else cell(value)


def harmless(text: str) -> str:
    """Return text from outside with its control characters made visible."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def say(text: str = "") -> None:
    """Print a line."""
    print(text)  # noqa: T201 - this is where the command line prints


def say_json(value: object) -> None:
    """Print JSON, indented."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def say_line(value: object) -> None:
    """Print JSON in one line, at once: for what goes on."""
    print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201


def note(text: str) -> None:
    """Tell people something that is no result: on standard error."""
    print(text, file=sys.stderr)  # noqa: T201


def console() -> Console:
    """Return a rich console on standard output; it honours ``NO_COLOR``.

    Lines are broken for a terminal only: programs that read them want them whole.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNBROKEN
    return Console(
        highlight=False, emoji=False, markup=False, soft_wrap=width is not None, width=width
    )


def styled(parts: Iterable[tuple[object, str]]) -> Text:
    """Return a line of coloured parts."""
    from rich.text import Text

    return Text.assemble(*((str(text), style) for text, style in parts))


def _show_table(items: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.title, overflow="ellipsis", no_wrap=not column.wide)
    for item in items:
        cells = [(cell(column.value(item)), column.style(item)) for column in columns]
        table.add_row(*(styled([each]) for each in cells))
    console().print(table)


def _show_plain(items: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    rows = [[column.title.upper() for column in columns]]
    rows += [[cell(column.value(item)) for column in columns] for item in items]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        say("  ".join(padded).rstrip())
