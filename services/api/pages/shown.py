"""What artifacts look like on a page: text that strangers wrote becomes harmless HTML; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markupsafe import Markup

_MOST_ROWS: Final = 200
_LONGEST: Final = 50_000
"""Characters of markdown that are made HTML: more is shown as it was written."""

_MARKS: Final = "[*_"
_MOST_MARKS: Final = 4_000
"""How many of those it may have: who looks for their other halves takes their number squared."""

# No HTML of its own; its links are checked, and images are asked for from nowhere by the text.
_MARKDOWN: Final = MarkdownIt("js-default").disable("image")
_SCHEMES: Final = frozenset({"http", "https", "mailto"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is shown.

    Attributes:
        head: names of the columns; empty where they have none. rows: the first ones.
        left_out: how many rows more there are.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    left_out: int = 0


@lru_cache(maxsize=64)  # a page that goes on is made again and again
def markdown(text: str | None) -> Markup:
    """Return markdown as HTML, with whatever HTML it has as text."""
    if not text:
        return Markup("")
    if len(text) > _LONGEST or sum(map(text.count, _MARKS)) > _MOST_MARKS:
        return Markup("<pre>{}</pre>").format(text)
    return Markup(_MARKDOWN.render(text))


def is_safe(address: str) -> bool:
    """Tell whether a page may lead to an address."""
    try:
        return urlsplit(address).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def is_safe_image(address: str) -> bool:
    """Tell whether a page may show the image at an address."""
    return address[:11].lower() == "data:image/" or is_safe(address)


def table(data: Sequence[Any] | Mapping[str, Sequence[Any]]) -> Table:
    """Return the table that an artifact's data is: columns by name, or rows."""
    if isinstance(data, Mapping):
        longest = max((len(column) for column in data.values()), default=0)
        rows = [
            tuple(column[index] if index < len(column) else None for column in data.values())
            for index in range(min(longest, _MOST_ROWS))
        ]
        return Table(tuple(data), tuple(rows), max(0, longest - _MOST_ROWS))
    shown = data[:_MOST_ROWS]
    head = tuple(dict.fromkeys(name for row in shown if isinstance(row, Mapping) for name in row))
    rows = [
        tuple(row.get(name) for name in head) if isinstance(row, Mapping) else tuple(row)
        for row in shown
    ]
    return Table(head, tuple(rows), len(data) - len(shown))
